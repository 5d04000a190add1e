"""An activity, and its log."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from upsun_simulator.documents import links
from upsun_simulator.documents.payload import payload as whole_payload
from upsun_simulator.documents.timestamp import written

if TYPE_CHECKING:
    from upsun_simulator.activity import Activity
    from upsun_simulator.state import PlatformState


KEPT = timedelta(days=30)


def activity(state: PlatformState, one: Activity, *, payload: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the activity as the API gives it now, with `payload` if it is given.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        one: the activity.
        payload: its payload, if it is made already; None: it is made here.
    """
    scenario = state.scenario
    return {
        "id": one.id,
        "created_at": written(one.created_at),
        # Null in every documented example, also of activities that are over
        # (https://developer.upsun.com/docs/integrations/activity/reference).
        "updated_at": None,
        "type": one.type,
        "parameters": one.parameters,
        "project": one.project,
        "environments": [one.environment],
        "state": shown_state(state, one),
        "result": one.result,
        "failure_reason": one.failure_reason,
        "started_at": written(one.started_at),
        "completed_at": written(one.completed_at),
        "completion_percent": one.percent(state.now),
        "cancelled_at": written(one.cancelled_at),
        "timings": _timings(one),
        "log": "".join(line.message for line in one.log),
        "payload": whole_payload(state, one) if payload is None else payload,
        "description": one.description,
        "text": one.text,
        "expires_at": written(one.created_at + KEPT),
        "commands": one.commands,
        "_links": _links(one, scenario_path=links.project_path(scenario), state=state),
    }


def shown_state(state: PlatformState, one: Activity) -> str:
    """Return the state as the API names it: that of an activity that ended is the scenario's word."""
    return state.scenario.final_state if one.state == "complete" else one.state


def _timings(one: Activity) -> dict[str, float]:
    found: dict[str, float] = {}
    if one.started_at is not None:
        found["wait"] = (one.started_at - one.created_at).total_seconds()
        if one.completed_at is not None:
            found["execute"] = (one.completed_at - one.started_at).total_seconds()
            if one.deployed:
                found["deploy"] = found["execute"]
    return {name: max(0.0, seconds) for name, seconds in found.items()}


def _links(one: Activity, *, scenario_path: str, state: PlatformState) -> links.Links:
    scenario = state.scenario
    path = f"{scenario_path}/activities/{links.segment(one.id)}"
    found = {
        "self": links.resource(scenario, path, "Activity"),
        "log": links.resource(scenario, f"{path}/log"),
    }
    if one.unfinished:
        found["#cancel"] = links.action(scenario, f"{path}/cancel")
    return found


def log_items(one: Activity) -> list[dict[str, Any]]:
    """Return the log lines that the activity has written so far, one item each, without the seal."""
    return [
        {"_id": str(number), "data": {"timestamp": written(line.at), "message": line.message}}
        for number, line in enumerate(one.log, start=1)
    ]
