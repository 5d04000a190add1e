"""What init writes, used: the build hook installs a real release, and the agent there takes the job file and ticks."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import yaml
from upsun_agent.cli.main import run
from upsun_simulator import Scenario, Simulator, SystemClock, serve

from tests.harness.checkouts import CASES
from tests.harness.releases import surroundings, wheelhouse

SHELL = shutil.which("dash") or "/bin/sh"
TOKEN = "canary-token-of-the-new-app"


def shell(command: str, app: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [SHELL, "-c", command], cwd=app, env=variables, capture_output=True, text=True, check=False, timeout=300
    )
    assert "Traceback" not in done.stdout + done.stderr
    assert TOKEN not in done.stdout + done.stderr
    return done


def test_the_hook_installs_and_the_agent_takes_what_init_wrote(tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    CASES["php-guide"].lay_out(app)
    assert run(["init", "--dir", str(app), "--yes"]) == 0
    definition = next(iter(yaml.safe_load((app / ".upsun" / "config.yaml").read_text())["applications"].values()))
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "composer").write_text(f'#!/bin/sh\necho "$0 $*" >>{tmp_path}/called\n')
    # The release is in the repository; the only other host is the package index, and the wheels of it are here.
    for name in ("curl", "wget"):
        (tools / name).write_text("#!/bin/sh\nexit 7\n")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    build = surroundings(app, UPSUN_AGENT_WHEELS=str(wheelhouse()), PATH=f"{tools}:{os.environ['PATH']}")
    hook = definition["hooks"]["build"]
    built = shell(hook, app, **build)
    assert built.returncode == 0, built.stdout + built.stderr
    assert (tmp_path / "called").read_text().count("\n") >= 1, "the app's own lines ran too"

    job_file = app / ".upsun" / "agent.toml"
    job_file.write_text(job_file.read_text().replace('"/app/', f'"{app}/'))
    container = {
        "PATH": os.environ["PATH"],
        "PLATFORM_APP_DIR": str(app),
        "PLATFORM_APPLICATION_NAME": "app",
        "PLATFORM_PROJECT": "abcdefgh1234z",
    }
    command = ". ./.environment; upsun-agent validate && upsun-agent check --phase build"
    checked = shell(command, app, **container)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "is valid" in checked.stdout
    assert not any(line.startswith("fail") for line in checked.stdout.splitlines())

    job = (
        next(line for line in job_file.read_text().splitlines() if line.startswith("[jobs.")).strip("[]").split(".")[1]
    )
    fast = Scenario(token=TOKEN, backup_seconds=0, source_operation_seconds=0, deploy_seconds=0)
    simulator = Simulator(fast, SystemClock())
    with serve(simulator) as server:
        runtime = {
            **container,
            "PLATFORM_BRANCH": "main",
            "PLATFORM_ENVIRONMENT_TYPE": "production",
            "UPSUN_CLI_TOKEN": TOKEN,
            "UPSUN_CLI_API_URL": server.url,
            "UPSUN_CLI_AUTH_URL": server.url,
        }
        assert shell(f". ./.environment; upsun-agent run {job}", app, **runtime).returncode == 0
        ticks = [cron for cron in definition["crons"].values() if "tick" in cron["commands"]["start"]]
        for _ in range(5):
            ticked = shell(ticks[0]["commands"]["start"], app, **runtime)
            assert ticked.returncode == 0, ticked.stderr
        shown = shell(f". ./.environment; upsun-agent show {job}", app, **runtime)
    assert "run succeeded" in shown.stdout, shown.stdout
    kinds = [each["type"] for each in simulator.request_log()["activities"]]
    assert kinds.count("environment.backup") == kinds.count("environment.source-operation") == 1
