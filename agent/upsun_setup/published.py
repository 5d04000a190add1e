"""Where releases are published. ``python -m tools.dist --write`` writes this file: the setting is in pyproject.toml."""

#: Each release is in a folder of its version below this URL; empty while no release is published.
RELEASES = ""
