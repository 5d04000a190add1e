"""The work of ``upsun-agent init``: set the agent up in an app's checkout, and show the changes before writing them."""

from __future__ import annotations

import os

from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.cli.terminal import Terminal
from upsun_agent.errors import UsageError
from upsun_agent.platform.product import product_words

from upsun_setup import removal
from upsun_setup.app_choice import app_of, project_of
from upsun_setup.build_hook import BuildHook
from upsun_setup.checkout import Checkout, top_of
from upsun_setup.git import Git
from upsun_setup.hook import block_of
from upsun_setup.plan import Planner
from upsun_setup.plan_record import Plan
from upsun_setup.preview import apply, path, staged, tell_written, view
from upsun_setup.release_folder import delivery_of, release_changes, submodule_command


def run(context: Context) -> Answer:
    """Show what would change in the checkout, and write it where that is wanted."""
    if context.options.remove:
        return removal.run(context)
    checkout = Checkout(top_of(context.options.dir))
    project = project_of(context, checkout)
    if context.options.plan is not None and not project.is_fixed:
        raise UsageError("--plan names a plan of Upsun Fixed, and this is a checkout of Upsun Flex")
    app = app_of(context, project)
    hook = BuildHook(project, app, lambda *_: None)
    delivery = delivery_of(vars(context.options), block_of(hook.text))
    git = Git(checkout.top, os.environ)
    operations = context.options.operations
    plan = Planner(
        checkout, project, app, delivery.lines, git.ignored, context.options.plan, with_operations=operations
    ).decide()
    if plan.is_delivered:
        plan.files = release_changes(checkout, app, delivery, plan)
    added = submodule_command(checkout, app, delivery, context.options.submodule or "", plan)
    left = _next(checkout, plan, added)
    done = apply(context, checkout, plan, f"Nothing to do: the app {plan.app} has everything that the agent needs.")
    said = (lambda: _tell_next(context.terminal, plan, left)) if done else None
    return Answer(view(checkout, plan, left, written=done), said)


def _next(checkout: Checkout, plan: Plan, submodule: str) -> list[str]:
    """Return what is left to do, in order."""
    names = staged(checkout, plan) or [plan.jobs]
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
        *([f"add the agent's repository, at the release that you want: {submodule}"] if submodule else []),
        f"check {plan.jobs}: schedule, environments and time zone",
        f"try it: upsun-agent validate {jobs}; upsun-agent rehearse {plan.job} --config {jobs}",
        f"give the environment its API token: {access}",
        f"push: {first}git add {paths} && git commit -m 'Add upsun-agent' && git push",
        product_words(f"check it over SSH (upsun ssh): {last}", plan.product),
    ]


def _tell_next(terminal: Terminal, plan: Plan, left: list[str]) -> None:
    tell_written(terminal, plan)
    terminal.say()
    terminal.say("What is left to do:")
    for number, text in enumerate(left, 1):
        terminal.say(f"  {number}. {text}")
