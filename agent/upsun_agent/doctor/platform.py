"""Findings from the API: token, roles, links, variable, crons, mounts, quota, and more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from upsun_agent.access.token_status import AGAIN, Standing
from upsun_agent.api.client import Client
from upsun_agent.api.models import read_environment, read_list, read_manual_limits
from upsun_agent.api.people import People
from upsun_agent.api.replies import Fields
from upsun_agent.api.variables import Variables
from upsun_agent.clock import Clock
from upsun_agent.doctor import Finding, Level
from upsun_agent.doctor.crons import CronCase, cli_crons, crons
from upsun_agent.doctor.quota import quota
from upsun_agent.doctor.stored_token import stored_token
from upsun_agent.engine.guards import PLAN, unoffered
from upsun_agent.errors import AgentError, NotPermitted
from upsun_agent.log.foreign_text import one_line
from upsun_agent.model.answers import Backup, Environment, Rights
from upsun_agent.model.durations import span
from upsun_agent.model.job import Job
from upsun_agent.model.resource_paths import environment_path, project_path
from upsun_agent.platform.product import Product, product_of
from upsun_agent.steps import KINDS

#: An environment that is dirty is active and has an activity in progress.
RUNNING = frozenset({"active", "dirty"})
#: Sources of mounts that outlive a container
#: (https://developer.upsun.com/docs/configure-apps/image-properties/mounts; local is the older name).
PERSISTENT = frozenset({"storage", "local", "service"})
SKEW_MOST = timedelta(seconds=60)
#: Integrations that bring the code from elsewhere (https://developer.upsun.com/docs/integrations/source).
SOURCES = frozenset({"github", "gitlab", "bitbucket", "bitbucket_server"})


class Platform(Struct, frozen=True, dict=True):  # a cached property needs a __dict__
    """One environment seen through one token, for the jobs of one job file.

    ``directory`` is the state directory where it lies in the app's (``app_dir``), ``app`` the app that the cron belongs
    to, ``last_tick`` when the state's last tick was, in seconds since 1970, where that is known, ``kind`` the
    environment's type as the container says it, ``variable`` the token's. ``own_backups`` are the backups that runs in
    the journal took.
    """

    #: The client of the API.
    client: Client
    #: The id of the project.
    project: str
    #: The id of the environment.
    environment: str
    #: The app that the cron belongs to; None if it is not known.
    app: str | None
    #: The directory of the app; None outside of containers.
    app_dir: str | None
    #: The environment type as the container says it; None if it does not.
    kind: str | None
    #: The jobs of the job file.
    jobs: Sequence[Job]
    #: The state directory; None if it is not in the app's directory.
    directory: str | None
    #: When the last tick was, in seconds since 1970; None if that is not known.
    last_tick: int | None
    #: Whether the state that ticks on this environment write can be read from here.
    knows_ticks: bool
    #: The name of the variable that holds the API token.
    variable: str
    #: The clock.
    clock: Clock
    #: The names of backups that runs in the journal took.
    own_backups: frozenset[str] = frozenset()
    #: The product of the container, by its files; None if it is not known.
    container_product: Product | None = None

    @cached_property
    def _read(self) -> tuple[Any, datetime]:
        return self.client.environment_document(self.project, self.environment)

    @cached_property
    def _seen(self) -> Environment:
        return replace(read_environment(*self._read), is_pr=self._is_pull_request)

    @property
    def _raw(self) -> Fields:
        return Fields.of(self._read[0], "environment")

    @cached_property
    def _apps(self) -> Mapping[str, Any]:
        found = Fields.of(self.client.read(self._path("/deployments/current"), "deployment"), "deployment")
        return found.object("webapps")

    @cached_property
    def _settings(self) -> Mapping[str, Any]:
        return Fields.of(self.client.read(project_path(self.project, "/settings"), "settings"), "settings").data

    @cached_property
    def _product(self) -> Product | None:
        """The product that the settings name, or else that of the container."""
        try:
            return product_of(code=self._settings.get("product_code")) or self.container_product
        except AgentError:
            return self.container_product

    def _path(self, end: str) -> str:
        return environment_path(self.project, self.environment, end)

    @property
    def _here(self) -> list[Job]:
        """The jobs that run on this type of environment."""
        return [job for job in self.jobs if job.runs_on(self._seen.type)]

    def findings(self, standing: Standing, max_age: timedelta) -> Iterator[Finding]:
        """Yield all findings; a part that cannot be read becomes a warning.

        If the environment cannot be read, that is the only finding.

        Args:
            standing: the status of the token.
            max_age: the age at which the token should be rotated.
        """
        try:
            _ = self._seen
        except AgentError as error:
            for text, remedy in standing.without_access():
                code = (standing.roles_unread or NotPermitted()).exit_code
                yield Finding("roles", Level.FAIL, text, remedy, code)
            yield Finding("environment", Level.FAIL, f"cannot be read: {error}", error.remedy or AGAIN, error.exit_code)
            return
        looks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
            ("product", self._which_product),
            ("clock", self._clock),
            ("environment", self._environment),
            ("roles", lambda: self._roles(standing)),
            ("token age", lambda: self._age(standing, max_age)),
            ("operations", self._links),
            ("operation", self._operations),
            ("variable", self._variable),
            ("cron", self._crons),
            ("mount", self._mounts),
            ("backup quota", self._quota),
            ("deployment type", self._deployment_type),
            ("source integration", self._integrations),
        )
        for name, look in looks:
            try:
                for finding in look():  # findings quote texts of the API
                    yield replace(finding, message=one_line(finding.message))
            except AgentError as error:
                yield Finding(name, Level.WARN, f"cannot be read: {error}", error.remedy or AGAIN)

    # --- where we are -----------------------------------------------------------------------------------------

    def _which_product(self) -> Iterator[Finding]:
        """Yield a finding on Fixed only: Flex is what the other findings speak of."""
        if self._product == "fixed":
            yield Finding("product", Level.OK, "Upsun Fixed (docs/how-to/fixed.md says what is different there)")

    def _clock(self) -> Iterator[Finding]:
        skew = abs(self._seen.server_at - self.clock.now())
        if skew > SKEW_MOST:
            text = f"this clock and the platform's differ by {span(skew)}: slots run early or late"
            yield Finding("clock", Level.WARN, text, "set this machine's clock")
        else:
            yield Finding("clock", Level.OK, f"{span(skew)} from the platform's")

    def _environment(self) -> Iterator[Finding]:
        seen = self._seen
        if seen.status not in RUNNING:
            text = f"{seen.id} is {seen.status}: backups and updates need an active environment"
            helps = {"paused": "upsun environment:resume", "inactive": "upsun environment:activate"}
            remedy = helps.get(seen.status, "run the jobs on another environment")
            yield Finding("environment", Level.FAIL if self._here else Level.WARN, text, remedy)
        elif not self._here:
            yield Finding("environment", Level.OK, f"{seen.id} is {seen.type}: no job of the job file runs here")
        else:
            names = ", ".join(job.name for job in self._here)
            yield Finding("environment", Level.OK, f"{seen.id} is {seen.type}, {seen.status}; jobs: {names}")
        if self.kind is not None and self.kind != seen.type:
            text = f"the container's type is {self.kind}, the API's {seen.type}: jobs only run if both agree"
            yield Finding("environment", Level.WARN, text, "redeploy to set the new type in the container")
        if self._is_pull_request and self._uses("source-operation"):
            text = f"{seen.id} is the environment of a pull request: source operations are refused there"
            yield Finding("environment", Level.WARN, text, "run such jobs elsewhere (environment-types)")

    @property
    def _is_pull_request(self) -> bool:
        return self._raw.data.get("is_pr") is True

    # --- token and roles --------------------------------------------------------------------------------------

    def _roles(self, standing: Standing) -> Iterator[Finding]:
        for text, remedy in standing.without_access():
            yield Finding("roles", Level.WARN, text, remedy)  # the offered links below show what the user may do
        if standing.roles is None:
            return
        missing = standing.missing_roles(self.jobs)
        here = f"{self._seen.type}:admin" in missing and bool(self._here)
        if missing:
            text = f"{standing.roles}: jobs need {' and '.join(missing)} (viewers and contributors cannot take backups)"
            remedy = standing.grant_remedy(missing)
            yield Finding("roles", Level.FAIL if here else Level.WARN, text, remedy, NotPermitted.exit_code)
        broad = standing.of_breadth(self.jobs)
        for text, remedy in broad:
            yield Finding("roles", Level.WARN, text, remedy)
        if not missing and not broad:
            yield Finding("roles", Level.OK, str(standing.roles))

    def _age(self, standing: Standing, max_age: timedelta) -> Iterator[Finding]:
        found = standing.of_age(max_age)
        for text, remedy in found:
            yield Finding("token age", Level.WARN, text, remedy)
        token = standing.likely
        if not found and token is not None and token.created_at is not None:
            days = (standing.now - token.created_at).days
            text = f"'{token.name or token.id}' is {days} days old (max-token-age is {max_age.days})"
            yield Finding("token age", Level.OK, text)

    def _links(self) -> Iterator[Finding]:
        for kind in KINDS.values():
            if kind.way != "request" or not kind.permission_link or not self._uses(kind.name):
                continue
            if self._seen.status not in RUNNING or (kind.name == "source-operation" and self._is_pull_request):
                continue  # reported above: the link is absent there for every role
            if kind.link in self._seen.links:
                yield Finding(kind.name, Level.OK, f"the platform offers {kind.link}")
            elif self._seen.is_dirty:
                text = f"{kind.link} is not offered while an activity runs: check again later"
                yield Finding(kind.name, Level.WARN, text)
            else:
                reason = unoffered(replace(self._seen, rights=self._rights), kind)
                code = reason.failure.exit_code
                plan = kind.name == "source-operation" and reason.failure == "permission" and self._product == "fixed"
                remedy = f"{reason.remedy}; or the plan has none: {PLAN}" if plan else reason.remedy
                yield Finding(kind.name, Level.FAIL, reason.message, remedy, code)

    @cached_property
    def _rights(self) -> Rights:
        """Return what the API tells about the reason for a missing link."""
        return People(self.client).rights(self.project, self._seen.type)

    def _uses(self, kind: str) -> bool:
        """Return whether a job that runs here has a step of this kind for this environment."""
        steps = [step for job in self._here for step in (*job.steps, *job.on_failure)]
        return any(step.kind == kind and step.environment(self.environment) == self.environment for step in steps)

    # --- what the project defines -----------------------------------------------------------------------------

    def _operations(self) -> Iterator[Finding]:
        steps = [step for job in self._here for step in (*job.steps, *job.on_failure)]
        here = [step for step in steps if step.environment(self.environment) == self.environment]
        wanted = sorted({step.settings["name"] for step in here if step.kind == "source-operation"})
        if not wanted:
            return
        defined = self.client.source_operations(self.project, self.environment)
        for name in wanted:
            apps = sorted(app for app, operation in defined if operation == name)
            if apps:
                yield Finding("operation", Level.OK, f"{name} is defined by {', '.join(apps)}")
            else:
                known = ", ".join(sorted({operation for _, operation in defined})) or "none"
                text = f"no app defines {name} (defined: {known})"
                remedy = f"define it: applications.APP.source.operations.{name} in .upsun/config.yaml"
                yield Finding("operation", Level.FAIL, text, remedy)

    def _variable(self) -> Iterator[Finding]:
        yield from stored_token(Variables(self.client, self.project, self.environment), self.variable, self.app)

    def _crons(self) -> Iterator[Finding]:
        deployment = _object(self._raw.data, "deployment_state")
        case = CronCase(
            apps=self._apps,
            state=_object(deployment, "crons"),
            environment=self.environment,
            has_jobs=bool(self._here),
            has_schedule=any(job.schedule for job in self._here),
            app_dir=self.app_dir,
            knows_ticks=self.knows_ticks,
            last_tick=self.last_tick,
            deployed_at=self._seen.deployment.at if self._seen.deployment is not None else None,
            now=self.clock.now(),
            minimum=self._cron_minimum,
        )
        yield from crons(case)
        yield from cli_crons(self._apps, self.app_dir)

    @property
    def _cron_minimum(self) -> int | None:
        """The fewest minutes between two starts of a cron; None where plans do not differ."""
        found = self._settings.get("cron_minimum_interval") if self._product == "fixed" else None
        return found if isinstance(found, int) else None

    def _mounts(self) -> Iterator[Finding]:
        root = f"{(self.app_dir or '').rstrip('/')}/"
        if self.directory is None or root == "/" or not self.directory.startswith(root):
            return
        mounts = {
            str(path).strip("/"): _object(_object(definition, "mounts"), path)
            for app, definition in self._apps.items()
            if self.app == app or self.app not in self._apps
            for path in _object(definition, "mounts")
            # The platform ignores those (https://developer.upsun.com/docs/configure-apps/image-properties/mounts).
            if not str(path).startswith(".")
        }
        inside = self.directory.removeprefix(root).strip("/")
        around = [each for each in mounts if inside == each or inside.startswith(f"{each}/")]
        mount = max(around, key=len, default=None)
        if mount is None:
            text = f"{self.directory} is not on a mount: it does not exist, or every deployment deletes it"
            yield Finding("mount", Level.FAIL, text, "declare a mount of source 'storage' for it", 73)
        elif (source := str(mounts[mount].get("source"))) not in PERSISTENT:
            text = f"{self.directory} is on a mount of source '{source}', which may be deleted"
            yield Finding("mount", Level.WARN, text, "use one of source 'storage'")
        else:
            yield Finding("mount", Level.OK, f"{self.directory} is on the mount {mount} ({source})")

    def _quota(self) -> Iterator[Finding]:
        if not self._uses("backup"):
            return
        limit = read_manual_limits(self._settings).get(self._seen.type)
        manual = [each for each in self.client.backups(self.project, self.environment) if not each.automated]
        others = sum(not self._took(each) for each in manual)
        yield quota(limit, len(manual), others, self._here, self._product)

    def _took(self, backup: Backup) -> bool:
        """Return whether a run took the backup, according to the journal."""
        return backup.id in self.own_backups

    def _deployment_type(self) -> Iterator[Finding]:
        settings = Fields.of(self.client.read(self._path("/settings"), "settings"), "settings")
        if settings.data.get("enable_manual_deployments") is True:
            waiting = ", and changes are staged now" if self._seen.has_staged_activities else ""
            text = f"deployments are manual: the commit of an update is staged until someone deploys it{waiting}"
            yield Finding("deployment type", Level.WARN, text, "upsun environment:deploy after the run")
        else:
            yield Finding("deployment type", Level.OK, "automatic")

    def _integrations(self) -> Iterator[Finding]:
        try:
            found = self.client.read(project_path(self.project, "/integrations"), "integrations")
        except NotPermitted:
            text = "not checked: only project admins see integrations"
            yield Finding("source integration", Level.OK, text)
            return
        kinds = [Fields.of(each, "integration").text("type") for each in read_list(found, "integrations")]
        sources = sorted(SOURCES.intersection(kinds))
        if sources and self._uses("source-operation"):
            text = f"the code comes from {', '.join(sources)}: an update is pushed there and deployed from there later"
            yield Finding("source integration", Level.OK, text)
        else:
            yield Finding("source integration", Level.OK, ", ".join(sources) or "none")


def _object(value: Any, name: str) -> Mapping[str, Any]:
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}
