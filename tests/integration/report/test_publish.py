"""Publishing: off unless asked for, after everything else, whole or not at all, and never a tick's failure."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from upsun_agent.config import parse
from upsun_agent.platform.container import Container
from upsun_agent.report import publish as publishing
from upsun_agent.report.publish import TooLong, at_most, publish
from upsun_agent.runtime.context import Terminated, TickContext
from upsun_agent.runtime.tick import run_tick
from upsun_simulator.rehearsal.play import Rehearsal

DUE = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
TEXT = """\
{report}
[jobs.nightly]
schedule = "0 3 * * *"
[[jobs.nightly.steps]]
backup = {{}}
"""


class Night:
    """One night of a job in virtual time, with the real tick."""

    def __init__(self, directory: Path, report: str = "") -> None:
        job_file = parse(TEXT.format(report=report))
        container = Container("runtime", project="abcdefgh1234z", environment="main", app="app")
        self.rehearsal = Rehearsal(job_file, job_file.job("nightly"), container, (), DUE - timedelta(hours=1))
        self.log = io.StringIO()
        self.site: TickContext = replace(
            self.rehearsal.tick_context(str(directory / "state"), self.log, None), publish=publish
        )
        run_tick(self.site)

    def tick(self, minutes: float = 5) -> int:
        now = max(self.site.clock.now(), DUE) + timedelta(minutes=minutes)
        self.rehearsal.manual_clock.set(now)
        return run_tick(self.site).exit_code()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]


def setting(place: Path, more: str = "") -> str:
    return f'[report]\npublish = "{place}"\n{more}\n'


def test_it_is_off_unless_the_job_file_asks_for_it_and_then_imports_nothing(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from tests.integration.report.test_publish import Night, Path\n"
        "for name in [name for name in sys.modules if name.startswith('upsun_agent.report')]: del sys.modules[name]\n"
        f"night = Night(Path({str(tmp_path)!r})); [night.tick() for _ in range(4)]\n"
        "assert night.logged('run-closed')\n"
        "print([name for name in sys.modules if name.startswith('upsun_agent.report.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr[-2000:]


def test_a_tick_that_opens_or_closes_a_run_writes_the_page_after_all_else(tmp_path: Path) -> None:
    place = tmp_path / "public" / "report"
    night = Night(tmp_path, setting(place))
    assert not place.exists(), "nothing happened yet"
    codes = [night.tick() for _ in range(4)]
    assert codes == [0, 0, 0, 0]
    assert os.listdir(place) == ["index.html"]
    assert "succeeded" in (place / "index.html").read_text()
    events = [line["event"] for line in night.lines]
    assert events.count("report-published") == 2, "one for the opening, one for the end"
    assert events.index("run-closed") < len(events) - 1 - events[::-1].index("report-published")
    assert stat.S_IMODE((place / "index.html").stat().st_mode) == 0o644
    assert stat.S_IMODE(place.stat().st_mode) & 0o555 == 0o555, "the web server may be another user"


def test_metrics_are_written_beside_it_where_they_are_wanted(tmp_path: Path) -> None:
    night = Night(tmp_path, setting(tmp_path / "r", "metrics = true\ndays = 3"))
    for _ in range(4):
        night.tick()
    assert sorted(os.listdir(tmp_path / "r")) == ["index.html", "metrics.txt"]
    found = (tmp_path / "r" / "metrics.txt").read_text()
    assert 'job="nightly",outcome="succeeded"} 1\n' in found
    assert "The page shows 3 days" in (tmp_path / "r" / "index.html").read_text()


def test_what_cannot_be_written_is_logged_and_the_tick_is_none_the_worse(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    night = Night(tmp_path, setting(tmp_path / "file"))
    assert [night.tick() for _ in range(4)] == [0, 0, 0, 0]
    assert len(night.logged("run-closed")) == 1
    told = night.logged("report-not-published")
    assert told
    assert told[0]["level"] == "warning"
    assert "cannot be written" in told[0]["message"]


def test_a_mistake_of_ours_is_logged_by_its_kind_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("canary-api-token-1234567890")

    monkeypatch.setattr(publishing, "page", broken)
    night = Night(tmp_path, setting(tmp_path / "r"))
    assert [night.tick() for _ in range(4)] == [0, 0, 0, 0]
    assert night.logged("report-not-published")[0]["message"] == "unexpected RuntimeError"
    assert "canary" not in night.log.getvalue()
    assert os.listdir(tmp_path / "r") == []


def test_an_older_page_stays_whole_where_a_new_one_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    night = Night(tmp_path, setting(tmp_path / "r"))
    night.tick()
    before = (tmp_path / "r" / "index.html").read_text()
    monkeypatch.setattr("os.replace", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    for _ in range(3):
        night.tick()
    assert (tmp_path / "r" / "index.html").read_text() == before
    assert os.listdir(tmp_path / "r") == ["index.html"], "no half file is left"
    assert "No space left" in night.logged("report-not-published")[0]["message"]


def test_it_takes_no_longer_than_its_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "PUBLISH_BUDGET", 0.2)
    monkeypatch.setattr(publishing, "page", lambda _: time.sleep(30))
    night = Night(tmp_path, setting(tmp_path / "r"))
    began = time.monotonic()
    assert night.tick() == 0
    assert time.monotonic() - began < 10
    assert night.logged("report-not-published")[0]["message"] == "it took longer than 0.2 s"


def test_sigterm_is_not_held_up_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def terminated(_: object) -> str:
        raise Terminated

    monkeypatch.setattr(publishing, "page", terminated)
    night = Night(tmp_path, setting(tmp_path / "r"))
    with pytest.raises(Terminated):
        night.tick()


def test_the_limit_of_time_leaves_no_alarm_behind_and_spares_other_threads() -> None:
    with at_most(0.1):
        pass
    time.sleep(0.15)
    with pytest.raises(TooLong), at_most(0.05):
        time.sleep(5)
    done = []

    def elsewhere() -> None:
        with at_most(0.01):
            time.sleep(0.05)
            done.append(True)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert done == [True]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[report]\npublish = "var/report"\n', 2),
        ('[report]\npublish = "/r"\ndays = 0\n', 3),
        ("[report]\nmetrics = 1\n", 2),
        ('[report]\npublsh = "/r"\n', 2),
    ],
)
def test_mistakes_in_the_job_file_are_named_with_their_line(text: str, line: int) -> None:
    from upsun_agent.config import JobFileInvalid

    with pytest.raises(JobFileInvalid) as caught:
        parse(TEXT.format(report=text))
    assert caught.value.mistakes[0].line == line
