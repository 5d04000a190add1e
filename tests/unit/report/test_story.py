"""A run told in sentences: the sign of a line says whether what it tells is good."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from upsun_agent.model import events as ev
from upsun_agent.model.job import Job, StepPlan
from upsun_agent.text.event_text import tell

JOB = Job(name="j", steps=(StepPlan("backup", {}),))


@pytest.mark.parametrize(
    ("state", "result", "tone"),
    [
        ("complete", "success", "plain"),
        ("finished", "success", "plain"),
        ("staged", "success", "plain"),
        ("complete", "failure", "bad"),
        ("expired", "failure", "bad"),
        ("cancelled", "failure", "bad"),
        ("cancelled", "success", "bad"),
        ("complete", None, "bad"),
    ],
)
def test_an_activity_that_succeeded_is_told_as_good_whatever_its_state_is_called(
    state: str, result: str | None, tone: str
) -> None:
    event = ev.ActivityEnded(at=datetime(2026, 11, 28, tzinfo=UTC), step=0, activity="a", state=state, result=result)
    line = tell(event, JOB)
    assert line is not None
    assert line.tone == tone
