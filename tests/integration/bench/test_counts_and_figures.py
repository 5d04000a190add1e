"""The benchmark gives every figure that is promised, and what does not depend on the clock holds exactly."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.harness.needs import database
from tests.harness.sources import REPOSITORY, SOURCES
from tools.databases import MariaDb, Postgres

KEYS = {
    "idle.wall", "idle.memory", "loaded.wall", "own.wall", "postgres.wall",
    "mariadb.wall", "run.wall", "run.cpu", "run.memory",
    "daily.wall", "daily.cpu", "daily.memory", "daily.requests",
    "warm.wall", "warm.cpu", "warm.memory", "warm.requests",
    "official.memory", "official.size", "official.one-cron",
    "update.cpu", "update.memory",
    "status.cpu", "status-json.cpu", "page.cpu", "metrics.cpu", "all.cpu",
    "changes.cpu", "changes.memory",
}  # fmt: skip
SERVERS: dict[str, type[Postgres | MariaDb]] = {"postgres.wall": Postgres, "mariadb.wall": MariaDb}
TOLD = {"official.one-cron", "run.cpu", "update.cpu"}
READS = {"status.cpu", "status-json.cpu", "page.cpu", "metrics.cpu", "all.cpu"}
OURS = {key for key in KEYS if key.startswith(("idle.", "loaded.", "run.", "changes.", "update."))} | READS
#: Bounds of what is counted: today's number, and a little for other versions of Python and of the libraries.
RUN_MODULES_MOST = 297  # msgspec brings a dozen; packages of deferred modules are loaded, empty
SYNCS_MOST = 50
RUN_REQUESTS = 5
WHOLE_RUN_REQUESTS = 18  # eight, and ten that read what changed: two commits, two trees, two lock files, manifests
SENT_MOST, RECEIVED_MOST, JOURNAL_MOST = 3_500, 8_000, 80 * 1024


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What two rounds of the benchmark say, as a program hears it."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    variables["PYTHONPATH"] = SOURCES
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--rounds", "2", "--python", sys.executable, "--json"],
        cwd=REPOSITORY,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def allowed(version: tuple[int, int]) -> set[str]:
    """The allow-list for one version of Python; a line may end with the versions it holds for."""
    names = set()
    for line in (Path(__file__).parent / "idle_modules.txt").read_text().splitlines():
        name, *words = line.partition("#")[0].split()[:2] or [""]
        low, _, high = (words[0] if words else "").partition("-")
        at_least = tuple(map(int, low.split("."))) if low else (3, 0)
        at_most = tuple(map(int, high.split("."))) if high else (3, 99)
        if name and at_least <= version <= at_most:
            names.add(name)
    return names


def test_an_idle_tick_loads_exactly_what_is_listed(found: dict[str, Any]) -> None:
    idle = set(found["counts"]["idle_modules"])
    listed = allowed(sys.version_info[:2])
    assert (sorted(idle - listed), sorted(listed - idle)) == ([], []), "(loaded but not listed, listed but not loaded)"


def test_a_tick_loads_no_documents_of_commands(found: dict[str, Any]) -> None:
    loaded = [name for name in found["counts"]["run_modules"] if name.startswith("upsun_agent.report")]
    assert loaded == []


def test_every_figure_is_given_with_its_target(found: dict[str, Any]) -> None:
    figures = {each["key"]: each for each in found["figures"]}
    assert set(figures) == KEYS
    assert all(set(each) == {"key", "label", "value", "unit", "target", "aim", "verdict"} for each in figures.values())
    assert all(figures[key]["value"] > 0 for key in OURS)
    assert all(figures[key]["target"] is not None for key in KEYS - TOLD)
    verdicts = {each["verdict"] for each in figures.values()}
    assert verdicts <= {"ok", "MISSED", "not measured", "told"}
    assert found["python"].startswith("Python 3.")
    assert found["rounds"] == 2


def test_without_the_official_cli_it_says_so_and_gives_the_rest(found: dict[str, Any]) -> None:
    others = [each for each in found["figures"] if each["key"] not in OURS | SERVERS.keys()]
    measured = all(each["value"] is not None for each in others)
    said = any("NOT MEASURED" in note for note in found["notes"])
    assert measured is not said


@pytest.mark.parametrize("key", SERVERS)
def test_an_idle_tick_with_its_journal_on_a_server_is_measured_where_there_is_one(
    found: dict[str, Any], key: str
) -> None:
    database(SERVERS[key], "the speed of an idle tick on it")
    (figure,) = [each for each in found["figures"] if each["key"] == key]
    assert figure["value"] > 0


def test_backup_and_update_make_five_requests_and_a_whole_run_eighteen(found: dict[str, Any]) -> None:
    assert found["counts"]["run_requests"] == RUN_REQUESTS
    assert found["counts"]["whole_run_requests"] == WHOLE_RUN_REQUESTS


def test_backup_and_update_load_no_more_modules_than_before(found: dict[str, Any]) -> None:
    loaded = found["counts"]["run_modules"]
    assert {"httpx", "structlog"} <= set(loaded)  # croniter is for slots that are more than days away
    assert len(loaded) <= RUN_MODULES_MOST
    foreign = {"rich", "click", "pygments", "cryptography", "werkzeug", "upsun_simulator", "pkg_resources"}
    held_back = {"anyio", "asyncio", "ctypes", "email.message", "http.cookiejar", "idna", "inspect", "urllib.request"}
    of_others = {"upsun_agent.config.definitions", "upsun_agent.steps.merge", "tomllib"}
    assert (foreign | held_back | of_others) & set(loaded) == set()


def test_the_journal_stays_small(found: dict[str, Any]) -> None:
    assert found["counts"]["journal_bytes"] <= JOURNAL_MOST


@pytest.mark.skipif(shutil.which("strace") is None, reason="SYSTEM CALLS WERE NOT COUNTED: there is no strace")
def test_syncs_programs_and_bytes_are_bounded(found: dict[str, Any]) -> None:
    counts = found["counts"]
    if counts["syncs"] is None:
        pytest.skip("SYSTEM CALLS WERE NOT COUNTED: strace may not trace here")
    assert counts["idle_syncs"] == 0, "an idle tick waits for no disk"
    assert 1 <= counts["syncs"] <= SYNCS_MOST
    assert counts["programs"] == 1, "the agent starts no other program"
    assert 0 < counts["sent_bytes"] <= SENT_MOST
    assert 0 < counts["received_bytes"] <= RECEIVED_MOST
