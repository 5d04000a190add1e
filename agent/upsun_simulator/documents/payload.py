"""An activity's payload: user, environment, commits and, after a deployment, what runs since.

As the documented examples have it
(https://developer.upsun.com/docs/integrations/activity/reference): the environment as it was when the activity
was asked for, the deployment as it is when the activity is over. Both are made when somebody reads the activity.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from upsun_simulator import activity as kinds
from upsun_simulator.documents.deployment import deployment
from upsun_simulator.documents.environment import environment
from upsun_simulator.documents.large_project import enlarged
from upsun_simulator.documents.project import capabilities, project
from upsun_simulator.documents.settings import settings
from upsun_simulator.documents.timestamp import written
from upsun_simulator.user import OWNER

if TYPE_CHECKING:
    from datetime import datetime

    from upsun_simulator.activity import Activity
    from upsun_simulator.state import PlatformState

JUST_BEFORE = timedelta(microseconds=1)
# Environments that a payload names beside the activity's own.
OTHERS = ("parent", "into", "from")
# What deploys without being asked to: the rest of what `deploys` says.
BRINGING_UP = (kinds.BRANCH, kinds.ACTIVATE, kinds.RESUME, kinds.RESTORE)


def payload(state: PlatformState, one: Activity) -> dict[str, Any]:
    """Return the payload as the API gives it at this moment."""
    found: dict[str, Any] = {"user": _user(state, one)}
    if one.type != kinds.PUSH:
        found["project"] = _bare(project(state, OWNER))
    for name, value in one.payload.items():
        if name == "environment" or name in OTHERS:
            found[name] = _environment(state, value, one.created_at)
        elif name != "user":
            found[name] = value
    if one.type == kinds.PUSH:
        found["commits"] = _commits(state, one)
        found["commits_count"] = len(found["commits"])
    if one.completed_at is not None and one.state == "complete" and (one.deployed or one.type in BRINGING_UP):
        found |= _deployment(state, one, one.completed_at)
    return found


def _user(state: PlatformState, one: Activity) -> dict[str, Any]:
    name = f"{one.user.first_name} {one.user.last_name}"
    return {"id": one.user.id, "created_at": written(state.born), "updated_at": None, "display_name": name}


def _bare(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "_links"}


def _environment(state: PlatformState, known: dict[str, Any], at: datetime) -> dict[str, Any]:
    """Return the whole environment as it was; if it was deleted, what the activity recorded of it."""
    place = state.environments.get(known["id"])
    if place is None:
        return known
    return {**_bare(environment(state, place.seen_at(at - JUST_BEFORE), OWNER)), "is_dirty": False}


def _commits(state: PlatformState, one: Activity) -> list[dict[str, Any]]:
    """Return the commits that the push brings, newest first; only that one which has not arrived yet."""
    new, old = one.parameters["new_commit"], one.parameters["old_commit"]
    author = {"email": one.user.email, "name": f"{one.user.first_name} {one.user.last_name}"}
    found = []
    for sha in state.history.between(old, new) or [new]:
        parents = state.history.parents(sha) if state.history.knows(sha) else (old,)
        found.append(
            {
                "sha": sha,
                "author": {**author, "date": int(one.created_at.timestamp())},
                "parents": list(parents),
                "message": _message(state, sha),
            }
        )
    return found


def _message(state: PlatformState, sha: str) -> str:
    return state.history[sha].origin.message.strip() if state.history.knows(sha) else f"Simulated commit {sha[:7]}"


def _deployment(state: PlatformState, one: Activity, at: datetime) -> dict[str, Any]:
    place = state.environments.get(one.environment)
    if place is None:
        return {}
    found = _bare(deployment(state, place.seen_at(at), OWNER))
    info = {**found["project_info"], "settings": settings(state)}
    if state.scenario.larger:
        info["capabilities"] = capabilities(state)
    else:
        # The documented example, of one app, has neither.
        found["container_profiles"] = {}
    found["project_info"] = info
    return {"deployment": enlarged(found, state.scenario)}
