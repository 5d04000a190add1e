"""The commands ``token check`` and ``token list``: check the API token; list its user's tokens."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from upsun_agent.access.roles import targets
from upsun_agent.access.token_source import token_in, token_of
from upsun_agent.access.token_status import Standing
from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.cli.streams import complain
from upsun_agent.config import defaults
from upsun_agent.errors import AgentError, ConfigInvalid, TokenMissing, TokenRefused, UsageError
from upsun_agent.limits import TOKEN_MOST
from upsun_agent.model.durations import span
from upsun_agent.model.job import Job
from upsun_agent.report.document import Moment, RemarkView, View, remarks_view
from upsun_agent.text.humanize import ago

if TYPE_CHECKING:
    from upsun_agent.api.client import Client
    from upsun_agent.api.people import ApiToken

Found = TypeVar("Found")


class TokenView(View, frozen=True, kw_only=True):
    """An API token as listed, without its value."""

    #: The id of the token.
    id: str
    #: Its name.
    name: str
    #: When it was created; null if the platform does not say.
    created_at: Moment | None
    #: When it was used last; null if never, or if the platform does not say.
    last_used_at: Moment | None
    #: Whether it was created with a second factor; null if the platform does not say.
    mfa_on_creation: bool | None


class TokenUserView(View, frozen=True, kw_only=True):
    """The user of a token."""

    #: The id of the user.
    id: str
    #: The e-mail address; null if the platform does not say.
    email: str | None
    #: The user name; null if the platform does not say.
    username: str | None
    #: Whether the user has a second factor; null if the platform does not say.
    mfa: bool | None


class TokenRolesView(View, frozen=True, kw_only=True):
    """The roles of a user on the project."""

    #: The role on the whole project; null if there is none.
    project: str | None
    #: The roles by type of environment.
    types: dict[str, str]


class TokenCheckView(View, frozen=True, kw_only=True):
    """The API token, its user and what it may do."""

    #: An invalid token is an error instead.
    valid: Literal[True]
    #: Where the token came from.
    source: str
    #: Its user.
    user: TokenUserView
    #: How long the bearer is valid that was exchanged for it, in seconds.
    bearer_seconds: float
    #: The project's id; null if it is not known.
    project: str | None
    #: The roles on the project; null if they cannot be read.
    roles: TokenRolesView | None
    #: The token of the user that was used last, probably this one; null if it is not known.
    token: TokenView | None
    #: What should be put right.
    warnings: list[RemarkView]


class TokenListView(View, frozen=True, kw_only=True):
    """The user's API tokens."""

    #: The tokens.
    tokens: list[TokenView]


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the family's commands."""
    token = commands.add_parser(
        "token",
        help="check the API token, list its user's tokens",
        description="Check the API token, and list the tokens of its user.",
    )
    family = token.add_subparsers(title="commands", metavar="COMMAND", dest="token_command", required=True)
    check = family.add_parser(
        "check",
        parents=[shared],
        help="check the API token",
        description="Exchange the API token, without the cache, and print its user, the user's roles on the project "
        "and the token's age. The token is read from the variable, with --stdin from standard input, or on a terminal "
        "from a prompt that does not show it. Exit code 77 if it is not valid.",
    )
    check.add_argument("--stdin", action="store_true", help="read the token from standard input")
    check.set_defaults(run=_check)
    listing = family.add_parser(
        "list",
        parents=[shared],
        help="list the API tokens of the token's user",
        description="List the API tokens of the token's user, with age and last use. The platform never shows values.",
    )
    listing.set_defaults(run=_list)


def read_token(context: Context, *, stdin: bool, exact: bool = False) -> tuple[str, str]:
    """Return the token and where it came from: standard input, the variable, or a prompt on a terminal.

    Args:
        context: the command call.
        stdin: read the token from standard input.
        exact: refuse white space around the variable's token instead of dropping it, since other tools keep it.

    Raises:
        TokenMissing: there is no token.
        TokenRefused: there is white space around the token.
        UsageError: standard input holds too much.
    """
    if stdin and sys.stdin.isatty():  # plain input would show the token
        return prompted(context, "API token (what you type is not shown): "), "the prompt"
    if stdin:
        return _from_stdin(context), "standard input"
    variable = context.token_variable
    present = context.environ.get(variable)
    if not present and sys.stdin.isatty() and not context.terminal.json_wanted:
        return prompted(context, f"API token ({variable} is not set; what you type is not shown): "), "the prompt"
    context.redaction.hide(present)
    with here(context):
        return (token_of if exact else token_in)(context.environ, variable), variable


@contextmanager
def here(context: Context) -> Iterator[None]:
    """Add to the error for a missing token how to give one outside a container."""
    try:
        yield
    except TokenMissing as error:
        if context.container.is_one:
            raise
        variable = context.token_variable
        remedy = f"set {variable} here (on CI as a masked secret), or run token check or setup token on a terminal"
        raise TokenMissing(str(error), remedy=remedy) from error


def _from_stdin(context: Context) -> str:
    """Return the token on standard input, without one line break at its end, which echo and editors add."""
    data = sys.stdin.buffer.read(TOKEN_MOST + 1)
    if len(data) > TOKEN_MOST:
        raise UsageError(f"standard input holds more than {TOKEN_MOST} characters", remedy="give only the token")
    value = data.decode("ascii", "replace").removesuffix("\n").removesuffix("\r")
    context.redaction.hide(value)
    if not value.strip():
        raise TokenMissing("standard input holds no token", remedy="give the token there and nothing else")
    if value != value.strip():
        raise TokenRefused("there is white space around the token on standard input", remedy="give only the token")
    return value


def prompted(context: Context, words: str) -> str:
    """Return the token typed at a prompt that does not show it, without white space around it."""
    try:
        value = getpass.getpass(words).strip()
    except EOFError:
        value = ""
        complain("")  # the next message starts on a new line
    context.redaction.hide(value)
    if not value:
        remedy = f"type or paste it, or set {context.token_variable}, or give it with --stdin"
        raise TokenMissing("no token was given", remedy=remedy)
    return value


def jobs_of(context: Context) -> tuple[Sequence[Job], int]:
    """Return the job file's jobs and the age (days) at which a token should be rotated; no jobs without a job file."""
    try:
        return list(context.job_file.jobs.values()), context.job_file.max_token_age
    except ConfigInvalid:
        return [], int(defaults()["max-token-age"])


def standing_of(context: Context, token: str, source: str) -> Standing:
    """Return the status of a token, read with a client of its own; raise as ``stands`` does.

    Args:
        context: what the command works with.
        token: the API token.
        source: where it comes from, for messages.
    """
    client = context.client(token, source)
    try:
        return stands(context, client)
    finally:
        client.close()


def stands(context: Context, client: Client) -> Standing:
    """Exchange the client's token, without the cache, and return its status.

    Roles and tokens of the user may be unreadable: the status then holds the reason.
    """
    from upsun_agent.api.people import People  # noqa: PLC0415  late: httpx costs nine interpreter starts

    lifetime = _exchanged(client.exchange)
    people = People(client)
    user, project = people.me(), context.container.project
    roles, no_roles = _attempt(lambda: people.access(project, user.id) if project else None)
    tokens, no_tokens = _attempt(lambda: people.tokens(user.id))
    types = types_of(client, project, jobs_of(context)[0])
    acts_on = _acted_on(client, project, context.container.environment)
    return Standing(user, lifetime, roles, tokens, context.clock.now(), project, no_roles, no_tokens, types, acts_on)


def _acted_on(client: Client, project: str | None, environment: str | None) -> frozenset[str]:
    """Return the environment's type, if the platform offers backups there: a stronger sign than the listed roles."""
    if project is None or environment is None:
        return frozenset()
    seen, _ = _attempt(lambda: client.environment(project, environment))
    return frozenset({seen.type} if seen is not None and "#backup" in seen.links else ())


def types_of(client: Client, project: str | None, jobs: Iterable[Job]) -> dict[str, str]:
    """Return the types, by id, of the environments that the jobs' steps name, as far as they can be read.

    Args:
        client: the API.
        project: the id of the project; None: nothing is read.
        jobs: the jobs.
    """
    found: dict[str, str] = {}
    for name in targets(jobs) if project else ():
        environment, _ = _attempt(lambda name=name: client.environment(project or "", name))  # type: ignore[misc]  # bound
        if environment is not None:
            found[name] = environment.type
    return found


def _exchanged(exchange: Callable[[], int]) -> int:
    try:
        return exchange()
    except TokenRefused as error:
        if "is not accepted" not in str(error):
            raise
        remedy = "it was revoked or is incomplete: create a new one as that user (Console, My profile, API tokens)"
        raise TokenRefused(str(error), remedy=remedy) from error


def _attempt(read: Callable[[], Found]) -> tuple[Found | None, AgentError | None]:
    """Return what was read, or why it was not."""
    try:
        return read(), None
    except AgentError as error:
        return None, error


def _check(context: Context) -> Answer:
    token, source = read_token(context, stdin=context.options.stdin, exact=True)
    standing = standing_of(context, token, source)
    jobs, max_age = jobs_of(context)
    warnings = standing.warnings(jobs, timedelta(seconds=max_age))
    return Answer(_check_view(standing, source, warnings), lambda: _tell(context, standing, source, warnings))


def _check_view(standing: Standing, source: str, warnings: Sequence[tuple[str, str]]) -> TokenCheckView:
    user, likely, roles = standing.user, standing.likely, standing.roles
    return TokenCheckView(
        valid=True,
        source=source,
        user=TokenUserView(id=user.id, email=user.email, username=user.username, mfa=user.mfa),
        bearer_seconds=standing.lifetime,
        project=standing.project,
        roles=None if roles is None else TokenRolesView(project=roles.project, types=roles.on_types()),
        token=None if likely is None else _token_view(likely),
        warnings=remarks_view(warnings),
    )


def _token_view(token: ApiToken) -> TokenView:
    return TokenView(
        id=token.id,
        name=token.name,
        created_at=token.created_at,
        last_used_at=token.last_used_at,
        mfa_on_creation=token.with_mfa,
    )


def _tell(context: Context, standing: Standing, source: str, warnings: Sequence[tuple[str, str]]) -> None:
    say, note = context.terminal.say, context.terminal.note
    user, likely, now = standing.user, standing.likely, standing.now
    say("The API token is valid.", "good")
    second = {True: ", with a second factor", False: ", without a second factor", None: ""}[user.mfa]
    say(f"  from    {source}")
    note(f"  user    {user.email or user.username or user.id}{second}", indent=" " * 10)
    if standing.roles is not None:
        note(f"  roles   {standing.roles} (project {standing.project})", indent=" " * 10)
    say(f"  bearer  valid for {span(standing.lifetime)}")
    if likely is not None:
        used = f"created {ago(likely.created_at, now)}, used {ago(likely.last_used_at, now)}"
        note(f"  token   '{likely.name or likely.id}', {used} (the one used last)", indent=" " * 10)
    context.terminal.remarks(warnings)


def _list(context: Context) -> Answer:
    from upsun_agent.api.people import People  # noqa: PLC0415  late, as above

    token, source = read_token(context, stdin=False)
    client = context.client(token, source)
    try:
        people = People(client)
        tokens = people.tokens(people.me().id)
    finally:
        client.close()
    view = TokenListView(tokens=[_token_view(each) for each in tokens])
    return Answer(view, lambda: _tell_list(context, tokens))


def _tell_list(context: Context, tokens: Sequence[ApiToken]) -> None:
    now = context.clock.now()
    rows = [[each.name or "-", ago(each.created_at, now), ago(each.last_used_at, now), each.id] for each in tokens]
    context.terminal.table(["NAME", "CREATED", "LAST USED", "ID"], rows)
