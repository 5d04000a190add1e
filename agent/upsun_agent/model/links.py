"""Where links of the API lead."""

from __future__ import annotations

from urllib.parse import unquote


def is_within(link: str, path: str) -> bool:
    """Return whether a link's path leads to something below a resource; links may begin with the API's own path.

    Args:
        link: the path of the link; empty: the link has no path that can be requested.
        path: the path of the resource, such as that of an environment.
    """
    before, found, rest = unquote(link).partition(f"{unquote(path)}/")
    return bool(found and rest) and "/projects/" not in f"{before}/"
