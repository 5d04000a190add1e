"""A job: what is to be done, when, and where. Plain values, as the job file or a run's snapshot gives them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from upsun_agent.records import dataclass, field

CatchUp = Literal["none", "latest"]
Overlap = Literal["skip", "wait"]

HERE = "."  # how a step names the environment that the agent runs on

SECONDS_MOST = 366 * 86400  # of a duration in a snapshot; job files allow 30 days


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One operation of a job: its kind and that kind's settings, JSON values only."""

    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def environment(self, home: str) -> str:
        """The id of the environment that the step is about; ``home`` where it names none, or ``.``."""
        named = self.settings.get("environment")
        return named if isinstance(named, str) and named not in {"", HERE} else home


@dataclass(frozen=True, slots=True)
class Job:
    """A job definition. Durations are whole seconds."""

    name: str
    steps: tuple[StepPlan, ...]
    schedule: str | None = None
    timezone: str = "UTC"
    environment_types: tuple[str, ...] = ("production",)
    catch_up: CatchUp = "latest"
    misfire_grace: int = 6 * 3600
    overlap: Overlap = "skip"
    timeout: int = 12 * 3600
    suspend_after: int = 0
    on_failure: tuple[StepPlan, ...] = ()
    when: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The snapshot that a run keeps, so that editing the job never changes a run in flight."""
        return {
            "name": self.name,
            "steps": _plain(self.steps),
            "schedule": self.schedule,
            "timezone": self.timezone,
            "environment_types": list(self.environment_types),
            "catch_up": self.catch_up,
            "misfire_grace": self.misfire_grace,
            "overlap": self.overlap,
            "timeout": self.timeout,
            "suspend_after": self.suspend_after,
            "on_failure": _plain(self.on_failure),
            "when": dict(self.when),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        """The job of a snapshot; raises KeyError, TypeError or ValueError where it is none.

        A snapshot of an older version lacks what is newer: only name and steps must be there (promise P7).
        """
        plain = cls(str(data["name"]), _plans(data["steps"]))
        return cls(
            name=plain.name,
            steps=plain.steps,
            schedule=data.get("schedule"),
            timezone=str(data.get("timezone", plain.timezone)),
            environment_types=tuple(str(item) for item in data.get("environment_types", plain.environment_types)),
            catch_up=data.get("catch_up", plain.catch_up),
            misfire_grace=_seconds(data.get("misfire_grace", plain.misfire_grace)),
            overlap=data.get("overlap", plain.overlap),
            timeout=_seconds(data.get("timeout", plain.timeout)),
            suspend_after=_seconds(data.get("suspend_after", plain.suspend_after)),
            on_failure=_plans(data.get("on_failure", ())),
            when=dict(data.get("when", {})),
        )


def _plain(plans: Iterable[StepPlan]) -> list[dict[str, Any]]:
    return [{"kind": step.kind, "settings": dict(step.settings)} for step in plans]


def _plans(data: Iterable[Any]) -> tuple[StepPlan, ...]:
    return tuple(StepPlan(str(step["kind"]), dict(step["settings"])) for step in data)


def _seconds(value: Any) -> int:
    """A duration of a snapshot; raises TypeError or ValueError where it is none that a job file can hold."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is no number of seconds")
    if not 0 <= value <= SECONDS_MOST:
        raise ValueError(f"{value} is not between 0 and {SECONDS_MOST} seconds")
    return value
