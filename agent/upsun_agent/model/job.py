"""A job: what is to be done, when, and where. Plain values, as the job file or a run's snapshot gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, convert, field, to_builtins

CatchUp = Literal["none", "latest"]
Overlap = Literal["skip", "wait"]

HERE = "."  # how a step names the environment that the agent runs on

SECONDS_MOST = 366 * 86400  # of a duration in a snapshot; job files allow 30 days

#: A number of a snapshot: seconds, or how many.
Number = Annotated[int, Meta(ge=0, le=SECONDS_MOST)]


class StepPlan(Struct, frozen=True):
    """One operation of a job: its kind and that kind's settings, JSON values only."""

    kind: str
    settings: Mapping[str, Any]

    def environment(self, home: str) -> str:
        """The id of the environment that the step is about; ``home`` where it names none, or ``.``."""
        named = self.settings.get("environment")
        return named if isinstance(named, str) and named not in {"", HERE} else home


class Job(Struct, frozen=True):
    """A job definition. Durations are whole seconds."""

    name: str
    steps: tuple[StepPlan, ...]
    schedule: str | None = None
    timezone: str = "UTC"
    environment_types: tuple[str, ...] = ("production",)
    catch_up: CatchUp = "latest"
    misfire_grace: Number = 6 * 3600
    overlap: Overlap = "skip"
    timeout: Number = 12 * 3600
    suspend_after: Number = 0
    on_failure: tuple[StepPlan, ...] = ()
    when: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the snapshot that a run keeps, so that editing the job never changes a run in flight."""
        values: dict[str, Any] = to_builtins(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        """Return the job of a snapshot; raise ValueError where it is not one.

        A snapshot of an older version lacks what is newer: only name and steps must be there (promise P7).
        """
        job: Job = convert(data, cls)
        return job
