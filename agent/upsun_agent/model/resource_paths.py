"""Paths of the API. Ids are percent-encoded: those of environments may hold slashes."""

from __future__ import annotations

from urllib.parse import quote

from upsun_agent.errors import BadReply
from upsun_agent.model.ids import id_fault


def segment(name: str) -> str:
    """Return an id or name as one segment of a path.

    Options and the job file are checked where they are read; this holds for what an answer or the journal says too.

    Raises:
        BadReply: it would lead to another resource.
    """
    fault = id_fault(name)
    if fault is not None:
        raise BadReply(f"{name[:40]!r} is not a valid name in a path: it {fault}")
    return quote(name, safe="")


def project_path(project: str, end: str = "") -> str:
    """Return the project's path, and what is below it."""
    return f"/projects/{segment(project)}{end}"


def environment_path(project: str, environment: str, end: str = "") -> str:
    """Return the path of an environment by its id (not its machine name), and what is below it.

    Args:
        project: the id of the project.
        environment: the id of the environment.
        end: what follows the environment's path.
    """
    return project_path(project, f"/environments/{segment(environment)}{end}")
