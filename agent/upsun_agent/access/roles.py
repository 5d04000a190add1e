"""The roles of a user on a project and its environment types, and the roles that jobs need. Pure.

A user has one role on the project (admin or viewer) and, as a viewer, one on each environment type (admin,
contributor, viewer or none). Backups and source operations need the role admin on the type
(https://developer.upsun.com/docs/administration/users, https://developer.upsun.com/docs/environments/backup).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from upsun_agent.errors import UsageError
from upsun_agent.model.job import HERE, Job

TYPES = ("production", "staging", "development")
ON_PROJECT = ("admin", "viewer")
ON_TYPE = ("admin", "contributor", "viewer", "none")


class Roles(Struct, frozen=True):
    """The roles of a user."""

    #: The role on the project: ``admin`` or ``viewer``.
    project: str = "viewer"
    #: The role on each environment type.
    types: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, permissions: Iterable[str]) -> Roles:
        """Return the roles in the API's permissions (``viewer``, ``production:admin``), without unknown ones."""
        words = list(permissions)
        types = dict(word.split(":", 1) for word in words if word.count(":") == 1)
        known = {kind: role for kind, role in types.items() if kind in TYPES and role in ON_TYPE}
        return cls("admin" if "admin" in words else "viewer", known)

    def permissions(self) -> list[str]:
        """Return the roles as the API takes them."""
        if self.project == "admin":
            return ["admin"]
        return ["viewer", *(f"{kind}:{role}" for kind, role in self.on_types().items())]

    def on_types(self) -> dict[str, str]:
        """Return the roles on environment types, production first."""
        return {kind: self.types[kind] for kind in TYPES if self.types.get(kind, "none") != "none"}

    def with_those_of(self, other: Roles) -> Roles:
        """Return these roles combined with others, such as those of a team: the higher one counts."""
        kinds = {*self.types, *other.types}
        best = {
            kind: min(self.types.get(kind, "none"), other.types.get(kind, "none"), key=ON_TYPE.index) for kind in kinds
        }
        return Roles("admin" if "admin" in {self.project, other.project} else "viewer", best)

    def may_act(self, environment_type: str) -> bool:
        """Return whether jobs can take backups and run source operations on environments of the type."""
        return self.project == "admin" or self.types.get(environment_type) == "admin"

    def __str__(self) -> str:
        """Return the roles in words."""
        if self.project == "admin":
            return "admin of the whole project"
        return ", ".join(self.permissions()) if self.on_types() else "viewer, on no environment type"


def parse_roles(words: Iterable[str]) -> Roles:
    """Return the roles that options name: ``viewer``, ``admin``, ``production:admin``.

    Raises:
        UsageError: a word is not a role, two contradict each other, or a viewer would have no role on any type.
    """
    project: str | None = None
    types: dict[str, str] = {}
    for word in words:
        kind, colon, role = word.partition(":")
        if not colon:
            if word not in ON_PROJECT:
                raise UsageError(
                    f"'{word}' is not a valid role on a project", remedy="give viewer, admin, or TYPE:ROLE"
                )
            if project not in {None, word}:
                raise UsageError("two different roles on the project are given", remedy="give one: viewer or admin")
            project = word
        elif kind not in TYPES or role not in ON_TYPE:
            remedy = f"TYPE is one of {', '.join(TYPES)}; ROLE one of {', '.join(ON_TYPE)}"
            raise UsageError(f"'{word}' is not a valid role on an environment type", remedy=remedy)
        elif types.get(kind, role) != role:
            raise UsageError(f"two different roles on {kind} are given", remedy=f"give one, such as {kind}:admin")
        else:
            types[kind] = role
    roles = Roles(project or "viewer", types)
    if roles.project == "viewer" and not roles.on_types():
        remedy = "for example: --role viewer --role production:admin"
        raise UsageError("a viewer needs a role on at least one environment type", remedy=remedy)
    return roles


def targets(jobs: Iterable[Job]) -> list[str]:
    """Return the ids of the environments that the jobs' steps name, besides the agent's own."""
    steps = [step for job in jobs for step in (*job.steps, *job.on_failure)]
    named = [str(step.settings.get(key)) for step in steps for key in ("environment", "into") if step.settings.get(key)]
    return [name for name in dict.fromkeys(named) if name != HERE]


def needed(jobs: Iterable[Job], types: Mapping[str, str] | None = None) -> list[str]:
    """Return the environment types on which the jobs need the role admin; ``types`` maps environment ids to types."""
    return list(needed_by(jobs, types))


def needed_by(jobs: Iterable[Job], types: Mapping[str, str] | None = None) -> dict[str, list[str]]:
    """Return the names of the jobs that need the role admin, by environment type, production first."""
    of_job = [(job, {*job.environment_types, *((types or {}).get(name) for name in targets([job]))}) for job in jobs]
    found = {kind: [job.name for job, kinds in of_job if kind in kinds] for kind in TYPES}
    return {kind: names for kind, names in found.items() if names}


def missing_roles(roles: Roles, jobs: Iterable[Job], types: Mapping[str, str] | None = None) -> list[str]:
    """Return the roles that the jobs need and the user lacks, such as ``production:admin``.

    Args:
        roles: the user's roles.
        jobs: the jobs.
        types: the types of environments, by id.
    """
    return [f"{kind}:admin" for kind in needed(jobs, types) if not roles.may_act(kind)]


def excess_roles(roles: Roles, jobs: Iterable[Job], types: Mapping[str, str] | None = None) -> list[str]:
    """Return the roles that no job needs, in words; empty if there are none.

    Args:
        roles: the user's roles.
        jobs: the jobs.
        types: the types of environments, by id.
    """
    wanted = needed(jobs, types)
    if roles.project == "admin":
        return ["admin of the whole project: users, settings, deletion"]
    return [f"{kind}:{role}" for kind, role in roles.on_types().items() if role == "admin" and kind not in wanted]
