"""Plan the changes of a set-up command from the present state, before anything is changed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field

from upsun_agent.access.roles import Roles
from upsun_agent.access.token_status import Standing
from upsun_agent.errors import UsageError

if TYPE_CHECKING:  # these import httpx, which takes as long as nine interpreter starts
    from upsun_agent.api.people import ApiToken, Invitation, Member
    from upsun_agent.api.variables import Variable


class UserPlan(Struct, frozen=True):
    """The plan for a machine user: invite, grant, or nothing; ``user`` is the member's id where it is one.

    ``before`` are the roles it has, or those of an invitation that is open. ``message`` says what was done, ``would``
    what would be, where that is anything.
    """

    #: What to do.
    action: Literal["invite", "grant", "none"]
    #: What was done, in words.
    message: str
    #: The id of the member; None if the user is not a member yet.
    user: str | None = None
    #: The roles that the user has, or those of an open invitation; None if there are none.
    before: Roles | None = None
    #: What the person should know before it is done; empty if nothing.
    warning: str = ""
    #: What would be done, in words; empty if there is nothing to do.
    would: str = ""


def named(email: str, members: Sequence[Member]) -> Member | None:
    """Return the member with this address, in any spelling; None if there is none."""
    wanted = email.casefold()
    return next((each for each in members if each.user.email.casefold() == wanted), None)


def plan_user(
    email: str,
    roles: Roles,
    members: Sequence[Member],
    invitations: Sequence[Invitation],
    owner: str | None = None,
) -> UserPlan:
    """Return the plan that makes the address a member with exactly these roles, without a second e-mail.

    Args:
        email: the address of the machine user.
        roles: the roles that it is to have, and no others.
        members: the users with access now.
        invitations: the invitations that are open.
        owner: the id of the project's owner; None if it is not known.

    Raises:
        UsageError: the address is the project owner's, whose roles cannot be changed.
    """
    member = named(email, members)
    if member is not None:
        user = member.user.id
        if member.roles.permissions() == roles.permissions():
            return UserPlan("none", f"{email} already has these roles", user, member.roles)
        if user == owner:
            remedy = "give the address of an account that only the machine user uses"
            raise UsageError(f"{email} owns the project: nobody can change its roles", remedy=remedy)
        would = f"Would change the roles of {email}"
        return UserPlan("grant", f"Changed the roles of the member {email}", user, member.roles, would=would)
    invitation = next((each for each in invitations if each.email.casefold() == email.casefold()), None)
    if invitation is None:
        would = f"Would invite {email} (sends one e-mail)"
        return UserPlan("invite", f"Invited {email} (one e-mail was sent)", would=would)
    text, warning = f"{email} is already invited and has not answered: no second e-mail is sent", ""
    if invitation.roles.permissions() != roles.permissions():
        warning = (
            f"the open invitation gives other roles ({invitation.roles}): run this command again once it is accepted"
        )
    return UserPlan("none", text, before=invitation.roles, warning=warning)


class VariablePlan(Struct, frozen=True):
    """The plan for a variable: create or change it; ``changed`` are the flags that become others."""

    #: What to do.
    action: Literal["create", "change"]
    #: The flags that change: before and after, by the flag's name.
    changed: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)

    @property
    def rebuilds(self) -> bool:
        """Whether the build sees the variable before or after the change, which then rebuilds the app."""
        return any(self.changed.get("visible_build", (False, False)))


def plan_variable(existing: Variable | None, flags: Mapping[str, bool]) -> VariablePlan:
    """Return the plan that gives the environment its own variable with these flags; an inherited one is not changed.

    Raises:
        UsageError: the variable is sensitive and should not be; the platform does not allow that change.
    """
    if existing is None or existing.inherited:
        return VariablePlan("create", {"visible_build": (False, True)} if flags["visible_build"] else {})
    if existing.flags["is_sensitive"] and not flags["is_sensitive"]:
        remedy = f"delete it first: upsun variable:delete {quote(existing.name)}"
        raise UsageError("a sensitive variable cannot be made readable", remedy=remedy)
    changed = {name: (existing.flags[name], value) for name, value in flags.items() if existing.flags[name] != value}
    if flags["visible_build"]:
        changed.setdefault("visible_build", (True, True))
    return VariablePlan("change", changed)


def differences(stored: Variable | None, flags: Mapping[str, bool], scope: Sequence[str] | None = None) -> list[str]:
    """Return the differences between the stored variable and the request, in words.

    Args:
        stored: the variable as stored; None if it does not exist.
        flags: the requested flags, by name.
        scope: the apps that should see it; None if any will do.
    """
    if stored is None:
        return ["it does not exist"]
    if stored.inherited:
        return ["it is still the parent environment's"]
    words = {True: "true", False: "false"}
    found = [
        f"{name} is {words[stored.flags[name]]}, not {words[value]}"
        for name, value in flags.items()
        if stored.flags[name] != value
    ]
    if scope is not None and sorted(stored.scope) != sorted(scope):
        found.append(f"it is for {', '.join(stored.scope) or 'all apps'}, not {', '.join(scope) or 'all apps'}")
    return found


#: By option: the API's name of the flag, the default, which is all that the cron needs, and the help text.
FLAGS = {
    "sensitive": ("is_sensitive", True, "nobody can read the value back from the API or the Console"),
    "inheritable": ("is_inheritable", False, "child environments get it too"),
    "visible-build": ("visible_build", False, "build hooks and install scripts see it; changing it rebuilds the app"),
    "visible-runtime": ("visible_runtime", True, "crons and SSH sessions see it"),
    "enabled": ("is_enabled", True, "the variable is set"),
}

#: Flags without an option: a token is text, and as JSON it would reach the app in another form.
FIXED = {"is_json": False}

#: The problem if a flag has the wrong value.
FLAWS = {
    "is_sensitive": "is not sensitive: the API and the Console show it",
    "is_inheritable": "is inheritable: child environments get it",
    "visible_build": "is visible to the build: install scripts see it, a new token rebuilds the app",
    "visible_runtime": "is not visible at runtime: crons do not see it",
    "is_enabled": "is disabled: nothing sees it",
    "is_json": "is marked as JSON: the app may get the token in quotes, which services refuse",
}

#: The flags that a token's variable should have: the defaults.
WANTED = (
    *((flag, default, FLAWS[flag]) for flag, default, _ in FLAGS.values()),
    *((flag, value, FLAWS[flag]) for flag, value in FIXED.items()),
)


def problems(flags: Mapping[str, bool]) -> list[str]:
    """Return the problems of a token's variable with these flags, in words; missing flags are fine."""
    return [text for flag, good, text in WANTED if flags.get(flag, good) is not good]


class Storing(Struct, frozen=True):
    """What ``setup token`` is about to store, where, and what it found there.

    ``old`` is where the token of the variable stands, which does the work; ``old_is_refused``: that one was refused.
    ``unknown_apps`` are names given for apps that the environment does not have. ``scope`` are the apps that were asked
    for (None: as they are), ``existing`` is what the environment shows now, its own or inherited.
    """

    #: The name of the variable.
    name: str
    #: What to do with the variable.
    plan: VariablePlan
    #: The flags that it gets.
    flags: Mapping[str, bool]
    #: The apps that were asked for; None to leave them as they are.
    scope: tuple[str, ...] | None
    #: The variable that the environment shows now, its own or inherited; None if there is none.
    existing: Variable | None
    #: Whether the existing variable is inherited from the parent environment.
    inherited: bool
    #: Whether another variable of the same name hides this one.
    shadowed: bool
    #: The status of the token that is stored.
    new: Standing
    #: The status of the variable's token now; None if it is not known.
    old: Standing | None
    #: Whether the variable's token was refused.
    old_is_refused: bool = False
    #: Names of apps that were given and that the environment does not have.
    unknown_apps: tuple[str, ...] = ()

    @property
    def apps(self) -> tuple[str, ...]:
        """The apps that will see the variable; empty for all of them."""
        if self.scope is not None:
            return self.scope
        return self.existing.scope if self.existing is not None else ()

    def differences(self, stored: Variable | None) -> list[str]:
        """Return the differences between a variable and what is to be stored, in words."""
        return differences(stored, self.flags, self.apps)

    def as_before(self, stored: Variable | None) -> bool:
        """Return whether the variable reads as before the write, so that it may only be late."""
        return stored == self.existing

    @property
    def revocable(self) -> list[ApiToken]:
        """The tokens that may be the old one: the one that was just used, or all others of the same user.

        If the command used a token of another user, such as an admin, that is not the stored one.
        """
        if self.old_is_refused:
            return []
        if self.old is not None and self.old.user.id == self.new.user.id and self.old.likely is not None:
            return [self.old.likely]
        likely = self.new.likely
        return [each for each in self.new.tokens or () if likely is None or each.id != likely.id]

    @property
    def remarks(self) -> list[tuple[str, str]]:
        """The warnings about how the token is stored, each with its remedy."""
        options = {flag: f"--{option} {'true' if default else 'false'}" for option, (flag, default, _) in FLAGS.items()}
        narrow = [
            (f"{self.name} {text}", f"unless you want this: {options[flag]}")
            for flag, value in self.flags.items()
            if flag in options
            for text in problems({flag: value})
        ]
        if self.unknown_apps:
            text = f"no deployed app is called {' or '.join(self.unknown_apps)}"
            narrow.append((text, "give --app the name of the app in .upsun/config.yaml"))
        if self.shadowed:
            text = f"the project also has a variable {self.name}, which every other environment sees"
            narrow.append((text, f"upsun variable:delete {self.name} --level project"))
        return narrow
