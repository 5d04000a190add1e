"""The endpoints: the answer of each path of the API."""
