"""How the simulated platform behaves: durations, outcomes, permissions."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

BackupOutcome = Literal["success", "failure", "cancelled", "unrestorable", "missing"]
UpdateOutcome = Literal["commit", "no-commit", "failure", "cancelled"]
DeployOutcome = Literal["success", "failure"]
DeployMode = Literal["follows", "inclusive"]
Role = Literal["admin", "contributor", "viewer"]
Status = Literal["active", "inactive", "paused", "dirty", "deleting"]

CHOICES: dict[str, tuple[Any, ...]] = {
    "backup_outcome": get_args(BackupOutcome),
    "update_outcome": get_args(UpdateOutcome),
    "deploy_outcome": get_args(DeployOutcome),
    "deploy_mode": get_args(DeployMode),
    "role": (*get_args(Role), None),
    "other_role": (*get_args(Role), None),
    "status": get_args(Status),
}
# Longer than any test, and short enough for the arithmetic of dates.
MOST = 1_000_000_000
FIXED = ("project", "environment")


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One set of behaviours; an operation keeps those that held when it was asked for.

    `backup_outcome`: `unrestorable` and `missing` succeed as activities, and leave a backup that cannot
    be restored or none at all. `deploy_mode`: with `follows` the commit of a source operation causes a
    separate `environment.push`; with `inclusive` the source operation's own activity lasts until the
    deployment is done. `manual_deployment` only stages the commit. With `source_integration` the commit
    goes outside and comes back `integration_seconds` later as a push, and only then does the head move.
    `role` is the machine user's on production, `other_role` on staging and development.
    `absent_links` are missing everywhere, `absent_list_links` from the list of environments only.
    """

    token: str = "simulated-token"  # noqa: S105 - an invented token for an invented platform
    project: str = "abcdefgh1234z"
    environment: str = "main"
    backup_seconds: float = 20
    queue_seconds: float = 0
    source_operation_seconds: float = 15
    deploy_seconds: float = 20
    integration_seconds: float = 10
    housekeeping_seconds: float = 5
    backup_outcome: BackupOutcome = "success"
    update_outcome: UpdateOutcome = "commit"
    deploy_outcome: DeployOutcome = "success"
    deploy_mode: DeployMode = "follows"
    manual_deployment: bool = False
    source_integration: bool = False
    backup_limit: int = 4
    role: Role | None = "admin"
    other_role: Role | None = "admin"
    status: Status = "active"
    source_operations: tuple[str, ...] = ("update",)
    bearer_seconds: int = 900
    list_lag_seconds: float = 0
    page_size: int = 10
    regional_links: bool = True
    links_vanish_when_busy: bool = False
    absent_links: tuple[str, ...] = ()
    absent_list_links: tuple[str, ...] = ()
    latency_seconds: float = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in CHOICES:
                if value not in CHOICES[field.name]:
                    raise ValueError(f"{field.name} is {value!r}, not one of {CHOICES[field.name]}")
            else:
                _check_like(field, value)

    def changed(self, **changes: Any) -> Scenario:
        """The same scenario with some fields changed, as a test or a control request names them."""
        known = {field.name for field in dataclasses.fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"a scenario has no field {name!r}")
            if name in FIXED and value != getattr(self, name):
                raise ValueError(f"{name!r} cannot change while the simulator runs")
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()
        }
        return dataclasses.replace(self, **plain)


def _check_like(field: dataclasses.Field[Any], value: object) -> None:
    """Hold a field to the type of its default, since scenarios also arrive as JSON."""
    default = field.default
    if isinstance(default, tuple):
        right = isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    elif isinstance(default, bool | str):
        right = isinstance(value, type(default))
    else:
        kinds = int if field.type == "int" else int | float
        right = isinstance(value, kinds) and not isinstance(value, bool) and 0 <= value <= MOST
    if not right:
        raise ValueError(f"{field.name} is {value!r}, which is not like {default!r}")
