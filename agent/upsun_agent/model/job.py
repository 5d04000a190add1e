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

    #: The name of the kind of step, such as ``backup``.
    kind: str
    #: The step's settings as the job file gives them.
    settings: Mapping[str, Any]

    def environment(self, home: str) -> str:
        """Return the id of the environment that the step is about; ``home`` where it names none, or ``.``."""
        named = self.settings.get("environment")
        return named if isinstance(named, str) and named not in {"", HERE} else home


class Job(Struct, frozen=True):
    """A job definition. Durations are whole seconds."""

    #: The name of the job.
    name: str
    #: The steps, in their order.
    steps: tuple[StepPlan, ...]
    #: The cron expression; None for a job that only runs by hand.
    schedule: str | None = None
    #: The name of the time zone that the schedule is read in.
    timezone: str = "UTC"
    #: The types of environments that the job runs on.
    environment_types: tuple[str, ...] = ("production",)
    #: What to do with slots that passed while no tick ran.
    catch_up: CatchUp = "latest"
    #: How late a run may begin after its slot, in seconds.
    misfire_grace: Number = 6 * 3600
    #: What to do with a slot that falls due while the job's previous run is open.
    overlap: Overlap = "skip"
    #: How long a run may take, in seconds.
    timeout: Number = 12 * 3600
    #: After how many failed runs in a row the job is suspended; 0 for never.
    suspend_after: Number = 0
    #: The steps of the rollback.
    on_failure: tuple[StepPlan, ...] = ()
    #: Further conditions for a slot, as the job file gives them.
    when: Mapping[str, Any] = field(default_factory=dict)

    def runs_on(self, environment_type: str | None) -> bool:
        """Return whether the job runs on environments of that type; yes where the type is not known (None)."""
        return environment_type is None or environment_type in self.environment_types

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
