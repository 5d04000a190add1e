"""The JSON Schema of the job file: checked in, valid, and of one mind with the validator."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
from jsonschema import Draft202012Validator
from upsun_agent.config.definitions import json_schema

from tests.harness.invalid_job_files import CASES
from tests.harness.job_files import GOOD, LEAST, mistakes, read
from tests.harness.sources import REPOSITORY

SCHEMA_FILE = REPOSITORY / "docs" / "reference" / "agent.schema.json"
VALIDATOR = Draft202012Validator(json_schema())

#: Words of mistakes that no schema can say: cron expressions, time zones, bounds of durations, the order of steps.
BEYOND = re.compile(r"is not a valid schedule|unknown time zone|seconds, .* is not|needs a backup step before it")


def test_the_checked_in_schema_is_what_the_code_says() -> None:
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == json_schema()


def test_the_schema_is_a_valid_schema_and_every_key_has_a_description() -> None:
    Draft202012Validator.check_schema(json_schema())
    job = json_schema()["properties"]["jobs"]["additionalProperties"]
    assert all(key["description"] for key in job["properties"].values())
    assert job["required"] == ["steps"]


def agrees(text: str) -> bool:
    """Whether the schema accepts the document."""
    return VALIDATOR.is_valid(tomllib.loads(text))


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        LEAST,
        LEAST.replace("backup = {}", "backup = { live = true, reuse-within = '1d12h' }"),
        LEAST.replace("backup = {}", "backup = { retries = 5, retry-after = '1m', timeout = '1m' }"),
        LEAST.replace("backup = {}", "backup = { on-failure = 'continue' }"),
        LEAST.replace("}]", "}, { source-operation = { name = 'x' } }]"),
        LEAST + 'schedule = "@daily"\n',
        LEAST + 'environment-types = ["production", "staging", "development"]\n',
        LEAST + 'catch-up = "none"\noverlap = "wait"\n',
        LEAST + 'misfire-grace = "30d"\ntimeout = "10m"\nsuspend-after = 0\n',
        LEAST + "[agent]\n",
        LEAST + '[agent]\nstate = "/"\ntoken-variable = "_"\n',
        LEAST.replace("jobs.a", f"jobs.{'a' * 63}"),
        '[jobs.a]\nsteps = [{ source-operation = { name = "ünï", backup = "not-needed" } }]\n',
        '[jobs.a]\nsteps = [{ source-operation = { name = "x", backup = "not-needed", variables = {} } }]\n',
        LEAST + "[jobs.b-2]\nsteps = [" + "{ backup = {} }, " * 20 + "]\n",
    ],
)
def test_the_schema_accepts_what_the_validator_accepts(text: str) -> None:
    assert read(text).jobs
    assert agrees(text)


@pytest.mark.parametrize(("old", "new", "line", "key", "words"), CASES)
def test_the_schema_refuses_what_the_validator_refuses_but_for_rules_that_it_cannot_say(
    old: str, new: str, line: int, key: str, words: str
) -> None:
    assert agrees(GOOD.replace(old, new, 1)) is bool(BEYOND.search(words))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[jobs]\n",
        "[jobs.a]\n",
        "[jobs.a]\nsteps = []\n",
        "[jobs.a]\nsteps = [{}]\n",
        "[jobs.a]\nsteps = [{ backups = {} }]\n",
        '[jobs.a]\nsteps = [{ backup = {}, source-operation = { name = "x" } }]\n',
        "[jobs.a]\nsteps = [" + "{ backup = {} }, " * 21 + "]\n",
        LEAST.replace("backup = {}", "backup = { retries = 6 }"),
        LEAST.replace("backup = {}", "backup = { retries = true }"),
        LEAST.replace("backup = {}", "backup = { on-failure = 'go' }"),
        LEAST + "[agent]\nstate = 1\n",
        "[agent]\n",
    ],
)
def test_both_refuse_what_is_missing_or_too_much(text: str) -> None:
    assert mistakes(text)
    assert not agrees(text)


def test_only_a_few_of_the_samples_are_beyond_the_schema() -> None:
    beyond = [words for *_, words in CASES if BEYOND.search(words)]
    assert 3 <= len(beyond) <= 8
    assert len(CASES) > 40
