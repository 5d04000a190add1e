"""Variables of the project and its environments, and their inheritance."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime


@dataclass(kw_only=True, eq=False)
class Variable:
    """A variable; one without an environment belongs to the project as a whole.

    A variable of the project is visible to the build unless said otherwise, one of an environment is not
    (the official CLI leaves `visible_build` out when it is false there).
    """

    #: The name, with its prefix.
    name: str
    #: The value; a secret where it is sensitive.
    value: str
    #: The id of its environment; None for a variable of the project.
    environment: str | None
    #: When it was made.
    created_at: datetime
    #: When it was last changed.
    updated_at: datetime
    #: Whether the value is JSON.
    is_json: bool = False
    #: Whether reads hide the value.
    is_sensitive: bool = False
    #: Whether deployments set it.
    is_enabled: bool = True
    #: Whether child environments inherit it.
    is_inheritable: bool = True
    #: Whether the build sees it.
    visible_build: bool = False
    #: Whether containers see it.
    visible_runtime: bool = True
    #: The apps that get it; empty for all.
    application_scope: list[str] = field(default_factory=list)
    #: Free attributes.
    attributes: dict[str, str] = field(default_factory=dict)


class Variables:
    """All variables there are, one of a name on each level."""

    def __init__(self) -> None:
        self._all: dict[tuple[str | None, str], Variable] = {}
        # What became of each, with the moments: None where it was removed.
        self._changes: list[tuple[datetime, tuple[str | None, str], Variable | None]] = []
        # Values that were sensitive once, so that none of them ever reaches the request log.
        self.secrets: set[str] = set()

    def __iter__(self) -> Iterator[Variable]:
        return iter(self._all.values())

    def own(self, environment: str | None, name: str) -> Variable | None:
        """Return the environment's own variable, or the project's."""
        return self._all.get((environment, name))

    def of_project(self) -> list[Variable]:
        """Return the variables of the project, by name."""
        return sorted((one for one in self if one.environment is None), key=lambda one: one.name)

    def put(self, variable: Variable) -> None:
        """Add or change a variable."""
        self._all[variable.environment, variable.name] = variable
        self._changes.append((variable.updated_at, (variable.environment, variable.name), variable))
        if variable.is_sensitive:
            self.secrets.add(variable.value)

    def remove(self, variable: Variable, at: datetime | None = None) -> None:
        """Remove a variable; without a time, remove its history too."""
        key = (variable.environment, variable.name)
        del self._all[key]
        if at is None:
            self._changes = [one for one in self._changes if one[1] != key]
        else:
            self._changes.append((at, key, None))

    def seen_at(self, at: datetime) -> Variables:
        """Return the variables that there were at a moment."""
        found = Variables()
        for moment, key, variable in self._changes:
            if moment > at:
                continue
            if variable is None:
                found._all.pop(key, None)
            else:
                found._all[key] = variable
        return found

    def forget(self, environment: str) -> None:
        """Remove every variable of an environment."""
        for one in [one for one in self if one.environment == environment]:
            self.remove(one)

    def seen(self, lineage: Sequence[str]) -> list[Variable]:
        """Return an environment's own and inherited variables, by name; the nearest ancestor's counts.

        Args:
            lineage: the ids of the environment and of its ancestors, the nearest first.
        """
        found: dict[str, Variable] = {}
        for place in lineage:
            for one in self:
                if one.environment == place and (place == lineage[0] or one.is_inheritable):
                    found.setdefault(one.name, one)
        return sorted(found.values(), key=lambda one: one.name)

    def deployed(self, lineage: Sequence[str]) -> list[Variable]:
        """Return the variables that a deployment sets in containers; an environment's override the project's.

        Args:
            lineage: the ids of the environment and of its ancestors, the nearest first.
        """
        found = {one.name: one for one in self.of_project()}
        found.update((one.name, one) for one in self.seen(lineage) if one.is_enabled)
        return [dataclasses.replace(one) for _, one in sorted(found.items())]
