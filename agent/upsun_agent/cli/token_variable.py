"""The command ``setup token``: the API token as a variable of the environment, read back after it was stored."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import timedelta
from shlex import quote
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from upsun_agent.access.setup_plan import FIXED, FLAGS, Storing, plan_variable
from upsun_agent.access.token_status import Standing
from upsun_agent.cli.change import agreed, as_admin, changing, confirmation, previewing, project_of, refuse_unasked
from upsun_agent.cli.context import Context
from upsun_agent.cli.token import jobs_of, prompted, read_token, stands
from upsun_agent.errors import (
    EXIT_OK,
    AgentError,
    ConfigInvalid,
    NotFound,
    NotPermitted,
    RunFailed,
    TokenRefused,
    Uncertain,
    UsageError,
)
from upsun_agent.limits import TICK_BUDGET
from upsun_agent.report.views import remarks_view

if TYPE_CHECKING:
    from upsun_agent.api.client import Client
    from upsun_agent.api.variables import Follows, Stored, Variable, Variables

#: Seconds before each look at a variable that still reads as before it was stored: half a minute in all.
READ_BACK_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)


class Done(Struct, frozen=True):
    """What came of storing: what follows it, and whether the variable was read back or only its answer says so."""

    #: What follows from the write.
    follows: Follows
    #: Whether the variable was read back; False if only the answer to the write says that it was stored.
    read_back: bool


def add(family: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    token = family.add_parser(
        "token",
        parents=[shared],
        help="store the API token as a variable of the environment",
        description="Store an API token as a variable of the environment, and read back that it is stored as wanted. "
        "The token comes from standard input or a prompt, never from an argument. By default crons and SSH sessions "
        "see it, builds and child environments do not. The platform's guide has --visible-build true. Asks before it "
        "changes anything; without a terminal it needs --yes.",
    )
    token.add_argument("--stdin", action="store_true", help="read the token from standard input")
    token.add_argument(
        "--rotate",
        action="store_true",
        help="replace the token stored there by a new one, with the flags and apps that it has",
    )
    token.add_argument("--app", action="append", metavar="NAME", default=[], help="only for this app; several times")
    for option, (_, default, what) in FLAGS.items():
        token.add_argument(f"--{option}", choices=("true", "false"), help=f"{what} (default: {_word(default)})")
    confirmation(token)
    token.set_defaults(run=_token)


def _token(context: Context) -> int:
    from upsun_agent.api.variables import Variables  # noqa: PLC0415  late, as above

    project, environment = project_of(context), context.container.environment
    if environment is None:
        raise ConfigInvalid("no environment is known", remedy="set PLATFORM_BRANCH or give --environment")
    refuse_unasked(context)
    value, source = _new_token(context)
    present = (context.environ.get(context.token_variable) or "").strip()
    if context.options.rotate and present == value:
        text = f"the new token is the one that {context.token_variable} holds already"
        raise UsageError(text, remedy="make a new one first: Console, My profile, API tokens")
    with ExitStack() as stack:
        own = stack.enter_context(closing(context.client(value, source)))
        new = stands(context, own)  # a token that is not good is never stored
        for text, remedy in new.without_access() if new.is_shut_out else ():
            raise NotPermitted(f"nothing was stored: {text}", remedy=remedy)
        if new.roles_unread is not None and not isinstance(new.roles_unread, NotFound):  # the API did not answer
            raise new.roles_unread
        client, old, spent = own, None, False
        if present and present != value:  # the token of the variable does the work, unless it is revoked already
            other = stack.enter_context(closing(context.client(present, context.token_variable)))
            try:
                client, old = other, stands(context, other)
            except TokenRefused:
                client, spent = own, True
        client.begin(TICK_BUDGET)
        variables = Variables(client, project, environment)
        with as_admin(f"an admin of {environment}", context):
            storing = _planned(context, variables, new, old, spent=spent)
            done = _carry_out(context, client, variables, storing, value)
    if context.terminal.json_wanted:
        context.terminal.document(_as_json(context, storing, done))
    return EXIT_OK


def _new_token(context: Context) -> tuple[str, str]:
    """The token to store: from standard input, or a prompt. That of the variable is the one that is there already."""
    if context.options.stdin or not sys.stdin.isatty():
        return read_token(context, stdin=True)
    return prompted(context, "The API token to store (what you type is not shown): "), "the prompt"


def _carry_out(context: Context, client: Client, variables: Variables, storing: Storing, value: str) -> Done | None:
    """Store it if somebody agrees, and say so; None where nothing was changed."""
    if previewing(context):
        _tell_plan(context, storing)
    if not agreed(context, "Do it?"):
        return None
    client.begin(TICK_BUDGET)  # what a person took to answer is not taken from it
    with changing(storing.name):
        there = storing.plan.action == "change"
        answer = variables.store(storing.name, value, storing.flags, storing.scope, there=there)
    done = Done(_what_follows(variables, answer), _verify(context, client, variables, storing, answer))
    _tell_done(context, storing, done)
    return done


def _what_follows(variables: Variables, answer: Stored) -> Follows:
    """What follows the write; an activity that is pending yet may end staged, which only the settings tell."""
    if answer.follows != "deploys":
        return answer.follows
    try:
        return "staged" if variables.deploys_by_hand() else "deploys"
    except AgentError:  # the role does not show the settings
        return "deploys"


def _planned(context: Context, variables: Variables, new: Standing, old: Standing | None, *, spent: bool) -> Storing:
    """What is to be stored how, from what is there. Rotation keeps the flags and apps that are not named."""
    options, name = context.options, f"env:{context.token_variable}"
    existing = variables.on_environment(name)
    own = existing if existing is not None and not existing.inherited else None
    if options.rotate and own is None:
        whose = " of its own" if existing is not None else ""
        text = f"{context.container.environment} has no variable {name}{whose} to rotate"
        raise NotFound(text, remedy="give the command without --rotate")
    flags = dict(FIXED)
    for option, (flag, default, _) in FLAGS.items():
        word = getattr(options, option.replace("-", "_"))
        kept = own.flags[flag] if options.rotate and own is not None else default
        flags[flag] = kept if word is None else word == "true"
    try:
        shadowed = variables.on_project(name) is not None
    except NotPermitted:  # only project admins may be allowed to see those
        shadowed = False
    return Storing(
        name=name,
        plan=plan_variable(existing, flags),
        flags=flags,
        scope=tuple(options.app) or (None if own is not None else ()),
        existing=existing,
        inherited=existing is not None and own is None,
        shadowed=shadowed,
        new=new,
        old=old,
        spent=spent,
        strangers=_strangers(variables, options.app),
    )


def _strangers(variables: Variables, apps: Sequence[str]) -> tuple[str, ...]:
    """Those of the apps that the environment does not have, as far as that can be known."""
    try:
        return tuple(sorted(set(apps) - set(variables.apps()))) if apps else ()
    except AgentError:  # nothing is deployed there yet, or the role does not show it
        return ()


def _verify(context: Context, client: Client, variables: Variables, storing: Storing, answer: Stored) -> bool:
    """Read back what is stored; the value of a sensitive variable comes back to nobody.

    What still reads as before the write may only be late: it is looked at again for half a minute. Then what the
    answer to the write said counts; returns False where only that is known.

    Raises:
        RunFailed: it is stored in another way.
        Uncertain: it cannot be read.
    """
    wrong = storing.unlike(answer.entity) if answer.entity is not None else []
    if wrong:
        raise _otherwise(storing, wrong)
    for seconds in (0.0, *READ_BACK_PAUSES):
        if seconds:
            context.terminal.live(f"  {storing.name} does not read back yet")
            context.clock.sleep(seconds)
            client.begin(TICK_BUDGET)
        stored = _read_back(variables, storing)
        wrong = storing.unlike(stored)
        if not wrong:
            break
        if not storing.as_before(stored):
            raise _otherwise(storing, wrong)
    context.terminal.unlive()
    if wrong and answer.entity is None:
        raise _otherwise(storing, wrong)
    return not wrong


def _read_back(variables: Variables, storing: Storing) -> Variable | None:
    try:
        return variables.on_environment(storing.name)
    except AgentError as error:
        text = f"{storing.name} is stored, but cannot be read back: {error}"
        raise Uncertain(text, remedy="look at its flags in the Console, or give the command again") from error


def _otherwise(storing: Storing, wrong: Sequence[str]) -> RunFailed:
    remedy = "somebody else may have changed it: look at it in the Console, then give the command again"
    return RunFailed(f"{storing.name} is not stored as wanted: {'; '.join(wrong)}", remedy=remedy)


def _remarks(context: Context, storing: Storing, done: Done | None = None) -> list[tuple[str, str]]:
    """What is to be said of the token and of how it is, or would be, stored."""
    jobs, max_age = jobs_of(context)
    found = [*storing.remarks, *storing.new.warnings(jobs, timedelta(seconds=max_age))]
    app = context.container.app
    if app is not None and storing.apps and app not in storing.apps:
        text = f"{storing.name} is for {', '.join(storing.apps)} only: {app} does not see it"
        found.append((text, f"give the command again with --app {quote(app)}"))
    if done is not None and not done.read_back:
        waited = sum(READ_BACK_PAUSES)
        text = f"the platform answered that it is stored, but still shows it as before after {waited:.0f} s"
        found.append((text, "look again in a minute: upsun-agent check"))
    return found


def _whose(storing: Storing) -> str:
    user = storing.new.user
    return user.email or user.username or user.id


def _tell_plan(context: Context, storing: Storing) -> None:
    """Say what would be stored."""
    where = {"create": "as", "change": "in"}[storing.plan.action]
    place = f"{storing.name} of {context.container.environment}"
    context.terminal.note(f"Would store the token of {_whose(storing)} {where} {place}.", "odd")
    _tell_how(context, storing)
    context.terminal.remarks(_remarks(context, storing))


def _tell_done(context: Context, storing: Storing, done: Done) -> None:
    """Say what was stored and what follows; without a question before it, all the rest too."""
    where = {"create": "as", "change": "in"}[storing.plan.action]
    back = ", and reads back as wanted" if done.read_back else ""
    text = f"The token of {_whose(storing)} is stored {where} {storing.name} of {context.container.environment}{back}."
    context.terminal.note(text, "good")
    if previewing(context):
        said = _remarks(context, storing)
        context.terminal.remarks(each for each in _remarks(context, storing, done) if each not in said)
    else:
        _tell_how(context, storing)
        context.terminal.remarks(_remarks(context, storing, done))
    _tell_what_follows(context, storing, done.follows)


def _tell_how(context: Context, storing: Storing) -> None:
    note = context.terminal.note
    note("  " + ", ".join(f"{option} {_word(storing.flags[flag])}" for option, (flag, _, _) in FLAGS.items()))
    if storing.existing is not None and not storing.existing.inherited and storing.existing.flags["is_json"]:
        note("  It is not marked as JSON any more.")
    if storing.apps:
        note(f"  only for {', '.join(storing.apps)}")
    if storing.inherited:
        note("  The parent environment's variable, inherited so far, stays as it is there.", "dim")


def _word(value: bool) -> str:  # noqa: FBT001  the value is what it is about
    return "true" if value else "false"


def _as_json(context: Context, storing: Storing, done: Done | None) -> dict[str, Any]:
    plan, user = storing.plan, storing.new.user
    revocable = storing.revocable if context.options.rotate else []
    return {
        "variable": storing.name,
        "environment": context.container.environment,
        "deed": plan.action,
        "changed": done is not None,
        "flags": dict(storing.flags),
        "flags_before": {flag: before for flag, (before, after) in plan.changed.items() if before != after},
        "apps": None if storing.scope is None else list(storing.scope),
        "user": user.email or user.id,
        "follows": None if done is None else done.follows,
        "read_back": None if done is None else done.read_back,
        "rebuilds": plan.rebuilds,
        "revocable_tokens": [{"id": each.id, "name": each.name} for each in revocable],
        "warnings": remarks_view(_remarks(context, storing, done)),
    }


def _tell_what_follows(context: Context, storing: Storing, follows: Follows) -> None:
    note = context.terminal.note
    again = "rebuilds and redeploys" if storing.plan.rebuilds else "redeploys"
    if follows == "deploys":
        note(f"The environment {again} now; the agent sees the token after that.", indent="")
    elif follows == "staged":
        note(
            "Deployments are manual here: the change is staged. It takes effect with the next deploy: "
            "upsun environment:deploy",
            indent="",
        )
    else:
        text = f"No deployment follows by itself. The agent sees the token once the environment {again}: upsun redeploy"
        note(text, indent="")
    if context.options.rotate:
        _tell_what_to_revoke(context, storing)


def _tell_what_to_revoke(context: Context, storing: Storing) -> None:
    note, owner = context.terminal.note, storing.new.user
    if storing.spent:
        text = (
            f"The token that {context.token_variable} holds here is not accepted any more: there is nothing to revoke."
        )
        note(text, indent="")
        return
    names = " or ".join(f"'{each.name or each.id}'" for each in storing.revocable) or "the old one"
    names += ", whichever was stored until now," if len(storing.revocable) > 1 else ""
    note(f"Once that is done, revoke {names} of {owner.email or owner.id} if nothing else uses it: in the Console,")
    note("My profile, API tokens. A token cannot create or revoke tokens.")
    note("Bearers and certificates that the old token gave out work until they expire, an hour at most.", "dim")
