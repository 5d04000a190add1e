"""The agent's repository as a submodule of a checkout: which commit it is at, and moving it to another one.

Git runs in the submodule here, and a configuration can name programs. So its hooks are off, its own configuration may
hold only keys that name none, and it has to be the configuration of this very folder.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping

from upsun_agent.errors import ConfigInvalid, Conflict
from upsun_agent.limits import GIT_FETCH_PATIENCE

from upsun_setup.git import trusted_path
from upsun_setup.plan_record import Move

#: Keys that a submodule has by itself; none of them makes Git start a program.
_HARMLESS = re.compile(
    r"core\.(repositoryformatversion|filemode|bare|logallrefupdates|ignorecase|precomposeunicode|symlinks|worktree)"
    r"|extensions\.objectformat|remote\.[^.]+\.(url|fetch|tagopt)|branch\..+\.(remote|merge)"
)
_OPTIONS = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "protocol.ext.allow=never", "submodule.recurse=false")
_REVISION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._/-]*")
BY_HAND = "move it by hand: git -C {} fetch --tags, then git -C {} checkout TAG"


class Submodule:
    """One submodule of a checkout."""

    def __init__(self, top: str, folder: str, environ: Mapping[str, str]) -> None:
        """Look at the submodule.

        Args:
            top: the checkout.
            folder: the submodule's folder in it.
            environ: the variables of the process; those of Git are left out.

        Raises:
            ConfigInvalid: it is not there, or its configuration could start a program.
        """
        self._folder = folder
        self._place = os.path.realpath(os.path.join(top, folder))
        self._by_hand = BY_HAND.format(folder, folder)
        self._program = shutil.which("git", path=trusted_path(environ.get("PATH", os.defpath), top))
        self._environ = {name: value for name, value in environ.items() if not name.startswith("GIT_")}
        if self._program is None:
            raise ConfigInvalid("git is not installed here", remedy=self._by_hand)
        own = self._git_directory()
        listed = self._said("config", "--file", f"{own}/config", "--no-includes", "--null", "--list", cwd="/")
        settings = dict(entry.partition("\n")[::2] for entry in listed.split("\0") if entry)
        wrong = sorted(key for key in settings if not _HARMLESS.fullmatch(key))
        if wrong:
            raise ConfigInvalid(
                f"the configuration of {folder} has {wrong[0]}: Git is not run there", remedy=self._by_hand
            )
        tree = os.path.realpath(os.path.join(own, settings.get("core.worktree", os.pardir)))
        if tree != self._place:
            raise ConfigInvalid(f"the Git directory of {folder} is that of another folder", remedy=self._by_hand)

    def _git_directory(self) -> str:
        place = os.path.join(self._place, ".git")
        if os.path.isdir(place):
            return place
        try:
            with open(place, encoding="utf-8") as file:
                named = file.read(4096).removeprefix("gitdir:").strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigInvalid(
                f"{self._folder} is not a checked-out submodule",
                remedy=f"git submodule update --init {self._folder}",
            ) from None
        return os.path.realpath(os.path.join(self._place, named))

    def move(self, revision: str) -> Move | None:
        """Return the move to a tag or commit, which is fetched if it is not here; None where it is there already.

        Raises:
            ConfigInvalid: there is no such tag or commit.
            Conflict: files of the submodule are changed.
        """
        if not _REVISION.fullmatch(revision):
            raise ConfigInvalid(f"{revision[:80]!r} is not a tag or commit", remedy="name one with --commit")
        before = self._said("rev-parse", "--verify", "--quiet", "HEAD^{commit}").strip()
        after = self._commit(revision)
        if not after:
            self._said("fetch", "--quiet", "--tags", "origin", patience=GIT_FETCH_PATIENCE)
            after = self._commit(revision)
        if not after:
            text = f"the repository of {self._folder} has no tag or commit {revision}"
            raise ConfigInvalid(text, remedy="name another one with --commit")
        if before == after:
            return None
        if self._said("status", "--porcelain", "--ignore-submodules=all").strip():
            raise Conflict(f"files of {self._folder} are changed", remedy="revert these changes first: git status")
        return Move(self._folder, before, after)

    def apply(self, move: Move) -> None:
        """Check the commit of the move out."""
        self._said("checkout", "--quiet", "--detach", move.new)
        if self._said("rev-parse", "HEAD").strip() != move.new:
            raise Conflict(f"{self._folder} could not be moved to {move.new[:12]}", remedy=self._by_hand)

    def _commit(self, revision: str) -> str:
        return self._said("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").strip()

    def _said(self, *words: str, cwd: str = "", patience: float = 30.0) -> str:
        """Run Git without its hooks; return what it printed, nothing where it failed."""
        options = [word for each in _OPTIONS for word in ("-c", each)]
        variables = {**self._environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        try:
            done = subprocess.run(
                [self._program or "", *options, *words],
                cwd=cwd or self._place,
                env=variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=patience,
            )
        except (OSError, ValueError, subprocess.SubprocessError):
            return ""
        return done.stdout if done.returncode == 0 else ""
