"""Every error of the agent, with its exit code and who must act.

The classes are grouped by remedy, not by cause: who must act, and when. The exit codes follow sysexits where one
fits and are a documented interface: ``docs/reference/exit-codes.md`` is generated from this module. The classes have no
suffix ``Error``: the name of a class is also its stable word in logs and JSON, such as ``not-permitted``.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


#: The remedy if the platform asks for a second factor (https://developer.upsun.com/docs/administration/security/mfa).
SECOND_FACTOR = "enable two-factor authentication for the token's user, then create a new API token"


class AgentError(Exception):
    """The agent could not do what was asked."""

    #: The exit code of a command that ends with this error.
    exit_code = 70
    #: Who must act, and how, for the documentation.
    turn = "the agent's authors"
    #: Whether ticks fail with it until a person acts: such a tick reports a failure to the heartbeat.
    alarming = False

    def __init__(self, message: str = "", *, remedy: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").splitlines()[0])
        self.remedy = remedy

    @classmethod
    def word(cls) -> str:
        """Return the stable name of this error in logs and JSON: the class name in kebab case."""
        return "".join(f"-{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("-")


class RunFailed(AgentError):
    """A run failed, or the work of the command did."""

    exit_code = 1
    turn = "you: the message names the step and what the platform said"


class UsageError(AgentError):
    """The arguments of the command are not valid."""

    exit_code = 64
    turn = "you: see --help"


class BadReply(AgentError):
    """The answer of the API does not follow its contract."""

    exit_code = 65
    turn = "no one yet: the next tick tries again; report it if it persists"


class Unreachable(AgentError):
    """The API could not be reached, or did not answer in time."""

    exit_code = 69
    turn = "no one yet: the next tick tries again"


class Uncertain(Unreachable):
    """A request that changes something got no usable answer: it may or may not have been carried out."""

    turn = "you: run the command again, it checks before it changes anything"


class Bug(AgentError):
    """The agent is in a state that its design rules out."""

    exit_code = 70
    turn = "the agent's authors: please report it"


class StateNotWritable(AgentError):
    """The state directory cannot be used: missing, read-only, full, or from a newer version."""

    exit_code = 73
    alarming = True
    turn = "you: give the agent a writable mount"


class Conflict(AgentError):
    """Someone else changed the same thing at the same time, or it already exists."""

    exit_code = 75
    turn = "no one: try again"


class NothingYet(AgentError):
    """The job has not run yet."""

    exit_code = 75
    turn = "no one: try again after its first run"


class Busy(AgentError):
    """Another process is working on the same state or environment."""

    exit_code = 75
    turn = "no one: try again later"


class NotPermitted(AgentError):
    """The API refused the request: the token's user lacks a role."""

    exit_code = 77
    turn = "you: grant the role"


class TokenMissing(NotPermitted):
    """No API token is visible to the agent."""

    turn = "you: store the token as a variable that is visible at runtime"


class TokenRefused(NotPermitted):
    """The authentication service refused the API token."""

    turn = "you: check or replace the token"


class SecondFactorNeeded(NotPermitted):
    """The API requires a second factor, which the token's user did not have when the token was created."""

    turn = f"you: {SECOND_FACTOR}"


class ConfigInvalid(AgentError):
    """The job file, the container's variables or the options are not valid."""

    exit_code = 78
    turn = "you: fix what the message names"


class SettingsInvalid(ConfigInvalid):
    """A variable for the network is not valid: a proxy, certificate authorities, an address."""

    turn = "you: fix the variable that the message names"


class NotFound(ConfigInvalid):
    """The project or environment does not exist, or the token's user cannot see it."""


def documented() -> list[type[AgentError]]:
    """Return all error classes, sorted by exit code and name."""
    found: list[type[AgentError]] = []
    queue = list(AgentError.__subclasses__())
    while queue:
        error = queue.pop()
        found.append(error)
        queue.extend(error.__subclasses__())
    return sorted(found, key=lambda error: (error.exit_code, error.__name__))
