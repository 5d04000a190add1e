"""The command ``setup token``: store the API token as a variable of the environment, and read it back."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import timedelta
from shlex import quote
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from upsun_agent.access.setup_plan import FIXED, FLAGS, Storing, plan_variable
from upsun_agent.access.token_status import Standing
from upsun_agent.cli.answer import Answer
from upsun_agent.cli.change import agreed, as_admin, changing, confirmation, previewing, project_of, refuse_unasked
from upsun_agent.cli.context import Context
from upsun_agent.cli.token import jobs_of, prompted, read_token, stands
from upsun_agent.errors import (
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
from upsun_agent.report.document import RemarkView, View, remarks_view

if TYPE_CHECKING:
    from upsun_agent.api.client import Client
    from upsun_agent.api.variables import Follows, Stored, Variable, Variables

#: Seconds before each reading of a variable that does not show the change yet: half a minute in all.
READ_BACK_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)


class Done(Struct, frozen=True):
    """The result of storing the token."""

    #: What follows from the write.
    follows: Follows
    #: Whether the variable was read back; False if only the answer to the write says that it was stored.
    read_back: bool


class RevocableTokenView(View, frozen=True, kw_only=True):
    """A token that may be the one that was stored until now."""

    #: The id of the token.
    id: str
    #: Its name.
    name: str


class SetupTokenView(View, frozen=True, kw_only=True):
    """What was done with the variable; never the token."""

    #: The name of the variable.
    variable: str
    #: The environment's id; null if it is not known.
    environment: str | None
    #: What was to be done.
    action: Literal["create", "change"]
    #: Whether it was done.
    changed: bool
    #: The flags of the variable.
    flags: dict[str, bool]
    #: The flags before the change, those that differ; null for a flag that was not there.
    flags_before: dict[str, bool | None]
    #: The apps that see the variable, empty for all; null if they are not changed.
    apps: list[str] | None
    #: The e-mail address or id of the user of the token.
    user: str
    #: What follows the change; null if nothing was changed.
    follows: Literal["deploys", "staged", "nothing"] | None
    #: Whether the variable read back as requested; null if nothing was changed.
    read_back: bool | None
    #: Whether the change builds the app again.
    rebuilds: bool
    #: With `--rotate`: the user's tokens that can be revoked now.
    revocable_tokens: list[RevocableTokenView]
    #: What should be put right.
    warnings: list[RemarkView]


def add(family: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    token = family.add_parser(
        "token",
        parents=[shared],
        help="store the API token as a variable of the environment",
        description="Store an API token as a variable of the environment, and read back that it is stored as "
        "requested. The token comes from standard input or a prompt, never from an argument. By default crons and SSH "
        "sessions see it, builds and child environments do not. The platform's guide uses --visible-build true. Asks "
        "before it changes anything; without a terminal it needs --yes.",
    )
    token.add_argument("--stdin", action="store_true", help="read the token from standard input")
    token.add_argument(
        "--rotate",
        action="store_true",
        help="replace the stored token by a new one, and keep the variable's flags and apps",
    )
    token.add_argument("--app", action="append", metavar="NAME", default=[], help="only for this app; repeatable")
    for option, (_, default, what) in FLAGS.items():
        token.add_argument(f"--{option}", choices=("true", "false"), help=f"{what} (default: {_word(default)})")
    confirmation(token)
    token.set_defaults(run=_token)


def _token(context: Context) -> Answer:
    from upsun_agent.api.variables import Variables  # noqa: PLC0415  late, as above

    project, environment = project_of(context), context.container.environment
    if environment is None:
        raise ConfigInvalid("no environment is known", remedy="set PLATFORM_BRANCH or give --environment")
    refuse_unasked(context)
    value, source = _new_token(context)
    present = (context.environ.get(context.token_variable) or "").strip()
    if context.options.rotate and present == value:
        text = f"the new token is the one that {context.token_variable} already holds"
        raise UsageError(text, remedy="create a new one first: Console, My profile, API tokens")
    with ExitStack() as stack:
        own = stack.enter_context(closing(context.client(value, source)))
        new = stands(context, own)  # an invalid token is never stored
        for text, remedy in new.without_access() if new.is_shut_out else ():
            raise NotPermitted(f"nothing was stored: {text}", remedy=remedy)
        if new.roles_unread is not None and not isinstance(new.roles_unread, NotFound):  # the API did not answer
            raise new.roles_unread
        client, old, old_is_refused = own, None, False
        if present and present != value:  # use the variable's token for the change, unless it is revoked already
            other = stack.enter_context(closing(context.client(present, context.token_variable)))
            try:
                client, old = other, stands(context, other)
            except TokenRefused:
                client, old_is_refused = own, True
        client.begin(TICK_BUDGET)
        variables = Variables(client, project, environment)
        with as_admin(f"an admin of {environment}", context):
            storing = _planned(context, variables, new, old, old_is_refused=old_is_refused)
            done = _carry_out(context, client, variables, storing, value)
    return Answer(_view(context, storing, done))


def _new_token(context: Context) -> tuple[str, str]:
    """Return the token to store from standard input or a prompt; the variable holds the one that is stored now."""
    if context.options.stdin or not sys.stdin.isatty():
        return read_token(context, stdin=True)
    return prompted(context, "The API token to store (what you type is not shown): "), "the prompt"


def _carry_out(context: Context, client: Client, variables: Variables, storing: Storing, value: str) -> Done | None:
    """Show the plan, apply it if it is confirmed, and return the result; None if nothing was changed."""
    if previewing(context):
        _tell_plan(context, storing)
    if not agreed(context, "Apply?"):
        return None
    client.begin(TICK_BUDGET)  # the time that the answer took does not count
    with changing(storing.name):
        there = storing.plan.action == "change"
        answer = variables.store(storing.name, value, storing.flags, storing.scope, there=there)
    done = Done(_what_follows(variables, answer), _verify(context, client, variables, storing, answer))
    _tell_done(context, storing, done)
    return done


def _what_follows(variables: Variables, answer: Stored) -> Follows:
    """Return what follows the write; only the settings tell whether a pending activity will be staged."""
    if answer.follows != "deploys":
        return answer.follows
    try:
        return "staged" if variables.deploys_by_hand() else "deploys"
    except AgentError:  # the user's role cannot read the settings
        return "deploys"


def _planned(
    context: Context, variables: Variables, new: Standing, old: Standing | None, *, old_is_refused: bool
) -> Storing:
    """Return the plan, from the present variable; --rotate keeps flags and apps that no option names."""
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
    except NotPermitted:  # project variables may be visible to project admins only
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
        old_is_refused=old_is_refused,
        unknown_apps=_unknown_apps(variables, options.app),
    )


def _unknown_apps(variables: Variables, apps: Sequence[str]) -> tuple[str, ...]:
    """Return the apps that the environment does not have, as far as that is known."""
    try:
        return tuple(sorted(set(apps) - set(variables.apps()))) if apps else ()
    except AgentError:  # nothing is deployed there yet, or the user's role cannot read it
        return ()


def _verify(context: Context, client: Client, variables: Variables, storing: Storing, answer: Stored) -> bool:
    """Read the variable back (its value if it is not sensitive) and return whether it shows the change.

    The API may show the change late: the variable is read again for half a minute. After that the answer to the
    write decides: False means that only the answer says that the token is stored.

    Args:
        context: the command call.
        client: a client whose token can read the variable.
        variables: the variables of the environment.
        storing: what was to be stored.
        answer: the API's answer to the write.

    Raises:
        RunFailed: the variable has other flags, apps or value than requested.
        Uncertain: the variable cannot be read.
    """
    wrong = storing.differences(answer.entity) if answer.entity is not None else []
    if wrong:
        raise _otherwise(storing, wrong)
    for seconds in (0.0, *READ_BACK_PAUSES):
        if seconds:
            context.terminal.live(f"  {storing.name} does not show the change yet")
            context.clock.sleep(seconds)
            client.begin(TICK_BUDGET)
        stored = _read_back(variables, storing)
        wrong = storing.differences(stored)
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
        raise Uncertain(text, remedy="check its flags in the Console, or run the command again") from error


def _otherwise(storing: Storing, wrong: Sequence[str]) -> RunFailed:
    remedy = "someone else may have changed it: check it in the Console, then run the command again"
    return RunFailed(f"{storing.name} is not stored as requested: {'; '.join(wrong)}", remedy=remedy)


def _remarks(context: Context, storing: Storing, done: Done | None = None) -> list[tuple[str, str]]:
    """Return the warnings about the token and how it is stored, each with its remedy."""
    jobs, max_age = jobs_of(context)
    found = [*storing.remarks, *storing.new.warnings(jobs, timedelta(seconds=max_age))]
    app = context.container.app
    if app is not None and storing.apps and app not in storing.apps:
        text = f"{storing.name} is only for {', '.join(storing.apps)}: {app} does not see it"
        found.append((text, f"run the command again with --app {quote(app)}"))
    if done is not None and not done.read_back:
        waited = sum(READ_BACK_PAUSES)
        text = f"the platform answered that it is stored, but still shows the old one after {waited:.0f} s"
        found.append((text, "check again in a minute: upsun-agent check"))
    return found


def _whose(storing: Storing) -> str:
    user = storing.new.user
    return user.email or user.username or user.id


def _tell_plan(context: Context, storing: Storing) -> None:
    """Print what would be stored."""
    where = {"create": "as", "change": "in"}[storing.plan.action]
    place = f"{storing.name} of {context.container.environment}"
    context.terminal.note(f"Would store the token of {_whose(storing)} {where} {place}.", "odd")
    _tell_how(context, storing)
    context.terminal.remarks(_remarks(context, storing))


def _tell_done(context: Context, storing: Storing, done: Done) -> None:
    """Print what was stored and what follows; with --yes also the plan, which was not shown before."""
    where = {"create": "as", "change": "in"}[storing.plan.action]
    back = ", and reads back as requested" if done.read_back else ""
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
        note("  The parent environment's variable, inherited so far, is not changed.", "dim")


def _word(value: bool) -> str:  # noqa: FBT001  the value is what it is about
    return "true" if value else "false"


def _view(context: Context, storing: Storing, done: Done | None) -> SetupTokenView:
    plan, user = storing.plan, storing.new.user
    revocable = storing.revocable if context.options.rotate else []
    return SetupTokenView(
        variable=storing.name,
        environment=context.container.environment,
        action=plan.action,
        changed=done is not None,
        flags=dict(storing.flags),
        flags_before={flag: before for flag, (before, after) in plan.changed.items() if before != after},
        apps=None if storing.scope is None else list(storing.scope),
        user=user.email or user.id,
        follows=None if done is None else done.follows,
        read_back=None if done is None else done.read_back,
        rebuilds=plan.rebuilds,
        revocable_tokens=[RevocableTokenView(id=each.id, name=each.name) for each in revocable],
        warnings=remarks_view(_remarks(context, storing, done)),
    )


def _tell_what_follows(context: Context, storing: Storing, follows: Follows) -> None:
    note = context.terminal.note
    again = "rebuilds and redeploys" if storing.plan.rebuilds else "redeploys"
    if follows == "deploys":
        note(f"The environment {again} now; the agent sees the token after that.", indent="")
    elif follows == "staged":
        note(
            "Deployments are manual here: the change is staged until the next deploy: upsun environment:deploy",
            indent="",
        )
    else:
        text = f"No deployment starts by itself. The agent sees the token once the environment {again}: upsun redeploy"
        note(text, indent="")
    if context.options.rotate:
        _tell_what_to_revoke(context, storing)


def _tell_what_to_revoke(context: Context, storing: Storing) -> None:
    note, owner = context.terminal.note, storing.new.user
    if storing.old_is_refused:
        text = f"The token in {context.token_variable} is already refused: there is nothing to revoke."
        note(text, indent="")
        return
    names = " or ".join(f"'{each.name or each.id}'" for each in storing.revocable) or "the old one"
    names += ", whichever was stored until now," if len(storing.revocable) > 1 else ""
    note(f"Once that is done, revoke {names} of {owner.email or owner.id} if nothing else uses it: in the Console,")
    note("My profile, API tokens. A token cannot create or revoke tokens.")
    note(
        "Bearers and certificates issued for the old token stay valid until they expire, after an hour at most.", "dim"
    )
