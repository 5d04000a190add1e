"""``run --wait``: refused where it would hold up the deployment, followed to the end where a person looks on."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from upsun_simulator import SystemClock

from tests.harness.agent_process import COMMAND, TOKEN, ended
from tests.harness.cli_app import App

SHORT = {"backup_seconds": 0.5}


def real_time(app: App) -> App:
    """Let the platform live in real time too."""
    app.simulator.clock = app.simulator.platform.clock = SystemClock()
    return app


def test_in_a_cron_waiting_is_refused_before_anything_happens(app: App) -> None:
    said = app.agent("run", "hand", "--wait")
    assert said.code == 64
    assert "it is refused in a cron" in said.err
    assert "upsun-agent tick" in said.err
    assert app.simulator.requests == []
    assert not app.state.exists()


def test_without_waiting_a_cron_may_begin_a_run(make_app: Callable[..., App]) -> None:
    app = make_app(backup_seconds=600)
    said = app.agent("run", "hand")
    assert said.code == 0
    assert "backup requested" in said.out
    assert re.search(r"Waiting: backup: activity \w+ is in_progress", said.out)
    assert "Ticks continue the run. Follow it with: upsun-agent status --watch" in said.out
    assert "upsun-agent show hand@manual-" in said.out


def test_over_ssh_a_run_is_followed_to_its_end(make_app: Callable[..., App]) -> None:
    app = real_time(make_app(**SHORT))
    said = ended(app.agent.start("run", "hand", "--wait", "--json", SSH_CONNECTION="192.0.2.1 1 192.0.2.2 22"))
    assert said.code == 0
    assert said.document["outcome"] == "succeeded"
    assert [step["outcome"] for step in said.document["steps"]] == ["done", "done"]
    assert (app.asked("backup"), app.asked("source-operation")) == (1, 1)


def test_somebody_who_stops_waiting_leaves_a_run_that_ticks_carry_on(make_app: Callable[..., App]) -> None:
    app = make_app(backup_seconds=600)
    process = app.agent.start("run", "hand", "--wait", SSH_CONNECTION="192.0.2.1 1 192.0.2.2 22")
    while app.asked("backup") == 0:
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(0.3)
    said = ended(process, signal.SIGINT)
    assert said.code == 130
    assert "the next tick continues it" in said.err
    app.clock.advance(600)
    assert app.call("tick").code == 0
    assert app.call("show", "hand", "--json").document["outcome"] == "succeeded"
    assert (app.asked("backup"), app.asked("source-operation")) == (1, 1)


def test_on_a_terminal_the_progress_is_shown_live_and_taken_away_again(make_app: Callable[..., App]) -> None:
    app = real_time(make_app(**{**SHORT, "update_outcome": "failure"}))
    leader, follower = pty.openpty()
    environment = app.agent.environment(TERM="xterm", COLUMNS="80")
    process = subprocess.Popen(
        [*COMMAND, "run", "hand", "--wait"],
        cwd=app.directory,
        env=environment,
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    seen = b""
    while True:
        try:
            more = os.read(leader, 65536)
        except OSError:  # the other side is closed
            break
        if not more:
            break
        seen += more
    os.close(leader)
    assert process.wait(30) == 1
    text = seen.decode()
    assert "Traceback" not in text
    assert TOKEN not in text
    assert re.search(r"\r\x1b\[2K  0:0\d  backup: activity \w+ is (pending|in_progress)", text)
    assert text.count("backup requested") == 1
    assert "\x1b[32m" in text, "good news is green"
    assert "\x1b[31m" in text, "bad news is red"
    assert "run failed (activity-failed)" in text
    last = text.rstrip().rpartition("\r\x1b[2K")[2]
    assert " is in_progress" not in last, "no progress is left standing"


def test_a_run_that_is_waited_for_is_told_on_the_jobs_clock_and_counts_as_no_tick(
    make_app: Callable[..., App],
) -> None:
    app = make_app()
    app.jobs.write_text('[jobs.hand]\ntimezone = "Asia/Tokyo"\n[[jobs.hand.steps]]\nbackup = {}\n')
    said = app.call("run", "hand", "--wait", SSH_CONNECTION="1")
    assert said.code == 0, said.said
    assert "times are Asia/Tokyo" in said.out
    hour = datetime.now(UTC).astimezone(ZoneInfo("Asia/Tokyo"))
    assert re.search(rf"^(?:{hour:%H}|{hour - timedelta(minutes=5):%H}):\d\d:\d\d  ", said.out, re.MULTILINE)
    status = app.call("status", "--json").document
    assert (status["last_tick"], status["ticks"]) == (None, 0)
    assert "last tick never" in app.call("status").out
    assert app.call("tick").code == 0
    assert app.call("status", "--json").document["ticks"] == 1
