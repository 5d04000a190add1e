"""The settings that every kind of step has; a kind adds its own in a class derived from these.

The annotations are read only when a job file is parsed, or when schema and docs are made (``keys.py``): at a tick they
are text that nobody evaluates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from msgspec import Struct

from upsun_agent.model.job import StepPlan

if TYPE_CHECKING:
    from upsun_agent.steps.common.keys import ENVIRONMENT, Choice, Duration, Field, Retries, RetryAfter


class StepSettings(Struct, frozen=True, kw_only=True):
    """What the job file says of any step. A key is the field's name with ``-`` for ``_``; ``for_`` is ``for``."""

    environment: Annotated[
        str | None,
        Field(
            ENVIRONMENT,
            'The environment it works on; "." is the one that the agent runs on, as is leaving it out.',
        ),
    ] = None
    when: Annotated[
        Literal["always", "updated"],
        Field(
            Choice(("always", "updated")),
            "updated: skip the step if no earlier step of the run made a commit.",
        ),
    ] = "always"
    retries: Retries = 0
    retry_after: RetryAfter = 900
    timeout: Annotated[
        int | None,
        Field(Duration(60), "A step that takes longer has failed. Default: the job's limit."),
    ] = None
    on_failure: Annotated[
        Literal["stop", "continue"],
        Field(
            Choice(("stop", "continue")),
            "stop: the run ends. continue: later steps still run, and the run fails at its end.",
        ),
    ] = "stop"

    @classmethod
    def of(cls, plan: StepPlan) -> Self:
        """Return the settings of a plan: the default for each key that it lacks; keys of other versions are ignored.

        Raises:
            TypeError: the plan lacks a key that has no default; only a snapshot that no job file made can.
        """
        names = frozenset(cls.__struct_fields__)
        said = {_name(key): _frozen(value) for key, value in plan.settings.items() if value is not None}
        return cls(**{name: value for name, value in said.items() if name in names})


class UpdateSettings(StepSettings, frozen=True, kw_only=True):
    """What the job file says of a step that may bring new code live."""

    backup: Annotated[
        Literal["required", "not-needed"],
        Field(
            Choice(("required", "not-needed")),
            "Whether a backup must be proved in the same run before; not-needed suits throw-away environments.",
        ),
    ] = "required"


def _name(key: str) -> str:
    """Return the name of the field that holds a key of the job file."""
    return "for_" if key == "for" else key.replace("-", "_")


def _frozen(value: Any) -> Any:
    """Return a JSON value with tuples for its arrays."""
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value
