"""The work of ``upsun-agent init``: set the agent up in an app's checkout, and show the changes before writing them."""

from __future__ import annotations

import difflib
import os
from shlex import quote
from typing import Literal

from upsun_agent.cli.answer import Answer
from upsun_agent.cli.change import answered, can_ask
from upsun_agent.cli.context import Context
from upsun_agent.cli.terminal import Exact, Terminal
from upsun_agent.errors import EXIT_OK, UsageError
from upsun_agent.platform.product import Product, cli_words, product_of
from upsun_agent.report.document import Count, RemarkView, View, remarks_view
from upsun_agent.text.event_text import Tone

from upsun_setup.app import App
from upsun_setup.checkout import Checkout, top_of
from upsun_setup.git import Git
from upsun_setup.plan import Planner
from upsun_setup.plan_record import Change, Plan
from upsun_setup.project import Project, chosen
from upsun_setup.release import install_lines
from upsun_setup.replaced_crons import ReplacedCrons

TONES: dict[str, Tone] = {"+": "good", "-": "bad", "@": "dim"}


class ChangeView(View, frozen=True, kw_only=True):
    """A file that changes."""

    #: The file, from the top of the checkout.
    path: str
    #: What happens to it.
    action: Literal["create", "change"]
    #: What it holds then.
    content: str
    #: The change as a unified diff.
    diff: str


class InitView(View, frozen=True, kw_only=True):
    """What setting the app up changes."""

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


def run(context: Context) -> Answer:
    """Show what would change in the checkout, and write it where that is wanted."""
    terminal = context.terminal
    checkout = Checkout(top_of(context.options.dir))
    product = _product(context, checkout)
    project = Project(checkout).read(product)
    if context.options.plan is not None and not project.is_fixed:
        raise UsageError("--plan names a plan of Upsun Fixed, and this is a checkout of Upsun Flex")
    app = _app(context, project)
    git = Git(checkout.top, os.environ)
    operations = context.options.operations
    plan = Planner(
        checkout, project, app, install_lines(), git.ignored, context.options.plan, with_operations=operations
    ).decide()
    _look_at_git(git, plan)
    plan.remarks[:] = [(text, cli_words(remedy, plan.product)) for text, remedy in plan.remarks]
    write = _wanted(context, checkout, plan)
    if write:
        checkout.write(plan.changes)
    return Answer(_view(checkout, plan, written=write), (lambda: _tell_written(terminal, plan)) if write else None)


def _product(context: Context, checkout: Checkout) -> Product | None:
    """Return the product named; ask where the checkout has the configuration of both."""
    named: Product | None = context.options.product
    if named is not None or product_of(checkout.configurations()) != "both" or not _is_asking(context):
        return named
    say = context.terminal.say
    say("The configuration of Upsun Fixed (.platform.app.yaml, .platform/) and of Upsun Flex (.upsun/) are both here.")
    say("A deployment with both fails: delete the files of the product that this project is not on.")
    answer = answered("Which product is this project on, flex or fixed? ").lower()
    if answer not in {"flex", "fixed"}:
        raise UsageError(f"there is no product '{answer[:80]}'", remedy="name one: --product flex or --product fixed")
    return "flex" if answer == "flex" else "fixed"


def _app(context: Context, project: Project) -> App:
    """Return the app named, the only one, the one with the agent or a CLI cron; else ask."""
    replaced = {name: ReplacedCrons(project, app) for name, app in project.apps.items()}
    ticking = [name for name in replaced if replaced[name].ticking() is not None]
    likely = ticking or [name for name, cli_cron in replaced.items() if cli_cron.known]
    app = chosen(project, context.options.app, likely)
    if app is not None:
        return app
    names = list(project.apps)
    if not _is_asking(context):
        raise UsageError("several apps are defined here", remedy=f"name one with --app: {', '.join(names)}")
    context.terminal.say(f"Which app should run the agent? {', '.join(names)}")
    answer = answered("app: ")
    if answer not in project.apps:
        raise UsageError(f"there is no app '{answer[:80]}'", remedy=f"name one with --app: {', '.join(names)}")
    return project.apps[answer]


def _is_asking(context: Context) -> bool:
    return can_ask(context) and not context.options.dry_run


def _wanted(context: Context, checkout: Checkout, plan: Plan) -> bool:
    """Show the plan; whether it is to be written."""
    terminal = context.terminal
    if not plan.changes:
        terminal.say(f"Nothing to do: the app {plan.app} has everything that the agent needs.", "good")
        terminal.remarks(plan.remarks)
        return False
    for change in plan.changes:
        for line in _diff(change):
            terminal.say(line, TONES.get(line[:1], "plain"))
    terminal.say()
    terminal.say(f"In {checkout.top}, for the app {plan.app}:")
    for text in plan.done:
        terminal.say(f"  {text}")
    terminal.remarks(plan.remarks)
    if context.options.dry_run or context.options.yes:
        return bool(context.options.yes)
    if not _is_asking(context):
        terminal.say("Nothing was written: add --yes to write it.", "odd")
        return False
    if answered("Write these changes? [y/N] ").lower() in {"y", "yes"}:
        return True
    terminal.say("Nothing was written.", "odd")
    return False


def _diff(change: Change) -> list[str]:
    """Return the change as a unified diff."""
    old = (change.old or "").splitlines(keepends=True)
    before = f"a/{change.path}" if change.old is not None else os.devnull
    lines = difflib.unified_diff(old, change.new.splitlines(keepends=True), before, f"b/{change.path}")
    found = []
    for line in lines:
        found.append(line.rstrip("\r\n"))
        if not line.endswith(("\n", "\r")):
            found.append("\\ No newline at end of file")
    return found


def _look_at_git(git: Git, plan: Plan) -> None:
    paths = [change.path for change in plan.changes]
    if not paths:
        return
    unsaved = git.unsaved(paths)
    if unsaved:
        text = f"not committed yet: {', '.join(unsaved)}"
        plan.remarks.append((text, "commit it first if you want to be able to take back just what init writes"))
    ignored = git.ignored(paths)
    if ignored:
        text = f"Git ignores {', '.join(ignored)}: a push would leave it out"
        plan.remarks.append((text, "change .gitignore, or add it with git add --force"))


def path(name: str) -> str:
    """Return a relative path as one word of a shell that no command takes for an option."""
    return quote(f"./{name}" if name.startswith("-") else name)


def _next(plan: Plan) -> list[str]:
    """Return what is left to do, in order."""
    names = [change.path for change in plan.changes] or [plan.jobs]
    inside = [name for name in names if plan.submodule and name.startswith(f"{plan.submodule}/")]
    paths = " ".join(map(path, [*(name for name in names if name not in inside), *([plan.submodule] * bool(inside))]))
    own = " ".join(path(name.removeprefix(f"{plan.submodule}/")) for name in inside)
    into = f"git -C {path(plan.submodule)}"
    first = f"{into} add {own} && {into} commit -m 'Add upsun-agent' && {into} push; then " if inside else ""
    jobs = path(plan.jobs)
    access = "upsun-agent setup machine-user EMAIL, then upsun-agent setup token (docs/how-to/tokens.md)"
    if plan.takes_over:
        access = (
            f"the agent uses the token of the old cron, in {plan.token_variable}; "
            "upsun-agent check says what to change about it"
        )
    last = f"upsun-agent check; upsun-agent next; upsun-agent run {plan.job} --wait"
    return [
        f"check {plan.jobs}: schedule, environments and time zone",
        f"try it: upsun-agent validate {jobs}; upsun-agent rehearse {plan.job} --config {jobs}",
        f"give the environment its API token: {access}",
        f"push: {first}git add {paths} && git commit -m 'Add upsun-agent' && git push",
        cli_words(f"check it over SSH (upsun ssh): {last}", plan.product),
    ]


def _tell_written(terminal: Terminal, plan: Plan) -> None:
    """Print what was written and what is left to do."""
    terminal.say(f"Written: {', '.join(change.path for change in plan.changes)}", "good")
    terminal.say()
    terminal.say("What is left to do:")
    for number, text in enumerate(_next(plan), 1):
        terminal.say(f"  {number}. {text}")


def _view(checkout: Checkout, plan: Plan, *, written: bool) -> InitView:
    changes = [
        ChangeView(
            path=change.path,
            action="create" if change.old is None else "change",
            content=Exact(change.new),
            diff=Exact("\n".join(_diff(change)) + "\n"),
        )
        for change in plan.changes
    ]
    return InitView(
        directory=checkout.top,
        app=plan.app,
        product="fixed" if plan.product == "fixed" else "flex",
        changes=changes,
        done=plan.done,
        remarks=remarks_view(plan.remarks),
        next=_next(plan) if plan.changes else [],
        written=written,
        exit_code=EXIT_OK,
    )
