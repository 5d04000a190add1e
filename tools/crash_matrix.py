"""Kill, or fail, a whole run at every system call that touches its state or the network.

The run is the nightly one, backup then update, or with ``--play flagship`` the pipeline of how-to/pipelines.md whose
update breaks production, so that it is rolled back.

Each point is one real process: the tick is started under strace, which at the Nth call of a name kills it or makes
the call fail; then ticks without strace go on until the run is over. What happened is read from the simulator's
request log, never from the agent: nothing asked for twice, no update without a successful backup before it, nothing
left in flight.

    python -m tools.crash_matrix                 every point (long; `make soak`)
    python -m tools.crash_matrix --sample 60     a seeded sample
    python -m tools.crash_matrix --write         also write docs/reference/crash-matrix.md (or crash-matrix-flagship.md)
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from upsun_agent.journal.notes import SEAL
from upsun_agent.journal.seals import Seals
from upsun_simulator import ManualClock, Scenario, Simulator, serve

from tools.ticks import zygote

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT, ENVIRONMENT, TOKEN = "abcdefgh1234z", "main", "crash-matrix-token"
STATE_FILES = ("journal.sqlite", "journal.sqlite-journal", "tick.lock", "last-tick", "sidecar.json", "sidecar.json.new")
WAYS = ("KILL", "ENOSPC", "EIO", "EACCES")
#: Exit codes that a tick may end with when a system call failed under it.
NAMED = frozenset({0, 1, 65, 69, 73, 75, 77, 78})
HANGS = -1000
#: In memory where there is such: kills lose no unsynced write either way, and every event is synced.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  fresh directories are made in it  # nosec B108
TICKS_MOST = 24
STEP_SECONDS = 170.0  # the platform's clock moves on this far between ticks: past the time an answer may be open

NIGHTLY = """\
[jobs.nightly-update]
schedule = "{minute} {hour} * * *"

[[jobs.nightly-update.steps]]
backup = {{}}

[[jobs.nightly-update.steps]]
source-operation = {{ name = "update" }}
"""
FLAGSHIP = """\
[jobs.flagship]
schedule = "{minute} {hour} * * *"

[[jobs.flagship.steps]]
sync = {{ environment = "staging", code = true, data = true, retries = 0 }}

[[jobs.flagship.steps]]
source-operation = {{ environment = "staging", name = "update", backup = "not-needed" }}

[[jobs.flagship.steps]]
http-check = {{ url = "{url}/_site/staging/", when = "updated", retries = 0 }}

[[jobs.flagship.steps]]
backup = {{ environment = ".", when = "updated", retries = 0 }}

[[jobs.flagship.steps]]
merge = {{ environment = "staging", into = ".", when = "updated" }}

[[jobs.flagship.steps]]
http-check = {{ url = "{url}/_site/main/", when = "updated", retries = 0 }}

[[jobs.flagship.on-failure]]
source-operation = {{ environment = ".", name = "revert", backup = "not-needed", on-failure = "continue" }}

[[jobs.flagship.on-failure]]
restore = {{ environment = ".", allow-restore = true }}
"""


@dataclass(frozen=True, slots=True)
class Play:
    """A run to be struck: its job file, how the platform behaves, and what comes of it when nothing is struck."""

    job_file: str
    scenario: dict[str, Any]
    wanted: tuple[str, ...]
    outcome: str
    document: str


PLAYS = {
    "nightly": Play(NIGHTLY, {}, ("backup", "source-operation update"), "succeeded", "crash-matrix.md"),
    "flagship": Play(
        FLAGSHIP,
        {"update_breaks_site": "production", "source_operations": ("update", "revert")},
        ("synchronize", "source-operation update", "backup", "merge", "source-operation revert", "restore"),
        "failed",
        "crash-matrix-flagship.md",
    ),
}


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """Where the process is hit: the Nth call of a name, in files or on the network, and how."""

    area: str
    call: str
    number: int
    way: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a point: how the struck tick ended, ticks until the end, and every broken promise."""

    point: Point
    code: int
    ticks: int
    broken: tuple[str, ...]


class Scene:
    """A state directory in which the job's slot has just become due, and the variables of its container."""

    def __init__(self, root: Path, play: str = "nightly") -> None:
        self.root = root
        self.play = play
        self.state = root / "state"
        self.job_file = root / "agent.toml"

    @classmethod
    def build(cls, root: Path, play: str = "nightly") -> Scene:
        """Install the agent's state well before the slot: a first tick, with its clock notes put back in time."""
        scene = cls(root, play)
        slot = datetime.now(UTC) - timedelta(minutes=10)
        text = PLAYS[play].job_file.format(minute=slot.minute, hour=slot.hour, url="http://127.0.0.1:9")
        scene.job_file.write_text(text)
        subprocess.run(scene.command(), env=scene.variables("http://127.0.0.1:9"), check=True, capture_output=True)
        with sqlite3.connect(scene.state / "journal.sqlite") as db:
            db.execute("UPDATE cursors SET until = until - 3600")
            db.execute("UPDATE idle_hint SET next_due = 0")
        db.close()
        return scene

    def copy(self, root: Path) -> Scene:
        """Return the same scene in another directory."""
        shutil.copytree(self.root, root, dirs_exist_ok=True)
        return Scene(root, self.play)

    def at(self, url: str) -> Scene:
        """Return the same scene with the sites of its checks on that server."""
        self.job_file.write_text(self.job_file.read_text().replace("http://127.0.0.1:9", url))
        return self

    @staticmethod
    def command() -> list[str]:
        """Return a tick by this interpreter."""
        return [sys.executable, "-m", "upsun_agent", "tick"]

    def variables(self, url: str) -> dict[str, str]:
        """Return the container's variables."""
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{REPOSITORY}/agent:{REPOSITORY}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PLATFORM_PROJECT": PROJECT,
            "PLATFORM_BRANCH": ENVIRONMENT,
            "PLATFORM_ENVIRONMENT_TYPE": "production",
            "UPSUN_AGENT_CONFIG": str(self.job_file),
            "UPSUN_AGENT_STATE": str(self.state),
            "UPSUN_CLI_TOKEN": TOKEN,
            "UPSUN_CLI_API_URL": url,
            "UPSUN_CLI_AUTH_URL": url,
        }

    def strace(self, area: str, *more: str) -> list[str]:
        """Strace over the calls of an area: those on the state's files, or those of the network."""
        if area == "network":
            return ["strace", "-f", "-qq", "-e", "signal=none", "-e", "trace=%network", *more]
        paths = [part for name in STATE_FILES for part in ("-P", str(self.state / name))]
        return [
            "strace",
            "-f",
            "-qq",
            "-e",
            "signal=none",
            "-e",
            "trace=%file,%desc",
            *paths,
            "-P",
            str(self.state),
            *more,
        ]


def platform(play: str = "nightly") -> Simulator:
    """Return a platform on which everything happens at once, and whose clock only we move."""
    scenario = Scenario(
        **PLAYS[play].scenario,
        token=TOKEN,
        project=PROJECT,
        environment=ENVIRONMENT,
        backup_seconds=0,
        source_operation_seconds=0,
        deploy_seconds=0,
        integration_seconds=0,
        sync_seconds=0,
        merge_seconds=0,
        restore_seconds=0,
    )
    return Simulator(scenario, ManualClock(datetime.now(UTC)))


def points(template: Scene, ways: Iterable[str]) -> list[Point]:
    """Return every point there is, counted in one whole run under strace."""
    found: list[Point] = []
    for area in ("files", "network"):
        with tempfile.TemporaryDirectory(dir=MEMORY) as directory, serve(platform(template.play)) as server:
            scene, log = template.copy(Path(directory) / "scene").at(server.url), Path(directory) / "strace.log"
            zygote().run(scene.variables(server.url), scene.strace(area, "-o", str(log)))
            counts = Counter(re.findall(r"^(?:\d+ +)?([a-z_0-9]+)\(", log.read_text(errors="replace"), re.MULTILINE))
        for call, count in sorted(counts.items()):
            found += [Point(area, call, number, way) for way in ways for number in range(1, count + 1)]
    return found


def strike(template: str, first: Point, second: Point | None = None, play: str = "nightly") -> Result:
    """Hit one tick at ``first`` (and the next at ``second``), then tick until the run is over, and judge."""
    simulator = platform(play)
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory, serve(simulator) as server:
        scene = Scene(Path(template), play).copy(Path(directory) / "scene").at(server.url)
        broken: list[str] = []
        code = tick(scene, server.url, first, broken)
        if second is not None:
            simulator.clock.advance(STEP_SECONDS)  # type: ignore[attr-defined]  # platform() gave it a ManualClock
            tick(scene, server.url, second, broken)
        ticks = 0
        while ticks < TICKS_MOST and not is_over(scene):
            simulator.clock.advance(STEP_SECONDS)  # type: ignore[attr-defined]  # same
            pass_time(scene)
            tick(scene, server.url, None, broken)
            ticks += 1
        broken += list(judge(simulator, scene))
    return Result(first, code, ticks, tuple(broken))


def pass_time(scene: Scene) -> None:
    """Let time pass for what waits by the machine's own clock, no platform being heard.

    That is a check of the site that is to be repeated, and a request that could not be sent.
    """
    with closing(sqlite3.connect(scene.state / "journal.sqlite")) as db, db:
        planned = "SELECT seq, data FROM events WHERE kind IN ('recheck-planned', 'request-refused')"
        for number, text in db.execute(planned).fetchall():
            data = json.loads(text)
            if data["failure"] in {"check-failed", "unreachable"} and data["again_at"] is not None:
                data["again_at"] = data["at"]
                db.execute("UPDATE events SET data = ? WHERE seq = ?", (json.dumps(data), number))
                seal_again(db)


def seal_again(db: sqlite3.Connection) -> None:
    """Let the open run, which was changed behind the agent's back, count as the agent's own."""
    seals = Seals((PROJECT, ENVIRONMENT, ""), (TOKEN,))
    for (run,) in db.execute("SELECT run FROM runs WHERE outcome IS NULL").fetchall():
        events = db.execute("SELECT kind, data FROM events WHERE run = ? ORDER BY seq", (run,)).fetchall()
        db.execute("UPDATE notes SET value = ? WHERE key = ?", (seals.seal(run, events), f"{SEAL}{run}"))


def tick(scene: Scene, url: str, point: Point | None, broken: list[str]) -> int:
    """Return one tick, struck or not; notes a traceback, an exit code without a name, or one that hangs."""
    strace: list[str] = []
    if point is not None:
        how = "signal=KILL" if point.way == "KILL" else f"error={point.way}"
        inject = f"inject={point.call}:{how}:when={point.number}"
        strace = scene.strace(point.area, "-o", os.devnull, "-e", inject)
    code, output = zygote().run(scene.variables(url), strace)
    if code == HANGS:
        broken.append("P4: a tick took longer than 90 s")
        return code
    if "Traceback" in output:
        broken.append(f"P6: a traceback: {output.strip().splitlines()[-1]}")
    if TOKEN in output:
        broken.append("P5: the token is in the output")
    killed = point is not None and point.way == "KILL" and code == -signal.SIGKILL
    if not killed and code not in NAMED:
        broken.append(f"P6: exit code {code}: {output.strip()[-300:]}")
    return code


def is_over(scene: Scene) -> bool:
    """Return whether the slot's run is closed."""
    try:
        # No waiting: a reader cannot roll back what a kill left, the next tick will.
        db = sqlite3.connect(f"file:{scene.state}/journal.sqlite?mode=ro", uri=True, timeout=0)
        try:
            rows = db.execute("SELECT outcome FROM runs").fetchall()
        finally:
            db.close()
    except sqlite3.Error:
        return False
    return bool(rows) and all(outcome is not None for (outcome,) in rows)


def judge(simulator: Simulator, scene: Scene) -> Iterator[str]:
    """Yield every promise that the simulator's request log shows to be broken."""
    play = PLAYS[scene.play]
    activities = [each for each in simulator.request_log()["activities"] if _word(each) in play.wanted]
    for word, count in Counter(_word(each) for each in activities).items():
        if count > 1:
            yield f"P1: {count} times {word}"
    backups = [each for each in activities if each["type"] == "environment.backup"]
    protected = "environment.source-operation" if scene.play == "nightly" else "environment.merge"
    for update in (each for each in activities if each["type"] == protected):
        if not any(each["result"] == "success" and each["number"] < update["number"] for each in backups):
            yield f"P2: {_word(update)} without a successful backup before it"
    if not is_over(scene):
        yield "P3: the run is not over"
        return
    with sqlite3.connect(scene.state / "journal.sqlite") as db:
        outcomes = {outcome for (outcome,) in db.execute("SELECT outcome FROM runs").fetchall()}
    db.close()
    done = tuple(_word(each) for each in sorted(activities, key=lambda one: int(one["number"])))
    if outcomes == {"succeeded"} and done != play.wanted:
        yield f"P3: the run claims success, but the platform did {', '.join(done) or 'nothing'}"
    if "merge" in done and done != play.wanted:
        yield f"P3: production is broken and was not rolled back: {', '.join(done)}"


def _word(activity: dict[str, Any]) -> str:
    """Return the activity in a word, a source operation with its name."""
    name = activity["parameters"].get("operation", "")
    return " ".join(filter(None, (activity["type"].removeprefix("environment."), name)))


def run_matrix(wanted: list[Point], template: Scene, workers: int, *, noisy: bool = True) -> list[Result]:
    """Return all these points, several at a time."""
    results: list[Result] = []
    with ProcessPoolExecutor(workers) as pool:
        of = partial(strike, play=template.play)
        for result in pool.map(of, [str(template.root)] * len(wanted), wanted, chunksize=4):
            results.append(result)
            if noisy and (result.broken or len(results) % 50 == 0):
                told = f": {result.point}: {result.broken}" if result.broken else ""
                sys.stdout.write(f"{len(results)}/{len(wanted)}{told}\n")
                sys.stdout.flush()
    return results


def run_pairs(pairs: list[tuple[Point, ...]], template: Scene, workers: int) -> list[Result]:
    """Return all these pairs: the tick killed at the first point, the next tick at the second."""
    with ProcessPoolExecutor(workers) as pool:
        firsts, seconds = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        of = partial(strike, play=template.play)
        results = list(pool.map(of, [str(template.root)] * len(pairs), firsts, seconds, chunksize=4))
    for result in results:
        if result.broken:
            sys.stdout.write(f"pair: {result.point}: {result.broken}\n")
    return results


def table(results: list[Result]) -> str:
    """Return the matrix for people: points and how the struck tick ended, by call and way."""
    lines = [
        "| calls | way | points | killed | exit codes of the struck tick | most ticks to the end | broken promises |"
    ]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.point.area, result.point.call, result.point.way), []).append(result)
    for (area, call, way), group in sorted(groups.items()):
        killed = sum(result.code == -signal.SIGKILL for result in group)
        codes = Counter(result.code for result in group if result.code != -signal.SIGKILL)
        said = ", ".join(f"{code} x{count}" for code, count in sorted(codes.items())) or "-"
        most, broken = max(result.ticks for result in group), sum(bool(result.broken) for result in group)
        lines.append(f"| {area}: `{call}` | {way} | {len(group)} | {killed} | {said} | {most} | {broken} |")
    total, broken = len(results), sum(bool(result.broken) for result in results)
    lines.append(f"| **all** | | **{total}** | | | | **{broken}** |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the matrix and print it; exit code 1 where a promise is broken."""
    parser = argparse.ArgumentParser(prog="crash_matrix", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sample", type=int, metavar="N", help="a seeded sample of N points instead of all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--play", choices=PLAYS, default="nightly", help="which run (default: nightly)")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--pairs", type=int, default=0, metavar="N", help="also N sampled pairs of kills")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="write docs/reference/crash-matrix.md")
    options = parser.parse_args()
    dice = random.Random(options.seed)  # noqa: S311  a seeded sample, no secret  # nosec B311
    with tempfile.TemporaryDirectory(prefix="crash-matrix-", dir=MEMORY) as directory:
        root = Path(directory) / "template"
        root.mkdir()
        template = Scene.build(root, options.play)
        everything = points(template, options.ways)
        wanted = everything if options.sample is None else dice.sample(everything, min(options.sample, len(everything)))
        results = run_matrix(wanted, template, options.workers)
        kills = [point for point in everything if point.way == "KILL"]
        pairs = [tuple(dice.sample(kills, 2)) for _ in range(options.pairs)]
        twice = run_pairs(pairs, template, options.workers)
        broken = sum(bool(result.broken) for result in twice)
        sys.stdout.write(f"{len(everything)} points, {len(results)} of them struck; {len(twice)} pairs of kills\n")
        text = (
            table(results)
            + f"\nPairs (killed, and killed again while recovering): {len(twice)}, broken promises: {broken}.\n"
        )
    sys.stdout.write(text)
    if options.write:
        ways = "struck with SIGKILL" + (
            f", or made to fail with {', '.join(options.ways[1:])}" if options.ways[1:] else ""
        )
        some = "" if options.sample is None else f" This is a sample of {len(results)} of {len(everything)} points."
        what = {"nightly": "backup-then-update run", "flagship": "flagship pipeline, rolled back at its end,"}
        preface = PREFACE.format(ways=ways, some=some, what=what[options.play])
        document = REPOSITORY / "docs" / "reference" / PLAYS[options.play].document
        document.write_text(preface + text, encoding="utf-8")
    return 1 if any(result.broken for result in (*results, *twice)) else 0


PREFACE = """\
# Crash matrix

Written by `python -m tools.crash_matrix --write` (`make soak`). One row for each system call that a whole
{what} makes on its state files and on the network. At every single one of these calls the process
was {ways} by strace; then ticks went on until the run was over.{some}
The invariants are read from the simulator's request log: nothing asked for twice, no update without a successful backup
before it, nothing left in flight, no traceback, only documented exit codes.

"""


if __name__ == "__main__":
    sys.exit(main())
