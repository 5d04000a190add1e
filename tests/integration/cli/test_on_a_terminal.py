"""What a person sees on a terminal: texts folded between words, logs as a story, an end that begins a new line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.harness.cli_app import App
from tests.harness.pseudo_terminal import on_terminal, plain

WIDE = 60
LONG = "a-channel-that-nobody-has-ever-named-in-any-job-file"
#: Calls that say more than a narrow line holds, with what becomes of the app before.
CALLS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "a token that is good": (("token", "check"), {}),
    "a token that is none": (("token", "check"), {"UPSUN_CLI_TOKEN": "another-one-that-is-not-good"}),
    "a plan": (("setup", "machine-user", "bot@example.com", "--dry-run"), {"UPSUN_CLI_TOKEN": "simulated-owner-token"}),
    "an unknown option": (("run", "hand", f"--{LONG}"), {}),
    "an unknown command": (("xyzzy",), {}),
    "an unknown job": (("run", LONG), {}),
    "nothing yet": (("show", "hand"), {}),
    "a story": (("show", "nightly"), {}),
    "log lines": (("logs", "nightly"), {}),
}


@pytest.fixture
def ticked(app: App) -> App:
    """A container whose nightly job has just run."""
    app.make_due()
    assert app.call("tick").code == 0
    return app


@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_broken_within_a_word_on_a_narrow_terminal(ticked: App, name: str) -> None:
    arguments, variables = CALLS[name]
    piped = ticked.call(*arguments, **variables)
    with on_terminal(ticked.agent, *arguments, columns=WIDE, NO_COLOR="1", **variables) as seen:
        assert seen.end() == piped.code
    lines = plain(seen.said).splitlines()
    assert len(lines) > 1
    words = {word for line in lines for word in line.split()}
    for line in lines:
        assert len(line) <= WIDE or max(map(len, line.split())) > WIDE // 2, line
    if name != "log lines":  # for people those have another form than for a pipe
        for word in piped.said.split():
            assert word in words or word[0].isdigit(), f"{word} was broken"


def test_logs_read_like_the_story_of_the_run(ticked: App) -> None:
    with on_terminal(ticked.agent, "logs", "nightly", columns=80) as seen:
        assert seen.end() == 0
    first, *lines = plain(seen.said).splitlines()
    assert first.startswith(f"nightly@{ticked.slot}, ")
    assert first.endswith("(times are UTC)")
    starts = [line for line in lines if not line.startswith(" ")]
    assert len(starts) > 5
    for line in starts:
        clock, sign, event, *_ = line.split()
        assert len(clock) == len("00:00:00")
        assert sign in {"→", "✓", "✗", "!", "·"}
        assert event.rstrip(":").replace("-", "").isalpha()
    assert "=" not in "".join(lines), "no key=value"
    assert any("run-closed" in line for line in starts)


def test_an_error_in_a_log_has_its_sign_and_its_remedy(make_app: Callable[..., App]) -> None:
    app = make_app(role="viewer")
    assert app.call("run", "hand").code == 77
    with on_terminal(app.agent, "logs", "hand", columns=100) as seen:
        assert seen.end() == 0
    text = plain(seen.said)
    assert "✗ step-failed: " in text
    assert "production:admin" in text


@pytest.mark.parametrize("keys", [b"\x03"])
def test_ctrl_c_while_waiting_begins_a_line_of_its_own(make_app: Callable[..., App], keys: bytes) -> None:
    app = make_app(backup_seconds=600)
    with on_terminal(app.agent, "run", "hand", "--wait", columns=100, SSH_CONNECTION="x") as seen:
        seen.wait_for("is in_progress")
        seen.press(keys)
        assert seen.end() == 130
    lines = plain(seen.said).replace("\r", "\n").splitlines()
    assert lines[-1] == "interrupted; the journal holds what was begun; the next tick continues it"
