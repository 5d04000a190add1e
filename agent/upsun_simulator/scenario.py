"""How the simulated platform behaves: durations, outcomes, permissions."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

from upsun_simulator.advisory import check as check_advisories
from upsun_simulator.history import Breaks
from upsun_simulator.updates import check_paths

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
Product = Literal["flex", "fixed"]
FixedPlan = Literal["professional", "enterprise", "elite"]
BlobEncoding = Literal["base64", "utf-8"]
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
    "product": get_args(Product),
    "fixed_plan": get_args(FixedPlan),
    "blob_encoding": get_args(BlobEncoding),
    **dict.fromkeys(ENDINGS, get_args(Ending)),
}
SOURCES = ("storage", "instance", "tmp", "temporary", "service", "local")
# Environments of Upsun Fixed that are not production keep so many manual backups, on every plan.
FIXED_PREVIEW_BACKUPS = 2
DAY = 86_400
# Longer than any test, and short enough for the arithmetic of dates.
MOST = 1_000_000_000
FIRST_STATUS, LAST_STATUS = 200, 599
UNCHANGEABLE = ("project", "environment", "owner_token", "product", "fixed_plan", "lock_files", "lock_file_bytes")


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One set of behaviours; an operation keeps those from the time of its request."""

    #: The API token of the machine user.
    token: str = "simulated-token"  # noqa: S105 - an invented token for an invented platform
    #: An API token of the project's owner; empty: there is none.
    owner_token: str = "simulated-owner-token"  # noqa: S105 - an invented one too
    #: How old the machine user's token is at the start.
    token_age_seconds: float = 30 * DAY
    #: The id of the project.
    project: str = "abcdefgh1234z"
    #: The id of the production environment.
    environment: str = "main"
    #: The product of the project. On Upsun Fixed settings, mounts, links and limits are those of the plan.
    product: Product = "flex"
    #: The plan of a project on Upsun Fixed: only the larger two have source operations, and crons every minute.
    fixed_plan: FixedPlan = "professional"
    #: How long a backup takes.
    backup_seconds: float = 20
    #: How long an activity waits before it may begin.
    queue_seconds: float = 0
    #: How long a source operation takes, without the deployment.
    source_operation_seconds: float = 15
    #: How long a deployment takes.
    deploy_seconds: float = 20
    #: How long a commit takes to come back through a source integration.
    integration_seconds: float = 10
    #: How long the platform's own activities take.
    housekeeping_seconds: float = 5
    #: How long a synchronization takes, before the deployment in the same activity.
    sync_seconds: float = 20
    #: How long a merge takes, before the deployment in the same activity.
    merge_seconds: float = 10
    #: How long a restore takes.
    restore_seconds: float = 40
    #: How long a runtime operation takes.
    operation_seconds: float = 5
    #: How long a task takes.
    task_seconds: float = 10
    #: How long it takes to branch an environment.
    branch_seconds: float = 30
    #: How long it takes to activate, pause or resume an environment.
    switch_seconds: float = 10
    #: What becomes of a backup; `unrestorable` and `missing` succeed as activities, and leave a backup that cannot be
    #: restored, or none.
    backup_outcome: BackupOutcome = "success"
    #: What becomes of the source operation `update`.
    update_outcome: UpdateOutcome = "commit"
    #: The lock files of the project, as paths that end with a known name: `composer.lock`, `package-lock.json`,
    #: `yarn.lock`, `pnpm-lock.yaml`, `requirements.txt`, `uv.lock` or `Gemfile.lock`.
    lock_files: tuple[str, ...] = ("composer.lock", "package-lock.json")
    #: What the commit of the source operation `update` changes in them: `[PATH: ]NAME FROM -> TO` each, with `none` for
    #: no version; what they begin with is there from the start. Once all are made, or without any, packages that are
    #: there get higher versions.
    package_changes: tuple[str, ...] = ()
    #: How many packages get higher versions then.
    raised_packages: int = 5
    #: How many of them get the next major version.
    raised_majors: int = 0
    #: How many bytes each lock file has at least.
    lock_file_bytes: int = 0
    #: The security advisories that the stand-in for OSV has: `ID TYPE:NAME SINCE FIXED SEVERITY` each, such as
    #: `GHSA-aaaa-bbbb-cccc composer:drupal/core 11.0.0 11.2.5 high`, with `none` where no version fixes it.
    advisories: tuple[str, ...] = ()
    #: How many advisories a page of its answers has at most.
    advisories_page_size: int = 1000
    #: How a deployment ends.
    deploy_outcome: DeployOutcome = "success"
    #: How the source operation `revert` ends; what it commits breaks no site.
    revert_outcome: Ending = "success"
    #: How a synchronization ends.
    sync_outcome: Ending = "success"
    #: How a merge ends.
    merge_outcome: Ending = "success"
    #: How a restore ends.
    restore_outcome: Ending = "success"
    #: How a runtime operation ends.
    operation_outcome: Ending = "success"
    #: How a task ends.
    task_outcome: Ending = "success"
    #: How an activation ends.
    activate_outcome: Ending = "success"
    #: How the commit of a source operation is deployed: `follows`, by a separate `environment.push`; `inclusive`, by
    #: the source operation's own activity, which lasts until the deployment is done.
    deploy_mode: DeployMode = "follows"
    #: What a synchronization does with code where the environment has commits of its own: it merges, as the official
    #: CLI's help says, or leaves them alone, as the official document says.
    unmerged_sync: UnmergedSync = "merge"
    #: Whether what changes an environment only stages the change.
    manual_deployment: bool = False
    #: What waits then: `own`, the activity that makes the change; `push`, an `environment.push` behind it.
    staging: Staging = "own"
    #: Types of activities, without `environment.`, whose command ends with exit code 1, or `TYPE=CODE`, although the
    #: result is success.
    failing_commands: tuple[str, ...] = ()
    #: For how long each activity is put off once, in the state `scheduled`, when its turn comes; 0: not at all.
    reschedule_seconds: float = 0
    #: The state of an activity that ended: another word for it stands for a later API.
    final_state: str = "complete"
    #: Whether the project can deploy without interruption.
    rolling_deployments: bool = True
    #: Whether commits go outside and come back as a push; only then the head moves.
    source_integration: bool = False
    #: Whether what is requested while a cron runs on the environment waits until that cron has ended.
    crons_hold_others: bool = True
    #: Whether a backup that was cancelled stays in the list of backups, as one that cannot be restored.
    cancelled_backups_listed: bool = False
    #: How many manual backups the platform keeps; on Upsun Fixed those of production.
    backup_limit: int = 4
    #: The machine user's role on production; None: no access. It holds until somebody changes it by the API.
    role: Role | None = "admin"
    #: The machine user's role on staging and development; None: no access.
    other_role: Role | None = "admin"
    #: The machine user's role on the project; an admin is admin of everything.
    project_role: ProjectRole = "viewer"
    #: Whether a bearer of a token that was made without a second factor is refused.
    mfa_required: bool = False
    #: How it is refused: by a challenge to log in again (401, RFC 9470), or by 403.
    mfa_refusal: MfaRefusal = "step-up"
    #: Whether the machine user's account has a second factor.
    mfa_enabled: bool = False
    #: Whether the machine user's token was made with one.
    token_mfa: bool = False
    #: Whether the bearer of an API token may create and delete API tokens.
    tokens_manage_tokens: bool = False
    #: How long a certificate is valid, in seconds.
    ssh_certificate_seconds: int = 3600
    #: Principals of certificates besides the user's own.
    ssh_principals: tuple[str, ...] = ()
    #: The status of the production environment.
    status: Status = "active"
    #: The source operations that are defined: `name` or `app:name`.
    source_operations: tuple[str, ...] = ("update",)
    #: The runtime operations that are defined: `name` or `app:name`, with `=role` behind where it takes another role
    #: than contributor.
    runtime_operations: tuple[str, ...] = ("app:clear-cache",)
    #: The names of the tasks that are defined.
    tasks: tuple[str, ...] = ()
    #: The type of environment on which the site fails once the commit of an update is deployed there.
    update_breaks_site: Breaks = "never"
    #: The status that the site answers with.
    site_status: int = 200
    #: Whether the site is down during a deployment; else the old deployment serves until the new one is ready.
    site_down_while_deploying: bool = False
    #: The schedule of the app's cron.
    cron_spec: str = "*/5 * * * *"
    #: The command of the app's cron.
    cron_command: str = ".upsun-agent/bin/upsun-agent tick"
    #: The mounts of the app: `path=source`.
    mounts: tuple[str, ...] = ("var/agent=storage",)
    #: How an unknown or revoked API token is refused: by 400, or by 401 with a hint.
    refused_token: RefusedToken = "invalid_grant"  # noqa: S105 - the name of a form, not a secret
    #: How long an access token is valid, in seconds.
    bearer_seconds: int = 900
    #: How late lists of activities show a new one.
    list_lag_seconds: float = 0
    #: How late a new activity and its log can be read (404 until then).
    activity_lag_seconds: float = 0
    #: How late a new backup can be read.
    backup_lag_seconds: float = 0
    #: How late a new commit can be read (404 until then).
    commit_lag_seconds: float = 0
    #: How the content of a file is written where it is text; other files are always written in Base64.
    blob_encoding: BlobEncoding = "base64"
    #: How late a change of a variable can be read.
    variable_lag_seconds: float = 0
    #: How late an environment shows its commits, backups and deployments.
    environment_lag_seconds: float = 0
    #: How long the current deployment cannot be read after each deployment (404 until then).
    deployment_lag_seconds: float = 0
    #: How many items a page of a list has at most.
    page_size: int = 10
    #: Whether links name the regional host.
    regional_links: bool = True
    #: The regional host that links name: another listener of the same simulator can be it.
    region_url: str = "https://eu-5.platform.sh"
    #: Whether the links of an environment are absent while an activity runs on it.
    links_vanish_when_busy: bool = False
    #: Names of links that are missing everywhere.
    absent_links: tuple[str, ...] = ()
    #: Names of links that are missing from the list of environments only.
    absent_list_links: tuple[str, ...] = ()
    #: How long every answer takes, in seconds.
    latency_seconds: float = 0
    #: How many apps a deployment in an activity's payload has at least. With 3 apps, 4 services, 2 workers and 20
    #: routes a page of 50 pushes has more than 2 MB.
    apps: int = 1
    #: How many services it has at least.
    services: int = 0
    #: How many workers it has at least.
    workers: int = 0
    #: How many routes it has at least.
    routes: int = 0
    #: How many bytes the log of a deployment has at least.
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
        check_advisories(self.advisories)
        check_paths(self.lock_files, self.package_changes)
        for mount in self.mounts:
            if mount.partition("=")[2] not in SOURCES:
                raise ValueError(f"the mount {mount!r} is not PATH=SOURCE with one of {', '.join(SOURCES)}")

        for text in self.failing_commands:
            if text.partition("=")[2].strip("0123456789"):
                raise ValueError(f"the failing command {text!r} is not TYPE or TYPE=CODE")

    @property
    def is_fixed(self) -> bool:
        """Return whether the project is on Upsun Fixed."""
        return self.product == "fixed"

    @property
    def has_larger_plan(self) -> bool:
        """Return whether there are source operations, crons every minute and rolling deployments, as on all of Flex."""
        return not self.is_fixed or self.fixed_plan != "professional"

    def backups_kept(self, environment_type: str) -> int:
        """Return how many manual backups an environment of that type keeps."""
        preview = self.is_fixed and environment_type != "production"
        return min(self.backup_limit, FIXED_PREVIEW_BACKUPS) if preview else self.backup_limit

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
            if name in UNCHANGEABLE and value != getattr(self, name):
                raise ValueError(f"{name!r} cannot change while the simulator runs")
        return dataclasses.replace(self, **changes)


def _check_roles(operations: tuple[str, ...]) -> None:
    """Raise an error for a runtime operation with an unknown role."""
    for operation in operations:
        role = operation.partition("=")[2]
        if role and role not in get_args(Role):
            raise ValueError(f"the runtime operation {operation!r} needs one of the roles {', '.join(get_args(Role))}")


def _check_like(field: dataclasses.Field[Any], value: object) -> None:
    """Check a field against the type of its default, since scenarios also come from JSON."""
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
