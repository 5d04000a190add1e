"""The scene that is measured: an app with the installed agent, its states, and simulated platforms."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import sqlite3
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from upsun_agent.idle import basis
from upsun_agent.journal import Cursor, IdleHint
from upsun_agent.journal.lock import container_identity
from upsun_agent.journal.notes import CONTAINER
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.platform.paths import JOURNAL, mark_tick
from upsun_simulator import Scenario, Server, Simulator, serve

from bench.lock_files import composer_lock
from bench.processes import Cost, Failed, Spawner

REPOSITORY = Path(__file__).resolve().parent.parent
SHELL = shutil.which("dash") or "/bin/sh"
PROJECT, ENVIRONMENT, APP, TYPE = "abcdefgh1234z", "main", "app", "production"
IDENTITY = (PROJECT, ENVIRONMENT, APP)
TOKEN = "bench-token-of-the-simulator"  # noqa: S105  worth nothing  # nosec B105
ENTROPY = "bench-entropy-of-the-simulated-project"
JOBS, EVENTS = 1000, 100_000
#: Both requests fit into one tick: the backup is there at once, the update takes its time.
NIGHT = Scenario(token=TOKEN, backup_seconds=0)
#: A whole run, to its end, in a tick or two.
QUICK = Scenario(token=TOKEN, backup_seconds=0, source_operation_seconds=0, deploy_seconds=0, housekeeping_seconds=0)
#: The same with the lock file of a large application: two megabytes before the update and after it.
LARGE = dataclasses.replace(QUICK, lock_files=("composer.lock",), lock_file_bytes=2_000_000)
TICKS_MOST = 20
#: Commands that read the whole journal, by the key of their figure.
READING = {
    "status": ("status",),
    "status-json": ("status", "--json"),
    "page": ("report", "--html", "page.html"),
    "metrics": ("report", "--prometheus", "metrics.txt"),
    "all": ("status", "--all"),
}

STEPS = """\
[[jobs.{name}.steps]]
backup = {{ live = false, retries = 0 }}

[[jobs.{name}.steps]]
source-operation = {{ name = "update", variables = {{ env = {{ CHANNEL = "stable" }} }} }}
"""


def job_file(state: Path, schedule: str, jobs: int = 1) -> str:
    """Return a job file with that many jobs, all on one schedule."""
    parts = [f'[agent]\nstate = "{state}"\ntoken-variable = "UPSUN_CLI_TOKEN"\n']
    for number in range(jobs):
        name = f"job-{number:04d}"
        parts.append(f'[jobs.{name}]\nschedule = "{schedule}"\ntimezone = "UTC"\n\n' + STEPS.format(name=name))
    return "\n".join(parts)


class Place:
    """An app directory with a job file and a state of its own."""

    def __init__(self, directory: Path, schedule: str, jobs: int = 1) -> None:
        self.directory = directory
        self.state = directory / "var" / "agent"
        self.schedule = schedule
        self.state.mkdir(parents=True)
        (directory / ".upsun").mkdir()
        self.text = job_file(self.state, schedule, jobs)
        (directory / ".upsun" / "agent.toml").write_text(self.text, encoding="utf-8")

    @property
    def journal(self) -> Path:
        """Return its journal's file."""
        return self.state / JOURNAL

    def variables(self, url: str = "http://127.0.0.1:9") -> dict[str, str]:
        """Return what the platform sets at runtime, and nothing that the machine sets."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.directory),
            "LANG": "C.UTF-8",
            "PLATFORM_APP_DIR": str(self.directory),
            "PLATFORM_APPLICATION_NAME": APP,
            "PLATFORM_PROJECT": PROJECT,
            "PLATFORM_BRANCH": ENVIRONMENT,
            "PLATFORM_ENVIRONMENT_TYPE": TYPE,
            "PLATFORM_PROJECT_ENTROPY": ENTROPY,
            "UPSUN_CLI_TOKEN": TOKEN,
            "UPSUN_CLI_API_URL": url,
            "UPSUN_CLI_AUTH_URL": url,
        }


class Scene:
    """Everything that is measured, in one temporary directory.

    ``idle`` has a journal and nothing due; ``loaded`` too, but a thousand jobs and a hundred thousand events;
    ``night`` has one slot that is due, in a state that `dusk` puts back.
    """

    def __init__(self, root: Path, spawner: Spawner, python: str = "") -> None:
        self._spawner = spawner
        self.target = root / "installed"
        self.launcher = self.target / "bin" / "upsun-agent"
        now = datetime.now(UTC)
        far = f"{now.minute} {(now.hour + 12) % 24} * * *"
        self.slot = now.replace(second=0, microsecond=0)
        self.idle = Place(root / "idle", far)
        self.loaded = Place(root / "loaded", far, JOBS)
        self.night = Place(root / "night", f"{now.minute} {now.hour} * * *")
        self._template = root / "dusk"
        self._install(root, self.target, {"UPSUN_AGENT_PYTHON": python} if python else {})
        self.python = self.launcher.read_text(encoding="utf-8").splitlines()[0][2:].split()[0]
        self.own = root / "own"
        self._install(root, self.own, _own_interpreter(root, self.python))
        self._paint_dusk()

    def _install(self, root: Path, target: Path, settings: Mapping[str, str]) -> None:
        """Run the real build hook as an app's build does; the downloads are kept between runs."""
        cache = REPOSITORY / ".demo" / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        foreign = ("PLATFORM_", "UPSUN_", "PYTHON")
        variables = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        variables |= {
            "CI": "true",
            "PLATFORM_APP_DIR": str(root / "idle"),
            "PLATFORM_CACHE_DIR": str(cache),
            "PLATFORM_PROJECT": PROJECT,
            "UPSUN_AGENT_TARGET": str(target),
            **settings,
        }
        hook = [SHELL, str(REPOSITORY / "hooks" / "build.sh")]
        done = subprocess.run(hook, env=variables, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"the build hook failed:\n{done.stdout}{done.stderr}")

    # --- states -----------------------------------------------------------------------------------------------

    def _paint_dusk(self) -> None:
        """Make the state just before the slot: one tick ran, and the slot is not due yet."""
        schedule, state = f"{self.night.schedule}|UTC", str(self.night.state)
        journal = SqliteJournal(state, IDENTITY)
        journal.set_cursor(Cursor("job-0000", schedule, self.slot + timedelta(minutes=5)))
        journal.close()
        self.tick(self.night)
        journal = SqliteJournal(state, IDENTITY)
        journal.set_cursor(Cursor("job-0000", schedule, self.slot - timedelta(minutes=5)))
        journal.note(CONTAINER, container_identity())
        journal.set_idle_hint(IdleHint(IDENTITY, basis(self.night.text, TYPE), int(self.slot.timestamp())))
        journal.close()
        shutil.copytree(self.night.state, self._template)

    def dusk(self) -> None:
        """Put the night's state back to before its slot."""
        shutil.rmtree(self.night.state)
        shutil.copytree(self._template, self.night.state)
        mark_tick(str(self.night.state), time.time() - 300)

    def fill(self) -> None:
        """Copy the one whole run in the night's journal until there are enough events, spread over all jobs."""
        SqliteJournal(str(self.loaded.state), IDENTITY).close()
        found = sqlite3.connect(self.night.journal)
        events = found.execute("SELECT run, kind, data FROM events ORDER BY seq").fetchall()
        row = found.execute("SELECT slot, due_at, opened_at, closed_at, outcome FROM runs").fetchone()
        found.close()
        runs = [(f"job-{n % JOBS:04d}@{n}", f"job-{n % JOBS:04d}", n) for n in range(-(-EVENTS // len(events)))]
        with sqlite3.connect(self.loaded.journal) as full:
            full.executemany(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)",
                ((run, job, f"{row[0]}-{n}", row[1] - n, row[2] - n, row[3] - n, row[4]) for run, job, n in runs),
            )
            copies = ((run, kind, data) for run, _, _ in runs for _, kind, data in events)
            full.executemany("INSERT INTO events (run, kind, data) VALUES (?, ?, ?)", copies)
            activities = ((f"activity{n:08d}{step}", run, step) for run, _, n in runs for step in (0, 1))
            full.executemany("INSERT INTO activities VALUES (?, ?, ?)", activities)
            key = f"{self.loaded.schedule}|UTC"
            judged = ((f"job-{n:04d}", key, time.time() - 60) for n in range(JOBS))
            full.executemany("INSERT INTO cursors VALUES (?, ?, ?)", judged)
        full.close()

    # --- what is measured ---------------------------------------------------------------------------------------

    def unit(self) -> Cost:
        """Return what everything is a multiple of: the bare interpreter."""
        return self._spawner.run([self.python, "-I", "-S", "-c", "pass"], {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"})

    def tick(self, place: Place, url: str = "http://127.0.0.1:9") -> Cost:
        """Return one tick of the installed agent, as a cron starts it."""
        return self._spawner.run([str(self.launcher), "tick"], place.variables(url), place.directory)

    def tick_of_own(self) -> Cost:
        """Return an idle tick of the install that has an interpreter of its own."""
        command = [str(self.own / "bin" / "upsun-agent"), "tick"]
        return self._spawner.run(command, self.idle.variables(), self.idle.directory)

    def reading(self, *arguments: str) -> Cost:
        """Return a command that reads the journal with a thousand jobs and a hundred thousand events."""
        variables = self.loaded.variables()
        return self._spawner.run([str(self.launcher), *arguments], variables, self.loaded.directory)

    def changes(self) -> Cost:
        """Return a command that compares two composer.lock of 2 MB, in which a third of the packages differ."""
        folder = self.idle.directory / "locks"
        if not folder.exists():
            for name, updated in (("old", False), ("new", True)):
                (folder / name).mkdir(parents=True)
                (folder / name / "composer.lock").write_bytes(composer_lock(updated=updated))
        command = [str(self.launcher), "changes", str(folder / "old"), str(folder / "new"), "--json"]
        return self._spawner.run(command, self.idle.variables(), self.idle.directory)

    def served(self, scenario: Scenario, measured: Callable[[Server], Cost]) -> Cost:
        """Return what is measured against a platform of its own, with the requests that the platform counted."""
        with serve(Simulator(scenario)) as server:
            cost = measured(server)
            return Cost(cost.wall, cost.cpu, cost.memory, len(server.simulator.requests))

    def both_requests(self) -> Cost:
        """Return a tick that asks for a backup, proves it, and asks for the update; raises Failed where it did not."""
        self.dusk()
        acted: list[str] = []

        def measured(server: Server) -> Cost:
            cost = self.tick(self.night, server.url)
            acted.extend(posts(server))
            return cost

        cost = self.served(NIGHT, measured)
        if acted != ["backup", "source-operation"]:
            raise Failed(f"the tick did not ask for both: {acted}")
        return cost

    def whole_run(self, scenario: Scenario = QUICK) -> Cost:
        """Tick until the night's run is over; returns what that cost, with the memory of the largest tick."""
        self.dusk()

        def measured(server: Server) -> Cost:
            cost = self.tick(self.night, server.url)
            for _ in range(TICKS_MOST):
                if self._outcome() is not None:
                    return cost
                time.sleep(0.2)
                cost = cost.then(self.tick(self.night, server.url))
            raise Failed("the run is not over")

        cost = self.served(scenario, measured)
        if self._outcome() != "succeeded":
            raise Failed(f"the run ended as {self._outcome()}")
        return cost

    def _outcome(self) -> str | None:
        db = sqlite3.connect(self.night.journal)
        try:
            row = db.execute("SELECT outcome FROM runs").fetchone()
        finally:
            db.close()
        return row[0] if row else None

    def size(self) -> int:
        """Bytes of the installed agent, byte code and all."""
        return size_of(self.target)

    def files(self) -> int:
        """Return how many files the installed agent has, byte code and all."""
        return sum(1 for path in self.target.rglob("*") if not path.is_dir())


def _own_interpreter(root: Path, python: str) -> dict[str, str]:
    """Return the settings for an install with the agent's own interpreter.

    UPSUN_AGENT_INTERPRETER says which archive it is; without it, one that leads to the interpreter of the other
    install: then the difference between both is what the way to it costs.
    """
    if given := os.environ.get("UPSUN_AGENT_INTERPRETER"):
        own = {"UPSUN_AGENT_PYTHON": "bundled", "UPSUN_AGENT_INTERPRETER": given}
        sha256 = os.environ.get("UPSUN_AGENT_INTERPRETER_SHA256")
        return {**own, **({"UPSUN_AGENT_INTERPRETER_SHA256": sha256} if sha256 else {})}
    archive = root / "interpreter.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        link = tarfile.TarInfo("python/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, python
        made.addfile(link)
        library = tarfile.TarInfo("python/lib")
        library.type, library.mode = tarfile.DIRTYPE, 0o755
        made.addfile(library)
    return {
        "UPSUN_AGENT_PYTHON": "bundled",
        "UPSUN_AGENT_INTERPRETER": str(archive),
        "UPSUN_AGENT_INTERPRETER_SHA256": hashlib.sha256(archive.read_bytes()).hexdigest(),
    }


def posts(server: Server) -> list[str]:
    """Return what the platform carried out, but for the exchange of tokens."""
    done = [each.path.rpartition("/")[2] for each in server.simulator.requests if each.method == "POST" and each.acted]
    return [name for name in done if name != "token"]


def size_of(directory: Path) -> int:
    """Bytes of all files below."""
    return sum(path.lstat().st_size for path in directory.rglob("*") if not path.is_dir())
