"""Read, create and change variables of an environment or project; a sensitive value is only ever sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from upsun_agent.api.client import Client
from upsun_agent.api.replies import Fields
from upsun_agent.errors import AgentError, Conflict, NotFound, Uncertain
from upsun_agent.model.resource_paths import environment_path, project_path, segment

#: The flags that decide who sees a variable and as what, as the API names them.
FLAGS = ("is_sensitive", "is_inheritable", "visible_build", "visible_runtime", "is_enabled", "is_json")
#: Writes of one value after answers that say nothing: an outage that outlasts three is left to the user.
WRITE_ATTEMPTS = 3
#: What follows a change: the environment deploys now, somebody has to deploy what is staged, or nothing does.
Follows = Literal["deploys", "staged", "nothing"]


class Variable(Struct, frozen=True):
    """A variable without its value. ``inherited``: it is the parent environment's. ``scope``: apps, empty for all."""

    #: The name of the variable.
    name: str
    #: Whether each flag is set, by its name.
    flags: Mapping[str, bool]
    #: Whether it is the parent environment's.
    inherited: bool = False
    #: The apps that see it; empty for all.
    scope: tuple[str, ...] = ()
    #: Whether it belongs to the project or to the environment.
    level: str = "environment"


class Stored(Struct, frozen=True):
    """The answer to a write: what follows, and the stored variable (None if the answer has none)."""

    #: What follows from the write.
    follows: Follows
    #: The variable as it was stored; None if the answer has none.
    entity: Variable | None = None


class Variables:
    """The variables of one project and environment, through one client."""

    def __init__(self, client: Client, project: str, environment: str) -> None:
        self._client = client
        self._project = project_path(project, "/variables")
        self._environment = environment_path(project, environment, "/variables")
        self._deployment = environment_path(project, environment, "/deployments/current")
        self._settings = environment_path(project, environment, "/settings")

    def on_environment(self, name: str) -> Variable | None:
        """Return the variable as the environment has it, its own or inherited, or None."""
        return self._one(self._environment, name, "environment")

    def on_project(self, name: str) -> Variable | None:
        """Return the variable as the project has it, or None."""
        return self._one(self._project, name, "project")

    def apps(self) -> list[str]:
        """Return the apps that the environment deploys now, whose names a variable's scope may hold."""
        found = Fields.of(self._client.read(self._deployment, "deployment"), "deployment")
        return sorted(found.object("webapps"))

    def deploys_by_hand(self) -> bool:
        """Return whether changes of the environment are staged until somebody deploys them."""
        found = Fields.of(self._client.read(self._settings, "settings"), "settings")
        return found.data.get("enable_manual_deployments") is True

    def _one(self, path: str, name: str, level: str) -> Variable | None:
        try:
            found = self._client.read(f"{path}/{segment(name)}", "variable")
        except NotFound:
            return None
        return _variable(found, level)

    def store(
        self, name: str, value: str, flags: Mapping[str, bool], scope: tuple[str, ...] | None, *, there: bool
    ) -> Stored:
        """Store the value in the environment's own variable; return only if the API confirmed it.

        After an answer that says nothing the same value is written again: that does no harm, and a variable that is
        there proves nothing about its value. ``scope`` None leaves the apps as they are; ``there`` says whether the
        environment had the variable a moment ago.

        Args:
            name: the name of the variable.
            value: its value, which is a secret.
            flags: its flags, such as `is_sensitive`, by name.
            scope: the names of the apps that see it; None: as it is.
            there: whether the environment had the variable a moment ago.

        Raises:
            Uncertain: no attempt had a usable answer; the variable may hold the old value or the new one.
            Conflict, NotPermitted, NotFound, BadReply, Unreachable: nothing was written.
        """
        doubt: Uncertain | None = None
        for _ in range(WRITE_ATTEMPTS):
            try:
                return self._change(name, value, flags, scope) if there else self._create(name, value, flags, scope)
            except Conflict:
                if there:  # it is being changed by somebody else
                    raise
                there = True  # somebody was faster
            except NotFound:
                if not there:
                    raise
                there = False  # somebody has just deleted it
            except Uncertain as error:
                doubt = error
                there = self._is_there(name, error)
            except AgentError as error:
                if doubt is None:
                    raise
                raise _doubtful(name, error) from error
        if doubt is None:
            raise Conflict(f"someone else creates and deletes {name} at the same time", remedy="try again")
        raise _doubtful(name, doubt) from doubt

    def _is_there(self, name: str, doubt: Uncertain) -> bool:
        try:
            found = self.on_environment(name)
        except AgentError:
            raise _doubtful(name, doubt) from doubt
        return found is not None and not found.inherited

    def _create(self, name: str, value: str, flags: Mapping[str, bool], scope: tuple[str, ...] | None) -> Stored:
        body = {"name": name, "value": value, "application_scope": list(scope or ()), **flags}
        return _stored(self._client.write("POST", self._environment, body, "variable"))

    def _change(self, name: str, value: str, flags: Mapping[str, bool], scope: tuple[str, ...] | None) -> Stored:
        apps = {} if scope is None else {"application_scope": list(scope)}
        path = f"{self._environment}/{segment(name)}"
        return _stored(self._client.write("PATCH", path, {"value": value, **apps, **flags}, "variable"))


def _doubtful(name: str, error: AgentError) -> Uncertain:
    remedy = "run the command again: storing the same value twice does no harm"
    return Uncertain(f"{name} may hold the old value or the new one: {error}", remedy=remedy)


def _variable(value: Any, level: str) -> Variable:
    fields = Fields.of(value, "variable")
    defaults = {"is_enabled": True, "visible_runtime": True, "is_inheritable": True}
    scope = fields.data.get("application_scope")
    return Variable(
        fields.text("name"),
        {flag: fields.boolean(flag, default=defaults.get(flag, False)) for flag in FLAGS},
        fields.boolean("inherited", default=False),
        tuple(str(each) for each in scope) if isinstance(scope, list) else (),
        level,
    )


def _stored(answer: Any) -> Stored:
    """Return the answer to a write; an unreadable entity is ignored."""
    embedded = answer.get("_embedded") if isinstance(answer, Mapping) else None
    try:
        entity = _variable(embedded["entity"], "environment") if isinstance(embedded, Mapping) else None
    except (KeyError, AgentError):
        entity = None
    return Stored(_follows(answer), entity)


def _follows(answer: Any) -> Follows:
    """Return what follows a write, from the activities embedded in its answer."""
    embedded = answer.get("_embedded") if isinstance(answer, Mapping) else None
    activities = embedded.get("activities") if isinstance(embedded, Mapping) else None
    if not isinstance(activities, list) or not activities:
        return "nothing"
    staged = all(isinstance(each, Mapping) and each.get("state") == "staged" for each in activities)
    return "staged" if staged else "deploys"
