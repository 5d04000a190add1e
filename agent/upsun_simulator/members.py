"""The users with access to the project, and their roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from upsun_simulator.user import COLLEAGUE, EVERYBODY, MACHINE, OWNER, User

if TYPE_CHECKING:
    from datetime import datetime

    from upsun_simulator.scenario import Scenario
    from upsun_simulator.team import Team

TYPES = ("production", "staging", "development")
ROLES = ("admin", "contributor", "viewer")
PROJECT_ROLES = ("admin", "viewer")
# As `ProjectPermissions` of the official document lists them.
PERMISSIONS = (*PROJECT_ROLES, *(f"{kind}:{role}" for kind in TYPES for role in ROLES))


@dataclass(kw_only=True, eq=False)
class Member:
    """A user with access, with permissions as the platform names them."""

    #: The user.
    user: User
    #: The roles: one for the project, or one for each type of environment, as `type:role`.
    permissions: tuple[str, ...]
    #: When access was given.
    granted_at: datetime
    #: When the roles were changed last.
    updated_at: datetime

    @property
    def is_admin(self) -> bool:
        """Return whether the user may do everything in the project."""
        return "admin" in self.permissions

    def role_on(self, kind: str) -> str | None:
        """Return the role on a type of environments; the higher one if there are two."""
        if self.is_admin:
            return "admin"
        return next((role for role in ROLES if f"{kind}:{role}" in self.permissions), None)


class Members:
    """All accounts, and the access that some of them have to the project."""

    def __init__(self, scenario: Scenario, since: datetime) -> None:
        self.accounts: dict[str, User] = dict(EVERYBODY)
        self._members: dict[str, Member] = {}
        self.teams: dict[str, Team] = {}
        self.grant(OWNER, ("admin",), since)
        self.grant(MACHINE, permissions_of(scenario), since)
        self.grant(COLLEAGUE, ("viewer", "development:contributor"), since)

    def all(self) -> list[Member]:
        """Return the members with access of their own, in the order in which they came."""
        return list(self._members.values())

    def direct(self, user_id: str) -> Member | None:
        """Return the access that a user has without any team."""
        return self._members.get(user_id)

    def member(self, user_id: str) -> Member | None:
        """Return all that a user may do, by access of their own and through teams."""
        own = self._members.get(user_id)
        teams = [one for one in self.teams.values() if one.has_project and user_id in one.users]
        if not teams:
            return own
        permissions = [*(own.permissions if own else ()), *(each for one in teams for each in one.permissions)]
        first, last = min(one.created_at for one in teams), max(one.updated_at for one in teams)
        return Member(
            user=self.accounts[user_id],
            permissions=tuple(dict.fromkeys(permissions)),
            granted_at=own.granted_at if own else first,
            updated_at=max(own.updated_at, last) if own else last,
        )

    def with_address(self, email: str) -> User | None:
        """Return the account with this address."""
        wanted = email.casefold()
        return next((one for one in self.accounts.values() if one.email.casefold() == wanted), None)

    def add_account(self, user: User) -> None:
        """Add an account."""
        self.accounts[user.id] = user

    def grant(self, user: User, permissions: tuple[str, ...], at: datetime) -> Member:
        """Give a user access, or other roles.

        Args:
            user: the user.
            permissions: roles, as `type:role` or a role on the project.
            at: when it happens, by the platform's clock.
        """
        self.add_account(user)
        known = self._members.get(user.id)
        since = at if known is None else known.granted_at
        member = Member(user=user, permissions=permissions, granted_at=since, updated_at=at)
        self._members[user.id] = member
        return member

    def remove(self, user_id: str) -> None:
        """Remove a user's access."""
        self._members.pop(user_id, None)


def permissions_of(scenario: Scenario) -> tuple[str, ...]:
    """Return the machine user's roles from the scenario."""
    if scenario.project_role == "admin":
        return ("admin",)
    roles = dict.fromkeys(TYPES, scenario.other_role) | {"production": scenario.role}
    return ("viewer", *(f"{kind}:{role}" for kind, role in roles.items() if role is not None))


def check_permissions(permissions: object) -> tuple[str, ...]:
    """Return the permissions as the platform stores them; raise ValueError for an invalid list."""
    if not isinstance(permissions, list | tuple) or not permissions:
        raise ValueError("permissions must be a list that is not empty")
    for one in permissions:
        if one not in PERMISSIONS:
            raise ValueError(f"{one!r} is not a valid permission")
    return tuple(dict.fromkeys(permissions))
