"""State is data: an open run that the agent did not write itself is closed as foreign, and nothing is done for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from upsun_agent.config import parse
from upsun_agent.errors import ConfigInvalid
from upsun_agent.journal.notes import SEAL, SEALED
from upsun_agent.journal.seals import Seals
from upsun_agent.model import events as ev
from upsun_agent.model.job import Job
from upsun_agent.platform.keys import derived

from tests.harness.forged_state import add, execute, forget_seals, note, opening, shell, statements
from tests.harness.stage import ENTROPY, JOB, RUN, SLOT, START, TOKEN, Stage

PLANTED = "nightly@manual-20260302T025500Z-beef"
OTHER_JOB = JOB.replace('name = "update"', 'name = "other"')
APPROVAL = '[jobs.nightly]\nschedule = "0 3 * * *"\n[[jobs.nightly.steps]]\napproval = {}\n[[jobs.nightly.steps]]\n'
APPROVAL += "backup = {}\n"


def began(stage: Stage) -> Stage:
    """A journal that has sealed a run, which is in flight and has asked for its backup."""
    stage.at(START).tick()
    stage.at(SLOT + timedelta(seconds=7)).tick()
    assert stage.rows(open_only=True)
    assert stage.backups_asked == 1
    return stage


def is_foreign(stage: Stage, run: str = RUN) -> bool:
    """Whether the run was closed as foreign, and the log says so."""
    (row,) = (row for row in stage.rows() if row.run == run)
    logged = [line for line in stage.logged() if line["event"] == "run-closed" and line.get("failure") == "foreign"]
    return row.outcome == "failed" and [line["run"] for line in logged].count(run) == 1


def job_of(text: str, name: str = "nightly") -> Job:
    return parse(text).job(name)


# --- a run that somebody put there --------------------------------------------------------------------------------


def guessed(run: str, events: list[tuple[str, str]], **changes: str) -> dict[str, str | None]:
    """Seals that somebody can make who knows the code and not the secret."""
    home = ("abcdefgh1234z", "main", "app")
    elsewhere = ("abcdefgh1234z", "staging", "app")
    return {
        "none": None,
        "an empty one": "",
        "no text": "\x00\udc80".encode("utf-8", "replace").decode(),
        "of another token": Seals(home, ("another-token-1234567890",)).seal(run, events),
        "of an empty key": Seals(home, (" " * 20 + "0" * 16,)).seal(run, events),
        "of another environment of the project": Seals(elsewhere, (ENTROPY,)).seal(run, events),
        "of another app of the project": Seals((*home[:2], "worker"), (ENTROPY,)).seal(run, events),
        "of another run": Seals(home, (ENTROPY,)).seal(f"{run}x", events),
        "of another journal's mark": Seals(home, (ENTROPY,)).mark(),
        **changes,
    }


@pytest.mark.parametrize("which", guessed("", []))
def test_a_run_with_a_command_that_somebody_put_into_the_journal_runs_nothing(
    stage: Stage, which: str, tmp_path: Path
) -> None:
    began(stage)
    mark = tmp_path / "executed"
    opened = opening(shell(f"touch {mark}"), stage.manual_clock.now(), PLANTED)
    seal = guessed(PLANTED, [(opened.kind, statements([opened])[1][1][2])])[which]
    execute(stage.directory, *statements([opened], seal))
    report = stage.later(minutes=5).tick()
    assert not mark.exists()
    assert is_foreign(stage, PLANTED)
    assert report.exit_code() == 1
    assert stage.ticks().closed
    assert (stage.backups_asked, stage.updates_asked) == (1, 1), "the agent's own run goes on beside it"


@pytest.mark.parametrize("jobs", [OTHER_JOB, JOB.replace("nightly", "unknown"), JOB.replace("0 3", "0 4")])
def test_without_a_seal_only_the_job_of_the_job_file_is_gone_on_with(stage: Stage, jobs: str) -> None:
    stage.at(START).tick()
    job = next(iter(parse(jobs).jobs.values()))
    execute(stage.directory, *statements([opening(job, stage.manual_clock.now(), PLANTED)]))
    stage.tick()
    assert is_foreign(stage, PLANTED)
    assert stage.backups_asked == 0


def test_a_run_without_a_seal_about_another_environment_is_foreign(stage: Stage) -> None:
    stage.at(START).tick()
    execute(stage.directory, *statements([opening(job_of(JOB), stage.manual_clock.now(), PLANTED, "staging")]))
    stage.tick()
    assert is_foreign(stage, PLANTED)
    assert stage.simulator.request_log()["activities"] == []


def test_once_runs_were_sealed_one_of_the_job_file_needs_a_seal_too(stage: Stage) -> None:
    stage.play()
    assert note(stage.directory, f"{SEAL}{RUN}") is None, "no seal is left of a run that is over"
    execute(stage.directory, *statements([opening(job_of(JOB), stage.manual_clock.now(), PLANTED)]))
    stage.later(minutes=5).tick()
    assert is_foreign(stage, PLANTED)
    assert stage.backups_asked == 1


@pytest.mark.parametrize("entropy", [ENTROPY, None])
def test_a_run_that_was_over_and_is_opened_again_asks_for_nothing(stage: Stage, entropy: str | None) -> None:
    if entropy is None:  # no secret at all: nothing is sealed
        stage.simulator.change(token="short-token")
        stage.entropy, stage.token = None, "short-token"
    stage.play()
    execute(stage.directory, ("UPDATE runs SET outcome = NULL, closed_at = NULL", ()))
    stage.later(minutes=5).tick()
    assert is_foreign(stage)
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)
    stage.at(SLOT + timedelta(days=1, seconds=7)).tick()
    stage.settle()
    assert stage.updates_asked == 2, "the next slot runs as usual"


def test_a_foreign_run_costs_the_job_no_slot(stage: Stage) -> None:
    stage.play()
    before = stage.updates_asked
    execute(stage.directory, *statements([opening(shell("true"), stage.manual_clock.now(), PLANTED)]))
    stage.at(SLOT + timedelta(days=1, seconds=7)).tick()
    stage.settle()
    assert stage.updates_asked == before + 1
    assert {row.run: row.outcome for row in stage.rows()}["nightly@2026-03-03T03:00"] == "succeeded"


# --- a run of the agent's own that somebody changed ---------------------------------------------------------------

AT = SLOT + timedelta(minutes=1)
FORGED: dict[str, list[Any]] = {
    "a backup that was never proved": [
        ev.ActivityEnded(at=AT, step=0, activity="a", state="complete", result="success"),
        ev.StepDone(
            at=AT,
            step=0,
            outcome=ev.StepOutcome.DONE,
            message="proved",
            detail={"backup": "old", "environment": "main"},
        ),
    ],
    "a rollback": [
        ev.StepFailed(at=AT, step=0, failure="activity-failed", message="bad"),
        ev.RollbackBegun(at=AT, failed=0, message="bad"),
    ],
    "a step that is done": [ev.StepDone(at=AT, step=0, outcome=ev.StepOutcome.SKIPPED, message="")],
    "a wait": [ev.WaitBegun(at=AT, on="activity", message="x")],
    "the end of the run as somebody likes it, and more": [ev.Warned(at=AT, message="x")],
}


@pytest.mark.parametrize("forged", FORGED)
def test_events_that_somebody_added_to_a_run_are_not_acted_on(make: Callable[..., Stage], forged: str) -> None:
    more = '[[jobs.nightly.on-failure]]\nrestore = { allow-restore = true, backup = "old" }\n'
    stage = began(make(JOB + more, backup_seconds=7200))
    add(stage.directory, RUN, *FORGED[forged])
    stage.later(minutes=5).tick()
    assert is_foreign(stage)
    assert (stage.backups_asked, stage.updates_asked, len(stage.asked("restore"))) == (1, 0, 0)
    stage.later(minutes=5).tick()
    assert stage.backups_asked == 1


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM events WHERE kind = 'intent-recorded'",
        "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)",
        "DELETE FROM events WHERE kind IN ('intent-recorded', 'request-accepted')",
        "UPDATE events SET data = replace(data, '\"update\"', '\"other\"') WHERE kind = 'run-opened'",
        "UPDATE events SET data = replace(data, '03:00', '02:00') WHERE kind = 'run-opened'",
        "UPDATE events SET data = data || ' ' WHERE kind = 'run-opened'",
        "UPDATE events SET kind = 'activity-adopted' WHERE kind = 'request-accepted'",
        "UPDATE events SET data = x'7b7d' WHERE kind = 'request-accepted'",
        "UPDATE notes SET value = 'x' WHERE key LIKE 'seal:%'",
        "DELETE FROM notes WHERE key LIKE 'seal:%'",
        "UPDATE notes SET value = '' WHERE key LIKE 'seal:%'",
    ],
)
def test_a_run_whose_events_or_seal_somebody_changed_is_foreign(stage: Stage, statement: str) -> None:
    began(stage)
    execute(stage.directory, (statement, ()))
    stage.later(minutes=5).tick()
    assert is_foreign(stage)
    assert (stage.backups_asked, stage.updates_asked) == (1, 0)


def test_the_events_of_one_run_are_not_those_of_another_under_its_seal(stage: Stage) -> None:
    began(stage)
    for statement in (
        "INSERT INTO runs SELECT ?, job, NULL, due_at, opened_at, NULL, NULL FROM runs",
        "INSERT INTO events (run, kind, data) SELECT ?, kind, data FROM events",
        "INSERT INTO notes SELECT 'seal:' || ?, value FROM notes WHERE key LIKE 'seal:%'",
    ):
        execute(stage.directory, (statement, (PLANTED,)))
    stage.later(minutes=5).tick()
    assert is_foreign(stage, PLANTED)
    assert not is_foreign(stage)


def test_an_approval_that_somebody_wrote_into_the_journal_approves_nothing(make: Callable[..., Stage]) -> None:
    stage = make(APPROVAL)
    stage.at(START).tick()
    stage.at(SLOT).tick()
    assert stage.run().waits_on == "approval"
    add(stage.directory, RUN, ev.ApprovalGiven(at=AT, step=0, granted="yes", by="mallory"))
    stage.later(minutes=5).tick()
    assert is_foreign(stage)
    assert stage.backups_asked == 0


# --- the agent's own runs go on ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "jobs",
    [
        OTHER_JOB,
        JOB.replace("nightly", "weekly").replace("0 3", "0 9"),
        JOB.replace("backup = {}", "backup = { live = true }"),
    ],
)
def test_a_job_that_a_deploy_changes_or_removes_finishes_its_run_as_it_was(stage: Stage, jobs: str) -> None:
    began(stage)
    stage.jobs = jobs
    stage.settle()
    closed = stage.run().closed
    assert closed is not None
    assert closed.outcome == "succeeded"
    (asked,) = stage.asked("source-operation")
    assert asked["body"]["operation"] == "update"


def test_a_run_that_was_begun_under_the_old_token_finishes(stage: Stage) -> None:
    began(stage)
    stage.jobs = OTHER_JOB
    stage.simulator.change(token="canary-rotated-token-0987654321")
    stage.token = "canary-rotated-token-0987654321"
    stage.settle()
    assert stage.run().closed is not None
    assert stage.updates_asked == 1


def test_without_entropy_the_token_authenticates(stage: Stage) -> None:
    stage.entropy = None
    began(stage)
    stage.jobs = OTHER_JOB
    stage.settle()
    assert stage.updates_asked == 1


@pytest.mark.parametrize(("jobs", "updates"), [(JOB, 1), (OTHER_JOB, 0)])
def test_without_entropy_a_rotated_token_leaves_the_job_file_to_decide(stage: Stage, jobs: str, updates: int) -> None:
    stage.entropy, stage.jobs = None, JOB
    began(stage)
    stage.jobs = jobs
    stage.simulator.change(token="canary-rotated-token-0987654321")
    stage.token = "canary-rotated-token-0987654321"
    stage.settle()
    assert stage.updates_asked == updates
    assert is_foreign(stage) is (updates == 0)


def test_a_run_that_was_sealed_with_the_token_goes_on_where_there_is_entropy(stage: Stage) -> None:
    stage.entropy = None
    began(stage)
    stage.entropy, stage.jobs = ENTROPY, OTHER_JOB
    stage.later(minutes=5).tick()
    stage.token = None  # from now on the entropy alone speaks for the run
    assert not is_foreign(stage)
    assert stage.updates_asked == 1
    stage.later(minutes=5).tick()
    assert not is_foreign(stage)


@pytest.mark.parametrize("jobs", [JOB, OTHER_JOB])
def test_without_any_secret_a_run_goes_on_as_long_as_the_job_file_says_the_same(
    make: Callable[..., Stage], jobs: str
) -> None:
    stage = make()
    stage.simulator.change(token="short-token")
    stage.entropy, stage.token = None, "short-token"
    assert not stage.site().seals
    began(stage)
    stage.jobs = jobs
    stage.settle()
    assert note(stage.directory, SEALED) is None
    assert is_foreign(stage) is (jobs != JOB)
    assert stage.updates_asked == (jobs == JOB)


def test_without_any_secret_an_approval_is_believed(make: Callable[..., Stage]) -> None:
    stage = make(APPROVAL)
    stage.simulator.change(token="short-token")
    stage.entropy, stage.token = None, "short-token"
    stage.at(START).tick()
    stage.at(SLOT).tick()
    add(stage.directory, RUN, ev.ApprovalGiven(at=AT, step=0, granted="yes", by="me"))
    stage.later(minutes=5).tick()
    assert stage.backups_asked == 1


# --- from the release before ---------------------------------------------------------------------------------------


def test_a_run_that_the_release_before_began_is_finished_and_sealed(stage: Stage) -> None:
    began(stage)
    forget_seals(stage.directory)
    stage.later(minutes=1).tick()
    assert note(stage.directory, SEALED) is not None
    stage.jobs = OTHER_JOB  # it is sealed now, so a deploy may change the job
    stage.settle()
    assert stage.run().closed is not None
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)


def test_a_run_of_the_release_before_whose_job_the_upgrade_changes_is_closed_and_told(stage: Stage) -> None:
    began(stage)
    forget_seals(stage.directory)
    stage.jobs = OTHER_JOB
    report = stage.later(minutes=5).tick()
    assert is_foreign(stage)
    assert report.exit_code() == 1
    assert stage.updates_asked == 0


def test_an_approval_without_a_seal_is_not_believed(make: Callable[..., Stage]) -> None:
    stage = make(APPROVAL)
    stage.at(START).tick()
    stage.at(SLOT).tick()
    forget_seals(stage.directory)
    add(stage.directory, RUN, ev.ApprovalGiven(at=AT, step=0, granted="yes", by="mallory"))
    stage.later(minutes=5).tick()
    assert is_foreign(stage)
    assert stage.backups_asked == 0


# --- what the rest of the state can do ------------------------------------------------------------------------------


@pytest.mark.parametrize("far", [2**62, 9e18, "99999999999", SLOT.timestamp() + 400 * 86400])
def test_an_idle_answer_for_the_end_of_time_silences_no_tick(stage: Stage, far: float | str) -> None:
    stage.at(START).tick()
    execute(stage.directory, ("UPDATE idle_hint SET next_due = ?", (far,)))
    stage.at(SLOT + timedelta(seconds=7))
    stage.ticks()
    assert stage.updates_asked == 1


def test_the_key_is_that_of_rfc_5869() -> None:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    assert derived(TOKEN, "a purpose") == HKDF(SHA256(), 32, None, b"a purpose").derive(TOKEN.encode())
    assert derived(TOKEN, "a purpose") != derived(TOKEN, "another purpose")


def test_no_run_is_admitted_where_the_agent_does_not_know_where_it_is(stage: Stage) -> None:
    stage.with_container(environment=None)
    with pytest.raises(ConfigInvalid):
        stage.tick()
