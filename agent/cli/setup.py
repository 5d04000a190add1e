"""The commands ``setup machine-user`` and ``setup token``: the platform guide's steps, looked at before and after."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from agent.cli.context import Context
from agent.cli.token import jobs_of, prompted, read_token, standing_of
from agent.engine.job import Job
from agent.errors import (
    EXIT_OK,
    SECOND_FACTOR,
    AgentError,
    ConfigInvalid,
    NotFound,
    NotPermitted,
    RunFailed,
    TokenRefused,
    Uncertain,
    UsageError,
)
from agent.plans import FLAGS, Storing, UserPlan, named, plan_user, plan_variable, unlike
from agent.report.views import remarks_view
from agent.roles import TYPES, Roles, beyond, lacking, needed, needed_by, parse_roles
from agent.standing import Standing, needs_second_factor

if TYPE_CHECKING:
    from agent.upsun.people import People
    from agent.upsun.variables import Follows, Variables

EMAIL_MOST = 254  # RFC 5321
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the family's commands."""
    setup = commands.add_parser(
        "setup",
        help="a machine user, the API token as a variable",
        description="Set up what jobs need on the platform. The API token of the variable must be allowed to: that "
        "of a project admin.",
    )
    family = setup.add_subparsers(title="commands", metavar="COMMAND", dest="setup_command", required=True)
    _add_machine_user(family, shared)
    _add_token(family, shared)


def _add_machine_user(family: Any, shared: ArgumentParser) -> None:
    user = family.add_parser(
        "machine-user",
        parents=[shared],
        help="invite a machine user, or change its roles",
        description="Make EMAIL a member of the project with these roles: by an invitation (one e-mail, never a "
        "second), or by changing the roles it has. On a terminal nothing is changed without --yes.",
    )
    user.add_argument("email", metavar="EMAIL", help="the machine user's address")
    user.add_argument(
        "--role",
        action="append",
        metavar="ROLE",
        help="viewer, admin, or TYPE:ROLE such as production:admin; several times "
        "(default: viewer, and admin where the job file's jobs run)",
    )
    _confirmation(user)
    user.set_defaults(run=_machine_user)


def _add_token(family: Any, shared: ArgumentParser) -> None:
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
        word = "true" if default else "false"
        token.add_argument(f"--{option}", choices=("true", "false"), help=f"{what} (default: {word})")
    _confirmation(token)
    token.set_defaults(run=_token)


def _confirmation(parser: ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--yes", action="store_true", help="change it, on a terminal too")
    group.add_argument("--dry-run", action="store_true", help="say what would be changed, change nothing")


def _is_dry(context: Context) -> bool:
    """Whether nothing may be changed: asked for, or a person looks on who has not said --yes."""
    return context.options.dry_run or (not context.options.yes and (sys.stdout.isatty() or sys.stdin.isatty()))


def _project(context: Context) -> str:
    if context.container.project is None:
        raise ConfigInvalid("no project is known", remedy="set PLATFORM_PROJECT or give --project")
    return context.container.project


@contextmanager
def _as_admin(role: str, context: Context) -> Iterator[None]:
    """Says whose token is needed where the API refuses."""
    try:
        yield
    except TokenRefused:
        raise
    except NotPermitted as error:
        if needs_second_factor(error):
            raise NotPermitted(str(error), remedy=SECOND_FACTOR) from error
        remedy = f"have the API token of {role} in {context.token_variable} for this one command"
        raise NotPermitted(str(error), remedy=remedy) from error


# --- machine-user ----------------------------------------------------------------------------------------------


def _machine_user(context: Context) -> int:
    from agent.upsun.people import People  # noqa: PLC0415  late: httpx costs nine interpreter starts

    email, project = context.options.email, _project(context)
    if not EMAIL.fullmatch(email) or not email.isprintable() or len(email) > EMAIL_MOST:
        raise UsageError(f"'{email[:80]}' is no e-mail address", remedy="give one like deploy-bot@example.com")
    roles, remarks = _roles(context)
    token, source = read_token(context, stdin=False)
    client = context.client(token, source)
    try:
        people = People(client)
        with _as_admin("a project admin", context):
            members = people.members(project)
            member = named(email, members)
            plan = plan_user(
                email,
                roles,
                members,
                people.invitations(project) if member is None else [],
                people.owner(project) if member is not None else None,
            )
            dry = _is_dry(context)
            if not dry:
                plan = _carry_out(people, project, email, roles, plan)
    finally:
        client.close()
    if plan.warning:
        remarks.append((plan.warning, "or cancel it in the Console (project, Access), and give this again"))
    _tell_user(context, roles, plan, remarks, dry=dry)
    return EXIT_OK


def _roles(context: Context) -> tuple[Roles, list[tuple[str, str]]]:
    """The roles wanted, and what is to be said of them: what jobs would lack, and what no job needs."""
    try:
        jobs: Sequence[Job] = list(context.job_file.jobs.values())
        unread = ""
    except ConfigInvalid as error:
        jobs, unread = [], str(error)
    words = context.options.role or ["viewer", *(f"{kind}:admin" for kind in needed(jobs))]
    if not context.options.role and not jobs:
        text = f"no --role is given, and no job file says what is needed ({unread})"
        raise UsageError(text, remedy="for example: --role viewer --role production:admin")
    roles, remarks = parse_roles(words), []
    again = "give all roles again, with it: they replace those there are"
    by_kind = needed_by(jobs)
    for each in lacking(roles, jobs):
        names = ", ".join(by_kind[each.partition(":")[0]])
        text = f"{each} is missing: without it {names} cannot take backups or run updates there"
        remarks.append((text, again))
    if unread and not any(roles.may_act(kind) for kind in TYPES):
        text = (
            "with these roles no job can work anywhere: backups and updates need TYPE:admin, such as production:admin"
        )
        remarks.append((text, again))
    broad = beyond(roles, jobs) if jobs else []
    if broad:
        remarks.append(
            (f"more than the jobs need: {', '.join(broad)}", "leave it out: a leaked token can do less then")
        )
    return roles, remarks


def _carry_out(people: People, project: str, email: str, roles: Roles, plan: UserPlan) -> UserPlan:
    """Do it; returns what was done."""
    if plan.deed == "grant" and plan.user is not None:
        people.grant(project, plan.user, roles)
    elif plan.deed == "invite" and not people.invite(project, email, roles):
        return UserPlan("none", f"{email} is invited already: no second e-mail is sent")
    return plan


def _tell_user(
    context: Context, roles: Roles, plan: UserPlan, remarks: Sequence[tuple[str, str]], *, dry: bool
) -> None:
    changed = plan.deed != "none" and not dry
    jobs, _ = jobs_of(context)
    if context.terminal.json_wanted:
        body = {
            "email": context.options.email,
            "roles": roles.permissions(),
            "before": plan.before.permissions() if plan.before else None,
            "needed": {f"{kind}:admin": names for kind, names in needed_by(jobs).items()},
            "deed": plan.deed,
            "changed": changed,
            "message": plan.message,
            "warnings": remarks_view(remarks),
        }
        context.terminal.document(body)
        return
    say = context.terminal.say
    say(f"{'Would do: ' if dry and plan.deed != 'none' else ''}{plan.message}.", "odd" if dry else "good")
    if plan.before is not None:
        say(f"  before  {plan.before}")
    say(f"  roles   {roles}")
    for kind, names in needed_by(jobs).items():
        say(f"  needed  {kind}:admin, for {', '.join(names)}")
    context.terminal.remarks(remarks)
    if dry and plan.deed != "none":
        say("Nothing was changed. To change it: --yes")
    elif plan.deed == "invite":
        say("Next: accept the invitation as that user, make an API token there (Console, My profile, API tokens), then")
        say("  upsun-agent setup token")
    elif plan.deed == "grant":
        say("SSH access follows with the next redeploy (docs:administration/users).", "dim")


# --- token -----------------------------------------------------------------------------------------------------


def _token(context: Context) -> int:
    from agent.upsun.variables import Variables  # noqa: PLC0415  late, as above

    project, environment = _project(context), context.container.environment
    if environment is None:
        raise ConfigInvalid("no environment is known", remedy="set PLATFORM_BRANCH or give --environment")
    value, source = _new_token(context)
    present = (context.environ.get(context.token_variable) or "").strip()
    if context.options.rotate and present == value:
        text = f"the new token is the one that {context.token_variable} holds already"
        raise UsageError(text, remedy="make a new one first: Console, My profile, API tokens")
    new = standing_of(context, value, source)  # a token that is not good is never stored
    for text, remedy in new.without_access():
        raise NotPermitted(f"nothing was stored: {text}", remedy=remedy)
    old = _old(context, present) if present and present != value else None
    client = context.client(present if old else value, context.token_variable if old else source)
    try:
        variables, dry, follows = Variables(client, project, environment), _is_dry(context), None
        with _as_admin(f"an admin of {environment}", context):
            storing = _planned(context, variables, new, old if context.options.rotate else None)
            if not dry:
                there = storing.plan.deed == "change"
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


def _planned(context: Context, variables: Variables, new: Standing, old: Standing | None) -> Storing:
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
    )


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
    say("  " + ", ".join(f"{flag}: {'true' if value else 'false'}" for flag, value in storing.flags.items()))
    if storing.scope:
        say(f"  only for {', '.join(storing.scope)}")
    if storing.inherited:
        say("  The parent environment's variable, inherited so far, stays as it is there.", "dim")
    context.terminal.remarks(remarks)
    if follows is None:
        say("Nothing was changed. To change it: --yes")
        return
    _tell_what_follows(context, storing, follows)


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
    if context.options.rotate:
        names = " or ".join(f"'{each.name or each.id}'" for each in storing.revocable) or "the old one"
        owner = (storing.old or storing.new).user
        say(f"Once that is done, revoke {names} of {owner.email or owner.id} if nothing else uses it: in the Console,")
        say("My profile, API tokens. A token makes and revokes no tokens itself (devcenter:using-the-upsun-api).")
        say("Bearers and certificates that the old token gave out work until they expire, an hour at most.", "dim")
