"""Files that somebody laid into the state directory, met by real processes: no command runs, nothing is requested."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
import upsun_agent
from upsun_agent.config import cache, definitions, parse, settings_of
from upsun_agent.journal.notes import SEALED
from upsun_agent.journal.sidecar import Beside, keep
from upsun_agent.model import events as ev

from tests.harness.agent_process import Result
from tests.harness.container import Container
from tests.harness.forged_state import execute, note, now, opening, shell, statements

PLANTED = "nightly@manual-20260302T025500Z-beef"


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What a planted command makes."""
    return tmp_path / "executed"


def plant(container: Container, mark: Path, *more: ev.Event) -> None:
    """Put an open run with a command into the journal, the way anybody does who can write the file."""
    begun = now() - timedelta(minutes=1)
    execute(container.state, *statements([opening(shell(f"touch {mark}"), begun, PLANTED), *more]))


def said_by(container: Container, *arguments: str, code: int) -> str:
    result: Result = container.agent(*arguments)
    assert result.code == code, result.said
    return result.said


@pytest.mark.parametrize("before", ["a journal that is new", "a journal with a run in flight"])
def test_a_tick_runs_no_command_that_was_planted_in_the_journal(container: Container, mark: Path, before: str) -> None:
    if before == "a journal with a run in flight":
        assert container.agent("tick").code == 0
    plant(container, mark)
    tick = container.agent("tick")
    assert tick.code == 1
    assert "foreign" in tick.said
    assert not mark.exists()
    assert {row.run: row.outcome for row in container.rows()}[PLANTED] == "failed"
    container.clock.advance(300)
    container.tick_until_done()
    assert (container.happened("backup"), container.happened("source-operation")) == (1, 1)


def test_people_are_told_of_a_foreign_run_by_every_command(container: Container, mark: Path) -> None:
    plant(container, mark)
    assert container.agent("tick").code == 1
    shown = container.agent("show", PLANTED, "--json").document
    assert (shown["outcome"], shown["failure"]) == ("failed", "foreign")
    for command in (["show", PLANTED], ["history", "nightly"], ["history", "--json"]):
        assert "foreign" in said_by(container, *command, code=0), command
    (row,) = (each for each in container.agent("history", "--json").document["runs"] if each["run"] == PLANTED)
    assert row["failure"] == "foreign"
    assert not mark.exists()


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM events WHERE kind = 'intent-recorded'",
        "UPDATE events SET data = replace(data, 'update', 'other') WHERE kind = 'run-opened'",
        "UPDATE events SET kind = 'unknown' WHERE kind = 'run-opened'",
        "UPDATE events SET data = '{}'",
    ],
)
def test_why_and_show_say_that_the_run_of_a_slot_is_foreign_whatever_is_left_of_it(
    container: Container, change: str
) -> None:
    assert container.agent("tick").code == 0
    execute(container.state, (change, ()))
    assert container.agent("tick").code == 1
    assert (container.asked("backup"), container.asked("source-operation")) == (1, 0)
    for command in (["why", "nightly"], ["show", "nightly"], ["show", "nightly", "--json"]):
        assert "foreign" in said_by(container, *command, code=0), command
    for command in (["status"], ["history"]):
        assert "failed" in said_by(container, *command, code=0), command


def test_a_run_by_hand_closes_what_was_planted_and_begins_its_own(container: Container, mark: Path) -> None:
    assert container.agent("tick").code == 0
    container.tick_until_done()
    plant(container, mark)
    container.agent("run", "nightly")
    assert not mark.exists()
    assert {row.run: row.outcome for row in container.rows()}[PLANTED] == "failed"
    assert len(container.rows(open_only=True)) == 1


@pytest.mark.parametrize("command", [["approve"], ["approve", "--deny"], ["cancel"], ["cancel", "--activity"]])
def test_nobody_decides_on_a_foreign_run(container: Container, mark: Path, command: list[str]) -> None:
    intent = ev.IntentRecorded(at=now(), step=0, attempt=1, server_at=now(), head=None)
    plant(container, mark, intent, ev.ActivityAdopted(at=now(), step=0, activity="someone-elses", how="planted"))
    said = said_by(container, command[0], PLANTED, *command[1:], code=1)
    assert "foreign" in said
    assert note(container.state, f"seal:{PLANTED}") is None, "no decision makes it the agent's own"
    assert container.asked("cancel") == 0
    container.agent("tick")
    assert not mark.exists()


def test_the_entropy_and_not_the_token_speaks_for_runs_in_a_container(container: Container) -> None:
    assert container.agent("tick").code == 0
    assert note(container.state, SEALED) is not None
    file = Path(container.agent.variables["UPSUN_AGENT_CONFIG"])
    file.write_text(file.read_text().replace('name = "update"', 'name = "other"'))
    container.simulator.change(token="canary-rotated-token-0987654321")
    container.agent.variables["UPSUN_CLI_TOKEN"] = "canary-rotated-token-0987654321"
    container.clock.advance(300)
    container.tick_until_done()
    (row,) = container.rows()
    assert row.outcome == "succeeded"


def test_runs_in_flight_beside_a_lost_journal_are_only_told_of(container: Container, mark: Path) -> None:
    flight = statements([opening(shell(f"touch {mark}"), now(), PLANTED)])[1][1][2]
    keep(str(container.state), ("abcdefgh1234z", "main", "app"), kept_flights({PLANTED: str(flight)}), durable=False)
    (container.state / "journal.sqlite").unlink()
    for _ in range(3):
        container.agent("tick")
    assert not mark.exists()
    assert container.rows(open_only=True) == []


def kept_flights(flights: dict[str, str]) -> Beside:
    return Beside({}, flights)


# --- the job file as it was read ------------------------------------------------------------------------------------

OTHER = """
[jobs.planted]
schedule = "* * * * *"
catch-up = "latest"
[[jobs.planted.steps]]
command = { shell = "touch PLACE" }
"""


def unkeyed(text: str, settings: str) -> str:
    """What tells that settings are those of the text, as the release before made it: without a key."""
    code = os.stat(definitions.__file__)
    stamp = f"{upsun_agent.__version__} {code.st_size} {code.st_mtime_ns} {len(text)}"
    return hashlib.sha256(f"{stamp}\n{text}{settings}".encode()).hexdigest()


@pytest.mark.parametrize("entropy", [True, False])
def test_a_job_that_only_the_kept_job_file_has_never_runs(container: Container, mark: Path, *, entropy: bool) -> None:
    if not entropy:
        del container.agent.variables["PLATFORM_PROJECT_ENTROPY"]
    file = Path(container.agent.variables["UPSUN_AGENT_CONFIG"])
    container.agent.variables["PLATFORM_APP_DIR"] = str(file.parent)  # in a container the job file is kept
    text = file.read_text()
    planted = settings_of(OTHER.replace("PLACE", str(mark)), str(file))
    settings = json.dumps(planted, ensure_ascii=False, separators=(",", ":"))
    place = container.state / cache.FILE
    place.write_text(f"{unkeyed(text, settings)}\n{settings}")
    for _ in range(2):
        container.agent("tick")
    assert not mark.exists()
    assert {row.job for row in container.rows()} == {"nightly"}
    assert ("planted" in place.read_text()) is not entropy, "with a key the agent writes its own over it"
    assert list(parse(text).jobs) == ["nightly"]


def test_a_kept_job_file_of_another_project_is_not_believed(container: Container, mark: Path) -> None:
    file = Path(container.agent.variables["UPSUN_AGENT_CONFIG"])
    container.agent.variables["PLATFORM_APP_DIR"] = str(file.parent)
    text, place = file.read_text(), container.state / cache.FILE
    planted = settings_of(OTHER.replace("PLACE", str(mark)), str(file))
    key = cache.derived("the entropy of another project", "upsun-agent: job file as it was read, 1")  # type: ignore[attr-defined]  # the module's own import is called
    cache._keep(str(place), text, planted, key)
    assert "planted" in place.read_text()
    container.agent("tick")
    assert not mark.exists()
    assert {row.job for row in container.rows()} == {"nightly"}


# --- silence --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("far", [2**62, 99_999_999_999])
def test_an_idle_answer_for_the_end_of_time_is_not_believed_by_a_process(container: Container, far: int) -> None:
    assert container.agent("tick").code == 0
    container.clock.advance(300)
    container.tick_until_done()
    file = Path(container.agent.variables["UPSUN_AGENT_CONFIG"])
    container.agent.variables["UPSUN_AGENT_STATE"] = str(container.state)
    before = (container.state / "last-tick").read_bytes()
    execute(container.state, ("UPDATE idle_hint SET next_due = ?", (far,)))
    assert container.agent("tick").code == 0
    assert file.exists()
    from contextlib import closing
    from sqlite3 import connect

    with closing(connect(container.state / "journal.sqlite")) as db:
        (after,) = db.execute("SELECT next_due FROM idle_hint").fetchone()
    assert after < far, "the tick looked closer and wrote its own answer"
    assert (container.state / "last-tick").read_bytes() != before
