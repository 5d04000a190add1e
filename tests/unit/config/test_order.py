"""What each key alone allows and the job file as a whole does not: traps, and steps that could never run."""

from __future__ import annotations

import pytest
from upsun_agent.config import parse

from tests.harness.job_files import mistakes


def job(*steps: str, back: tuple[str, ...] = ()) -> str:
    """A job with these steps."""
    parts = ["[jobs.a]"]
    parts += [f"[[jobs.a.steps]]\n{step}" for step in steps]
    parts += [f"[[jobs.a.on-failure]]\n{step}" for step in back]
    return "\n".join(parts) + "\n"


def test_the_recipe_that_syncs_one_environment_and_updates_another_cannot_be_written_by_accident() -> None:
    """As on
    https://developer.upsun.com/docs/learn/tutorials/dependency-updates: the second command names no environment."""
    found = mistakes(
        job(
            'sync = { environment = "development", data = true }',
            'source-operation = { name = "u", backup = "not-needed" }',
        )
    )
    text = "5 jobs.a step 2 source-operation: must name its environment, because the job also works on development"
    assert found == [f'{text} (environment = "development", or "." for the environment that the agent runs on)']
    for place in ("development", "."):
        good = f'source-operation = {{ environment = "{place}", name = "u", backup = "not-needed" }}'
        parse(job('sync = { environment = "development", data = true }', good))


UPDATE = 'source-operation = { environment = "staging", name = "u", backup = "not-needed" }'
HERE = 'environment = "."'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (job("command = {}"), "needs exactly one of run and shell"),
        (job('command = { run = ["a"], shell = "b" }'), "needs exactly one of run and shell"),
        (job('wait = { for = "1m", window = "22:00-23:00" }'), "needs exactly one of window and for"),
        (job('sync = { environment = "s" }'), "syncs nothing"),
        (job("sync = { data = true }"), "names no environment: a sync overwrites one"),
        (job('sync = { environment = ".", data = true }'), "names no environment"),
        (job("restore = { allow-restore = false }"), "may lose data"),
        (job('restore = { backup = "b" }'), "'allow-restore' is missing"),
        (job("restore = { allow-restore = true }"), "restores the backup that this run proved, but no step takes one"),
        (job('http-check = { url = "https://a.example/", path = "/" }'), "has url and path"),
        (job('http-check = { url = "https://user:secret@a.example/" }'), "must be an address without user or password"),
        (job('command = { run = ["a"], environment = "s" }'), "a command works where the agent runs"),
        (job('merge = { environment = "s", into = "s", backup = "not-needed" }'), "merge an environment into itself"),
        (job('backup = { environment = "s" }', 'merge = { environment = "s", into = "." }'), "needs a backup step"),
        (job('backup = { environment = "." }', 'merge = { environment = "s", into = "m" }'), "a backup step on m"),
        (job("deploy = {}"), "needs a backup step before it"),
        (job('backup = { when = "updated" }'), "can never run: no step before it makes a commit"),
        (job("backup = {}", back=("redeploy = {}",)), "can never run: no step of the job changes the environment that"),
        (job(UPDATE, back=(f"redeploy = {{ {HERE} }}",)), "no step of the job changes the environment that the agent"),
        (job("redeploy = {}", back=("approval = {}",)), "a step 'approval' is not allowed in on-failure"),
        (job("redeploy = {}", back=('backup = { when = "updated" }',)), "when = updated is not allowed in on-failure"),
        ('[jobs.a]\nwhen = { window = "25:00-26:00" }\nsteps = [{ backup = {} }]\n', "must be a window of the day"),
        ('[jobs.a]\nwhen = { not-on = ["2026-02-30"] }\nsteps = [{ backup = {} }]\n', "is not a valid date"),
        ('[jobs.a]\nwhen = { not-on = ["2026-03-01/2026-02-01"] }\nsteps = [{ backup = {} }]\n', "ends before"),
        (job('command = { run = ["a"], within = "10m" }'), "must be between 1 and 45 seconds"),
    ],
)  # fmt: skip
def test_what_can_never_work_is_named(text: str, words: str) -> None:
    assert any(words in each for each in mistakes(text)), mistakes(text)


def test_a_backup_of_the_environment_that_a_merge_changes_is_its_proof() -> None:
    parse(job('backup = { environment = "." }', 'merge = { environment = "s", into = "." }'))
    parse(job('backup = { environment = "m" }', 'merge = { environment = "s", into = "m" }'))


def test_a_rollback_may_use_the_proof_of_the_job() -> None:
    parse(job("backup = {}", 'source-operation = { name = "u" }', back=("restore = { allow-restore = true }",)))
