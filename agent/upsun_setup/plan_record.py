"""What ``init`` would do, as a record. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field
from upsun_agent.platform.product import Product

from upsun_setup.app import FOLDER
from upsun_setup.job_file import TOKEN_VARIABLE


class Change(Struct, frozen=True):
    """A text that is written: before (None: it is new) and after."""

    #: The path of the file, below the checkout.
    path: str
    #: The old text; None for a new file.
    old: str | None
    #: The new text.
    new: str


class FileChange(Struct, frozen=True):
    """A file of a release that is written, or any file that is deleted."""

    #: The path of the file, below the checkout.
    path: str
    #: The old content; None for a new file.
    old: bytes | None
    #: The new content; None to delete the file.
    new: bytes | None
    #: Whether the file is one of a release: the diff shows its size and hash, not its lines.
    is_released: bool = True


class Move(Struct, frozen=True):
    """A submodule that goes to another commit."""

    #: The folder of the submodule, below the checkout.
    path: str
    #: The commit that it is at.
    old: str
    #: The commit that it goes to.
    new: str


class Plan(Struct):
    """Everything that ``init`` would do, and what it wants to say."""

    #: The name of the app.
    app: str
    #: The files to change.
    changes: list[Change] = field(default_factory=list)
    #: The files of a release to write, and files to delete.
    files: list[FileChange] = field(default_factory=list)
    #: The submodule to move; None if there is none.
    move: Move | None = None
    #: What is in place already, in words.
    done: list[str] = field(default_factory=list)
    #: What the person should know: a level and a text each.
    remarks: list[tuple[str, str]] = field(default_factory=list)
    #: The path of the job file, below the checkout.
    jobs: str = f"{FOLDER}/agent.toml"
    #: The name of one of the jobs, for examples.
    job: str = "JOB"
    #: Whether the build hook installs this release with the lines of the chosen way.
    is_delivered: bool = False
    #: Whether the job replaces a cron.
    takes_over: bool = False
    #: The variable that holds the API token.
    token_variable: str = TOKEN_VARIABLE
    #: The product that the project is on.
    product: Product = "flex"
    #: The Git submodule that the app's folder is; empty if it is none.
    submodule: str = ""

    @property
    def everything(self) -> list[Change | FileChange | Move]:
        """Return all that changes."""
        return [*self.changes, *self.files, *([self.move] if self.move else [])]

    @property
    def paths(self) -> list[str]:
        """Return the paths of all files that change."""
        return [change.path for change in self.everything]

    def say(self, text: str, remedy: str) -> None:
        """Add a remark."""
        self.remarks.append((text, remedy))


def changes_of(texts: Mapping[str, tuple[str | None, str]]) -> list[Change]:
    """Return the changes of files, given the old and the new text of each."""
    return [Change(path, old, new) for path, (old, new) in texts.items() if old != new]
