"""Standard streams that are closed, full, broken or of another alphabet: none of them stops the work."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tests.harness.agent_process import COMMAND, PATIENCE, Result
from tests.harness.cli_app import App


def shell(app: App, line: str, **changes: str | None) -> Result:
    """A line for ``sh`` in which ``AGENT`` stands for the command; its code is what ``sh`` says."""
    ready = line.replace("AGENT", " ".join(COMMAND))
    done = subprocess.run(
        ["/bin/sh", "-c", ready],
        cwd=app.directory,
        env=app.agent.environment(**changes),
        capture_output=True,
        encoding="utf-8",
        errors="backslashreplace",
        timeout=PATIENCE,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("AGENT status >&-", 0),
        ("AGENT status <&-", 0),
        ("AGENT run hand --wait <&-", 64),
        ("AGENT status >&- 2>&- <&-", 0),
        ("AGENT validate >/dev/full", 73),
        ("AGENT validate --json >/dev/full", 73),
        ("AGENT validate --config /none 2>/dev/full", 78),
        ("AGENT validate --config /none --json >/dev/full 2>/dev/full", 78),
    ],
)
def test_a_stream_that_takes_nothing_leads_to_a_named_end(app: App, line: str, code: int) -> None:
    assert shell(app, line).code == code


@pytest.mark.parametrize("command", ["validate", "validate --json", "status", "status --json", "--help"])
def test_output_that_cannot_be_written_is_said_on_the_other_stream(app: App, command: str) -> None:
    said = shell(app, f"AGENT {command} >/dev/full")
    assert said.code == 73
    assert said.err.startswith("upsun-agent: the output cannot be written: ")


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full", ">&- 2>&- <&-", "2>&1 | true"])
def test_a_log_that_cannot_be_written_does_not_stop_a_tick(app: App, where: str) -> None:
    app.make_due()
    shell(app, f"AGENT tick {where}")
    (row,) = app.call("status", "--json").document["jobs"][0]["runs"]
    assert row["outcome"] == "succeeded"
    assert (app.asked("backup"), app.asked("source-operation")) == (1, 1)


@pytest.mark.parametrize("command", ["next --count 1000", "next --count 1000 --json", "validate --schema", "--help"])
def test_a_reader_that_has_seen_enough_ends_it_quietly(app: App, command: str) -> None:
    app.write_jobs('[jobs.often]\nschedule = "* * * * *"\n[[jobs.often.steps]]\nbackup = {}\n')
    said = shell(app, f"{{ AGENT {command}; echo code $? >&2; }} | head -1")
    assert len(said.out.splitlines()) == 1
    assert said.err == "code 0\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_the_terminal_cannot_show_is_escaped(app: App, encoding: str) -> None:
    for arguments in (["rehearse", "nightly"], ["validate", "--config", "/nön€xistent"]):
        line = f"AGENT {' '.join(arguments)}"
        text = shell(app, line, PYTHONIOENCODING=encoding)
        assert text.code in {0, 78}
        document = shell(app, f"{line} --json", PYTHONIOENCODING=encoding).document
        assert document


def test_a_name_that_is_no_text_is_shown_escaped(app: App) -> None:
    said = shell(app, "AGENT validate --json --config \"$(printf '/none\\377')\"")
    assert said.code == 78
    assert "/none" in said.document["error"]["message"]


def test_colours_are_for_terminals_only(make_app: Callable[..., App]) -> None:
    said = shell(make_app(), "AGENT rehearse nightly", TERM="xterm-256color", FORCE_COLOR="1")
    assert "\x1b" not in said.said
