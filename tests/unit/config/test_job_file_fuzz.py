"""Promise P6 for the job file: any text at all is a JobFile, or a ConfigInvalid that names a line."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from upsun_agent.config import JobFile, JobFileInvalid, parse

from tests.harness.job_files import GOOD, LEAST

#: What TOML is made of, and a few things that it is not.
TOKENS = (
    *(
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "=",
        ".",
        ",",
        '"',
        "'",
        '"""',
        "'''",
        "\\",
        "#",
        "\n",
        "\r\n",
        "\t",
        " ",
        "\x00",
    ),
    *(
        "true",
        "false",
        "1",
        "-1",
        "1e400",
        "nan",
        "inf",
        "0x1f",
        "2026-01-01",
        "07:00:00",
        "\ufeff",
        "\u2028",
        "é",
        "😀",
    ),
    *("agent", "jobs", "steps", "backup", "source-operation", "schedule", "timezone", "name", "variables", "env"),
    *('"H 3 * * *"', '"* * * * *"', '"6h"', '"production"', '"\\ud800"', '"\\u0000"', "[jobs.a]", "[[jobs.a.steps]]"),
    *("backup = {}", 'source-operation = { name = "x" }', "jobs.a.steps", 'environment-types = ["production"]'),
)


def outcome(text: str) -> JobFile | JobFileInvalid:
    """What comes of the text; anything else that is raised fails the test."""
    try:
        return parse(text)
    except JobFileInvalid as error:
        invalid = error
    assert invalid.mistakes
    lines = text.count("\n") + 1
    assert all(1 <= mistake.line <= lines + 1 and mistake.message for mistake in invalid.mistakes)
    assert str(invalid)
    return invalid


@settings(max_examples=200, deadline=None)
@given(st.text())
@example("\ufeff" + LEAST)
@example("jobs = 1\x00")
@example('[jobs.a]\nsteps = [{ backup = {} }]\nschedule = "0 0 29-29 2-2 *"\n')
def test_any_text_has_a_named_outcome(text: str) -> None:
    outcome(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(TOKENS) | st.text(max_size=3), max_size=40))
def test_any_mixture_of_what_toml_is_made_of_has_a_named_outcome(tokens: list[str]) -> None:
    outcome("".join(tokens))
    outcome(LEAST + " ".join(tokens))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_mutation_of_a_good_file_has_a_named_outcome(data: st.DataObject) -> None:
    text = GOOD
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(text)))
        end = min(len(text), begin + data.draw(st.sampled_from((0, 0, 1, 1, 2, 5, 30))))
        text = text[:begin] + data.draw(st.sampled_from(TOKENS) | st.text(max_size=4)) + text[end:]
    outcome(text)


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(("6h", "backup"))
)
KEYS = st.sampled_from(
    ("agent", "jobs", "a", "steps", "backup", "source-operation", "name", "variables", "env", "retries", "state", "é b")
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_document_has_a_named_outcome(document: dict[str, object]) -> None:
    outcome("\n".join(f"{_key(key)} = {_toml(value)}" for key, value in document.items()))


def test_the_documents_above_are_toml_and_reach_the_jobs() -> None:
    document = {"jobs": {"a": {"steps": [{"backup": {"retries": 1}}]}}, "agent": {"state": "/x"}}
    text = "\n".join(f"{_key(key)} = {_toml(value)}" for key, value in document.items())
    assert isinstance(outcome(text), JobFile)


def _key(key: str) -> str:
    return f'"{key}"'


def _toml(value: object) -> str:
    """The value as TOML; null, which TOML has not, as an empty array."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(char):08x}" if not char.isalnum() else char for char in value) + '"'
    if value is None:
        return "[]"
    return str(value).lower() if isinstance(value, bool) else str(value)
