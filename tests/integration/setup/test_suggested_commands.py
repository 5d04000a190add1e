"""What init and the others suggest to paste into a shell does there what it says, whatever the names are."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upsun_setup.preview import path

from tests.harness.init_command import COMMAND, commit, git, variables

DASH = shutil.which("dash") or "/bin/sh"
FOLDERS = [
    "$(touch PWNED)",
    "a b",
    "it's",
    'say "x"',
    "`touch PWNED`",
    "-rf",
    "a;touch PWNED;",
    "*",
    "a&b",
    "$HOME",
    "é",
]


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_word_is_one_word_of_a_shell(text: str) -> None:
    assert shlex.split(f"x {path(text)}") == ["x", f"./{text}" if text.startswith("-") else text]


@pytest.mark.parametrize("text", ["a'b", "$(touch PWNED)", "-n", "", "a\\", "a\nb", "!x"])
def test_a_real_shell_takes_it_as_one_word(tmp_path: Path, text: str) -> None:
    done = subprocess.run(
        [DASH, "-c", f"printf %s {path(text)}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ("./-n" if text == "-n" else text)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_commands_of_init_can_be_pasted(tmp_path: Path, folder: str) -> None:
    top = tmp_path / "checkout"
    (top / ".upsun").mkdir(parents=True)
    (top / folder).mkdir()
    root = json.dumps(f"/{folder}")
    (top / ".upsun" / "config.yaml").write_text(
        f"applications:\n  app:\n    type: 'php:8.3'\n    source:\n      root: {root}\n"
    )
    git(top, "init", "-q")
    commit(top)
    command = [*COMMAND, "--yes", "--json", "--dir", str(top)]
    done = subprocess.run(command, cwd=top, env=variables(), capture_output=True, text=True, check=True)
    plan = json.loads(done.stdout)
    push = next(line for line in plan["next"] if line.startswith("push: "))
    added = push.removeprefix("push: ").partition(" && ")[0]
    subprocess.run([DASH, "-c", added], cwd=top, check=True)
    staged = git(top, "-c", "core.quotePath=false", "diff", "--cached", "--name-only", "-z").split("\0")
    assert {change["path"] for change in plan["changes"]} == {each for each in staged if each}
    assert not list(top.rglob("PWNED"))


@pytest.mark.parametrize("folder", ["a\nb", "a\rtouch PWNED", "a\x1b[8mb", "a\u202eb"])
def test_a_folder_that_would_break_a_line_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / ".upsun").mkdir()
    text = f"applications:\n  app:\n    type: 'php:8.3'\n    source:\n      root: {json.dumps(folder)}\n"
    (tmp_path / ".upsun" / "config.yaml").write_text(text)
    command = [*COMMAND, "--dry-run", "--dir", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=variables(), capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert "source.root is not printable" in done.stderr
    assert "\x1b" not in done.stderr
