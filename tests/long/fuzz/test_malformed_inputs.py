"""Job files, variables and arguments of every kind: each ends in a named outcome with a documented exit code."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from upsun_agent.config import JobFile, JobFileInvalid, Mistake, parse
from upsun_agent.engine.due import Slot
from upsun_agent.errors import ConfigInvalid
from upsun_agent.idle import state_setting
from upsun_agent.model.job import Job
from upsun_agent.platform.container import read_container
from upsun_agent.schedule import Schedule

from tests.harness.commands import command, container
from tests.harness.fuzz_budget import EXAMPLES, fuzz
from tests.harness.fuzz_inputs import ARGUMENTS, CHANGES, COMMANDS, FILES, GOOD, NAMES, TEXTS, toml

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def here() -> Iterator[str]:
    """A directory to work in; a job file lies there, and what is written by relative paths stays there."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="upsun-agent-fuzz-") as directory:
        os.chdir(directory)
        Path("agent.toml").write_text(GOOD)
        yield directory
        os.chdir(before)


def test_more_than_ten_thousand_examples_are_drawn() -> None:
    print(f"{sum(EXAMPLES.values())} examples in all")
    assert sum(EXAMPLES.values()) > 10_000
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    for name in EXAMPLES:
        assert len(re.findall(rf'@fuzz\(\s*"{re.escape(name)}"', tests)) == 1, f"{name} is drawn by exactly one test"


# --- job files --------------------------------------------------------------------------------------------------


@cache
def next_slot(schedule: str, timezone: str) -> Slot | None:
    return Schedule(schedule, timezone, "salt").next(NOW)


def check_job_file(text: str) -> JobFile | None:
    """A job file is read whole, or refused with mistakes that stand on its lines."""
    with suppress(ValueError):
        state_setting(text)
    mistakes: tuple[Mistake, ...] = ()
    try:
        job_file = parse(text)
    except JobFileInvalid as error:
        job_file, mistakes = None, error.mistakes
        listed = str(error).split("\n")
        assert len(listed) >= len(mistakes)
    assert (job_file is None) == bool(mistakes), "refused with at least one mistake"
    for mistake in mistakes:
        assert 1 <= mistake.line <= text.count("\n") + 1, mistake
        assert mistake.message, mistake
    if job_file is None:
        return None
    for job in job_file.jobs.values():
        assert Job.from_json(json.loads(json.dumps(job.to_json()))) == job
        if job.schedule is not None:
            slot = next_slot(job.schedule, job.timezone)
            assert slot is None or slot.due_at > NOW
    return job_file


@fuzz(
    "random text as a job file",
    text=st.one_of(st.text(max_size=400), st.text("[]{}=\"'.,#\n \\abjobsteps0-9", max_size=200)),
)
def test_random_text_is_no_job_file_and_says_so(text: str) -> None:
    assert check_job_file(text) is None


@fuzz("a job file with a few characters changed", changes=CHANGES)
def test_a_job_file_with_a_few_characters_changed_is_read_or_refused(changes: list[tuple[int, int, str]]) -> None:
    text = GOOD
    for place, length, token in changes:
        text = text[:place] + token + text[place + length :]
    check_job_file(text)


@fuzz("structures in the likeness of a job file", tree=FILES)
def test_a_structure_like_a_job_file_is_read_or_refused_with_every_mistake_named(tree: dict[str, Any]) -> None:
    check_job_file("\n".join(f"{toml(key)} = {toml(value)}" for key, value in tree.items()))


# --- variables --------------------------------------------------------------------------------------------------


@fuzz(
    "variables of a container",
    variables=st.dictionaries(st.sampled_from(NAMES), TEXTS, max_size=6),
    arguments=st.sampled_from(
        (["check"], ["check", "--phase", "build"], ["status"], ["next"], ["tick"], ["validate", "--json"])
    ),
)
def test_whatever_the_variables_hold_a_command_ends_with_a_documented_code(
    variables: dict[str, str], arguments: list[str]
) -> None:
    for name in ("UPSUN_CLI_API_URL", "UPSUN_CLI_AUTH_URL"):
        if variables.get(name, "").startswith("http") and "127.0.0.1" not in variables[name]:
            del variables[name]  # nothing here may look for a host outside
    with suppress(ConfigInvalid):
        read = read_container(variables)
        words = (read.project, read.environment, read.environment_type, read.app, read.machine_name)
        assert all(word.isprintable() for word in words if word is not None)
    command(arguments, container(os.getcwd(), **variables))


# --- arguments --------------------------------------------------------------------------------------------------


@fuzz("arguments", first=st.one_of(COMMANDS, COMMANDS, st.just("")), rest=ARGUMENTS)
def test_whatever_the_arguments_are_the_command_ends_with_a_documented_code(first: str, rest: list[str]) -> None:
    arguments = [*([first] if first else []), *rest]
    if "simulate" in arguments:
        arguments += ["--set", "nonsense"]  # or it would serve until somebody stops it
    with tempfile.TemporaryDirectory(prefix="state-", dir=".") as directory:
        variables = container(os.getcwd(), UPSUN_AGENT_STATE=f"{os.getcwd()}/{directory}")
        command(arguments, variables)
