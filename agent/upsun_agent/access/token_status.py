"""The status of an API token: its user, the user's roles here, its age, and the problems with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from shlex import quote
from typing import TYPE_CHECKING

from msgspec import Struct, field

from upsun_agent.access.roles import Roles, excess_roles, missing_roles
from upsun_agent.errors import SECOND_FACTOR, AgentError, SecondFactorNeeded
from upsun_agent.model.job import Job

if TYPE_CHECKING:  # people.py imports httpx, which takes as long as nine interpreter starts
    from upsun_agent.api.people import ApiToken, User

AGAIN = "try again; see status.upsun.com"


class Standing(Struct, frozen=True):
    """What is known of a token that was just exchanged.

    ``roles`` are those on ``project``, by teams and the organization too: None where the user has no access, or where
    ``roles_unread`` says why nobody knows. ``tokens`` are the user's; None where ``tokens_unread`` says why. ``types``
    are those of the environments that the jobs' steps name, by id. ``acts_on`` are the environment types on which the
    platform was seen to offer backups, whatever roles it lists.
    """

    #: The user that the token belongs to.
    user: User
    #: How long an access token lives, in seconds.
    lifetime: int
    #: The roles on the project; None if the user has no access, or if they could not be read.
    roles: Roles | None
    #: The API tokens of the user; None if they could not be read.
    tokens: Sequence[ApiToken] | None
    #: When all this was read.
    now: datetime
    #: The id of the project; None if it is not known.
    project: str | None = None
    #: Why the roles could not be read; None if they were.
    roles_unread: AgentError | None = None
    #: Why the tokens could not be read; None if they were.
    tokens_unread: AgentError | None = None
    #: The type of each environment that a step of a job names, by the environment's id.
    types: Mapping[str, str] = field(default_factory=dict)
    #: The environment types on which the platform was seen to offer backups.
    acts_on: frozenset[str] = frozenset()

    @property
    def is_shut_out(self) -> bool:
        """Whether the platform refuses the user everything on the project, or demands a second factor."""
        error = self.roles_unread
        nothing = self.roles is None and error is None
        return self.project is not None and (nothing or isinstance(error, SecondFactorNeeded))

    @property
    def likely(self) -> ApiToken | None:
        """The listed token that is probably this one: the one used last, since this one was just used."""
        tokens = self.tokens or ()
        if len(tokens) == 1:
            return tokens[0]
        newest = max((each.last_used_at for each in tokens if each.last_used_at), default=None)
        found = [each for each in tokens if newest is not None and each.last_used_at == newest]
        return found[0] if len(found) == 1 else None

    def warnings(self, jobs: Sequence[Job], max_age: timedelta) -> list[tuple[str, str]]:
        """Return the problems of a valid token, each with its remedy."""
        return [*self.without_access(), *self.of_roles(jobs), *self.of_breadth(jobs), *self.of_age(max_age)]

    def without_access(self) -> list[tuple[str, str]]:
        """Return why the token cannot work on the project; empty if it can."""
        if self.project is None or self.roles is not None:
            return []
        error = self.roles_unread
        if isinstance(error, SecondFactorNeeded):
            return [(f"the project {self.project} requires a second factor: {error}", SECOND_FACTOR)]
        if error is None:
            text = f"the user has no access to the project {self.project}"
            return [(text, f"upsun-agent setup machine-user {quote(self.user.email or 'EMAIL')}")]
        return [(f"the user's roles on the project cannot be read: {error}", error.remedy or AGAIN)]

    def of_roles(self, jobs: Sequence[Job]) -> list[tuple[str, str]]:
        """Return a problem if the roles do not allow what jobs need."""
        missing = self.missing_roles(jobs)
        if not missing:
            return []
        text = f"the roles do not allow backups and updates where jobs run: {' and '.join(missing)} is missing"
        return [(text, self.grant_remedy(missing))]

    def missing_roles(self, jobs: Sequence[Job]) -> list[str]:
        """Return the roles that jobs need and that are neither listed nor shown by an offered link."""
        missing = missing_roles(self.roles, jobs, self.types) if self.roles is not None else []
        return [each for each in missing if each.partition(":")[0] not in self.acts_on]

    def of_breadth(self, jobs: Sequence[Job]) -> list[tuple[str, str]]:
        """Return a problem if the roles allow more than the jobs need; empty without jobs."""
        broad = excess_roles(self.roles, jobs, self.types) if self.roles is not None and jobs else []
        text = f"the user may do more than the jobs need: {', '.join(broad)}"
        return [(text, "a machine user with fewer roles limits what a leaked token can do")] if broad else []

    def of_age(self, max_age: timedelta) -> list[tuple[str, str]]:
        """Return a problem if the token is due for rotation, or older than its user's second factor."""
        if self.tokens is None:
            reason = f": {self.tokens_unread}" if self.tokens_unread is not None else ""
            return [(f"the token's age cannot be read{reason}", "see: Console, My profile, API tokens")]
        found, token = [], self.likely
        # If several tokens were used last, any may be this one: warn only if all are too old.
        suspects = [token] if token is not None else self.tokens
        ages = [(self.now - each.created_at).days for each in suspects if each.created_at is not None]
        if ages and min(ages) >= max_age.days and len(ages) == len(suspects):
            name = f"the token '{token.name or token.id}'" if token else "the user's youngest token"
            text = f"{name} is {min(ages)} days old (max-token-age is {max_age.days})"
            found.append((text, "rotate it: upsun-agent setup token --rotate"))
        if token is not None and token.with_mfa is False and self.user.mfa:
            text = "the token was created before its user had a second factor: it stops working where one is enforced"
            found.append((text, "create a new token (https://developer.upsun.com/docs/administration/security/mfa)"))
        return found

    def grant_remedy(self, missing: Sequence[str]) -> str:
        """Return the command that adds the missing roles to the present ones."""
        there = self.roles.permissions() if self.roles is not None else ["viewer"]
        kinds = {each.partition(":")[0] for each in missing}
        words = [each for each in there if each.partition(":")[0] not in kinds]
        roles = " ".join(f"--role {each}" for each in [*words, *missing])
        user = quote(self.user.email or "EMAIL")
        return f"grant it as a project admin: upsun-agent setup machine-user {user} {roles}"
