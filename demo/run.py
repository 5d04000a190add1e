"""The demo: install through the real build hook, then let ticks run the nightly job against the simulator.

Only the standard library: it is started by ``make demo`` with the machine's python3. Everything lives in a temporary
directory but for the download cache in ``.demo``. What is real: the hook under dash, the installed agent, its
processes, its journal, HTTP over a socket. What is simulated: the Upsun API.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SHELL = shutil.which("dash") or "/bin/sh"
TOKEN = "demo-token-that-no-output-shows"  # noqa: S105  the simulator's, worth nothing  # nosec B105
TICKS_MOST = 40
#: One for each story, so that the activities and backups of the one have other ids than those of the other.
PROJECTS = ("abcdefgh1234z", "bcdefghi2345y", "cdefghij3456x")
BOLD, DIM, PLAIN = ("\x1b[1m", "\x1b[2m", "\x1b[0m") if sys.stdout.isatty() else ("", "", "")


def heading(text: str) -> None:
    """Print a line that begins a part of the demo."""
    print(f"\n{BOLD}== {text}{PLAIN}", flush=True)


def clean_environment() -> dict[str, str]:
    """Return this process's variables without those of a platform, a token or Python."""
    prefixes = ("PLATFORM_", "UPSUN_", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


class App:
    """An app container in a temporary directory: built by the hook, then ticking."""

    def __init__(self, root: Path) -> None:
        self.directory = root / "app"
        self.project = PROJECTS[0]
        self.on_fixed = False
        self.cache = REPOSITORY / ".demo" / "cache"
        (self.directory / ".upsun").mkdir(parents=True)
        self.command = self.directory / ".upsun-agent" / "bin" / "upsun-agent"

    def write_job_file(self, state: str) -> None:
        """Write the repository's own example, with its state here and its slot in this minute.

        Without the jobs behind the first: they have no schedule and are not part of the story.
        """
        now = datetime.now(UTC)
        text = (REPOSITORY / ".upsun" / "agent.toml").read_text(encoding="utf-8")
        text = "\n[jobs.".join(text.split("\n[jobs.")[:2]) + "\n"
        text = text.replace('"/app/var/agent"', json.dumps(str(self.directory / "var" / state)))
        text = text.replace('"H 3 * * *"', f'"{now.minute} {now.hour} * * *"').replace('"Europe/Paris"', '"UTC"')
        text = text.replace("live = false", "live = false, retries = 0")  # or the failed backup is tried again later
        if self.on_fixed:  # no folder .upsun there; and without an Enterprise or Elite plan no source operations
            shutil.rmtree(self.directory / ".upsun", ignore_errors=True)
            text = text.split("[[jobs.nightly-update.steps]]\nsource-operation")[0]
            text = text.replace('token-variable = "UPSUN_CLI_TOKEN"\n', "")  # both products' names are read then
            (self.directory / "upsun-agent.toml").write_text(text, encoding="utf-8")
        else:
            (self.directory / ".upsun" / "agent.toml").write_text(text, encoding="utf-8")

    def build(self) -> None:
        """Run the build hook with what the platform sets at build: no environment type, no branch."""
        variables = {
            **clean_environment(),
            "CI": "true",
            "PLATFORM_APP_DIR": str(self.directory),
            "PLATFORM_CACHE_DIR": str(self.cache),
            "PLATFORM_PROJECT": self.project,
            "UPSUN_AGENT_EXTRA": "simulator",
        }
        self.cache.mkdir(parents=True, exist_ok=True)
        hook = str(REPOSITORY / "hooks" / "build.sh")
        print(f"{DIM}$ {Path(SHELL).name} hooks/build.sh{PLAIN}", flush=True)
        done = subprocess.run([SHELL, hook], env=variables, cwd=self.directory, check=False)
        if done.returncode:
            sys.exit(f"the build hook failed with exit code {done.returncode}")

    def variables(self, url: str) -> dict[str, str]:
        """Return what the platform sets at runtime, and where the simulated API is."""
        routes = base64.b64encode(b'{"https://www.example.com/": {"type": "upstream"}}').decode()
        return {
            **clean_environment(),
            "PLATFORM_APP_DIR": str(self.directory),
            "PLATFORM_APPLICATION_NAME": "app",
            "PLATFORM_PROJECT": self.project,
            "PLATFORM_BRANCH": "main",
            "PLATFORM_ENVIRONMENT": "main-bvxea6i",
            "PLATFORM_ENVIRONMENT_TYPE": "production",
            "PLATFORM_ROUTES": routes,
            "PLATFORMSH_CLI_TOKEN" if self.on_fixed else "UPSUN_CLI_TOKEN": TOKEN,
            "UPSUN_CLI_API_URL": url,
            "UPSUN_CLI_AUTH_URL": url,
        }

    def tick(self, url: str) -> int:
        """Return one cron start, as the platform does it: under dash, in the app's directory, without a terminal."""
        start = ".upsun-agent/bin/upsun-agent tick"
        done = subprocess.run(
            [SHELL, "-c", start],
            env=self.variables(url),
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if "Traceback" in done.stdout or TOKEN in done.stdout:
            sys.exit(f"the tick's output is not fit to be seen:\n{done.stdout}")
        return done.returncode

    def ask(self, url: str, *arguments: str) -> str:
        """Return a command of the agent, as a person in an SSH session would give it."""
        done = subprocess.run(
            [str(self.command), *arguments],
            env=self.variables(url),
            cwd=self.directory,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        return done.stdout


class Platform:
    """The simulated API on a socket, with short operations."""

    def __init__(self, app: App, *settings: str) -> None:
        self.request_log_file = app.directory.parent / f"request-log-{time.monotonic_ns()}.json"
        sets = [
            f"token={TOKEN}",
            f"project={app.project}",
            "backup_seconds=2",
            "source_operation_seconds=1",
            "deploy_seconds=2",
            *settings,
        ]
        command = [str(app.command), "simulate", "--json", "--port", "0", "--request-log", str(self.request_log_file)]
        for setting in sets:
            command += ["--set", setting]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_environment())
        text = ""
        while not text.rstrip().endswith("\n}"):
            line = self.process.stdout.readline() if self.process.stdout else ""
            if not line:
                sys.exit("the simulator did not start")
            text += line
        self.url = json.loads(text)["url"]

    def close(self) -> dict[str, list[dict[str, object]]]:
        """End it and return its request log: what really happened on the platform."""
        self.process.terminate()
        self.process.wait(timeout=20)
        if self.process.stdout:
            self.process.stdout.close()
        request_log: dict[str, list[dict[str, object]]] = json.loads(self.request_log_file.read_text(encoding="utf-8"))
        return request_log


def play(app: App, name: str, *settings: str) -> tuple[int, str]:
    """Tick until the run is over; the last tick's exit code and the run's outcome."""
    platform = Platform(app, *settings)
    try:
        if datetime.now(UTC).second > 50:  # noqa: PLR2004  the slot is this minute: let the first tick fall into it
            time.sleep(61 - datetime.now(UTC).second)
        app.write_job_file(name)
        told, code, outcome = 0, 0, "in flight"
        for _ in range(TICKS_MOST):
            code = app.tick(platform.url)
            print(f"{DIM}$ upsun-agent tick{PLAIN}   -> exit code {code}", flush=True)
            story = app.ask(platform.url, "show", "nightly-update").splitlines()
            story = [line for line in story if not line.startswith(("in flight", "took:"))]  # these stand at its end
            if story[told:]:
                print(f"{DIM}$ upsun-agent show nightly-update{PLAIN}   (what is new in it)", flush=True)
                print("\n".join(f"    {line}" for line in story[told:]), flush=True)
            told = len(story)
            view = json.loads(app.ask(platform.url, "show", "nightly-update", "--json"))
            outcome = view["outcome"] or "in flight"
            if view["outcome"]:
                break
            time.sleep(2.5)
        print(f"{DIM}$ upsun-agent status{PLAIN}\n{app.ask(platform.url, 'status')}", end="")
    finally:
        request_log = platform.close()
    report_request_log(request_log)
    return code, outcome


def write_page(app: App, file: str) -> None:
    """Write the page of `report` about the runs of this demo's last project."""
    app.ask("http://127.0.0.1:9", "report", "--html", str(Path(file).resolve()))


def report_request_log(request_log: dict[str, list[dict[str, object]]]) -> None:
    """Print what the platform counted, from its request log."""
    posts = [str(each["path"]) for each in request_log["requests"] if each["method"] == "POST" and each["acted"]]
    backups = sum(path.endswith("/backup") for path in posts)
    updates = sum(path.endswith("/source-operation") for path in posts)
    asked = f"{_many(backups, 'backup')}, {_many(updates, 'update')}"
    print(f"the platform's request log: {_many(len(request_log['requests']), 'request')}, {asked}")


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def main() -> None:
    """Play all stories; exits with 1 where one of them does not end as it should."""
    with tempfile.TemporaryDirectory(prefix="upsun-agent-demo-") as root:
        app = App(Path(root))
        app.write_job_file("first")
        heading("Build: the hook installs the agent")
        app.build()
        heading("One night: the backup is proved, then the update runs")
        first = play(app, "first")
        if sys.argv[1:2] == ["--page"]:
            write_page(app, sys.argv[2])
        heading("A night in another project: the backup fails, so no update is asked for")
        app.project = PROJECTS[1]
        second = play(app, "second", "backup_outcome=failure")
        heading("A night on Upsun Fixed: the backup is proved; this plan has no source operations")
        app.project, app.on_fixed = PROJECTS[2], True
        third = play(app, "third", "product=fixed")
    if first != (0, "succeeded") or second != (1, "failed") or third != (0, "succeeded"):
        sys.exit(f"the demo did not end as it should: {first}, {second}, {third}")
    print("\nAll nights ended as they should: a proved backup before the update; no update without one.")


if __name__ == "__main__":
    main()
