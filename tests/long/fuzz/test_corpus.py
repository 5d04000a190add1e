"""The corpus: what once went wrong, or looked as if it might. One small file each, and each is run."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from upsun_agent.config import JobFileInvalid, load
from upsun_agent.errors import AgentError
from upsun_agent.idle import state_setting
from upsun_agent.journal.codec import EventUnreadable, cleaned, decode, encode
from upsun_agent.model.job import Job

from tests.harness.commands import CODES, LOOKS, command, container
from tests.harness.soak_stage import Scene

CORPUS = Path(__file__).parent / "corpus"
START = datetime(2026, 3, 2, 2, 55, tzinfo=UTC)
JOBS = """
[jobs.nightly]
schedule = "0 3 * * *"
steps = [{ backup = {} }, { source-operation = { name = "update" } }]
"""
#: How many files there must be, so that none goes astray.
LEAST = {
    "jobs-refused": 40,
    "jobs-read": 8,
    "events-refused": 19,
    "events-read": 4,
    "arguments": 40,
    "journals": 28,
    "snapshots": 12,
}


def files(folder: str) -> list[Path]:
    return sorted(path for path in (CORPUS / folder).iterdir() if path.is_file())


def each(folder: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", files(folder), ids=lambda path: path.stem)


@pytest.fixture
def directory() -> Iterator[str]:
    """A place to work in, with a job file."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="upsun-agent-corpus-") as name:
        Path(name, "agent.toml").write_text(JOBS)
        os.chdir(name)
        yield name
        os.chdir(before)


def test_the_whole_corpus_is_here() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(LEAST)
    for folder, least in LEAST.items():
        assert len(files(folder)) >= least, folder
    assert sum(map(len, map(files, LEAST))) >= 150


@each("jobs-refused")
def test_a_bad_job_file_is_refused_with_its_mistakes(path: Path, directory: str) -> None:
    with pytest.raises(JobFileInvalid) as caught:
        load(str(path))
    assert all(mistake.message and mistake.line >= 1 for mistake in caught.value.mistakes)
    outcome = command(["validate", str(path)], container(directory))
    assert outcome.code == 78
    assert f"{path}:" in outcome.err
    assert command(["tick"], container(directory, UPSUN_AGENT_CONFIG=str(path))).code == 78


@each("jobs-read")
def test_an_odd_job_file_is_read(path: Path, directory: str) -> None:
    job_file = load(str(path))
    assert state_setting(job_file.text) == job_file.state
    assert command(["validate", str(path)], container(directory)).code == 0


@each("events-refused")
def test_a_bad_event_is_refused(path: Path) -> None:
    kind, _, text = path.read_text().partition("\n")
    with pytest.raises(EventUnreadable):
        decode(kind, text)


@each("events-read")
def test_an_odd_event_is_read(path: Path) -> None:
    kind, _, text = path.read_text().partition("\n")
    event = decode(kind, text)
    assert decode(kind, encode(event)) == cleaned(event)


@each("arguments")
def test_odd_arguments_end_with_a_documented_code(path: Path, directory: str) -> None:
    command(json.loads(path.read_text()), container(directory))


def in_flight(directory: str) -> Scene:
    """An agent with a run in flight, some minutes later."""
    scene = Scene(START, JOBS, directory)
    scene.mount.directory = f"{directory}/state"
    scene.tick()
    scene.manual_clock.set(START + timedelta(minutes=5, seconds=7))
    scene.tick()
    scene.manual_clock.advance(300)
    return scene


@each("journals")
def test_an_odd_journal_leads_to_a_named_outcome_and_breaks_no_promise(path: Path, directory: str) -> None:
    scene = in_flight(directory)
    with closing(sqlite3.connect(f"{directory}/state/journal.sqlite")) as db:
        db.executescript(path.read_text())
        db.commit()
    for arguments in LOOKS:
        command(arguments, container(directory))
    for _ in range(3):
        said = scene.tick()
        assert (said.exit_code if isinstance(said, AgentError) else said.exit_code()) in CODES
        scene.manual_clock.advance(300)
    assert [deed.wrong for deed in scene.door.deeds if deed.wrong] == []
    assert len([deed for deed in scene.door.deeds if deed.what == "backup"]) == 1
    assert "Traceback" not in scene.log.getvalue()


@each("snapshots")
def test_a_run_with_settings_that_no_job_file_can_hold_is_closed_and_blocks_nothing(path: Path, directory: str) -> None:
    case = json.loads(path.read_text())
    honest = Job.to_json

    def odd(job: Job) -> dict[str, object]:
        data = honest(job)
        data["steps"][case["step"]]["settings"] = case["settings"]
        return data

    outcome = "failure" if "retry-after" in case["settings"] else "success"
    scene = Scene(START, JOBS, directory, backup_outcome=outcome)
    with patch.object(Job, "to_json", odd):
        scene.tick()
        scene.manual_clock.set(START + timedelta(minutes=5, seconds=7))
        for _ in range(6):
            assert not isinstance(scene.tick(), AgentError)
            scene.manual_clock.advance(300)
    (run,) = scene.runs()
    assert run.closed is not None
    assert [deed.wrong for deed in scene.door.deeds if deed.wrong] == []
