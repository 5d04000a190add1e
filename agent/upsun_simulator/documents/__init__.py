"""The JSON that describes each resource, as the OpenAPI document and the HAL notes have it."""
