"""Checkouts whose files are as long and as bad as they may be: init answers, by what it says of them or by its plan."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from upsun_agent.limits import CONFIG_LINES_MOST, CONFIG_MOST_BYTES

from tests.harness.init_command import COMMAND, variables

PATIENCE = 60  # seconds of the whole process on a busy machine: each of these takes a few, and took minutes
HEAD = "applications:\n  app:\n    type: 'php:8.3'\n    hooks:\n      build: |\n"
TAIL = "    crons: {}\n"


def hooked(line: str) -> str:
    return f"{HEAD}        set -e\n        {line}\n{TAIL}"


def commented(lines: list[str]) -> str:
    return "\n".join(lines) + "\n" + hooked("true") + "\n".join(lines) + "\n"


ROOM = CONFIG_MOST_BYTES - 2000
HALF = CONFIG_LINES_MOST // 2 - 20
CONFIGURATIONS = {
    "a long line of a hook": hooked("curl upsun installer " * (ROOM // 21)),
    "5 kB of the words of the installer": hooked("curl " * 300 + "upsun " * 300 + "installer " * 200),
    "a long set": hooked("set " + "-x " * (ROOM // 3)),
    "a long set of one word": hooked("set -" + "e" * ROOM),
    "a long word of ours": hooked("upsun-agent/" * (ROOM // 12)),
    "many installers": hooked("\n        ".join(["curl upsun installer | sh"] * HALF)),
    "many comments that differ little": commented([f"# {number % 101}" for number in range(HALF)]),
    "many empty comments": commented(["#"] * HALF),
    "many lines that come twice": commented([f"# {number // 2}" for number in range(HALF)]),
    "a long cron": hooked("true").replace(
        "{}", "{ a: { spec: '0 1 * * *', commands: { start: 'upsun backup; " + "echo a; " * (ROOM // 9) + "' } } }"
    ),
    "a wide flow mapping": hooked("true").replace("{}", "{ " + ", ".join(f"a{n}: {{}}" for n in range(9000)) + " }"),
    "white space behind a key": hooked("true") + "x:" + " " * ROOM + "y\n",
}


def tried(place: Path) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "--dry-run", "--dir", str(place)]
    return subprocess.run(
        command, cwd=place, env=variables(), capture_output=True, text=True, check=False, timeout=PATIENCE
    )


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_longest_and_worst_configuration_is_answered(tmp_path: Path, name: str) -> None:
    (tmp_path / ".upsun").mkdir()
    (tmp_path / ".upsun" / "config.yaml").write_text(CONFIGURATIONS[name])
    done = tried(tmp_path)
    assert done.returncode in {0, 78}, done.stderr[-500:]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("line", ["a[\n", "a[", "a [ ]\n", "a\n", " ", "a-", "a[]", "a \n \n"])
def test_the_longest_and_worst_requirements_are_answered(tmp_path: Path, line: str) -> None:
    (tmp_path / ".upsun").mkdir()
    (tmp_path / ".upsun" / "config.yaml").write_text(hooked("true"))
    (tmp_path / "requirements.txt").write_text(
        line * ((CONFIG_LINES_MOST - 1) // (line.count("\n") or 1) if "\n" in line else ROOM // len(line))
    )
    assert tried(tmp_path).returncode == 0


def test_a_file_of_more_lines_than_any_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / ".upsun").mkdir()
    (tmp_path / ".upsun" / "config.yaml").write_text(hooked("true") + "#\n" * CONFIG_LINES_MOST)
    done = tried(tmp_path)
    assert done.returncode == 78
    assert f".upsun/config.yaml has more than {CONFIG_LINES_MOST} lines" in done.stderr


def test_files_that_are_too_large_together_are_refused(tmp_path: Path) -> None:
    (tmp_path / ".upsun").mkdir()
    (tmp_path / ".upsun" / "config.yaml").write_text(hooked("true"))
    for number in range(12):
        (tmp_path / ".upsun" / f"more-{number}.yaml").write_text("# " + "x" * (CONFIG_MOST_BYTES - 10) + "\n")
    done = tried(tmp_path)
    assert done.returncode == 78
    assert "together" in done.stderr
