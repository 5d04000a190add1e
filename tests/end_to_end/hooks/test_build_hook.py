"""hooks/build.sh, run for real under dash: what it installs, says and refuses."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.harness.build_hook import SHELL, clean, run_hook
from tests.harness.sources import REPOSITORY


def test_it_installs_an_agent_that_runs_isolated(built: tuple[Path, str]) -> None:
    app, said = built
    command = app / ".upsun-agent" / "bin" / "upsun-agent"
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("upsun-agent 0.")
    assert command.read_text().splitlines()[0].endswith(" -IS")
    assert f"installed {done.stdout.strip()}" in said


def test_it_says_phase_token_and_that_the_type_is_not_known(built: tuple[Path, str]) -> None:
    _, said = built
    assert "warn  token" in said
    assert "visible to the build" in said
    assert "--visible-build false" in said
    assert "not known during the build" in said
    assert "canary-token-in-the-build" not in said


def test_a_token_that_is_not_visible_is_no_warning(app: Path) -> None:
    done = run_hook(app)
    assert done.returncode == 0
    assert "warn" not in done.stdout
    assert "not visible to the build" in done.stdout


def test_the_install_survives_being_moved(built: tuple[Path, str], tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(built[0] / ".upsun-agent", moved)
    done = subprocess.run([moved / "bin" / "upsun-agent", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("upsun-agent ")


def test_byte_code_does_not_depend_on_modification_times(built: tuple[Path, str]) -> None:
    library = built[0] / ".upsun-agent" / "lib"
    compiled = list(library.glob("upsun_agent/__pycache__/*.pyc"))
    assert len(compiled) > 5
    for each in compiled:
        assert each.read_bytes()[4:8] == b"\x01\x00\x00\x00", f"{each.name} is not an unchecked-hash pyc"


def test_nothing_of_the_repository_but_the_package_is_installed(built: tuple[Path, str]) -> None:
    library = built[0] / ".upsun-agent" / "lib"
    assert (library / "upsun_agent" / "py.typed").exists()
    assert sorted(path.name for path in library.iterdir() if path.name.startswith(("agent", "upsun"))) == [
        "upsun_agent"
    ]
    assert not (library / "tests").exists()
    assert not (library / "bin").exists()


def test_a_second_install_replaces_the_first(app: Path) -> None:
    assert run_hook(app).returncode == 0
    stray = app / ".upsun-agent" / "lib" / "stray.py"
    stray.write_text("")
    assert run_hook(app).returncode == 0
    assert not stray.exists()
    assert sorted(path.name for path in app.iterdir() if path.name.startswith(".upsun-agent")) == [".upsun-agent"]


def test_a_broken_job_file_fails_the_build_and_keeps_the_previous_install(app: Path) -> None:
    assert run_hook(app).returncode == 0
    (app / ".upsun-agent" / "kept").write_text("previous")
    (app / ".upsun" / "agent.toml").write_text("[jobs.x]\nscheduel = '@daily'\n")
    done = run_hook(app)
    assert done.returncode == 1
    assert "did you mean 'schedule'?" in done.stdout
    assert (app / ".upsun-agent" / "kept").read_text() == "previous"
    assert [path.name for path in app.iterdir() if ".new-" in path.name] == []


def test_no_job_file_yet_is_a_warning(app: Path) -> None:
    (app / ".upsun" / "agent.toml").unlink()
    done = run_hook(app)
    assert done.returncode == 0
    assert "nothing to run yet" in done.stdout


def test_a_changed_hash_makes_the_install_fail(app: Path, tmp_path: Path) -> None:
    copy = tmp_path / "agent-checkout"
    for part in ("hooks", "requirements", "agent"):
        shutil.copytree(REPOSITORY / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    requirements = copy / "requirements" / "runtime.txt"
    lines = requirements.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("structlog=="))
    lines[start + 1 :] = [line.replace("sha256:", "sha256:0000", 1)[:84] for line in lines[start + 1 :]]
    requirements.write_text("\n".join(lines) + "\n")
    done = run_hook(app, repository=copy)
    assert done.returncode == 1
    assert "previous install is untouched" in done.stderr
    assert not (app / ".upsun-agent").exists()


@pytest.mark.parametrize(
    ("body", "message", "remedy"),
    [
        ("exit 127", "python-of-yore does not start", ""),
        (
            'case "$*" in *version_info*) exit 1;; *-V*) echo Python 3.9.2;; *) echo "$0";; esac',
            "Python 3.9.2 is too old",
            "unset UPSUN_AGENT_PYTHON",
        ),
    ],
)
def test_a_python_that_will_not_do_is_said_with_the_remedy(
    app: Path, tmp_path: Path, body: str, message: str, remedy: str
) -> None:
    fake = tmp_path / "python-of-yore"
    fake.write_text(f"#!/bin/sh\n{body}\n")
    fake.chmod(0o755)
    done = run_hook(app, {"UPSUN_AGENT_PYTHON": str(fake)})
    assert done.returncode == 1
    assert message in done.stderr
    assert remedy in done.stderr


def test_an_interpreter_that_is_not_there_is_said_with_the_remedy(app: Path) -> None:
    done = run_hook(app, {"UPSUN_AGENT_PYTHON": "no-such-python"})
    assert done.returncode == 1
    assert "there is no interpreter 'no-such-python'" in done.stderr
    assert "unset UPSUN_AGENT_PYTHON" in done.stderr


@pytest.mark.parametrize("extra", ["everything", "shared,everything", "shared simulator2", "../shared"])
def test_an_unknown_extra_is_refused(app: Path, extra: str) -> None:
    done = run_hook(app, {"UPSUN_AGENT_EXTRA": extra})
    assert done.returncode == 1
    assert "it can be: simulator, shared, otel, socks" in done.stderr


def test_several_extras_are_installed_together_and_each_package_once(app: Path) -> None:
    done = run_hook(app, {"UPSUN_AGENT_EXTRA": "shared,simulator"})
    assert done.returncode == 0, done.stderr
    library = app / ".upsun-agent" / "lib"
    for name in ("psycopg", "psycopg_binary", "pymysql", "sqlalchemy", "werkzeug", "httpx"):
        assert (library / name).is_dir(), name
    assert (app / ".upsun-agent" / "installed").read_text().endswith("extra shared,simulator\n")
    (app / "agent.toml").write_text('[agent]\nstate = "relationship:database"\n[jobs.x]\nsteps = [{ backup = {} }]\n')
    command = app / ".upsun-agent" / "bin" / "upsun-agent"
    checked = subprocess.run(
        [command, "check", "--phase", "build", "--config", "agent.toml"],
        cwd=app,
        env=clean(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    assert "the extra 'shared' is installed" in checked.stdout


def test_commands_that_need_the_extra_say_so(built: tuple[Path, str]) -> None:
    app, _ = built
    command = app / ".upsun-agent" / "bin" / "upsun-agent"
    for arguments in (["rehearse", "nightly-update"], ["simulate", "--port", "0"]):
        done = subprocess.run(
            [command, *arguments], cwd=app, env=clean(), capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 64
        assert "extra 'simulator'" in done.stderr
        assert "Traceback" not in done.stderr


def test_environment_sh_puts_the_command_on_the_path_once_and_prints_nothing(built: tuple[Path, str]) -> None:
    app, _ = built
    load = f'. "{app}/.upsun-agent/environment.sh"'
    script = f'{load}; {load}; echo "$PATH"; upsun-agent --version'
    done = subprocess.run(
        ["/bin/sh", "-euc", script],
        env={"PATH": "/usr/bin:/bin", "PLATFORM_APP_DIR": str(app)},
        capture_output=True,
        text=True,
        check=True,
    )
    path, version = done.stdout.splitlines()
    assert path == f"{app}/.upsun-agent/bin:/usr/bin:/bin"
    assert version.startswith("upsun-agent ")
    assert done.stderr == ""


def test_hooks_are_posix_shell() -> None:
    for script in (REPOSITORY / "hooks").glob("*.sh"):
        subprocess.run([SHELL, "-n", script], check=True)
