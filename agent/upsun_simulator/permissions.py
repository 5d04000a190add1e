"""Permissions: the user's roles and the way they logged in."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from upsun_simulator.answers import Refusal, challenge
from upsun_simulator.members import ROLES

if TYPE_CHECKING:
    from upsun_simulator.call import Call
    from upsun_simulator.environment import Environment
    from upsun_simulator.members import Member
    from upsun_simulator.state import PlatformState
    from upsun_simulator.user import User

NOT_ALLOWED = "You do not have permission to perform this operation."
MFA = "Multi-factor authentication is required"


def allowed(state: PlatformState, environment: Environment, user: User) -> bool:
    """Return whether the user may act on the environment, which needs the role admin.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
    """
    member = state.members.member(user.id)
    return member is not None and member.role_on(environment.type) == "admin"


def check_allowed(state: PlatformState, environment: Environment, user: User) -> None:
    """Refuse an operation to those who are not admins of the environment's type.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
    """
    if not allowed(state, environment, user):
        raise Refusal(HTTPStatus.FORBIDDEN, NOT_ALLOWED)


def is_member_of(state: PlatformState, environment: Environment, user: User) -> bool:
    """Return whether the user has any role on the environment's type.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
    """
    return has_role(state, environment, user, "viewer")


def has_role(state: PlatformState, environment: Environment, user: User, least: str) -> bool:
    """Return whether the user has at least this role on the environment's type.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
        least: the least role, by name.
    """
    member = state.members.member(user.id)
    role = None if member is None else member.role_on(environment.type)
    return role is not None and ROLES.index(role) <= ROLES.index(least)


def may_run(state: PlatformState, environment: Environment, user: User) -> bool:
    """Return whether the user may do what a contributor may do: log in, run commands.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
    """
    return has_role(state, environment, user, "contributor")


def is_admin(state: PlatformState, user: User) -> bool:
    """Return whether the user is an admin of the project as a whole."""
    member = state.members.member(user.id)
    return member is not None and member.is_admin


def check_admin(call: Call) -> User:
    """Return the user of the request if they are an admin of the project; raise a refusal otherwise."""
    asking = call.bearer().user
    if not is_admin(call.state, asking):
        raise Refusal(HTTPStatus.FORBIDDEN, "Only an admin of the project may do this.")
    return asking


def check_member(call: Call) -> Member:
    """Return the membership of the user of the request."""
    member = call.state.members.member(call.bearer().user.id)
    if member is None:
        raise Refusal(HTTPStatus.FORBIDDEN, "You have no access to this project.")
    return member


def check_mfa(call: Call) -> None:
    """Refuse a bearer without a second factor if the project requires one.

    As a challenge that names the missing factor (the official CLI's step-up login reads `amr` and `max_age`
    of a 401), or as 403: the docs only say that the server names the needed parameter.
    """
    scenario = call.state.scenario
    if not scenario.mfa_required or call.bearer().has_mfa:
        return
    if scenario.mfa_refusal == "forbidden":
        raise Refusal(HTTPStatus.FORBIDDEN, MFA, amr=["mfa"])
    raise challenge(MFA)
