"""The command ``setup machine-user``: a member of the project with the roles that jobs need, invited once."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agent.cli.change import as_admin, changing, confirmation, is_dry, project_of
from agent.cli.context import Context
from agent.cli.token import jobs_of, read_token, types_of
from agent.engine.job import Job
from agent.errors import EXIT_OK, ConfigInvalid, UsageError
from agent.plans import UserPlan, named, plan_user
from agent.report.views import remarks_view
from agent.roles import TYPES, Roles, beyond, lacking, needed, needed_by, parse_roles

if TYPE_CHECKING:
    from agent.upsun.people import People

EMAIL_MOST = 254  # RFC 5321
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def add(family: Any, shared: ArgumentParser) -> None:
    """Add the command."""
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
    confirmation(user)
    user.set_defaults(run=_machine_user)


def _machine_user(context: Context) -> int:
    from agent.upsun.people import People  # noqa: PLC0415  late: httpx costs nine interpreter starts

    email, project = context.options.email, project_of(context)
    if not EMAIL.fullmatch(email) or not email.isprintable() or len(email) > EMAIL_MOST:
        raise UsageError(f"'{email[:80]}' is no e-mail address", remedy="give one like deploy-bot@example.com")
    _roles(context, {})  # what is wrong with the options is said before anybody is asked for a token
    token, source = read_token(context, stdin=False)
    client = context.client(token, source)
    try:
        people = People(client)
        types = types_of(client, project, jobs_of(context)[0])
        roles, remarks = _roles(context, types)
        with as_admin("a project admin", context):
            members = people.members(project)
            member = named(email, members)
            plan = plan_user(
                email,
                roles,
                members,
                people.invitations(project) if member is None else [],
                people.owner(project) if member is not None else None,
            )
            dry = is_dry(context)
            if not dry:
                with changing(f"the access of {email}"):
                    plan = _carry_out(people, project, email, roles, plan)
    finally:
        client.close()
    if plan.warning:
        remarks.append((plan.warning, "or cancel it in the Console (project, Access), and give this again"))
    by_kind = needed_by(jobs_of(context)[0], types)
    _tell_user(context, roles, plan, remarks, by_kind, dry=dry)
    return EXIT_OK


def _roles(context: Context, types: Mapping[str, str]) -> tuple[Roles, list[tuple[str, str]]]:
    """The roles wanted, and what is to be said of them: what jobs would lack, and what no job needs."""
    try:
        jobs: Sequence[Job] = list(context.job_file.jobs.values())
        unread = ""
    except ConfigInvalid as error:
        jobs, unread = [], str(error)
    words = context.options.role or ["viewer", *(f"{kind}:admin" for kind in needed(jobs, types))]
    if not context.options.role and not jobs:
        text = f"no --role is given, and no job file says what is needed ({unread})"
        raise UsageError(text, remedy="for example: --role viewer --role production:admin")
    roles, remarks = parse_roles(words), []
    again = "give all roles again, with it: they replace those there are"
    by_kind = needed_by(jobs, types)
    for each in lacking(roles, jobs, types):
        names = ", ".join(by_kind[each.partition(":")[0]])
        text = f"{each} is missing: without it {names} cannot take backups or run updates there"
        remarks.append((text, again))
    if unread and not any(roles.may_act(kind) for kind in TYPES):
        text = (
            "with these roles no job can work anywhere: backups and updates need TYPE:admin, such as production:admin"
        )
        remarks.append((text, again))
    broad = beyond(roles, jobs, types) if jobs else []
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
    context: Context,
    roles: Roles,
    plan: UserPlan,
    remarks: Sequence[tuple[str, str]],
    by_kind: Mapping[str, list[str]],
    *,
    dry: bool,
) -> None:
    changed = plan.deed != "none" and not dry
    if context.terminal.json_wanted:
        body = {
            "email": context.options.email,
            "roles": roles.permissions(),
            "before": plan.before.permissions() if plan.before else None,
            "needed": {f"{kind}:admin": names for kind, names in by_kind.items()},
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
    for kind, names in by_kind.items():
        say(f"  needed  {kind}:admin, for {', '.join(names)}")
    context.terminal.remarks(remarks)
    if dry and plan.deed != "none":
        say("Nothing was changed. To change it: --yes")
    elif plan.deed == "invite":
        say("Next: accept the invitation as that user, make an API token there (Console, My profile, API tokens), then")
        say("  upsun-agent setup token")
    elif plan.deed == "grant":
        say("SSH access follows with the next redeploy (docs:administration/users).", "dim")
