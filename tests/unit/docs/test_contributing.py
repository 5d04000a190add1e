"""The new kind of step that CONTRIBUTING.md shows works as shown."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from upsun_agent.engine.decide import Record, Send, decide
from upsun_agent.engine.fold import fold
from upsun_agent.model.answers import Environment, LookAtEnvironment, Observation
from upsun_agent.model.events import RunOpened, StepDone
from upsun_agent.model.job import Job, StepPlan

from tests.harness.sources import REPOSITORY

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text()


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


# --- the layout -----------------------------------------------------------------------------------------------


def drawn() -> dict[str, str]:
    """The paths that the page draws, each with its description; folders end with a slash."""
    lines = TEXT.partition("```\n")[2].partition("```")[0].splitlines()
    found, above = {}, [""]
    for line in lines:
        name, _, about = line.strip().partition(" ")
        depth = (len(line) - len(line.lstrip())) // 2
        del above[depth + 1 :]
        found[above[depth] + name] = about.strip()
        above.append(above[depth] + name)
    return found


#: Folders that are made by tools and are not part of the repository.
MADE = {"__pycache__", "build", "dist", "node_modules"}


def there(folder: str) -> set[str]:
    """The folders and modules in a folder; folders end with a slash."""
    found = [
        path for path in (REPOSITORY / folder).iterdir() if path.name not in MADE and not path.name.startswith(".")
    ]
    return {f"{folder}{path.name}/" if path.is_dir() else f"{folder}{path.name}" for path in found}


def test_the_layout_is_drawn_as_it_is() -> None:
    paths = drawn()
    assert all(paths.values()), "each has a description"
    assert {path for path in paths if path.count("/") == 1} == {path for path in there("") if path.endswith("/")}
    packages = {path for path in paths if path.count("/") == 2 and path.startswith("agent/") and path.endswith("/")}
    assert packages == there("agent/")
    inside = {path for path in paths if path.startswith("agent/upsun_agent/")} - {"agent/upsun_agent/"}
    assert inside == there("agent/upsun_agent/") - {"agent/upsun_agent/__init__.py", "agent/upsun_agent/py.typed"}
