"""Every way the agent can refuse, each with the exit code that says whose turn it is.

The tree follows remedies, not causes: who must act, and when. The exit codes follow sysexits where one fits and
are a documented interface: ``docs/reference/exit-codes.md`` is generated from this module.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


#: The remedy wherever the platform asks for one (https://developer.upsun.com/docs/administration/security/mfa).
SECOND_FACTOR = "enable two-factor authentication for the token's user, then make a new API token"


class AgentError(Exception):
    """The agent could not do what was asked."""

    exit_code = 70
    turn = "the agent's authors"
    #: Whether a tick that ends with it can do nothing until something outside changes: the dead-man's switch is told.
    alarming = False

    def __init__(self, message: str = "", *, remedy: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").splitlines()[0])
        self.remedy = remedy

    @classmethod
    def word(cls) -> str:
        """The stable name of this error in logs and JSON: the class name in kebab case."""
        return "".join(f"-{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("-")


class RunFailed(AgentError):
    """A run, or the command's own work, ended without success."""

    exit_code = 1
    turn = "you: the message names the step and what the platform said"


class UsageError(AgentError):
    """The command was called with arguments that do not fit."""

    exit_code = 64
    turn = "you: see --help"


class BadReply(AgentError):
    """The API answered with something that is not what its contract says."""

    exit_code = 65
    turn = "nobody at first: the next tick tries again; report it if it stays"


class Unreachable(AgentError):
    """The API could not be reached, or did not answer in time."""

    exit_code = 69
    turn = "nobody at first: the next tick tries again"


class Uncertain(Unreachable):
    """A request that changes something has no usable answer: it may or may not have been acted on."""

    turn = "you: give the command again, it looks before it changes anything"


class Bug(AgentError):
    """The agent met a state that its design rules out."""

    exit_code = 70
    turn = "the agent's authors: please report it"


class StateNotWritable(AgentError):
    """The state directory cannot be used: missing, read-only, full, or from a newer version."""

    exit_code = 73
    alarming = True
    turn = "you: give the agent a writable mount"


class Conflict(AgentError):
    """Somebody else changed the same thing at the same time, or it is there already."""

    exit_code = 75
    turn = "nobody: try again"


class NothingYet(AgentError):
    """What was asked for is not there yet: no run of the job has begun."""

    exit_code = 75
    turn = "nobody: look again once something has run"


class Busy(AgentError):
    """Somebody else is at work on the same state or environment."""

    exit_code = 75
    turn = "nobody: try again later"


class NotPermitted(AgentError):
    """The API refuses what was asked: the token's user lacks a role."""

    exit_code = 77
    turn = "you: grant the role"


class TokenMissing(NotPermitted):
    """No API token is visible to the agent."""

    turn = "you: store the token as a variable that is visible at runtime"


class TokenRefused(NotPermitted):
    """The authentication service does not accept the API token."""

    turn = "you: check or replace the token"


class SecondFactorNeeded(NotPermitted):
    """The API asks for a second factor, which the token's user did not have when the token was made."""

    turn = "you: enable two-factor authentication for the token's user, then make a new token"


class ConfigInvalid(AgentError):
    """The job file, the container's variables or the options do not make sense."""

    exit_code = 78
    turn = "you: mend what the message names"


class SettingsInvalid(ConfigInvalid):
    """A variable of the machine about its network cannot be used: a proxy, certificate authorities, an address."""

    turn = "you: correct the variable that the message names"


class NotFound(ConfigInvalid):
    """The project or environment does not exist, or the token's user cannot see it."""


#: Exit codes of failures and troubles that are words in the journal; any other failure is 1.
CODE_OF_WORD = {
    "token": NotPermitted.exit_code,
    "permission": NotPermitted.exit_code,
    "second-factor": NotPermitted.exit_code,
    "not-found": ConfigInvalid.exit_code,
    "not-offered": ConfigInvalid.exit_code,
    "settings": ConfigInvalid.exit_code,
    "unreachable": Unreachable.exit_code,
    "bad-reply": BadReply.exit_code,
    "budget": EXIT_OK,
}


def documented() -> list[type[AgentError]]:
    """All error classes, by exit code, for the documentation and its test."""
    found: list[type[AgentError]] = []
    queue = list(AgentError.__subclasses__())
    while queue:
        error = queue.pop()
        found.append(error)
        queue.extend(error.__subclasses__())
    return sorted(found, key=lambda error: (error.exit_code, error.__name__))
