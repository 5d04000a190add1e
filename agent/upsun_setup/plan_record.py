"""What ``init`` would do, as a record. Pure."""

from __future__ import annotations

from msgspec import Struct, field
from upsun_agent.platform.product import Product

from upsun_setup.app import FOLDER
from upsun_setup.job_file import TOKEN_VARIABLE


class Change(Struct, frozen=True):
    """A file that is written: its text before (None: it is new) and after."""

    #: The path of the file, below the checkout.
    path: str
    #: The old text; None for a new file.
    old: str | None
    #: The new text.
    new: str


class Plan(Struct):
    """Everything that ``init`` would do, and what it wants to say."""

    #: The name of the app.
    app: str
    #: The files to change.
    changes: list[Change] = field(default_factory=list)
    #: What is in place already, in words.
    done: list[str] = field(default_factory=list)
    #: What the person should know: a level and a text each.
    remarks: list[tuple[str, str]] = field(default_factory=list)
    #: The path of the job file, below the checkout.
    jobs: str = f"{FOLDER}/agent.toml"
    #: The name of one of the jobs, for examples.
    job: str = "JOB"
    #: Whether the job replaces a cron.
    takes_over: bool = False
    #: The variable that holds the API token.
    token_variable: str = TOKEN_VARIABLE
    #: The product that the project is on.
    product: Product = "flex"
    #: The Git submodule that the app's folder is; empty if it is none.
    submodule: str = ""

    def say(self, text: str, remedy: str) -> None:
        """Add a remark."""
        self.remarks.append((text, remedy))
