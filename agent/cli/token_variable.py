"""The command ``setup token``: the API token as a variable of the environment, read back after it was stored."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from agent.cli.change import as_admin, changing, confirmation, is_dry, project_of
from agent.cli.context import Context
from agent.cli.token import jobs_of, prompted, read_token, standing_of
from agent.errors import (
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
from agent.plans import FLAGS, Storing, plan_variable, unlike
from agent.report.views import remarks_view
from agent.standing import Standing

if TYPE_CHECKING:
    from agent.upsun.variables import Follows, Variables


def add(family: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    token = family.add_parser(
        "token",
        parents=[shared],
        help="store the API token as a variable of the environment",
        description="Store an API token as a variable of the environment, and read back that it is stored as wanted. "
        "The token comes from standard input or a prompt, never from an argument. By default crons and SSH sessions "
        "see it, builds and child environments do not. The platform's guide has --visible-build true.",
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
    from agent.upsun.variables import Variables  # noqa: PLC0415  late, as above

    project, environment = project_of(context), context.container.environment
    if environment is None:
        raise ConfigInvalid("no environment is known", remedy="set PLATFORM_BRANCH or give --environment")
    value, source = _new_token(context)
    present = (context.environ.get(context.token_variable) or "").strip()
    if context.options.rotate and present == value:
        text = f"the new token is the one that {context.token_variable} holds already"
        raise UsageError(text, remedy="make a new one first: Console, My profile, API tokens")
    new = standing_of(context, value, source)  # a token that is not good is never stored
    for text, remedy in new.without_access() if new.is_shut_out else ():
        raise NotPermitted(f"nothing was stored: {text}", remedy=remedy)
    if new.roles_unread is not None and not isinstance(new.roles_unread, NotFound):  # the API did not answer
        raise new.roles_unread
    old = _old(context, present) if present and present != value else None
    client = context.client(present if old else value, context.token_variable if old else source)
    try:
        variables, dry, follows = Variables(client, project, environment), is_dry(context), None
        with as_admin(f"an admin of {environment}", context):
            storing = _planned(context, variables, new, old, spent=bool(present) and present != value and old is None)
            if not dry:
                there = storing.plan.deed == "change"
                with changing(storing.name):
                    follows = variables.store(storing.name, value, storing.flags, storing.scope, there=there)
        if not dry:
            _verify(variables, storing)
    finally:
        client.close()
    _tell_token(context, storing, follows)
    return EXIT_OK


def _new_token(context: Context) -> tuple[str, str]:
    """The token to store: from standard input, or a prompt. That of the variable is the one that is there already."""
    if context.options.stdin or not sys.stdin.isatty():
        return read_token(context, stdin=True)
    return prompted(context, "The API token to store (what you type is not shown): "), "the prompt"


def _old(context: Context, present: str) -> Standing | None:
    """Where the variable's token stands, which does the work; None where it is revoked already: then the new one."""
    try:
        return standing_of(context, present, context.token_variable)
    except TokenRefused:
        return None


def _planned(context: Context, variables: Variables, new: Standing, old: Standing | None, *, spent: bool) -> Storing:
    """What is to be stored how, from what is there. Rotation keeps the flags and apps that are not named."""
    options, name = context.options, f"env:{context.token_variable}"
    existing = variables.on_environment(name)
    own = existing if existing is not None and not existing.inherited else None
    if options.rotate and own is None:
        whose = " of its own" if existing is not None else ""
        text = f"{context.container.environment} has no variable {name}{whose} to rotate"
        raise NotFound(text, remedy="give the command without --rotate")
    flags = {}
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


def _verify(variables: Variables, storing: Storing) -> None:
    """Read back what is stored; the value of a sensitive variable comes back to nobody."""
    try:
        stored = variables.on_environment(storing.name)
    except AgentError as error:
        text = f"{storing.name} is stored, but cannot be read back: {error}"
        raise Uncertain(text, remedy="look at its flags in the Console, or give the command again") from error
    wrong = unlike(stored, storing.flags, storing.scope)
    if wrong:
        remedy = "somebody else may have changed it: look at it in the Console, then give the command again"
        raise RunFailed(f"{storing.name} is not stored as wanted: {'; '.join(wrong)}", remedy=remedy)


def _tell_token(context: Context, storing: Storing, follows: Follows | None) -> None:
    """Say what was stored, or (``follows`` None) what would be."""
    jobs, max_age = jobs_of(context)
    remarks = [*storing.remarks, *storing.new.warnings(jobs, timedelta(seconds=max_age))]
    if context.terminal.json_wanted:
        context.terminal.document(_as_json(context, storing, follows, remarks))
        return
    say, user, environment = context.terminal.say, storing.new.user, context.container.environment
    whose = user.email or user.username or user.id
    done = {"create": "stored as", "change": "stored in"}[storing.plan.deed]
    if follows is None:
        say(f"Would do: the token of {whose} is {done} {storing.name} of {environment}.", "odd")
    else:
        say(f"The token of {whose} is {done} {storing.name} of {environment}, and reads back as wanted.", "good")
    say("  " + ", ".join(f"{option} {_word(storing.flags[flag])}" for option, (flag, _, _) in FLAGS.items()))
    if storing.scope:
        say(f"  only for {', '.join(storing.scope)}")
    if storing.inherited:
        say("  The parent environment's variable, inherited so far, stays as it is there.", "dim")
    context.terminal.remarks(remarks)
    if follows is None:
        say("Nothing was changed. To change it: --yes")
        return
    _tell_what_follows(context, storing, follows)


def _word(value: bool) -> str:  # noqa: FBT001  the value is what it is about
    return "true" if value else "false"


def _as_json(
    context: Context, storing: Storing, follows: Follows | None, remarks: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    plan, user = storing.plan, storing.new.user
    revocable = storing.revocable if context.options.rotate else []
    return {
        "variable": storing.name,
        "environment": context.container.environment,
        "deed": plan.deed,
        "changed": follows is not None,
        "flags": dict(storing.flags),
        "flags_before": {flag: before for flag, (before, after) in plan.changed.items() if before != after},
        "apps": None if storing.scope is None else list(storing.scope),
        "user": user.email or user.id,
        "follows": follows,
        "rebuilds": plan.rebuilds,
        "revocable_tokens": [{"id": each.id, "name": each.name} for each in revocable],
        "warnings": remarks_view(remarks),
    }


def _tell_what_follows(context: Context, storing: Storing, follows: Follows) -> None:
    say = context.terminal.say
    again = "rebuilds and redeploys" if storing.plan.rebuilds else "redeploys"
    if follows == "deploys":
        say(f"The environment {again} now; the agent sees the token after that.")
    elif follows == "staged":
        say(
            f"Deployments are manual here: the change is staged. The environment {again} with: upsun environment:deploy"
        )
    else:
        say(f"No deployment follows by itself. The agent sees the token once the environment {again}: upsun redeploy")
    if context.options.rotate and storing.spent:
        say(f"The token that {context.token_variable} holds here is not accepted any more: there is nothing to revoke.")
    elif context.options.rotate:
        names = " or ".join(f"'{each.name or each.id}'" for each in storing.revocable) or "the old one"
        names += ", whichever was stored until now," if len(storing.revocable) > 1 else ""
        owner = storing.new.user
        say(f"Once that is done, revoke {names} of {owner.email or owner.id} if nothing else uses it: in the Console,")
        say("My profile, API tokens. A token makes and revokes no tokens itself (devcenter:using-the-upsun-api).")
        say("Bearers and certificates that the old token gave out work until they expire, an hour at most.", "dim")
