"""``check --prove``: play on a development environment what the agent assumes of the platform, and compare."""
