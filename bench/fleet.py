"""How one PostgreSQL carries a fleet: ``python -m bench.fleet`` (under three minutes, on this machine alone).

It starts a real server, fills it with the journals of so many environments, and lets a few processes make their ticks:
idle ones by the agent's own short way (a connection, a statement), due ones by its whole journal (lock, lease, fenced
writes). First at the pace of the fleet, then as fast as it goes, then all at once.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from upsun_agent.database.idle import is_idle
from upsun_agent.errors import Busy
from upsun_agent.idle import basis
from upsun_agent.journal import Cursor, IdleHint
from upsun_agent.journal.server.opening import hold
from upsun_agent.journal.state import DatabaseState
from upsun_agent.model import events as ev
from upsun_agent.model.job import Job, StepPlan

from tools.databases import OWNER, Postgres

PAGE = Path(__file__).resolve().parent.parent / "docs" / "how-to" / "scale.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
VARIABLE, PLACE = "FLEET_URL", "url-variable:FLEET_URL"
INTERVAL = 300.0  # the platform's shortest interval of crons; each trigger comes up to that much late, by chance
RUNS_A_DAY, TICKS_A_RUN = 1, 5
DUE = RUNS_A_DAY * TICKS_A_RUN / (86400 / INTERVAL)
TEXT = "[jobs.nightly]\n"
HISTORY, EVENTS = 10, 12  # runs of each environment that are there already, and events of each
PROCESSES = 4
AT_ONCE = 800
FAR = int(time.time()) + 12 * 3600


@dataclass(frozen=True, slots=True)
class Ticks:
    """What came of a batch of ticks: seconds of each idle and due one, and how many could not be had."""

    idle: list[float]
    due: list[float]
    failed: int
    seconds: float

    @property
    def rate(self) -> float:
        """Ticks a second."""
        return (len(self.idle) + len(self.due)) / self.seconds


class Usual(Postgres):
    """A server with as many connections as PostgreSQL allows where nobody says otherwise."""

    connections = 100


def fill(server: Postgres, environments: int) -> None:
    """Write the journals of so many environments, each with some runs, as the agent would have left them."""
    held = hold(place_of(server), ("none", "none", "none"))  # makes the tables
    held.release()
    digest = digest_here()
    event = json.dumps({"at": "2026-01-01T00:00:00+00:00", "message": "x" * 300})
    server.execute(
        "INSERT INTO upsun_agent.journals (project, environment, app, begun_at)"  # noqa: S608  numbers of ours  # nosec B608
        f" SELECT 'p' || n, 'main', 'app', 0 FROM generate_series(1, {environments}) n",
        "INSERT INTO upsun_agent.idle_hints (journal, digest, next_due, last_tick)"  # noqa: S608  same  # nosec B608
        f" SELECT id, '{digest}', {FAR}, 0 FROM upsun_agent.journals WHERE project <> 'none'",
        "INSERT INTO upsun_agent.runs (journal, run, job, slot, due_at, opened_at, closed_at, outcome)"  # noqa: S608  same  # nosec B608
        f" SELECT id, 'nightly@' || n, 'nightly', n, n, n, n, 'succeeded'"
        f" FROM upsun_agent.journals, generate_series(1, {HISTORY}) n WHERE project <> 'none'",
        "INSERT INTO upsun_agent.events (journal, run, kind, data, fence)"  # noqa: S608  same  # nosec B608
        f" SELECT id, 'nightly@' || n, 'warned', '{event}', 1 FROM upsun_agent.journals,"
        f" generate_series(1, {HISTORY}) n, generate_series(1, {EVENTS}) WHERE project <> 'none'",
        "VACUUM ANALYZE",
        database="main",
    )


def place_of(server: Postgres, query: str = "") -> DatabaseState:
    """Return the place in this server's database."""
    return DatabaseState.of(PLACE, {VARIABLE: server.url(query=query)})


def digest_here() -> str:
    """Return what an idle answer of every environment holds for."""
    from upsun_agent.database.idle import digest_of  # noqa: PLC0415  here only

    return digest_of(basis(TEXT, "production"))


# --- ticks -----------------------------------------------------------------------------------------------------------


def idle_tick(url: str, number: int) -> bool:
    """Return an idle tick of the environment of that number, whole: connected, asked, gone."""
    environ = {
        VARIABLE: url,
        "PLATFORM_PROJECT": f"p{number}",
        "PLATFORM_BRANCH": "main",
        "PLATFORM_APPLICATION_NAME": "app",
    }
    return is_idle(PLACE, environ, basis(TEXT, "production"), time.time())


def due_tick(place: DatabaseState, number: int) -> None:
    """Do what a tick with work to do asks of its journal."""
    now = datetime.now(UTC)
    identity = (f"p{number}", "main", "app")
    held = hold(place, identity)
    journal = held.journal
    run = f"nightly@{time.time_ns()}-{os.getpid()}"
    job = Job("nightly", (StepPlan("backup", {}),)).to_json()
    journal.last_tick()
    journal.rows(open_only=True, most=1)
    journal.cursor("nightly")
    opened = ev.RunOpened(
        at=now, run=run, environment="main", slot=run, due_at=now, trigger=ev.Trigger.SCHEDULE, job=job
    )
    journal.open_run(opened)
    journal.set_cursor(Cursor("nightly", "0 3 * * *|UTC", now))
    journal.events(run)
    journal.claimed()
    journal.append(run, ev.IntentRecorded(at=now, step=0, attempt=1, server_at=now, head=None))
    journal.append(run, ev.RequestAccepted(at=now, step=0, activity=run))
    journal.append(run, ev.RunClosed(at=now, outcome=ev.RunOutcome.SUCCEEDED, message=""))
    journal.prune(datetime.fromtimestamp(0, UTC), 10_000)
    journal.set_idle_hint(IdleHint(identity, basis(TEXT, "production"), FAR))
    journal.mark_tick(now.timestamp())
    held.release()


def work(arguments: tuple[str, int, float, float, int]) -> Ticks:
    """Run one process's share of the ticks: at random moments at that rate, or as fast as possible where it is 0."""
    url, environments, rate, seconds, seed = arguments
    dice, place = random.Random(seed), DatabaseState.of(PLACE, {VARIABLE: url})  # noqa: S311  a seeded simulation  # nosec B311
    idle: list[float] = []
    due: list[float] = []
    failed = 0
    began = moment = time.perf_counter()
    while moment - began < seconds:
        if rate:
            moment += dice.expovariate(rate)
            time.sleep(max(0.0, moment - time.perf_counter()))
        number = dice.randrange(environments) + 1
        start = time.perf_counter()
        try:
            if dice.random() < DUE:
                due_tick(place, number)
                due.append(time.perf_counter() - start)
            elif idle_tick(url, number):
                idle.append(time.perf_counter() - start)
            else:
                failed += 1
        except Busy:
            failed += 1
        moment = moment if rate else time.perf_counter()
    return Ticks(idle, due, failed, time.perf_counter() - began)


def crowd(url: str, environments: int, rate: float, seconds: float) -> Ticks:
    """Return the ticks of all processes together."""
    shares = [(url, environments, rate / PROCESSES, seconds, seed) for seed in range(PROCESSES)]
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        found = pool.map(work, shares)
    return Ticks(
        [each for ticks in found for each in ticks.idle],
        [each for ticks in found for each in ticks.due],
        sum(ticks.failed for ticks in found),
        max(ticks.seconds for ticks in found),
    )


def burst(arguments: tuple[str, int, float]) -> int:
    """So many ticks at a moment; how many could not be had."""
    url, number, moment = arguments

    def one(index: int) -> bool:
        time.sleep(max(0.0, moment - time.time()))
        return idle_tick(url, index % 1000 + 1)

    with ThreadPoolExecutor(number) as threads:
        return number - sum(threads.map(one, range(number)))


def all_at_once(url: str, number: int) -> int:
    """So many ticks in the same moment, from all processes; how many could not be had."""
    share = number // PROCESSES
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        return sum(pool.map(burst, [(url, share, time.time() + 5)] * PROCESSES))


# --- what it costs the server --------------------------------------------------------------------------------


@contextmanager
def watched(server: Postgres) -> Iterator[Callable[[], dict[str, float]]]:
    """Measure the server's CPU seconds and statements while the block runs, and the most connections at a time."""
    before, statements = cpu(server.pid), counted(server)
    began = time.perf_counter()
    yield lambda: {
        "cpu": cpu(server.pid) - before,
        "transactions": counted(server) - statements,
        "seconds": time.perf_counter() - began,
    }


def cpu(pid: int) -> float:
    """CPU seconds of the server: of its processes that live, and of the connections that ended."""
    ticks = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(file.parent.name) == pid:
            ticks += sum(int(each) for each in fields[11:15])
        elif int(fields[1]) == pid:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def counted(server: Postgres) -> float:
    """Transactions that the database has ended so far."""
    time.sleep(1.2)  # a connection's numbers are told when it ends, or once a second
    query = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'main'"
    return float(server.execute(query))


def sizes(server: Postgres) -> dict[str, float]:
    """Megabytes of each table with its indexes."""
    query = (
        "SELECT relname, pg_total_relation_size(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE nspname = 'upsun_agent' AND relkind = 'r'"
    )
    rows = (line.split("|") for line in server.execute(query, database="main").splitlines())
    return {name: int(size) / 1e6 for name, size in rows}


# --- the whole -----------------------------------------------------------------------------------------------


def measure(environments: int, seconds: float) -> dict[str, Any]:
    """Return all figures."""
    server = Usual(durable=True)
    try:
        fill(server, environments)
        before = sizes(server)
        pace = environments / INTERVAL
        with watched(server) as cost:
            paced = crowd(server.url(), environments, pace, seconds)
            paced_cost = cost()
        with watched(server) as cost:
            full = crowd(server.url(), environments, 0.0, seconds / 3)
            full_cost = cost()
        limit = server.connections
        refused = all_at_once(server.url(), AT_ONCE)
        after = sizes(server)
    finally:
        server.remove()
    return {
        "environments": environments,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "paced": figures(paced, paced_cost),
        "full": figures(full, full_cost),
        "capacity": int(full.rate * INTERVAL),
        "at_once": {"connections": limit, "ticks": AT_ONCE, "refused": refused},
        "megabytes": {name: [round(before[name], 1), round(after[name], 1)] for name in sorted(before)},
        "bytes_of_an_environment": int(sum(before.values()) * 1e6 / environments),
        "owner": OWNER,
    }


def figures(ticks: Ticks, cost: dict[str, float]) -> dict[str, float]:
    """Return the figures of one batch."""
    count = len(ticks.idle) + len(ticks.due)
    return {
        "ticks": count,
        "due": len(ticks.due),
        "failed": ticks.failed,
        "ticks_a_second": round(ticks.rate, 1),
        "transactions_a_second": round(cost["transactions"] / cost["seconds"], 1),
        "idle_p50_ms": round(statistics.median(ticks.idle) * 1000, 1),
        "idle_p99_ms": round(statistics.quantiles(ticks.idle, n=100)[98] * 1000, 1),
        "due_p50_ms": round(statistics.median(ticks.due) * 1000, 1) if ticks.due else 0.0,
        "due_p99_ms": round(statistics.quantiles(ticks.due, n=100)[98] * 1000, 1) if len(ticks.due) > 1 else 0.0,
        "server_cpu_percent": round(100 * cost["cpu"] / cost["seconds"], 1),
        "server_cpu_ms_a_tick": round(1000 * cost["cpu"] / max(count, 1), 2),
    }


def table(found: dict[str, Any]) -> str:
    """Return the figures as the page shows them."""
    paced, full, crowd_ = found["paced"], found["full"], found["at_once"]
    rows = [
        ("ticks a second", "ticks_a_second", ""),
        ("transactions a second", "transactions_a_second", ""),
        ("idle tick, median", "idle_p50_ms", " ms"),
        ("idle tick, 99th percentile", "idle_p99_ms", " ms"),
        ("tick with something to do: its journal, median", "due_p50_ms", " ms"),
        ("the same, 99th percentile", "due_p99_ms", " ms"),
        ("CPU of the server (100 % is one core)", "server_cpu_percent", " %"),
        ("CPU of the server for one tick", "server_cpu_ms_a_tick", " ms"),
        ("ticks that could not be had", "failed", ""),
    ]
    setting = f"{found['environments']:,} environments with {HISTORY} runs each, PostgreSQL 15 with syncs on"
    machine = f"{found['cores']} cores for server and clients together, load {found['load']:.0f}"
    burst = f"of {crowd_['ticks']} ticks in the same moment, with room for {crowd_['connections']} connections"
    lines = [
        f"{setting}, {machine}.",
        "",
        "| | at the fleet's pace | as fast as it goes |",
        "|---|--:|--:|",
        *(f"| {label} | {paced[key]:,}{unit} | {full[key]:,}{unit} |" for label, key, unit in rows),
        "",
        f"- As fast as it goes is the pace of {found['capacity']:,} environments.",
        f"- All at once: {burst}, {crowd_['refused']} were refused.",
        f"- One environment with {HISTORY} runs of {EVENTS} events: {found['bytes_of_an_environment'] / 1000:.0f} kB.",
        "",
        "| table | MB before | MB after |",
        "|---|--:|--:|",
        *(f"| `{name}` | {before} | {after} |" for name, (before, after) in found["megabytes"].items()),
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure, tell, and write the page's figures where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--environments", type=int, default=10_000, metavar="N", help="how many (default: 10,000)")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="N", help="how long at the fleet's pace")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/how-to/scale.md")
    asked = parser.parse_args()
    lacking = Postgres.missing()
    if lacking:
        sys.exit(f"nothing could be measured: {', '.join(lacking)} missing (Debian: postgresql)")
    found = measure(asked.environments, asked.seconds)
    print(json.dumps(found, indent=2) if asked.json else table(found))
    if asked.write:
        text = PAGE.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{table(found)}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
