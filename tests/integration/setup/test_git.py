"""What Git is asked by init: nothing that a checkout or a variable names is run, and the answers stay right."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from upsun_setup.git import Git

from tests.harness.init_command import CANARY, COMMAND, GIT, Result, commit, git, variables
from tests.harness.sources import REPOSITORY

Init = Callable[..., Result]
CONFIG = ".upsun/config.yaml"


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A program that leaves a file behind when it is run, whatever its arguments."""
    program = tmp_path / "trap"
    program.write_text(f'#!/bin/sh\necho "$0 $*" >>{tmp_path}/sprung\ncat >/dev/null 2>&1 </dev/null\nexit 0\n')
    program.chmod(0o755)
    return program


def sprung(trap: Path) -> str:
    found = trap.with_name("sprung")
    return found.read_text() if found.exists() else ""


def tried(place: Path, *arguments: str, **more: str) -> str:
    """Run the command as a process of its own, with a file of the checkout changed; its output."""
    given = {**variables(**more), "UPSUN_CLI_TOKEN": CANARY}
    command = [*COMMAND, "--dry-run", *arguments]
    done = subprocess.run(command, cwd=place, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def change(place: Path) -> None:
    """Change a file's time and not its size, so that Git must look into it, through filters if it has any."""
    path = place / CONFIG
    kept = path.stat()
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns + 10**10))


def fsmonitor(place: Path, trap: Path) -> dict[str, str]:
    git(place, "config", "core.fsmonitor", str(trap))
    return {}


def fsmonitor_of_an_included_file(place: Path, trap: Path) -> dict[str, str]:
    (place / "more").write_text(f'[core]\n fsmonitor = "{trap}"\n')
    git(place, "config", "include.path", "../more")
    return {}


def fsmonitor_of_a_conditional_include(place: Path, trap: Path) -> dict[str, str]:
    (place / "more").write_text(f'[core]\n fsmonitor = "{trap}"\n')
    git(place, "config", f"includeIf.gitdir:{place}/.path", str(place / "more"))
    return {}


def fsmonitor_of_a_work_tree(place: Path, trap: Path) -> dict[str, str]:
    git(place, "config", "extensions.worktreeConfig", "true")
    git(place, "config", "--worktree", "core.fsmonitor", str(trap))
    return {}


def filters(place: Path, trap: Path) -> dict[str, str]:
    (place / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    for key in ("filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.evil.textconv"):
        git(place, "config", key, str(trap))
    git(place, "config", "diff.external", str(trap))
    return {}


def hooks(place: Path, trap: Path) -> dict[str, str]:
    (place / "hooks").mkdir()
    for name in ("post-index-change", "reference-transaction", "pre-auto-gc", "fsmonitor-watchman", "post-checkout"):
        (place / "hooks" / name).symlink_to(trap)
        (place / ".git" / "hooks").mkdir(exist_ok=True)
        (place / ".git" / "hooks" / name).symlink_to(trap)
    git(place, "config", "core.hooksPath", "hooks")
    return {}


def pager_editor_and_ssh(place: Path, trap: Path) -> dict[str, str]:
    for key in ("core.pager", "pager.status", "core.editor", "core.sshCommand", "core.askPass", "gpg.program"):
        git(place, "config", key, str(trap))
    git(place, "config", "core.alternateRefsCommand", str(trap))
    git(place, "config", "alias.status", f"!{trap}")
    git(place, "config", "credential.helper", str(trap))
    return {}


def a_missing_object_of_a_partial_clone(place: Path, trap: Path) -> dict[str, str]:
    git(place, "config", "extensions.partialClone", "origin")
    git(place, "config", "core.repositoryFormatVersion", "1")
    git(place, "config", "remote.origin.url", f"ext::{trap} %S")
    git(place, "config", "remote.origin.promisor", "true")
    git(place, "config", "protocol.ext.allow", "always")
    tree = git(place, "rev-parse", "HEAD^{tree}").strip()
    (place / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    return {}


def a_submodule(place: Path, trap: Path) -> dict[str, str]:
    inner = place / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "file").write_text("text")
    commit(inner)
    (place / ".gitmodules").write_text('[submodule "inner"]\n path = inner\n url = ./inner\n')
    commit(place)
    git(inner, "config", "core.fsmonitor", str(trap))
    (inner / "file").write_text("other")
    return {}


def another_repository_by_variables(place: Path, trap: Path) -> dict[str, str]:
    other = place.parent / "other"
    other.mkdir()
    git(other, "init", "-q")
    git(other, "config", "core.fsmonitor", str(trap))
    return {"GIT_DIR": str(other / ".git"), "GIT_WORK_TREE": str(place), "GIT_COMMON_DIR": str(other / ".git")}


def configuration_by_variables(place: Path, trap: Path) -> dict[str, str]:
    (place / "named").write_text(f'[core]\n fsmonitor = "{trap}"\n')
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": str(trap),
        "GIT_CONFIG_PARAMETERS": f"'core.fsmonitor'='{trap}'",
        "GIT_CONFIG_GLOBAL": str(place / "named"),
        "GIT_CONFIG_SYSTEM": str(place / "named"),
    }


def programs_by_variables(place: Path, trap: Path) -> dict[str, str]:
    (place / "exec").mkdir()
    for name in ("git-status", "git-check-ignore", "git"):
        (place / "exec" / name).symlink_to(trap)
    names = ("GIT_EXTERNAL_DIFF", "GIT_PAGER", "PAGER", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_EDITOR")
    return {**dict.fromkeys(names, str(trap)), "GIT_EXEC_PATH": str(place / "exec")}


def a_home_that_includes_a_file_of_the_checkout(place: Path, trap: Path) -> dict[str, str]:
    (place / "more").write_text(f'[core]\n fsmonitor = "{trap}"\n')
    (place.parent / ".gitconfig").write_text(f'[include]\n path = "{place}/more"\n')
    return {}


def a_program_named_git_in_the_checkout(place: Path, trap: Path) -> dict[str, str]:
    (place / "bin").mkdir()
    (place / "git").symlink_to(trap)
    (place / "bin" / "git").symlink_to(trap)
    return {"PATH": f":.:bin:{place}/bin:{os.environ['PATH']}"}


def alternates_with_a_configuration(place: Path, trap: Path) -> dict[str, str]:
    other = place.parent / "other"
    git(place.parent, "clone", "-q", "--bare", str(place), str(other))
    git(other, "config", "core.fsmonitor", str(trap))
    (place / ".git" / "objects" / "info" / "alternates").write_text(f"{other}/objects\n")
    return {}


ATTACKS = (
    fsmonitor,
    fsmonitor_of_an_included_file,
    fsmonitor_of_a_conditional_include,
    fsmonitor_of_a_work_tree,
    filters,
    hooks,
    pager_editor_and_ssh,
    a_missing_object_of_a_partial_clone,
    a_submodule,
    another_repository_by_variables,
    configuration_by_variables,
    programs_by_variables,
    a_home_that_includes_a_file_of_the_checkout,
    a_program_named_git_in_the_checkout,
    alternates_with_a_configuration,
)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_init_runs_nothing_that_the_checkout_or_a_variable_names(
    checkout: Path, trap: Path, attack: Callable[[Path, Path], dict[str, str]]
) -> None:
    more = attack(checkout, trap)
    trap.with_name("sprung").unlink(missing_ok=True)  # what laying the trap itself set off
    change(checkout)
    tried(checkout, **more)
    tried(checkout, "--dir", str(checkout), **more)
    assert sprung(trap) == ""


def test_a_bare_repository_in_the_checkout_is_a_directory_like_any_other(checkout: Path, trap: Path) -> None:
    inner = checkout / "app"
    git(checkout, "init", "-q", "--bare", str(inner))
    git(inner, "config", "core.fsmonitor", str(trap))
    git(inner, "config", "core.bare", "false")
    git(inner, "config", "core.worktree", str(inner))
    (inner / ".upsun").mkdir()
    (inner / CONFIG).write_text((checkout / CONFIG).read_text())
    tried(inner, "--dir", ".")
    tried(checkout, "--dir", "app")
    assert sprung(trap) == ""


def test_a_repository_that_a_git_file_names_runs_nothing_either(checkout: Path, trap: Path) -> None:
    (checkout / ".git").rename(checkout / "kept")
    (checkout / ".git").write_text("gitdir: kept\n")
    found = checkout / "kept" / "config"
    found.write_text(f'{found.read_text()}[core]\n fsmonitor = "{trap}"\n')
    (checkout / CONFIG).write_text((checkout / CONFIG).read_text() + "# new\n")
    assert f"not committed yet: {CONFIG}" in tried(checkout)
    assert sprung(trap) == ""


def test_git_gets_neither_the_token_nor_any_other_variable_of_the_process(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    seen = tmp_path / "bin" / "git"
    seen.write_text(f'#!/bin/sh\nenv >>{tmp_path}/seen\nexec {GIT} "$@"\n')
    seen.chmod(0o755)
    more = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "PLATFORM_RELATIONSHIPS": "cGFzcw", "GIT_TRACE": "1"}
    (checkout / CONFIG).write_text((checkout / CONFIG).read_text() + "# new\n")
    assert f"not committed yet: {CONFIG}" in tried(checkout, **more)
    said = (tmp_path / "seen").read_text()
    assert CANARY not in said
    assert "PLATFORM_" not in said
    assert "GIT_TRACE" not in said
    assert str(REPOSITORY) not in said


def test_nothing_is_written_into_the_repository(checkout: Path) -> None:
    change(checkout)
    before = {path: path.stat().st_mtime_ns for path in (checkout / ".git").rglob("*")}
    tried(checkout)
    assert {path: path.stat().st_mtime_ns for path in (checkout / ".git").rglob("*")} == before


# --- the answers ------------------------------------------------------------------------------------------------


def asked(place: Path) -> Git:
    return Git(os.path.realpath(place), os.environ)


def test_staged_and_unstaged_changes_are_named_and_new_files_are_not(checkout: Path) -> None:
    (checkout / "a").write_text("1")
    (checkout / "b").write_text("1")
    commit(checkout)
    (checkout / "a").write_text("2")
    git(checkout, "add", "a")
    (checkout / "b").write_text("2")
    (checkout / "c").write_text("2")
    assert asked(checkout).unsaved(["a", "b", "c", CONFIG]) == ["a", "b"]


def test_names_that_git_could_take_for_patterns_or_options_are_names(checkout: Path) -> None:
    names = [":(top)x", "-x", "*", 'q"u', "new\nline", "ümlaut", "with space"]
    for name in names:
        (checkout / name).write_text("1")
    commit(checkout)
    (checkout / "ümlaut").write_text("2")
    (checkout / "new\nline").write_text("2")
    assert sorted(asked(checkout).unsaved(names)) == ["new\nline", "ümlaut"]
    git(checkout, "rm", "-q", "--cached", "-r", ".")
    (checkout / ".gitignore").write_text("*\n")
    assert asked(checkout).ignored(names) == names


def test_a_directory_below_the_top_is_answered_in_its_own_names(checkout: Path) -> None:
    (checkout / "sub").mkdir()
    (checkout / "sub" / "a").write_text("1")
    commit(checkout)
    (checkout / "sub" / "a").write_text("2")
    assert asked(checkout / "sub").unsaved(["a", f"../{CONFIG}"]) == ["a"]


def in_a_work_tree(checkout: Path) -> Path:
    git(checkout, "worktree", "add", "-q", str(checkout.parent / "tree"))
    return checkout.parent / "tree"


def with_packed_branches(checkout: Path) -> Path:
    git(checkout, "pack-refs", "--all")
    assert not (checkout / ".git" / "refs" / "heads" / "main").exists()
    return checkout


def with_a_detached_head(checkout: Path) -> Path:
    git(checkout, "checkout", "-q", "--detach")
    return checkout


def with_a_split_index(checkout: Path) -> Path:
    git(checkout, "update-index", "--split-index")
    assert list((checkout / ".git").glob("sharedindex.*"))
    return checkout


def with_packed_objects(checkout: Path) -> Path:
    git(checkout, "gc", "-q")
    return checkout


def with_sha_256(checkout: Path) -> Path:
    place = checkout.parent / "sha256"
    place.mkdir()
    (place / ".upsun").mkdir()
    (place / CONFIG).write_text("applications: {}\n")
    git(place, "init", "-q", "--object-format=sha256")
    commit(place)
    return place


def with_a_linked_repository(checkout: Path) -> Path:
    (checkout / ".git").rename(checkout.parent / "elsewhere")
    (checkout / ".git").symlink_to(checkout.parent / "elsewhere")
    return checkout


FORMS = (
    in_a_work_tree,
    with_packed_branches,
    with_a_detached_head,
    with_a_split_index,
    with_packed_objects,
    with_sha_256,
    with_a_linked_repository,
)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_form_of_a_repository_is_read(checkout: Path, form: Callable[[Path], Path]) -> None:
    place = form(checkout)
    assert asked(place).unsaved([CONFIG]) == []
    (place / CONFIG).write_text("applications: {a: {}}\n")
    assert asked(place).unsaved([CONFIG]) == [CONFIG]
    git(place, "add", CONFIG)
    assert asked(place).unsaved([CONFIG]) == [CONFIG]


def test_lines_that_end_as_windows_ends_them_are_no_change_where_git_is_told_so(checkout: Path) -> None:
    git(checkout, "config", "core.autocrlf", "true")
    (checkout / CONFIG).unlink()
    git(checkout, "checkout", "--", CONFIG)
    assert b"\r\n" in (checkout / CONFIG).read_bytes()
    change(checkout)
    assert asked(checkout).unsaved([CONFIG]) == []


@pytest.mark.parametrize("where", ["exclude", "home", "xdg", "gitignore"])
def test_files_are_ignored_wherever_git_is_told_so(checkout: Path, tmp_path: Path, where: str) -> None:
    if where == "exclude":
        (checkout / ".git" / "info").mkdir(exist_ok=True)
        (checkout / ".git" / "info" / "exclude").write_text("secret\n")
    elif where == "home":
        (tmp_path / ".gitconfig").write_text("[core]\n excludesFile = ~/my-ignores\n")
        (tmp_path / "my-ignores").write_text("secret\n")
    elif where == "xdg":
        (tmp_path / ".config" / "git").mkdir(parents=True)
        (tmp_path / ".config" / "git" / "ignore").write_text("secret\n")
    else:
        (checkout / ".gitignore").write_text("secret\n")
    assert asked(checkout).ignored(["secret", "open"]) == ["secret"]


def test_of_a_repository_whose_branches_are_not_files_nothing_is_said(checkout: Path) -> None:
    (checkout / ".git" / "reftable").mkdir()
    (checkout / ".git" / "HEAD").write_text("ref: refs/heads/.invalid\n")
    assert asked(checkout).unsaved([CONFIG]) == []


def test_a_repository_without_a_commit_is_read(tmp_path: Path) -> None:
    place = tmp_path / "new"
    place.mkdir()
    git(place, "init", "-q")
    (place / "a").write_text("1")
    git(place, "add", "a")
    assert asked(place).unsaved(["a"]) == ["a"]


@pytest.mark.parametrize("name", ["HEAD", "index", "config", "packed-refs", "commondir"])
def test_a_pipe_in_the_place_of_a_file_of_git_holds_nothing_up(checkout: Path, name: str) -> None:
    (checkout / ".git" / name).unlink(missing_ok=True)
    os.mkfifo(checkout / ".git" / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("upsun_setup.git.GIT_PATIENCE", 1.0)
        assert asked(checkout).ignored(["open"]) == []
