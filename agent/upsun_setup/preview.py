"""The changes to a checkout: how they are shown, asked about, and written as JSON."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from shlex import quote
from typing import Literal

from upsun_agent.cli.change import answered, can_ask
from upsun_agent.cli.context import Context
from upsun_agent.cli.terminal import Exact, Terminal
from upsun_agent.errors import EXIT_OK
from upsun_agent.platform.product import product_words
from upsun_agent.report.document import Count, RemarkView, View, remarks_view
from upsun_agent.text.event_text import Tone

from upsun_setup.checkout import Checkout
from upsun_setup.git import Git
from upsun_setup.plan_record import Change, FileChange, Move, Plan
from upsun_setup.release import sha256

TONES: dict[str, Tone] = {"+": "good", "-": "bad", "@": "dim"}


class ChangeView(View, frozen=True, kw_only=True):
    """A file that changes."""

    #: The file, from the top of the checkout.
    path: str
    #: What happens to it.
    action: Literal["create", "change", "delete"]
    #: What it holds then; null for a file of a release, for one that is deleted, and for a submodule.
    content: str | None
    #: The SHA-256 of what it holds then; null for a file that is deleted, and for a submodule.
    sha256: str | None
    #: The change as a unified diff.
    diff: str


class CheckoutView(View, frozen=True, kw_only=True):
    """What changes in a checkout."""

    #: The top of the checkout.
    directory: str
    #: The name of the app.
    app: str
    #: The product that the project is on.
    product: Literal["flex", "fixed"]
    #: The files that change.
    changes: list[ChangeView]
    #: What is as it should be already.
    done: list[str]
    #: What should be put right.
    remarks: list[RemarkView]
    #: What is left to do by hand.
    next: list[str]
    #: Whether the changes were written.
    written: bool
    #: The exit code of the command.
    exit_code: Count


def is_asking(context: Context) -> bool:
    """Return whether the command asks: there is a terminal, and no dry run is wanted."""
    return can_ask(context) and not context.options.dry_run


def path(name: str) -> str:
    """Return a relative path as one word of a shell that no command takes for an option."""
    return quote(f"./{name}" if name.startswith("-") else name)


def staged(checkout: Checkout, plan: Plan) -> list[str]:
    """Return what ``git add`` has to name: the files of the plan, those of a release by their folder."""
    folders = [change.path.rpartition("/")[0] if change.is_released else change.path for change in plan.files]
    moved = [plan.move.path] if plan.move else []
    return list(dict.fromkeys(map(checkout.real, [*(change.path for change in plan.changes), *folders, *moved])))


def apply(
    context: Context, checkout: Checkout, plan: Plan, nothing: str, move: Callable[[Move], None] | None = None
) -> bool:
    """Show the plan, ask where that is needed, and write it; return whether it was written.

    Args:
        context: the command's options and terminal.
        checkout: the files.
        plan: what is to be changed.
        nothing: what to say where nothing is to be changed.
        move: moves a submodule.
    """
    _look_at_git(checkout, plan)
    plan.remarks[:] = [(text, product_words(remedy, plan.product)) for text, remedy in plan.remarks]
    if not _wanted(context, checkout, plan, nothing):
        return False
    checkout.write([*plan.changes, *plan.files])
    if move is not None and plan.move is not None:
        move(plan.move)
    return True


def tell_written(terminal: Terminal, plan: Plan) -> None:
    """Say which files were written, and which were deleted."""
    deleted = [change.path for change in plan.files if change.new is None]
    for verb, paths in (("Written", [each for each in plan.paths if each not in deleted]), ("Deleted", deleted)):
        if paths:
            terminal.say(f"{verb}: {', '.join(paths)}", "good")


def _wanted(context: Context, checkout: Checkout, plan: Plan, nothing: str) -> bool:
    terminal = context.terminal
    if not plan.paths:
        terminal.say(nothing, "good")
        terminal.remarks(plan.remarks)
        return False
    for change in plan.everything:
        for line in diff(change):
            terminal.say(line, TONES.get(line[:1], "plain"))
    terminal.say()
    terminal.say(f"In {checkout.top}, for the app {plan.app}:")
    for text in plan.done:
        terminal.say(f"  {text}")
    terminal.remarks(plan.remarks)
    if context.options.dry_run or context.options.yes:
        return bool(context.options.yes)
    if not is_asking(context):
        terminal.say("Nothing was written: add --yes to write it.", "odd")
        return False
    if answered("Write these changes? [y/N] ").lower() in {"y", "yes"}:
        return True
    terminal.say("Nothing was written.", "odd")
    return False


def diff(change: Change | FileChange | Move) -> list[str]:
    """Return the change as a unified diff; a file of a release only with its size and hash."""
    if isinstance(change, Move):
        head = [f"--- a/{change.path}", f"+++ b/{change.path}", "@@ -1 +1 @@"]
        return [*head, f"-Subproject commit {change.old}", f"+Subproject commit {change.new}"]
    before = f"a/{change.path}" if change.old is not None else os.devnull
    after = f"b/{change.path}" if change.new is not None else os.devnull
    if isinstance(change, FileChange) and change.is_released:
        what = f": {len(change.new):,} bytes, SHA-256 {sha256(change.new)}" if change.new is not None else ""
        return [f"Binary files {before} and {after} differ{what}"]
    texts = [_text(change.old).splitlines(keepends=True), _text(change.new).splitlines(keepends=True)]
    found = []
    for line in difflib.unified_diff(texts[0], texts[1], before, after):
        found.append(line.rstrip("\r\n"))
        if not line.endswith(("\n", "\r")):
            found.append("\\ No newline at end of file")
    return found


def _text(content: str | bytes | None) -> str:
    return content.decode("utf-8", "replace") if isinstance(content, bytes) else content or ""


def _look_at_git(checkout: Checkout, plan: Plan) -> None:
    paths = list(map(checkout.real, plan.paths))
    if not paths:
        return
    git = Git(checkout.top, os.environ)
    unsaved = git.unsaved(paths)
    if unsaved:
        text = f"not committed yet: {', '.join(unsaved)}"
        plan.remarks.append((text, "commit it first, so that you can revert exactly what init writes"))
    ignored = git.ignored(paths)
    if ignored:
        text = f"Git ignores {', '.join(ignored)}: a push would leave it out"
        plan.remarks.append((text, "change .gitignore, or add it with git add --force"))


def view(checkout: Checkout, plan: Plan, left: list[str], *, written: bool) -> CheckoutView:
    """Return the plan as a JSON document.

    Args:
        checkout: the files.
        plan: what is to be changed.
        left: what is left to do by hand.
        written: whether it was written.
    """
    changes = [
        ChangeView(
            path=change.path,
            action="create" if change.old is None else "delete" if change.new is None else "change",
            content=Exact(change.new) if isinstance(change, Change) else None,
            sha256=None if change.new is None or isinstance(change, Move) else sha256(_bytes(change.new)),
            diff=Exact("\n".join(diff(change)) + "\n"),
        )
        for change in plan.everything
    ]
    return CheckoutView(
        directory=checkout.top,
        app=plan.app,
        product="fixed" if plan.product == "fixed" else "flex",
        changes=changes,
        done=plan.done,
        remarks=remarks_view(plan.remarks),
        next=left if plan.paths else [],
        written=written,
        exit_code=EXIT_OK,
    )


def _bytes(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode()
