"""Read users, their API tokens and their roles on a project; invite users and grant roles."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from msgspec import Struct, field

from upsun_agent.access.roles import Roles
from upsun_agent.api.client import Client, OutOfTime
from upsun_agent.api.models import link_path, read_list
from upsun_agent.api.replies import Fields
from upsun_agent.errors import (
    AgentError,
    BadReply,
    Conflict,
    NotFound,
    NotPermitted,
    RunFailed,
    SecondFactorNeeded,
    SettingsInvalid,
    TokenRefused,
    Uncertain,
)
from upsun_agent.model.answers import Rights
from upsun_agent.model.resource_paths import project_path, segment

Found = TypeVar("Found")

LINK_MOST = 16 * 1024  # characters: a link to the 200 users of a page names each by 37
MEMBER_PAGES_MOST = 25  # 5,000 users


class User(Struct, frozen=True):
    """An account. ``mfa`` is None if the API does not say whether a second factor is set up."""

    #: The id of the user.
    id: str
    #: The e-mail address.
    email: str
    #: The user name; empty if the API does not say.
    username: str = ""
    #: Whether a second factor is set up; None if the API does not say.
    mfa: bool | None = None


class ApiToken(Struct, frozen=True):
    """An API token as listed; its value is never shown again. ``with_mfa``: made while a second factor was set up."""

    #: The id of the token.
    id: str
    #: The name that its owner gave it.
    name: str
    #: When it was made; None if the API does not say.
    created_at: datetime | None
    #: When it was last used; None if it was not, or the API does not say.
    last_used_at: datetime | None
    #: Whether a second factor was set up when it was made; None if the API does not say.
    with_mfa: bool | None = None


class Member(Struct, frozen=True):
    """A user with access to the project."""

    #: The user.
    user: User
    #: The user's roles.
    roles: Roles


class Invitation(Struct, frozen=True):
    """An invitation that is not answered yet, with the roles that it gives."""

    #: The id of the invitation.
    id: str
    #: The address that was invited.
    email: str
    #: The roles that it gives.
    roles: Roles = field(default_factory=Roles)


class People:
    """Read and change the users of a project, through one client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def me(self) -> User:
        """Return the user of the token; raise TokenRefused, or another error of the exchange."""
        return _user(self._client.read("/users/me", "user"))

    def tokens(self, user: str) -> list[ApiToken]:
        """Return the user's API tokens."""
        found = read_list(self._client.read(f"/users/{segment(user)}/api-tokens", "API tokens"), "API tokens")
        return [_token(each) for each in found]

    def access(self, project: str, user: str) -> Roles | None:
        """Return what the user may do on the project, by roles of its own, of teams and of the organization.

        None means no access: the API lists no roles of the user, and does not show it the project either.

        Raises:
            NotFound: the user can read the project, but no roles are listed.
        """
        own, unread = self._tried(lambda: self._own_access(project, user))
        if own is not None and own.project == "admin":
            return own
        given, later = self._tried(lambda: self._extended_access(project, user))
        if own is not None and given is not None:
            return own.with_those_of(given)
        if own is not None or given is not None:
            return own or given
        for error in (unread, later):
            if error is not None and not isinstance(error, NotPermitted | NotFound):
                raise error
        readable, shut_out = self._tried(lambda: self._client.project(project))
        if readable is None:
            if shut_out is not None and not isinstance(shut_out, NotPermitted | NotFound):
                raise shut_out
            return None
        remedy = "see the Console: project, Access; and organization, Users and Teams"
        raise NotFound(f"no roles of the user are listed on {project}, which it can read", remedy=remedy)

    @staticmethod
    def _tried(read: Callable[[], Found | None]) -> tuple[Found | None, AgentError | None]:
        """Return what was read, or why it was not; raise if all other reads would fail too."""
        try:
            return read(), None
        except (SecondFactorNeeded, TokenRefused, SettingsInvalid, OutOfTime):
            raise
        except AgentError as error:
            return None, error

    def _own_access(self, project: str, user: str) -> Roles | None:
        """Return the user's individual roles on the project, or None without any."""
        try:
            found = self._client.read(project_path(project, f"/user-access/{segment(user)}"), "user access")
        except NotFound:
            return None
        return _roles(found)

    def _extended_access(self, project: str, user: str) -> Roles | None:
        """Return the roles from the user's access of every kind: individual, by teams, by the organization."""
        path, found = f"/users/{segment(user)}/extended-access", None
        organization: str | None = None
        for _ in range(MEMBER_PAGES_MOST):
            page = Fields.of(self._client.read(path, "extended access"), "extended access")
            for each in read_list(page.data.get("items"), "extended access"):
                item = Fields.of(each, "extended access")
                kind, resource = item.data.get("resource_type"), item.data.get("resource_id")
                if kind == "organization" and _roles(each).project == "admin":
                    organization = self._organization(project) if organization is None else organization
                if resource and resource == {"project": project, "organization": organization}.get(str(kind)):
                    roles = _roles(each)
                    found = roles if found is None else found.with_those_of(roles)
            following = page.object("_links").get("next")
            if not isinstance(following, Mapping):
                return found
            path = _path(following)
        return found

    def _organization(self, project: str) -> str:
        """Return the id of the project's organization; empty if the API does not say."""
        try:
            found = self._client.project(project).get("organization")
        except (NotFound, NotPermitted):
            return ""
        return found if isinstance(found, str) else ""

    def rights(self, project: str, environment_type: str) -> Rights:
        """Return what the API says about why an environment of the type does not offer an operation."""
        admin: bool | None = None
        enabled: object = None
        with contextlib.suppress(BadReply, NotFound, NotPermitted):
            user = self._client.owner()
            roles = self.access(project, user) if user else None
            admin = roles.may_act(environment_type) if roles is not None else None
        with contextlib.suppress(BadReply, NotFound, NotPermitted):
            found = Fields.of(self._client.read(project_path(project, "/capabilities"), "capabilities"), "capabilities")
            enabled = found.object("source_operations").get("enabled")
        return Rights(admin, enabled if isinstance(enabled, bool) else None)

    def members(self, project: str) -> list[Member]:
        """Return everybody with access to the project; this needs the project's admin role.

        https://developer.upsun.com/docs/administration/users
        """
        path, found = project_path(project, "/user-access?page[size]=200"), []
        for _ in range(MEMBER_PAGES_MOST):
            page = Fields.of(self._client.read(path, "user access"), "user access")
            links = page.object("_links")
            known = self._referenced(links)
            if links.get("next") is not None and not isinstance(links["next"], Mapping):
                raise BadReply("user access: the link to the next page is not an object")
            for each in read_list(page.data.get("items"), "user access"):
                user = Fields.of(each, "user access").text("user_id")
                found.append(Member(known.get(user, User(user, "")), _roles(each)))
            following = links.get("next")
            if following is None:
                return found
            path = _path(following)
        raise BadReply(f"the project has more users than {MEMBER_PAGES_MOST} pages of 200")

    def _referenced(self, links: Mapping[str, Any]) -> dict[str, User]:
        """Return the users that a list refers to by links of its own."""
        users: dict[str, User] = {}
        for name in sorted(links):
            if name.startswith("ref:users:") and isinstance(links[name], Mapping):
                for each in Fields.of(self._client.read(_path(links[name]), "users"), "users").data.values():
                    if each is not None:
                        user = _user(each)
                        users[user.id] = user
        return users

    def invitations(self, project: str) -> list[Invitation]:
        """Return the open invitations to the project."""
        found = read_list(self._client.read(project_path(project, "/invitations"), "invitations"), "invitations")
        items = [Fields.of(each, "invitation") for each in found]
        return [
            Invitation(each.text("id"), each.text("email"), _invited_roles(each))
            for each in items
            if each.optional_word("state") in {None, "pending", "processing"}
        ]

    def owner(self, project: str) -> str | None:
        """Return the id of the project's owner, whose roles cannot be changed; None if the API does not say."""
        found = self._client.project(project).get("owner")
        return found if isinstance(found, str) else None

    def invite(self, project: str, email: str, roles: Roles) -> bool:
        """Invite an address (sends one e-mail); return False, without an e-mail, if an invitation is open already.

        Args:
            project: the id of the project.
            email: the address.
            roles: the roles that the user is to have.

        Raises:
            Uncertain: it may or may not have been invited.
        """
        permissions = [{"type": kind, "role": role} for kind, role in roles.on_types().items()]
        body = {"email": email, "role": roles.project, "permissions": permissions}
        try:
            self._client.write("POST", project_path(project, "/invitations"), body, "invitation")
        except Conflict:
            return False
        except Uncertain as error:
            with contextlib.suppress(AgentError):
                if any(each.email.casefold() == email.casefold() for each in self.invitations(project)):
                    return True
            remedy = "run the command again: it checks first, and sends no second e-mail"
            raise Uncertain(f"{email} may or may not have been invited: {error}", remedy=remedy) from error
        return True

    def grant(self, project: str, user: str, roles: Roles) -> None:
        """Replace the user's roles on the project with these, and verify the result.

        Args:
            project: the id of the project.
            user: the id of the user.
            roles: the roles that the user is to have, and no others.

        Raises:
            Uncertain: no usable answer came, and the roles are not these.
            RunFailed: the API agreed, but the roles are others.
        """
        path, doubt = project_path(project, f"/user-access/{segment(user)}"), None
        try:
            self._client.write("PATCH", path, {"permissions": roles.permissions()}, "user access")
        except Uncertain as error:
            doubt = error
        remedy = "run the command again: it checks before it changes anything"
        try:
            now = self._own_access(project, user)
        except AgentError as error:
            text = f"the roles may or may not have been changed: {doubt or error}"
            raise Uncertain(text, remedy=remedy) from error
        if now is None or now.permissions() != roles.permissions():
            text = f"the roles are not as requested, but {now or 'none'}"
            raise Uncertain(f"{text}: {doubt}", remedy=remedy) if doubt else RunFailed(text, remedy=remedy)


def _path(link: Mapping[str, Any]) -> str:
    """Return the path and query of a link, without its host (we use ours) and without the prefix /api."""
    href = Fields.of(link, "link").text("href", LINK_MOST)
    path = link_path(href)
    path = path.removeprefix("/api") if path.startswith("/api/") else path
    query = urlsplit(href).query
    return f"{path}?{query}" if query else path


def _user(value: Any) -> User:
    fields = Fields.of(value, "user")
    mfa = fields.data.get("mfa_enabled")
    return User(
        fields.text("id"),
        fields.optional_word("email") or "",
        fields.optional_word("username") or "",
        mfa if isinstance(mfa, bool) else None,
    )


def _token(value: Any) -> ApiToken:
    fields = Fields.of(value, "API token")
    mfa = fields.data.get("mfa_on_creation")
    return ApiToken(
        fields.text("id"),
        fields.optional_word("name") or "",
        fields.moment("created_at"),
        fields.moment("last_used_at"),
        mfa if isinstance(mfa, bool) else None,
    )


def _roles(value: Any) -> Roles:
    permissions = read_list(Fields.of(value, "user access").data.get("permissions"), "user access: permissions")
    return Roles.of(each for each in permissions if isinstance(each, str))


def _invited_roles(fields: Fields) -> Roles:
    """Return the roles that an invitation gives, without roles that it does not name."""
    given = fields.data.get("environments")
    rows = [each for each in given if isinstance(each, Mapping)] if isinstance(given, list) else []
    words = [f"{each.get('type')}:{each.get('role')}" for each in rows]
    return Roles.of([*words, *([fields.data["role"]] if isinstance(fields.data.get("role"), str) else [])])
