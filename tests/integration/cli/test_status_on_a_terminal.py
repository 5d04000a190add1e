"""``status``, ``history``, ``show`` and ``next`` on a real terminal of 80 by 24, and ``status --watch``."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from upsun_agent.text.columns import breadth

from tests.harness.cli_app import App
from tests.harness.pseudo_terminal import frames, on_terminal, plain

LONG = "nightly-update-of-the-main-site-with-a-name-as-long-as-any-{:02}"
MANY = "".join(
    f'\n[jobs.{LONG.format(n)}]\nschedule = "{n} 3 * * *"\ntimezone = "America/Argentina/ComodRivadavia"\n'
    f"[[jobs.{LONG.format(n)}.steps]]\nbackup = {{}}\n"
    for n in range(28)
)


@pytest.fixture
def crowd(app: App) -> App:
    """Thirty jobs, one of them held back for a reason that goes on."""
    app.write_jobs(MANY)
    app.call("pause", LONG.format(7), "--reason", "a reason with many words, " * 8)
    return app


@pytest.fixture
def busy(make_app: Callable[..., App]) -> App:
    """The same with a run that is over, and one in flight."""
    app = make_app(backup_seconds=0)
    app.make_due()
    app.write_jobs(MANY)
    app.call("tick")
    app.simulator.change(backup_seconds=6000)
    app.call("run", LONG.format(3))
    app.call("pause", LONG.format(7), "--reason", "a reason with many words, " * 8)
    return app


def test_no_line_is_broken_by_the_terminal(busy: App) -> None:
    for columns, *arguments in (
        (80, "status"),
        (60, "status"),
        (80, "history"),
        (80, "show", LONG.format(3)),
        (80, "show", "nightly"),
        (80, "next", "--count", "30"),
        (80, "why", "nightly"),
    ):
        with on_terminal(busy.agent, *map(str, arguments), columns=int(columns)) as terminal:
            assert terminal.end() == 0
        lines = plain(terminal.said).split("\n")
        assert len(lines) > 2
        assert [line for line in lines if breadth(line) > int(columns)] == [], arguments


def test_colours_are_for_terminals_that_want_them(crowd: App) -> None:
    tried: tuple[tuple[dict[str, Any], bool], ...] = (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False))
    for changes, expected in tried:
        with on_terminal(crowd.agent, "status", **changes) as terminal:
            assert terminal.end() == 0
        assert (b"\x1b[" in terminal.said) is expected, changes


# --- status --watch ------------------------------------------------------------------------------------------------


def test_watch_draws_again_what_has_changed_and_q_leaves(crowd: App) -> None:
    with on_terminal(crowd.agent, "status", "--watch", "1") as terminal:
        terminal.wait_for("q leaves")
        assert terminal.said.startswith(b"\x1b[?1049h\x1b[?25l"), "the alternate screen, without a cursor"
        before = len(terminal.said)
        crowd.call("pause", "hand", "--reason", "something new")
        terminal.wait_for("something new", after=before)
        terminal.press(b"q")
        assert terminal.end() == 0
        assert terminal.modes == terminal.settings
    assert terminal.said.rstrip().endswith(b"\x1b[?25h\x1b[?1049l"), "the screen is given back"
    pictures = frames(terminal.said)
    assert len(pictures) >= 2
    for lines in pictures:
        assert len(lines) <= 24
        assert all(breadth(line) <= 80 for line in lines)
    assert "the terminal is too short" in pictures[0][-2]


def test_ctrl_c_ends_watching_with_130_and_gives_the_screen_back(crowd: App) -> None:
    with on_terminal(crowd.agent, "status", "--watch") as terminal:
        terminal.wait_for("q leaves")
        terminal.press(b"\x03")
        assert terminal.end() == 130
        assert terminal.modes == terminal.settings
    assert b"\x1b[?1049l" in terminal.said
    assert b"Traceback" not in terminal.said


def test_sigterm_ends_watching_with_143_and_gives_the_screen_back(crowd: App) -> None:
    with on_terminal(crowd.agent, "status", "--watch") as terminal:
        terminal.wait_for("q leaves")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.end() == 143
        assert terminal.modes == terminal.settings
    assert b"\x1b[?1049l" in terminal.said


def test_ctrl_z_gives_the_screen_back_until_it_goes_on(crowd: App) -> None:
    with on_terminal(crowd.agent, "status", "--watch", "60") as terminal:
        terminal.wait_for("q leaves")
        terminal.process.send_signal(signal.SIGTSTP)
        terminal.wait_for("\x1b[?1049l")
        for _ in range(100):
            if os.waitid(os.P_PID, terminal.process.pid, os.WSTOPPED | os.WNOWAIT | os.WNOHANG) is not None:
                break
            time.sleep(0.05)
        assert terminal.modes == terminal.settings
        before = len(terminal.said)
        terminal.process.send_signal(signal.SIGCONT)
        terminal.wait_for("q leaves", after=before)
        terminal.press(b"q")
        assert terminal.end() == 0


def test_another_size_is_drawn_at_once(crowd: App) -> None:
    with on_terminal(crowd.agent, "status", "--watch", "600", lines=60) as terminal:
        terminal.wait_for("q leaves")
        before = len(terminal.said)
        terminal.resize(50, 10)
        terminal.wait_for("q leaves", after=before)
        terminal.press(b"Q")
        assert terminal.end() == 0
    last = frames(terminal.said)[-1]
    assert len(last) == 10
    assert all(breadth(line) <= 50 for line in last)


def test_watching_costs_little_while_nothing_happens(crowd: App) -> None:
    with on_terminal(crowd.agent, "status", "--watch", "600") as terminal:
        terminal.wait_for("q leaves")

        def ticks() -> int:
            with open(f"/proc/{terminal.process.pid}/stat", encoding="ascii") as file:
                words = file.read().rpartition(")")[2].split()
            return int(words[11]) + int(words[12])

        before = ticks()
        time.sleep(2)
        assert ticks() - before <= os.sysconf("SC_CLK_TCK") // 10, "a tenth of a second of CPU in two"


@pytest.mark.parametrize("arguments", [("status", "--watch"), ("status", "--watch", "2", "--json")])
def test_without_a_terminal_watching_is_a_usage_error(app: App, arguments: tuple[str, ...]) -> None:
    said = app.call(*arguments)
    assert said.code == 64
    assert "--watch needs a terminal" in said.said


@pytest.mark.parametrize("changes", [{"TERM": "dumb"}, {"TERM": ""}])
def test_a_terminal_that_cannot_be_drawn_on_is_refused(app: App, changes: dict[str, Any]) -> None:
    with on_terminal(app.agent, "status", "--watch", **changes) as terminal:
        assert terminal.end() == 64


@pytest.mark.parametrize("seconds", ["0", "3601", "soon", "-1"])
def test_an_interval_that_is_none_is_a_usage_error(app: App, seconds: str) -> None:
    assert app.call("status", f"--watch={seconds}").code == 64


def test_what_the_platform_says_cannot_move_the_cursor(crowd: App) -> None:
    crowd.call("pause", "hand", "--reason", "\x1b[2J\x1b]0;taken\x07 over")
    with on_terminal(crowd.agent, "status", "--watch", lines=60) as terminal:
        terminal.wait_for("q leaves")
        terminal.press(b"q")
        terminal.end()
    assert b"\x1b[2J" not in terminal.said
    assert b"\x1b]" not in terminal.said
    assert b": over;" in terminal.said
    assert b"taken" not in terminal.said
