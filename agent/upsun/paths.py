"""Paths of the API. Ids are percent-encoded: those of environments may hold slashes."""

from __future__ import annotations

from urllib.parse import quote


def segment(name: str) -> str:
    """An id or name as one segment of a path."""
    return quote(name, safe="")


def project_path(project: str, end: str = "") -> str:
    """The project's path, and what is below it."""
    return f"/projects/{segment(project)}{end}"


def environment_path(project: str, environment: str, end: str = "") -> str:
    """The path of an environment by its id (not its machine name), and what is below it."""
    return project_path(project, f"/environments/{segment(environment)}{end}")
