"""Which operations an environment allows now: HAL links show them, and requests are checked against them."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from upsun_simulator.answers import Refusal
from upsun_simulator.permissions import NOT_ALLOWED, allowed, is_member_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from upsun_simulator.environment import Environment
    from upsun_simulator.scenario import Status
    from upsun_simulator.state import PlatformState
    from upsun_simulator.user import User

BUSY = "An activity is currently pending or in progress on this environment."


def _no_pull_request(state: PlatformState, environment: Environment, user: User) -> Refusal | None:  # noqa: ARG001 - as all rules
    """Return why a source operation is refused on a pull-request environment, or None.

    https://developer.upsun.com/docs/configure-apps/source-operations
    """
    if environment.is_pr:
        return Refusal(HTTPStatus.BAD_REQUEST, "Source operations are not possible on pull-request environments.")
    return None


def _in_plan(state: PlatformState, environment: Environment, user: User) -> Refusal | None:  # noqa: ARG001 - as all rules
    """Return why the plan has no source operations (Upsun Fixed below Enterprise), or None."""
    if not state.scenario.has_larger_plan:
        return Refusal(HTTPStatus.BAD_REQUEST, "This project doesn't support source operations.")
    return None


def _no_production(state: PlatformState, environment: Environment, user: User) -> Refusal | None:  # noqa: ARG001 - as all rules
    if environment.type == "production":
        return Refusal(HTTPStatus.BAD_REQUEST, "A production environment cannot be paused, deactivated or deleted.")
    return None


def _not_main(state: PlatformState, environment: Environment, user: User) -> Refusal | None:  # noqa: ARG001 - as all rules
    if environment.parent is None:
        return Refusal(HTTPStatus.BAD_REQUEST, "The main environment cannot be deactivated or deleted.")
    return None


def _staged(state: PlatformState, environment: Environment, user: User) -> Refusal | None:  # noqa: ARG001 - as all rules
    return None if state.staged(environment.id) else Refusal(HTTPStatus.CONFLICT, "Nothing is staged.")


def _own_branches(state: PlatformState, environment: Environment, user: User) -> Refusal | None:  # noqa: ARG001 - as all rules
    """Return why the platform does not manage branches (a source integration does), or None.

    https://developer.upsun.com/docs/configure-apps/source-operations
    """
    if state.scenario.source_integration:
        reason = "The project's branches are managed by its source integration."
        return Refusal(HTTPStatus.BAD_REQUEST, reason, detail={"error": reason})
    return None


def _live_parent(state: PlatformState, environment: Environment, user: User) -> Refusal | None:  # noqa: ARG001 - as all rules
    parent = state.parent_of(environment)
    if parent is None:
        return Refusal(HTTPStatus.BAD_REQUEST, "The environment has no parent.")
    status = state.status_of(parent)
    if status != "active":
        return Refusal(HTTPStatus.CONFLICT, f"The parent environment is not active: it is {status}.")
    if _busy(state, parent):
        return Refusal(HTTPStatus.CONFLICT, BUSY.replace("this", "the parent"))
    return None


def _parents_admin(state: PlatformState, environment: Environment, user: User) -> Refusal | None:
    parent = state.parent_of(environment)
    if parent is not None and not allowed(state, parent, user):
        return Refusal(HTTPStatus.FORBIDDEN, NOT_ALLOWED)
    return None


@dataclass(frozen=True)
class _Rule:
    """The requirements of an operation: statuses, role, and other conditions.

    `path` is what follows the environment's path; `method` is that of the request.
    """

    #: The statuses of an environment in which the operation is possible.
    statuses: tuple[Status, ...] = ("active",)
    #: Further conditions; each returns a refusal, or None.
    further: tuple[Callable[[PlatformState, Environment, User], Refusal | None], ...] = ()
    #: Returns whether the user may ask for it.
    may: Callable[[PlatformState, Environment, User], bool] = allowed
    #: The method of the request, in lower case.
    method: str = "post"
    #: What follows the environment's path; None: the name of the operation.
    path: str | None = None


# By the name of the operation, which its HAL link has after a `#` and its path, unless it is said, at the end.
RULES = {
    "edit": _Rule(("active", "inactive", "paused", "dirty"), method="patch", path=""),
    "delete": _Rule(("inactive",), further=(_not_main, _no_production, _own_branches), method="delete", path=""),
    "backup": _Rule(),
    "source-operation": _Rule(further=(_in_plan, _no_pull_request)),
    "redeploy": _Rule(),
    "deploy": _Rule(further=(_staged,)),
    "synchronize": _Rule(further=(_live_parent,)),
    "merge": _Rule(further=(_own_branches, _parents_admin, _live_parent)),
    # Every role may branch (https://developer.upsun.com/docs/administration/users).
    "branch": _Rule(further=(_own_branches,), may=is_member_of),
    "activate": _Rule(("inactive",)),
    "deactivate": _Rule(("active", "paused"), further=(_not_main, _no_production)),
    "pause": _Rule(further=(_no_production,)),
    "resume": _Rule(("paused",)),
}
# Operations without a link of the environment's own: on a backup, a deployment, a task.
PLAIN = _Rule()


def obstacle(state: PlatformState, environment: Environment, user: User, operation: str = "") -> Refusal | None:
    """Return why an operation on an environment is not allowed or not possible now; None when it is.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
        operation: the name of the operation, as its link; empty: one without rules of its own.
    """
    if not RULES.get(operation, PLAIN).may(state, environment, user):
        return Refusal(HTTPStatus.FORBIDDEN, NOT_ALLOWED)
    return unready(state, environment, user, operation)


def unready(state: PlatformState, environment: Environment, user: User, operation: str = "") -> Refusal | None:
    """Return why an operation is not possible now, whoever asks for it.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
        operation: the name of the operation, as its link; empty: one without rules of its own.
    """
    rule = RULES.get(operation, PLAIN)
    status = state.status_of(environment)
    if status not in rule.statuses:
        wanted = " or ".join(rule.statuses)
        return Refusal(HTTPStatus.CONFLICT, f"The environment is not {wanted}: it is {status}.")
    for further in rule.further:
        found = further(state, environment, user)
        if found is not None:
            return found
    return Refusal(HTTPStatus.CONFLICT, BUSY) if _busy(state, environment) else None


def check(state: PlatformState, environment: Environment, user: User, operation: str = "") -> None:
    """Refuse an operation on an environment if it is not allowed or not possible now.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
        operation: the name of the operation, as its link; empty: one without rules of its own.
    """
    found = obstacle(state, environment, user, operation)
    if found is not None:
        raise found


def _busy(state: PlatformState, environment: Environment) -> bool:
    return state.scenario.links_vanish_when_busy and bool(state.unfinished(environment.id))
