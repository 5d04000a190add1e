"""The command ``setup machine-user``: invite a user with the roles that jobs need, or change its roles."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from upsun_agent.access.roles import TYPES, Roles, excess_roles, missing_roles, needed, needed_by, parse_roles
from upsun_agent.access.setup_plan import UserPlan, named, plan_user
from upsun_agent.cli.answer import Answer
from upsun_agent.cli.change import agreed, as_admin, changing, confirmation, previewing, project_of, refuse_unasked
from upsun_agent.cli.context import Context
from upsun_agent.cli.token import jobs_of, read_token, types_of
from upsun_agent.errors import ConfigInvalid, UsageError
from upsun_agent.limits import TICK_BUDGET
from upsun_agent.model.job import Job
from upsun_agent.report.document import RemarkView, View, remarks_view

if TYPE_CHECKING:
    from upsun_agent.api.people import People

EMAIL_MOST = 254  # RFC 5321
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class MachineUserView(View, frozen=True, kw_only=True):
    """What was done with the user."""

    #: The user's e-mail address.
    email: str
    #: The roles that are wanted.
    roles: list[str]
    #: The roles that the user had; null if the user was no member.
    before: list[str] | None
    #: The jobs that need each role, by role.
    needed: dict[str, list[str]]
    #: What was to be done.
    action: Literal["invite", "grant", "none"]
    #: Whether it was done.
    changed: bool
    #: What was done, or would be.
    message: str
    #: What should be put right.
    warnings: list[RemarkView]


def add(family: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    user = family.add_parser(
        "machine-user",
        parents=[shared],
        help="invite a machine user, or change its roles",
        description="Make EMAIL a member of the project with these roles: send one invitation, never a second, or "
        "change the roles of a member. Asks before it changes anything; without a terminal it needs --yes.",
    )
    user.add_argument("email", metavar="EMAIL", help="the machine user's address")
    user.add_argument(
        "--role",
        action="append",
        metavar="ROLE",
        help="viewer, admin, or TYPE:ROLE such as production:admin; repeatable "
        "(default: viewer, and admin on the types on which the job file's jobs run)",
    )
    confirmation(user)
    user.set_defaults(run=_machine_user)


def _machine_user(context: Context) -> Answer:
    from upsun_agent.api.people import People  # noqa: PLC0415  late: httpx costs nine interpreter starts

    email, project = context.options.email, project_of(context)
    if len(email) > EMAIL_MOST or not EMAIL.fullmatch(email) or not email.isprintable():
        raise UsageError(
            f"'{email[:80]}' is not a valid e-mail address", remedy="give one such as deploy-bot@example.com"
        )
    refuse_unasked(context)
    _roles(context, {})  # reports invalid options before the command asks for a token
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
            if plan.warning:
                remarks.append(
                    (plan.warning, "or cancel it in the Console (project, Access), then run this command again")
                )
            found = Found(roles, plan, remarks, needed_by(jobs_of(context)[0], types))
            changed = False
            if plan.action == "none":
                _tell_plan(context, found, f"{plan.message}.")
            else:
                if previewing(context):
                    _tell_plan(context, found, f"{plan.would}.")
                if agreed(context, "Apply?"):
                    client.begin(TICK_BUDGET)  # the time that the answer took does not count
                    with changing(f"the access of {email}"):
                        found = replace(found, plan=_carry_out(people, project, email, roles, plan))
                    changed = found.plan.action != "none"
                    _tell_done(context, found)
    finally:
        client.close()
    return Answer(_view(context, found, changed=changed))


class Found(Struct, frozen=True):
    """The roles that are wanted, and the plan that leads there."""

    #: The roles that are needed.
    roles: Roles
    #: What to do.
    plan: UserPlan
    #: What the person should know: a level and a text each.
    remarks: Sequence[tuple[str, str]]
    #: The names of the jobs that need a role, by environment type.
    by_kind: Mapping[str, list[str]]


def _roles(context: Context, types: Mapping[str, str]) -> tuple[Roles, list[tuple[str, str]]]:
    """Return the roles that are wanted, and remarks with remedies: roles that jobs lack, roles that no job needs."""
    try:
        jobs: Sequence[Job] = list(context.job_file.jobs.values())
        unread = ""
    except ConfigInvalid as error:
        jobs, unread = [], str(error)
    words = context.options.role or ["viewer", *(f"{kind}:admin" for kind in needed(jobs, types))]
    if not context.options.role and not jobs:
        text = f"no --role is given, and there is no job file to tell which roles are needed ({unread})"
        raise UsageError(text, remedy="for example: --role viewer --role production:admin")
    roles, remarks = parse_roles(words), []
    again = "add it to the roles that you give: they replace the present ones"
    by_kind = needed_by(jobs, types)
    for each in missing_roles(roles, jobs, types):
        names = ", ".join(by_kind[each.partition(":")[0]])
        text = f"{each} is missing: {names} cannot take backups or run updates there"
        remarks.append((text, again))
    if unread and not any(roles.may_act(kind) for kind in TYPES):
        text = "no job can work with these roles: backups and updates need TYPE:admin, such as production:admin"
        remarks.append((text, again))
    broad = excess_roles(roles, jobs, types) if jobs else []
    if broad:
        remarks.append((f"more than the jobs need: {', '.join(broad)}", "omit it, to limit what a leaked token can do"))
    return roles, remarks


def _carry_out(people: People, project: str, email: str, roles: Roles, plan: UserPlan) -> UserPlan:
    """Apply the plan, and return the plan that was applied."""
    if plan.action == "grant" and plan.user is not None:
        people.grant(project, plan.user, roles)
    elif plan.action == "invite" and not people.invite(project, email, roles):
        return UserPlan("none", f"{email} is already invited: no second e-mail is sent")
    return plan


def _view(context: Context, found: Found, *, changed: bool) -> MachineUserView:
    plan = found.plan
    return MachineUserView(
        email=context.options.email,
        roles=found.roles.permissions(),
        before=plan.before.permissions() if plan.before else None,
        needed={f"{kind}:admin": names for kind, names in found.by_kind.items()},
        action=plan.action,
        changed=changed,
        message=plan.message if changed or not plan.would else plan.would,
        warnings=remarks_view(found.remarks),
    )


def _tell_plan(context: Context, found: Found, head: str) -> None:
    """Print the plan: a heading, roles before and after, and the remarks."""
    note = context.terminal.note
    note(head, "good" if found.plan.action == "none" else "odd")
    if found.plan.before is not None:
        note(f"  before  {found.plan.before}", indent="          ")
    note(f"  roles   {found.roles}", indent="          ")
    for kind, names in found.by_kind.items():
        note(f"  needed  {kind}:admin, for {', '.join(names)}", indent="          ")
    context.terminal.remarks(found.remarks)


def _tell_done(context: Context, found: Found) -> None:
    """Print what was done and the next step; with --yes also the plan, which was not shown before."""
    say, note = context.terminal.say, context.terminal.note
    if previewing(context):
        note(f"{found.plan.message}.", "good")
    else:
        _tell_plan(context, found, f"{found.plan.message}.")
    if found.plan.action == "invite":
        note(
            "Next: accept the invitation as that user, create an API token (Console, My profile, API tokens), then run"
        )
        say("  upsun-agent setup token")
    elif found.plan.action == "grant":
        note("SSH access starts with the next redeploy.", "dim")
