"""How the simulated platform behaves: durations, outcomes, permissions."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

from upsun_simulator.history import Breaks

BackupOutcome = Literal["success", "failure", "cancelled", "unrestorable", "missing"]
UpdateOutcome = Literal["commit", "no-commit", "failure", "cancelled"]
DeployOutcome = Literal["success", "failure"]
Ending = Literal["success", "failure", "cancelled"]
UnmergedSync = Literal["merge", "refuse"]
DeployMode = Literal["follows", "inclusive"]
Role = Literal["admin", "contributor", "viewer"]
ProjectRole = Literal["admin", "viewer"]
MfaRefusal = Literal["step-up", "forbidden"]
Status = Literal["active", "inactive", "paused", "dirty", "deleting"]
Staging = Literal["own", "push"]
RefusedToken = Literal["invalid_grant", "request_unauthorized"]

REGION = "eu-5.platform.sh"
ENDINGS = (
    "revert_outcome",
    "sync_outcome",
    "merge_outcome",
    "restore_outcome",
    "operation_outcome",
    "task_outcome",
    "activate_outcome",
)
CHOICES: dict[str, tuple[Any, ...]] = {
    "backup_outcome": get_args(BackupOutcome),
    "update_outcome": get_args(UpdateOutcome),
    "deploy_outcome": get_args(DeployOutcome),
    "deploy_mode": get_args(DeployMode),
    "unmerged_sync": get_args(UnmergedSync),
    "role": (*get_args(Role), None),
    "other_role": (*get_args(Role), None),
    "project_role": get_args(ProjectRole),
    "mfa_refusal": get_args(MfaRefusal),
    "status": get_args(Status),
    "staging": get_args(Staging),
    "refused_token": get_args(RefusedToken),
    "update_breaks_site": get_args(Breaks),
    **dict.fromkeys(ENDINGS, get_args(Ending)),
}
SOURCES = ("storage", "instance", "tmp", "temporary", "service", "local")
DAY = 86_400
# Longer than any test, and short enough for the arithmetic of dates.
MOST = 1_000_000_000
FIRST_STATUS, LAST_STATUS = 200, 599
FIXED = ("project", "environment", "owner_token")


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One set of behaviours; an operation keeps those that held when it was asked for.

    `backup_outcome`: `unrestorable` and `missing` succeed as activities, and leave a backup that cannot
    be restored or none at all. `deploy_mode`: with `follows` the commit of a source operation causes a
    separate `environment.push`; with `inclusive` the source operation's own activity lasts until the
    deployment is done. With `manual_deployment` what changes an environment only stages the change: with the
    `staging` own the activity that makes it (a push, a source operation, a merge, a synchronization, a change of a
    variable) ends in the state `staged`; with push a source operation, a merge and a synchronization complete, and
    an `environment.push` is staged behind them. With `source_integration` the commit
    goes outside and comes back `integration_seconds` later as a push, and only then does the head move.
    `role` is the machine user's on production, `other_role` on staging and development; with the
    `project_role` admin it is admin of everything. The roles hold until somebody changes them by the API.
    `owner_token` is an API token of the project's owner; "" means that there is none.
    With `mfa_required` a bearer of a token that was made without MFA is refused: by a challenge to log in
    again (401, RFC 9470), or by 403, as `mfa_refusal` says. `mfa_enabled` is the machine user's account,
    `token_mfa` its token. An API token that is unknown or revoked is refused in one of two forms, as `refused_token`
    says: by 400, or by 401 with a hint. `tokens_manage_tokens` lets the bearer of an API token create and delete
    API tokens.
    `mounts` are `path=source`, `source_operations` are `name` or `app:name`.
    `region_url` is the regional host that links name: another listener of the same simulator can be it.
    `absent_links` are missing everywhere, `absent_list_links` from the list of environments only.
    `runtime_operations` are `name` or `app:name`, with `=role` behind where it takes another role than contributor;
    `tasks` are names.
    A merge, and a synchronization, last for their own seconds and then for those of the deployment, in one
    activity. `unmerged_sync`: code is brought to an environment that has commits of its own by a merge, as the
    official CLI's help has it, or not at all, as the official document has it. `switch_seconds` is for
    activating, pausing and resuming. `revert_outcome` is that of the source operation named `revert`; what it
    commits breaks no site.
    `failing_commands` are types of activities, without `environment.`, whose command ends with exit code 1 (or
    `TYPE=CODE`) although the result is success. `reschedule_seconds`: an activity is put off once, in the state
    `scheduled`, when its turn comes. `final_state` is the state of an activity that ended, for a later API's word.
    The deployment in an activity's payload has at least so many `apps`, `services`, `workers` and `routes`, and the log
    of a deployment at least `log_bytes`. With 3, 4, 2 and 20 a page of 50 pushes has more than 2 MB.
    What is new is read late: `list_lag_seconds` for lists of activities, `activity_lag_seconds` for single
    activities and their logs (404 until then), `backup_lag_seconds` for backups, `variable_lag_seconds` for changes
    of variables, `environment_lag_seconds` for an environment's commits, backups and deployments,
    `deployment_lag_seconds` for the current deployment (404 so long after each deployment).
    The site answers with `site_status`. What an update commits shows itself broken on the type of environment
    that `update_breaks_site` names, once it is deployed there. `site_down_while_deploying`: else the old
    deployment serves until the new one is ready.
    """

    token: str = "simulated-token"  # noqa: S105 - an invented token for an invented platform
    owner_token: str = "simulated-owner-token"  # noqa: S105 - an invented one too
    token_age_seconds: float = 30 * DAY
    project: str = "abcdefgh1234z"
    environment: str = "main"
    backup_seconds: float = 20
    queue_seconds: float = 0
    source_operation_seconds: float = 15
    deploy_seconds: float = 20
    integration_seconds: float = 10
    housekeeping_seconds: float = 5
    sync_seconds: float = 20
    merge_seconds: float = 10
    restore_seconds: float = 40
    operation_seconds: float = 5
    task_seconds: float = 10
    branch_seconds: float = 30
    switch_seconds: float = 10
    backup_outcome: BackupOutcome = "success"
    update_outcome: UpdateOutcome = "commit"
    deploy_outcome: DeployOutcome = "success"
    revert_outcome: Ending = "success"
    sync_outcome: Ending = "success"
    merge_outcome: Ending = "success"
    restore_outcome: Ending = "success"
    operation_outcome: Ending = "success"
    task_outcome: Ending = "success"
    activate_outcome: Ending = "success"
    deploy_mode: DeployMode = "follows"
    unmerged_sync: UnmergedSync = "merge"
    manual_deployment: bool = False
    staging: Staging = "own"
    failing_commands: tuple[str, ...] = ()
    reschedule_seconds: float = 0
    final_state: str = "complete"
    rolling_deployments: bool = True
    source_integration: bool = False
    backup_limit: int = 4
    role: Role | None = "admin"
    other_role: Role | None = "admin"
    project_role: ProjectRole = "viewer"
    mfa_required: bool = False
    mfa_refusal: MfaRefusal = "step-up"
    mfa_enabled: bool = False
    token_mfa: bool = False
    tokens_manage_tokens: bool = False
    ssh_certificate_seconds: int = 3600
    ssh_principals: tuple[str, ...] = ()
    status: Status = "active"
    source_operations: tuple[str, ...] = ("update",)
    runtime_operations: tuple[str, ...] = ("app:clear-cache",)
    tasks: tuple[str, ...] = ()
    update_breaks_site: Breaks = "never"
    site_status: int = 200
    site_down_while_deploying: bool = False
    cron_spec: str = "*/5 * * * *"
    cron_command: str = ".upsun-agent/bin/upsun-agent tick"
    mounts: tuple[str, ...] = ("var/agent=storage",)
    refused_token: RefusedToken = "invalid_grant"  # noqa: S105 - the name of a form, not a secret
    bearer_seconds: int = 900
    list_lag_seconds: float = 0
    activity_lag_seconds: float = 0
    backup_lag_seconds: float = 0
    variable_lag_seconds: float = 0
    environment_lag_seconds: float = 0
    deployment_lag_seconds: float = 0
    page_size: int = 10
    regional_links: bool = True
    region_url: str = "https://eu-5.platform.sh"
    links_vanish_when_busy: bool = False
    absent_links: tuple[str, ...] = ()
    absent_list_links: tuple[str, ...] = ()
    latency_seconds: float = 0
    apps: int = 1
    services: int = 0
    workers: int = 0
    routes: int = 0
    log_bytes: int = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):  # from JSON
                value = tuple(value)
                object.__setattr__(self, field.name, value)
            if field.name in CHOICES:
                if value not in CHOICES[field.name]:
                    raise ValueError(f"{field.name} is {value!r}, not one of {CHOICES[field.name]}")
            else:
                _check_like(field, value)
        if not FIRST_STATUS <= self.site_status <= LAST_STATUS:
            raise ValueError(f"site_status is {self.site_status}, which is not a valid final HTTP status")
        _check_roles(self.runtime_operations)
        for mount in self.mounts:
            if mount.partition("=")[2] not in SOURCES:
                raise ValueError(f"the mount {mount!r} is not PATH=SOURCE with one of {', '.join(SOURCES)}")

        for text in self.failing_commands:
            if text.partition("=")[2].strip("0123456789"):
                raise ValueError(f"the failing command {text!r} is not TYPE or TYPE=CODE")

    @property
    def larger(self) -> bool:
        """Return whether deployments in payloads are those of a larger project."""
        return self.apps > 1 or any((self.services, self.workers, self.routes))

    def changed(self, **changes: Any) -> Scenario:
        """Return the same scenario with some fields changed, as a test or a control request names them."""
        known = {field.name for field in dataclasses.fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"a scenario has no field {name!r}")
            if name in FIXED and value != getattr(self, name):
                raise ValueError(f"{name!r} cannot change while the simulator runs")
        return dataclasses.replace(self, **changes)


def _check_roles(operations: tuple[str, ...]) -> None:
    """Refuse a runtime operation that asks for a role that there is not."""
    for operation in operations:
        role = operation.partition("=")[2]
        if role and role not in get_args(Role):
            raise ValueError(f"the runtime operation {operation!r} needs one of the roles {', '.join(get_args(Role))}")


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
