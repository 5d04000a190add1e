"""The new kind of step that CONTRIBUTING.md shows works as shown, from the job file to the verdict."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from upsun_agent import steps
from upsun_agent.config import JobFileInvalid, parse
from upsun_agent.config.definitions import json_schema
from upsun_agent.engine.decide import Record, Send, decide
from upsun_agent.engine.fold import fold
from upsun_agent.model.answers import Activity, Answer, Environment, LookAtActivity, LookAtEnvironment, Observation
from upsun_agent.model.events import ActivityEnded, Event, IntentRecorded, RequestAccepted, RunOpened, StepDone, Trigger
from upsun_agent.steps import KINDS

from tests.harness.sources import REPOSITORY
from tools import step_pages

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text()
NAME = "deactivate"


@pytest.fixture(autouse=True)
def kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The kind, from the one file that the page shows, among the others of an installed agent."""
    code = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert code is not None
    (tmp_path / f"{NAME}.py").write_text(code[1])
    monkeypatch.setattr(steps, "__path__", [*steps.__path__, str(tmp_path)])
    yield KINDS[NAME]
    sys.modules.pop(f"{steps.__name__}.{NAME}")
    KINDS._known.pop(NAME)  # type: ignore[attr-defined]  # no other test shall know it


def job_file(settings: str) -> str:
    return f'[jobs.j]\nschedule = "0 3 * * *"\nsteps = [{{ {NAME} = {{ {settings} }} }}]\n'


def decided(*events: Event, seen: dict[Any, Answer]) -> Any:
    job = parse(job_file("lose-data = true")).job("j")
    snapshot = job.to_json()
    opened = RunOpened(
        at=NOW, run="r", environment="main", slot="s", due_at=NOW, trigger=Trigger.SCHEDULE, job=snapshot
    )
    observed = Observation()
    for question, answer in seen.items():
        observed = observed.plus(question, answer)
    return decide(fold([opened, *events]), NOW, observed, KINDS)


def place(status: str) -> dict[Any, Answer]:
    links = {"#deactivate": "/deactivate"}
    return {LookAtEnvironment(): Environment("main", "production", status, False, "head", links, NOW)}


def test_a_job_file_can_name_it_with_its_keys_and_gets_its_defaults() -> None:
    (step,) = parse(job_file("lose-data = true")).job("j").steps
    assert (step.kind, step.settings["lose-data"], step.settings["retries"]) == (NAME, True, 1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("", "lose-data: deletes data (lose-data = true says that this is meant)"),
        ("lose-data = 1", "lose-data: must be true or false"),
        ("loose-data = true", "did you mean 'lose-data'?"),
    ],
)
def test_a_job_file_is_refused_for_what_the_kind_does_not_allow(settings: str, words: str) -> None:
    with pytest.raises(JobFileInvalid, match=re.escape(words)):
        parse(job_file(settings))


def test_schema_and_docs_know_it() -> None:
    schema = json_schema()
    step = schema["properties"]["jobs"]["additionalProperties"]["properties"]["steps"]["items"]["properties"][NAME]
    assert step["description"] == "Deactivate an environment."
    assert step["properties"]["lose-data"]["description"] == "Must be true: the data of all services are lost."
    Draft202012Validator.check_schema(schema)
    assert f"(steps/{NAME}.md) | Deactivate an environment." in step_pages.index()
    assert "lose-data = true" in step_pages.page(NAME, "")
    assert parse(step_pages.example(NAME)).job("example").steps[0].kind == NAME


def test_it_asks_once_and_leaves_alone_what_is_as_wanted() -> None:
    sent = decided(seen=place("active"))
    assert isinstance(sent, Send)
    assert (sent.path, sent.activity_type, sent.body) == ("/deactivate", "environment.deactivate", {})
    done = decided(seen=place("inactive"))
    assert isinstance(done, Record)
    assert isinstance(done.event, StepDone)
    assert done.event.outcome == "nothing-to-do"


def test_its_verdict_is_on_the_activity_that_came_of_the_request() -> None:
    asked = IntentRecorded(at=NOW, step=0, attempt=1, server_at=NOW, head="head")
    accepted = RequestAccepted(at=NOW, step=0, activity="act")
    ended = Activity("act", "environment.deactivate", "complete", "success", NOW, NOW)
    over = ActivityEnded(at=NOW, step=0, activity="act", state="complete", result="success")
    done = decided(asked, accepted, over, seen={LookAtActivity("act"): ended, **place("inactive")})
    assert isinstance(done, Record)
    assert isinstance(done.event, StepDone)
    assert (done.event.outcome, done.event.message) == ("done", "main is inactive")


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
