"""``report``: where it writes, how, and which calls of it make no sense."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.agent_process import COMMAND, TOKEN
from tests.harness.cli_app import App


@pytest.fixture
def ticked(app: App) -> App:
    app.make_due()
    assert app.call("tick").code == 0
    return app


def test_it_writes_a_page_and_metrics_and_says_what(ticked: App) -> None:
    said = ticked.call("report", "--html", "page.html", "--prometheus", "metrics.prom", "--json")
    assert said.code == 0
    written = {each["kind"]: each for each in said.document["written"]}
    for kind, name in (("html", "page.html"), ("prometheus", "metrics.prom")):
        assert written[kind]["bytes"] == (ticked.directory / name).stat().st_size
    assert written["html"]["items"] == 1
    assert "<!DOCTYPE html>" in (ticked.directory / "page.html").read_text()
    said = ticked.call("report", "--html", "page.html", "--days", "7", "--job", "nightly")
    assert said.out == "html: 1 run to page.html\n"
    assert "The page shows 7 days" in (ticked.directory / "page.html").read_text()


def test_no_secret_is_on_the_page_or_in_the_metrics(ticked: App) -> None:
    ticked.call("report", "--html", "page.html", "--prometheus", "metrics.prom")
    for name in ("page.html", "metrics.prom"):
        assert TOKEN not in (ticked.directory / name).read_text()


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_have_the_mode_of_a_new_file_and_nothing_else_is_left(ticked: App, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        ticked.call("report", "--html", "page.html")
    finally:
        os.umask(before)
    assert stat.S_IMODE((ticked.directory / "page.html").stat().st_mode) == mode
    assert [name for name in os.listdir(ticked.directory) if name.startswith(".page")] == []


def test_a_link_stays_a_link_and_what_it_names_is_replaced_whole(ticked: App) -> None:
    there = ticked.directory / "there.html"
    there.write_text("old")
    opened = there.open(encoding="utf-8")
    (ticked.directory / "page.html").symlink_to(there)
    assert ticked.call("report", "--html", "page.html").code == 0
    assert (ticked.directory / "page.html").is_symlink()
    assert "<!DOCTYPE html>" in there.read_text()
    assert opened.read() == "old", "who was reading goes on with the old one"
    opened.close()


def test_a_dash_is_standard_output_byte_for_byte_in_any_locale(ticked: App) -> None:
    for option, first in (("--html", b"<!DOCTYPE html>"), ("--prometheus", b"# HELP upsun_agent_runs_total")):
        done = subprocess.run(
            [*COMMAND, "report", option, "-"],
            cwd=ticked.directory,
            env=ticked.agent.environment(LANG="C", LC_ALL="C", PYTHONIOENCODING="ascii"),
            capture_output=True,
            check=True,
        )
        assert done.stdout.startswith(first)
        assert done.stdout.endswith(b"\n")
        assert done.stderr == b""
        done.stdout.decode("utf-8")
        if option == "--html":
            assert "✓".encode() in done.stdout


def test_a_pipe_that_is_named_is_written_to(ticked: App) -> None:
    pipe = ticked.directory / "pipe"
    os.mkfifo(pipe)
    process = ticked.agent.start("report", "--html", "pipe")
    assert pipe.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert process.wait(60) == 0
    process.communicate()
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert ticked.call("report", "--html", "/dev/null").code == 0


def test_a_pipe_that_nobody_reads_is_not_waited_for_for_ever(ticked: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upsun_agent.cli.report.READER_PATIENCE", 0.1)
    os.mkfifo(ticked.directory / "pipe")
    said = ticked.call("report", "--html", str(ticked.directory / "pipe"))
    assert said.code == 73
    assert "pipe cannot be written" in said.err


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT CHECKED: only root can lay a link of another user's")
def test_a_link_that_another_user_laid_is_not_followed(ticked: App) -> None:
    target, link = ticked.directory / "target", ticked.directory / "page.html"
    target.write_text("precious")
    link.symlink_to(target)
    os.lchown(link, 12345, 12345)
    said = ticked.call("report", "--html", str(link))
    assert said.code == 73
    assert "it is a symbolic link that another user made" in said.err
    assert target.read_text() == "precious"


@pytest.mark.parametrize("path", ["missing/page.html", "/proc/none/page.html", "x" * 300, "nul\0byte", ".", ""])
def test_what_cannot_be_written_is_73(ticked: App, path: str) -> None:
    said = ticked.call("report", "--html", path)
    assert said.code == 73, said.said
    assert "cannot be written" in said.err


WRONG = {
    "nothing to write": [],
    "two things on one output": ["--html", "-", "--prometheus", "-"],
    "a page and a document on one output": ["--html", "-", "--json"],
    "metrics and a document on one output": ["--prometheus", "-", "--json"],
    "no days": ["--html", "p", "--days", "0"],
    "more days than are kept": ["--html", "p", "--days", "401"],
    "an endpoint that is none": ["--otlp", "collector"],
    "a scheme that is none": ["--otlp", "ftp://collector/"],
    "an endpoint with a space": ["--otlp", "http://a b/"],
    "a port that is none": ["--otlp", "http://collector:99999"],
    "a broken address": ["--otlp", "http://[::1"],
    "a password in an argument": ["--otlp", "http://user:canary-password@collector"],
}


@pytest.mark.parametrize("what", WRONG)
def test_a_call_that_makes_no_sense_is_a_usage_error(app: App, what: str) -> None:
    said = app.call("report", *WRONG[what])
    assert said.code == 64
    assert "canary" not in said.said


def test_an_unknown_job_is_78(ticked: App) -> None:
    said = ticked.call("report", "--html", "p", "--job", "weekly")
    assert said.code == 78
    assert "the jobs are: nightly, hand" in said.err
    assert not (ticked.directory / "p").exists()


def test_a_collector_that_is_not_there_is_69(ticked: App) -> None:
    said = ticked.call("report", "--otlp", "http://127.0.0.1:1", OTEL_EXPORTER_OTLP_TIMEOUT="1")
    assert said.code == 69
    assert "127.0.0.1:1 did not accept the metrics" in said.err


def test_without_the_extra_it_says_which_one(ticked: App, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['opentelemetry'] = None\n"
        "from upsun_agent.cli.main import run\n"
        "raise SystemExit(run(['report', '--otlp', 'http://127.0.0.1:1']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ticked.directory,
        env=ticked.agent.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 64
    assert "--otlp needs the extra 'otel'" in done.stderr
    assert "UPSUN_AGENT_EXTRA=otel" in done.stderr


def test_a_page_before_the_first_tick_is_no_error_and_leaves_no_state_behind(app: App) -> None:
    assert app.call("report", "--html", "page.html", "--prometheus", "m").code == 0
    assert not app.state.exists()
    assert re.search(r"upsun_agent_ticks_total\{[^}]*\} 0\n", (app.directory / "m").read_text())
