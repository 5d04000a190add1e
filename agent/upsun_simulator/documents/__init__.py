"""The JSON of each resource, as the OpenAPI document and the HAL notes describe it."""
