"""An environment in few words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upsun_simulator.environment import Environment


def summary(environment: Environment) -> dict[str, Any]:
    """The few fields of an environment that an activity's payload carries."""
    return {
        "id": environment.id,
        "name": environment.id,
        "title": environment.title,
        "machine_name": environment.machine_name,
        "type": environment.type,
    }
