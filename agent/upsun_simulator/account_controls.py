"""Changes to accounts, roles, tokens and variables that do not come through the API, for tests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from upsun_simulator.domain import Domain
from upsun_simulator.ids import account_id
from upsun_simulator.members import check_permissions
from upsun_simulator.team import Team
from upsun_simulator.user import MACHINE, User
from upsun_simulator.variable import Variable

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from upsun_simulator.environment import Environment
    from upsun_simulator.platform import Platform
    from upsun_simulator.state import PlatformState
    from upsun_simulator.tokens import ApiToken


class AccountControls(ABC):
    """Controls of accounts: a `user` is an id, a user name or an address; by default it is the machine user."""

    platform: Platform

    @abstractmethod
    def _settled(self) -> AbstractContextManager[PlatformState]: ...

    @abstractmethod
    def _place(self, environment: str | None) -> Environment: ...

    def _account(self, name: str) -> User:
        for one in self.platform.state.members.accounts.values():
            if name in (one.id, one.username, one.email):
                return one
        raise ValueError(f"there is no user {name!r}")

    def add_user(self, email: str, permissions: list[str] | None = None) -> User:
        """Add an account, with access to the project if permissions are given."""
        with self._settled() as state:
            return self._new_account(state, email, permissions)

    def _new_account(self, state: PlatformState, email: str, permissions: list[str] | tuple[str, ...] | None) -> User:
        if state.members.with_address(email) is not None:
            raise ValueError(f"there is a user {email!r} already")
        name = email.partition("@")[0]
        made = User(account_id("user", email), name, name.capitalize(), "Invited", email)
        state.members.add_account(made)
        if permissions is not None:
            state.members.grant(made, check_permissions(permissions), state.now)
        return made

    def set_permissions(self, permissions: list[str], user: str = MACHINE.id) -> None:
        """Change a user's roles, as an admin does in the console; none at all takes the access away."""
        with self._settled() as state:
            account = self._account(user)
            if permissions:
                state.members.grant(account, check_permissions(permissions), state.now)
            else:
                state.members.remove(account.id)

    def add_team(self, label: str, permissions: list[str], users: list[str], *, has_project: bool = True) -> Team:
        """Add a team to the organization; its users get these permissions on the project, if it is the team's.

        Args:
            label: the name of the team.
            permissions: roles, as `type:role` or a role on the project.
            users: ids of its members.
            has_project: whether the team has access to the project.
        """
        with self._settled() as state:
            made = Team(
                id=account_id("team", label, state.count()),
                label=label,
                permissions=check_permissions(permissions),
                created_at=state.now,
                updated_at=state.now,
                users=[self._account(user).id for user in users],
                has_project=has_project,
            )
            state.members.teams[made.id] = made
            return made

    def add_domain(self, name: str, environment: str | None = None, *, default: bool = False) -> Domain:
        """Add a domain at which an environment's site answers; no deployment follows.

        Args:
            name: the host name.
            environment: the id of the environment; None: production.
            default: whether it becomes the environment's default domain.
        """
        with self._settled() as state:
            if state.domains.named(name) is not None:
                raise ValueError(f"there is a domain {name!r} already")
            place = self._place(environment).id
            now = state.now
            made = Domain(name=name.lower(), environment=place, created_at=now, updated_at=now, is_default=default)
            state.domains.put(made)
            return made

    def accept_invitation(self, email: str) -> User:
        """Accept an invitation, with the account of the invited person or a new one."""
        with self._settled() as state:
            invitation = state.invitations.pending(email)
            if invitation is None:
                raise ValueError(f"no invitation for {email!r} is pending")
            invitation.finish("accepted", state.now)
            account = state.members.with_address(email)
            if account is None:
                return self._new_account(state, email, invitation.permissions)
            state.members.grant(account, invitation.permissions, state.now)
            return account

    def add_token(
        self, token: str, *, user: str = MACHINE.id, name: str = "", age: float = 0, mfa: bool = False
    ) -> ApiToken:
        """Give a user another API token, made `age` seconds ago, with MFA or without.

        Args:
            token: the text of the token.
            user: the id of the user whose token it is.
            name: the name that the user gives it.
            age: how many seconds ago it was made.
            mfa: whether it was made after a login with a second factor.
        """
        with self._settled() as state:
            made_at = state.now - timedelta(seconds=age)
            return self.platform.tokens.add(token, made_at, user=self._account(user), name=name, mfa=mfa)

    def add_variable(self, name: str, value: str, environment: str | None = None, **flags: Any) -> Variable:
        """Add a variable to an environment (default: production); it is live, and no deployment follows.

        With `project=True` it is the project's.

        Args:
            name: the name of the variable.
            value: its value.
            environment: the id of the environment; None: production.
            **flags: `project` makes it the project's; the rest are flags of a variable, such as `is_sensitive`.
        """
        of_project = flags.pop("project", False)
        with self._settled() as state:
            place = None if of_project else self._place(environment).id
            fields = {"visible_build": of_project, **flags}
            made = Variable(
                name=name, value=value, environment=place, created_at=state.now, updated_at=state.now, **fields
            )
            state.variables.put(made)
            self._refresh(state)
            return made

    def remove_variable(self, name: str, environment: str | None = None, *, project: bool = False) -> None:
        """Remove a variable; no deployment follows.

        Args:
            name: the name of the variable.
            environment: the id of the environment; None: production.
            project: whether it is the project's.
        """
        with self._settled() as state:
            found = state.variables.own(None if project else self._place(environment).id, name)
            if found is None:
                raise ValueError(f"there is no variable {name!r}")
            state.variables.remove(found)
            self._refresh(state)

    def _refresh(self, state: PlatformState) -> None:
        for place in state.environments.values():
            place.live = state.variables.deployed(state.lineage(place.id))

    def variable(self, name: str, environment: str | None = None, *, project: bool = False) -> Variable | None:
        """Return a variable as it is stored, its value included; None if it does not exist.

        Args:
            name: the name of the variable.
            environment: the id of the environment; None: production.
            project: whether it is the project's.
        """
        with self._settled() as state:
            return state.variables.own(None if project else self._place(environment).id, name)
