"""Rows that another user of the same database put into a journal: no command runs and nothing is requested."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from upsun_agent.journal.codec import encode
from upsun_agent.journal.directory import reading
from upsun_agent.journal.notes import SEAL, SEALED
from upsun_agent.model import events as ev

from tests.harness.forged_state import opening, shell
from tests.harness.stage import JOB, RUN, SLOT, START, SharedStage

PLANTED = "nightly@manual-20260302T025500Z-beef"
OTHER_JOB = JOB.replace('name = "update"', 'name = "other"')


def tables(stage: SharedStage) -> str:
    assert stage.server is not None
    return "upsun_agent." if stage.server.scheme == "postgresql" else "upsun_agent_"


def say(stage: SharedStage, *wanted: str) -> str:
    """Do this to the tables as their other users can; ``{p}`` stands before a table, ``{j}`` for the journal."""
    assert stage.server is not None
    p = tables(stage)
    mine = f"(SELECT id FROM {p}journals WHERE environment = '{stage.container.environment}' AND present = 1)"  # noqa: S608  a name of ours
    said = [each.replace("{p}", p).replace("{j}", mine) for each in wanted]
    return stage.server.execute(*said, database=stage.place.endpoint.database)


def quoted(stage: SharedStage, text: str) -> str:
    """The text as a literal of SQL."""
    assert stage.server is not None
    plain = text.replace("'", "''")
    return f"'{plain}'" if stage.server.scheme == "postgresql" else "'" + plain.replace("\\", "\\\\") + "'"


def insert(stage: SharedStage, run: str, *events: ev.Event) -> None:
    """Put events into the journal."""
    for event in events:
        row = f"{{j}}, '{run}', '{event.kind}', {quoted(stage, encode(event))}, 0"
        say(stage, f"INSERT INTO {{p}}events (journal, run, kind, data, fence) VALUES ({row})")  # noqa: S608  ours


def plant(stage: SharedStage, mark: Path) -> None:
    """Put an open run with a command into the journal, and have the next tick look."""
    opened = opening(shell(f"touch {mark}"), stage.manual_clock.now(), PLANTED, stage.container.environment or "")
    moment = opened.at.timestamp()
    row = f"{{j}}, '{PLANTED}', 'nightly', {moment}, {moment}"
    say(stage, f"INSERT INTO {{p}}runs (journal, run, job, due_at, opened_at) VALUES ({row})")  # noqa: S608  ours
    insert(stage, PLANTED, opened)
    say(stage, "UPDATE {p}idle_hints SET next_due = 0 WHERE journal = {j}")


def foreign(stage: SharedStage) -> list[str]:
    """The runs that were closed as foreign, by the log."""
    return [
        line["run"] for line in stage.logged() if line["event"] == "run-closed" and line.get("failure") == "foreign"
    ]


def note(stage: SharedStage, key: str) -> str | None:
    with reading(stage.place, stage.container.identity) as journal:
        return journal.noted(key)


@pytest.mark.parametrize("sealed", [True, False], ids=["a journal that has sealed", "a journal that is new"])
def test_a_run_that_a_neighbour_planted_runs_no_command(stage: SharedStage, tmp_path: Path, *, sealed: bool) -> None:
    stage.at(START).tick()
    if sealed:
        stage.at(SLOT).tick()
        assert note(stage, SEALED) is not None
    mark = tmp_path / "executed"
    plant(stage, mark)
    report = stage.later(minutes=5).tick()
    assert not mark.exists()
    assert foreign(stage) == [PLANTED]
    assert report.exit_code() == 1
    stage.at(SLOT + timedelta(minutes=10))
    stage.settle()
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM {p}events WHERE journal = {j} AND kind = 'intent-recorded'",
        "DELETE FROM {p}notes WHERE journal = {j} AND name LIKE 'seal:%'",
        "UPDATE {p}notes SET value = 'x' WHERE journal = {j} AND name LIKE 'seal:%'",
        "UPDATE {p}events SET data = REPLACE(data, 'update', 'other') WHERE journal = {j} AND kind = 'run-opened'",
    ],
)
def test_a_run_that_a_neighbour_changed_is_closed_and_asks_for_nothing(stage: SharedStage, change: str) -> None:
    stage.at(START).tick()
    stage.at(SLOT).tick()
    say(stage, change)
    stage.later(minutes=5).tick()
    assert foreign(stage) == [RUN]
    stage.later(minutes=5).tick()
    assert (stage.backups_asked, stage.updates_asked) == (1, 0)


def test_an_approval_that_a_neighbour_wrote_approves_nothing(make: Callable[..., SharedStage]) -> None:
    approval = '[jobs.nightly]\nschedule = "0 3 * * *"\n[[jobs.nightly.steps]]\napproval = {}\n'
    stage = make(jobs=approval + "[[jobs.nightly.steps]]\nbackup = {}\n")
    stage.at(START).tick()
    stage.at(SLOT).tick()
    insert(stage, RUN, ev.ApprovalGiven(at=stage.manual_clock.now(), step=0, granted="yes", by="mallory"))
    stage.later(minutes=5).tick()
    assert foreign(stage) == [RUN]
    assert stage.backups_asked == 0


def test_a_run_keeps_its_own_job_when_a_deploy_changes_it_and_leaves_no_seal(stage: SharedStage) -> None:
    stage.at(START).tick()
    stage.at(SLOT).tick()
    assert note(stage, f"{SEAL}{RUN}") is not None
    stage.jobs = OTHER_JOB
    stage.later(minutes=5)
    stage.settle()
    (asked,) = stage.asked("source-operation")
    assert asked["body"]["operation"] == "update"
    assert foreign(stage) == []
    assert note(stage, f"{SEAL}{RUN}") is None


@pytest.mark.parametrize(("jobs", "updates"), [(JOB, 1), (OTHER_JOB, 0)])
def test_a_run_of_the_release_before_goes_on_if_its_job_is_that_of_the_job_file(
    stage: SharedStage, jobs: str, updates: int
) -> None:
    stage.at(START).tick()
    stage.at(SLOT).tick()
    say(stage, "DELETE FROM {p}notes WHERE journal = {j} AND name LIKE 'seal%'")
    stage.jobs = jobs
    stage.later(minutes=5)
    stage.settle()
    assert stage.updates_asked == updates
    assert foreign(stage) == ([] if updates else [RUN])


def test_text_of_every_kind_comes_back_from_the_server_as_it_was_sealed(make: Callable[..., SharedStage]) -> None:
    odd = "ä € 😀 \\ ' \" %s \u2028 \u00a0end "
    stage = make()
    stage.at(START).tick()
    stage.jobs = JOB.replace(
        '{ name = "update" }',
        f'{{ name = "update", variables = {{ env = {{ ODD = {json.dumps(odd, ensure_ascii=False)} }} }} }}',
    )
    stage.at(SLOT).tick()
    assert stage.run().job.steps[1].settings["variables"]["env"]["ODD"] == odd
    stage.jobs = OTHER_JOB
    stage.later(minutes=5)
    stage.settle()
    assert foreign(stage) == []
    assert stage.updates_asked == 1


def test_an_idle_answer_for_the_end_of_time_silences_no_tick_of_a_server(stage: SharedStage) -> None:
    stage.at(START).tick()
    say(stage, "UPDATE {p}idle_hints SET next_due = 9000000000000000000 WHERE journal = {j}")
    stage.at(SLOT)
    stage.settle()
    assert stage.updates_asked == 1
