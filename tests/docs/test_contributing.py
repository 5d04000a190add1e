"""The new kind of step that CONTRIBUTING.md shows works as shown."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.engine.decide import Record, Send, decide
from agent.engine.events import RunOpened, StepDone
from agent.engine.facts import Environment, LookAtEnvironment, Observation
from agent.engine.job import Job, StepPlan
from agent.engine.run import fold

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()


def shown() -> Any:
    code = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert code is not None
    found: dict[str, Any] = {}
    exec(code[1], found)  # noqa: S102  the document's own example
    return found["DeactivateStep"]()


def decided(status: str) -> Any:
    kind = shown()
    job = Job("j", (StepPlan(kind.name, {}),), schedule="0 3 * * *")
    opened = RunOpened(at=NOW, run="r", environment="main", slot="s", due_at=NOW, trigger="schedule", job=job.to_json())
    place = Environment("main", "production", status, False, "head", {kind.link: "/deactivate"}, NOW)
    seen = Observation().plus(LookAtEnvironment(), place)
    return decide(fold([opened]), NOW, seen, {kind.name: kind})


def test_it_asks_once_and_leaves_alone_what_is_as_wanted() -> None:
    sent = decided("active")
    assert isinstance(sent, Send)
    assert (sent.path, sent.activity_type, sent.body) == ("/deactivate", "environment.deactivate", {})
    done = decided("inactive")
    assert isinstance(done, Record)
    assert isinstance(done.event, StepDone)
    assert done.event.outcome == "nothing-to-do"
