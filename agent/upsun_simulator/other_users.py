"""Operations that other users ask of the platform, for tests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from upsun_simulator import user
from upsun_simulator.environment import APP
from upsun_simulator.operations import backups, code, deployments, lifecycle, runs

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from upsun_simulator.activity import Activity
    from upsun_simulator.environment import Environment, EnvironmentType
    from upsun_simulator.state import PlatformState

# What a branch can be; there is one production.
BRANCHES = ("development", "staging")


class OtherUsers(ABC):
    """Operations by a `user` (an id or a user name), whose roles are not checked."""

    @abstractmethod
    def _settled(self) -> AbstractContextManager[PlatformState]: ...

    @abstractmethod
    def _place(self, environment: str | None) -> Environment: ...

    def _child(self, environment: str) -> Environment:
        place = self._place(environment)
        if place.parent is None:
            raise ValueError(f"the environment {environment!r} has no parent")
        return place

    def synchronize(
        self, environment: str, *, code_too: bool = True, data: bool = True, user: str = user.COLLEAGUE.id
    ) -> Activity:
        """Queue somebody else's synchronization of an environment from its parent.

        Args:
            environment: the id of the environment that takes.
            code_too: whether it takes the code.
            data: whether it takes the data.
            user: the id of who asks.
        """
        with self._settled() as state:
            wishes = {"synchronize_code": code_too, "synchronize_data": data}
            return code.synchronize(state, self._child(environment), _named(user), wishes)

    def merge(self, environment: str, *, user: str = user.COLLEAGUE.id) -> Activity:
        """Queue somebody else's merge of an environment into its parent."""
        with self._settled() as state:
            return code.merge(state, self._child(environment), _named(user))

    def restore(
        self,
        backup: str,
        environment: str | None = None,
        *,
        code_too: bool = True,
        user: str = user.COLLEAGUE.id,
    ) -> Activity:
        """Queue somebody else's restoring of a backup, to its own environment if none is named.

        Args:
            backup: the name of the backup.
            environment: the id of the environment that gets the data; None: the backup's own.
            code_too: whether the backup's code is deployed too.
            user: the id of who asks.
        """
        with self._settled() as state:
            found = next((one for one in state.backups if one.id == backup), None)
            if found is None:
                raise ValueError(f"there is no backup {backup!r}")
            target = self._place(environment or found.environment)
            return backups.restore(state, found, target, _named(user), code=code_too)

    def branch(
        self,
        name: str,
        parent: str | None = None,
        kind: EnvironmentType = "development",
        *,
        user: str = user.COLLEAGUE.id,
    ) -> Activity:
        """Queue somebody else's new environment, branched off production if no parent is named.

        Args:
            name: the name of the branch.
            parent: the id of the parent; None: production.
            kind: the type.
            user: the id of who asks.
        """
        with self._settled() as state:
            if name in state.environments:
                raise ValueError(f"there is an environment {name!r} already")
            if kind not in BRANCHES:
                raise ValueError(f"{kind!r} is not one of {BRANCHES}")
            return lifecycle.branch(state, self._place(parent), _named(user), name=name, title=name, kind=kind)

    def activate(self, environment: str, *, user: str = user.COLLEAGUE.id) -> Activity:
        """Queue somebody else's activation of an environment."""
        with self._settled() as state:
            return lifecycle.activate(state, self._place(environment), _named(user))

    def resume(self, environment: str, *, user: str = user.COLLEAGUE.id) -> Activity:
        """Queue somebody else's resuming of an environment."""
        with self._settled() as state:
            return lifecycle.resume(state, self._place(environment), _named(user))

    def deploy(self, environment: str | None = None, *, user: str = user.COLLEAGUE.id) -> Activity:
        """Queue somebody else's deployment of what is staged, all of it in one activity."""
        with self._settled() as state:
            return deployments.deploy(state, self._place(environment), _named(user))

    def run_operation(
        self,
        operation: str,
        environment: str | None = None,
        *,
        service: str = APP,
        user: str = user.COLLEAGUE.id,
    ) -> Activity:
        """Queue somebody else's runtime operation.

        Args:
            operation: the name of the operation.
            environment: the id of the environment; None: production.
            service: the app that defines it.
            user: the id of who asks.
        """
        with self._settled() as state:
            place, somebody = self._place(environment), _named(user)
            return runs.run_operation(state, place, somebody, service=service, operation=operation, parameters=[])

    def run_task(self, task: str, environment: str | None = None, *, user: str = user.COLLEAGUE.id) -> Activity:
        """Queue somebody else's task.

        Args:
            task: the name of the task.
            environment: the id of the environment; None: production.
            user: the id of who asks.
        """
        with self._settled() as state:
            return runs.run_task(state, self._place(environment), _named(user), task=task, variables={})


def _named(name: str) -> user.User:
    return user.named(name)
