"""Where releases are published. ``python -m tools.dist --write`` writes this file: the setting is in pyproject.toml."""

#: Each release is in a folder of its version below this URL; empty while no release is published.
RELEASES = ""


def repository(releases: str = RELEASES) -> str:
    """Return the URL of the agent's repository on GitHub; empty unless releases are published there."""
    place, found, rest = releases.partition("/releases/download")
    return place if found and not rest and place.startswith("https://github.com/") else ""


def page(name: str, releases: str = RELEASES) -> str:
    """Return where a page of the documentation can be read: its URL, or its path in the agent's repository."""
    place = repository(releases)
    return f"{place}/blob/main/{name}" if place else f"{name} in the agent's repository"
