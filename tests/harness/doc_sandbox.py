"""An SSH session in an app container (a temporary directory) on the simulated platform, for the commands of a page."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from upsun_simulator import Scenario, Simulator, SystemClock, serve
from upsun_simulator.scenario import Product

from tests.harness.doc_blocks import BLOCKS, Block
from tests.harness.sources import REPOSITORY, SOURCES

SHELL = shutil.which("dash") or "/bin/sh"
TOKEN = "canary-token-of-the-docs"
SECOND_TOKEN = "canary-second-token-of-the-docs"
PATIENCE = 240
#: Months take minutes; tests/long/soak plays them, here a few days show that the line works.
LONG_REHEARSAL = re.compile(r"(?<= )(--days) \d+")
#: A rehearsal of what goes wrong ends as the run does: with 1, where that failed.
FAILURE_REHEARSED = re.compile(r"^(upsun-agent rehearse .*--fault.*)$", re.MULTILINE)
#: Who sets something up by hand is asked, and says yes.
ASKED = re.compile(r"^(upsun-agent setup (?!.*--(?:yes|dry-run))[^\n#]*)$", re.MULTILINE)


class Sandbox:
    """The container: its directory and its variables."""

    def __init__(self, place: Path, url: str) -> None:
        self.app = place / "app"
        agent = self.app / ".upsun-agent"
        (agent / "bin").mkdir(parents=True)
        (self.app / ".upsun").mkdir()
        (place / "home").mkdir()
        shutil.copy(REPOSITORY / "hooks" / "environment.sh", agent / "environment.sh")
        shutil.copy(REPOSITORY / ".upsun" / "config.yaml", self.app / ".upsun" / "config.yaml")
        for program in ("upsun-agent", "upsun-agent-setup"):
            command = agent / "bin" / program
            module = {"upsun-agent": "upsun_agent"}.get(program, "upsun_setup")
            command.write_text(f'#!/bin/sh\nexec env PYTHONPATH={SOURCES} {sys.executable} -m {module} "$@"\n')
            command.chmod(0o755)
        self._state = place / "mount"
        self.variables = {
            "PATH": f"{agent / 'bin'}:{os.environ['PATH']}",
            "HOME": str(place / "home"),
            "LANG": "C.UTF-8",
            "PLATFORM_APP_DIR": str(self.app),
            "PLATFORM_APPLICATION_NAME": "app",
            "PLATFORM_PROJECT": "abcdefgh1234z",
            "PLATFORM_BRANCH": "main",
            "PLATFORM_ENVIRONMENT": "main-bvxea6i",
            "PLATFORM_ENVIRONMENT_TYPE": "production",
            "UPSUN_AGENT_STATE": str(self._state),
            "UPSUN_CLI_TOKEN": TOKEN,
            "UPSUN_CLI_API_URL": url,
            "UPSUN_CLI_AUTH_URL": url,
            "SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22",
            "PROJECT": "abcdefgh1234z",
            "NEW_TOKEN": SECOND_TOKEN,
        }

    def use(self, job_file: str) -> None:
        """Give the app that job file."""
        (self.app / ".upsun" / "agent.toml").write_text(job_file, encoding="utf-8")

    def check_out(self, configuration: str, lock_file: str) -> None:
        """Make of the app a checkout that has a configuration and a lock file, and nothing of the agent yet."""
        if re.search(r"^name: ", configuration, re.MULTILINE):  # an app of Upsun Fixed
            shutil.rmtree(self.app / ".upsun")
            (self.app / ".platform.app.yaml").write_text(configuration, encoding="utf-8")
        else:
            (self.app / ".upsun" / "config.yaml").write_text(configuration, encoding="utf-8")
            (name,) = re.findall(r"^  (\w+):$", configuration.partition("routes:")[0], re.MULTILINE)
            self.variables["PLATFORM_APPLICATION_NAME"] = name
        (self.app / lock_file).write_text("{}\n", encoding="utf-8")
        who = "-c user.name=Reader -c user.email=reader@example.com"
        prepared = self.run(f"""git init -q -b main . && echo /.upsun-agent/ >.git/info/exclude && git add .
            git {who} commit -q -m 'The app' && git init -q --bare ../platform.git
            git remote add platform ../platform.git && git push -q --set-upstream platform main
            git config user.name Reader && git config user.email reader@example.com""")
        assert prepared.returncode == 0, prepared.stderr

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """The lines under dash, ending at the first that fails; who is asked for a token has one."""
        script = LONG_REHEARSAL.sub(r"\1 3", script)
        script = FAILURE_REHEARSED.sub(r"\1 || [ $? = 1 ]", script)
        script = ASKED.sub(r"\1 --yes", script)
        done = subprocess.run(
            [SHELL, "-c", f"set -e\n{script}"],
            cwd=self.app,
            env=self.variables,
            input=f"{SECOND_TOKEN if '--rotate' in script else TOKEN}\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        assert TOKEN not in done.stdout + done.stderr
        assert SECOND_TOKEN not in done.stdout + done.stderr
        return done


@contextmanager
def sandbox(place: Path, product: Product = "flex") -> Iterator[Sandbox]:
    """A container on a platform whose operations take no time, and whose machine user may do everything."""
    fast = Scenario(
        product=product,
        token=TOKEN,
        owner_token=SECOND_TOKEN,
        project_role="admin",
        backup_seconds=0,
        source_operation_seconds=0,
        deploy_seconds=0,
    )
    with serve(Simulator(fast, SystemClock())) as server:
        yield Sandbox(place, server.url)


def job_file_for(block: Block) -> str:
    """The job file that a reader has in mind: the nearest one above on the page whose jobs the commands name."""
    words = set(shlex.split(block.text.replace("\\\n", " "), comments=True))
    texts = [each for each in BLOCKS if each.language == "toml"]
    above = [each.text for each in texts if each.page == block.page and each.line < block.line]
    named = [text for text in above if any(f"[jobs.{word}]" in text for word in words)]
    usual = next(each.text for each in texts if each.page == "README.md")
    return (named or [usual])[-1]
