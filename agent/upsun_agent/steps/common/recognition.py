"""Recognise a step's activity by its parameters and payload."""

from __future__ import annotations

from upsun_agent.engine.step import Recognition
from upsun_agent.model.answers import Activity


def recognised(wanted: dict[str, str], activity: Activity) -> Recognition:
    """Return "no" if a parameter or the payload of the activity differs from what is wanted, else "maybe"."""
    said = {key: activity.parameters.get(key, activity.payload.get(key)) for key in wanted}
    return (
        Recognition.NO
        if any(isinstance(said[key], str) and said[key] != wanted[key] for key in wanted)
        else Recognition.MAYBE
    )
