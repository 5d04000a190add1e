"""The API client: it retries reads after temporary faults, and sends requests that change something exactly once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from msgspec.structs import replace

from upsun_agent.api import models
from upsun_agent.api.attempts import repeated
from upsun_agent.api.auth import Auth
from upsun_agent.api.endpoints import Endpoints
from upsun_agent.api.errors import UNSURE, Meaning, classify, error_words, not_the_apis, refusal, settings_named
from upsun_agent.api.http import NoAnswer, Reply, Transport
from upsun_agent.api.listing import activities
from upsun_agent.api.replies import Fields, dated, document, server_time
from upsun_agent.api.status import SUCCESS, StatusKind, kind_of
from upsun_agent.clock import Clock
from upsun_agent.errors import BadReply, Conflict, NotFound, Uncertain, Unreachable
from upsun_agent.limits import CERTIFICATE_MOST, REQUEST_DEADLINE, STRING_MOST_BYTES, TICK_BUDGET
from upsun_agent.model.answers import Activity, ActivityList, Backup, Environment
from upsun_agent.model.resource_paths import environment_path, project_path, segment

if TYPE_CHECKING:
    from upsun_agent.api.bearer_cache import BearerCache

INCOMPLETE = ("pending", "in_progress", "scheduled")


class OutOfTime(Unreachable):
    """The tick's budget leaves no time for another request."""


def _no_log(_: str) -> None:
    """Do nothing: the default for callers without a log."""


class Client:
    """The API with one token, for one tick or command.

    Args:
        transport: sends HTTP requests.
        endpoints: where the services are.
        token: the API token, or None.
        variable: where the token came from, for messages.
        clock: time.
        budget: seconds from now after which no request is started.
        hide: registers a secret value for redaction before it is used.
        cache: where bearers are kept between processes, if they are.
    """

    def __init__(
        self,
        transport: Transport,
        endpoints: Endpoints,
        token: str | None,
        *,
        variable: str = "UPSUN_CLI_TOKEN",
        clock: Clock,
        budget: float = TICK_BUDGET,
        hide: Callable[[str], None] = _no_log,
        cache: BearerCache | None = None,
    ) -> None:
        self._transport = transport
        self._endpoints = endpoints
        self._clock = clock
        self._hide = hide
        self._secrets: frozenset[str] = frozenset()
        #: the platform's clock in the last JSON answer to a read since ``begin``; None where none had a Date
        self.heard: datetime | None = None
        self.begin(budget)
        self._auth = Auth(
            token, endpoints.auth, self._post_form, clock.monotonic, variable, self._learn, cache=cache, wall=clock.now
        )

    def begin(self, budget: float) -> None:
        """Allow requests for that many seconds from now."""
        self._end = self._clock.monotonic() + budget
        self.heard = None

    @property
    def left(self) -> float:
        """Return the seconds in which requests may still be made."""
        return self._end - self._clock.monotonic()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Allow requests for that many seconds at most while the block lasts."""
        end = self._end
        self._end = min(end, self._clock.monotonic() + seconds)
        try:
            yield
        finally:
            self._end = end

    def _learn(self, secret: str) -> None:
        """Register a secret that logs and messages must not show."""
        self._hide(secret)
        if secret:
            self._secrets |= {secret}

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def environment(self, project: str, environment: str) -> Environment:
        """Return the environment with its links; raise NotFound that says whether project or environment is missing."""
        value, at = self.environment_document(project, environment)
        found = models.read_environment(value, at, environment_path(project, environment))
        return replace(models.about(found, environment, "environment"), is_pr=value.get("is_pr") is True)

    def environment_document(self, project: str, environment: str) -> tuple[Any, datetime]:
        """Return the environment as the API gives it, and the server's clock.

        Raise NotFound as ``environment`` does.
        """
        try:
            reply = self._get(environment_path(project, environment), "environment")
        except NotFound:
            self.project(project)  # raises NotFound for the project if that is what is missing
            remedy = "check --environment or PLATFORM_BRANCH: the id, such as 'main', not the machine name"
            raise NotFound(f"project {project} has no environment '{environment}'", remedy=remedy) from None
        value = document(reply, "environment")
        if isinstance(value, dict) and not value.get("_links"):
            raise BadReply("environment: the answer has no _links, which tell the permitted operations")
        return value, server_time(reply, self._clock.now())

    def project(self, project: str) -> Mapping[str, Any]:
        """Return the project; raise NotFound if the token's user cannot see it."""
        try:
            reply = self._get(project_path(project), "project")
        except NotFound:
            remedy = "check --project or PLATFORM_PROJECT, and that the token's user may see it"
            raise NotFound(f"there is no project '{project}' for this token", remedy=remedy) from None
        value = document(reply, "project")
        if not isinstance(value, dict):
            raise BadReply("project: the answer is not an object")
        return value

    def activity(self, project: str, activity: str) -> Activity | None:
        """Return the activity, or None if it does not exist."""
        try:
            reply = self._get(project_path(project, f"/activities/{segment(activity)}"), "activity")
        except NotFound:
            return None
        return models.about(models.read_activity(document(reply, "activity")), activity, "activity")

    def activities(
        self,
        project: str,
        environment: str,
        *,
        types: Iterable[str] = (),
        since: datetime | None = None,
        incomplete: bool = False,
    ) -> ActivityList:
        """Return activities of an environment (of the project if ``environment`` is empty), newest first.

        Back to ``since``, all that are ``incomplete``, or one page; ``ActivityList.complete`` says whether that is all.

        Args:
            project: the id of the project.
            environment: the id of the environment; empty: those of the project.
            types: the types that are asked for; none: every type.
            since: the oldest moment that is of interest; None: no limit.
            incomplete: whether only activities that have not ended are asked for.
        """
        where = environment_path(project, environment) if environment else project_path(project)
        wanted = list(types)
        query = [*(("type", each) for each in wanted), *(("state", each) for each in INCOMPLETE if incomplete)]

        def page(count: int, before: str | None) -> Reply:
            paging = [("count", str(count)), *([("starts_at", before)] if before else [])]
            return self._get(f"{where}/activities?{urlencode([*query, *paging])}", "activities")

        return activities(page, self._clock.now(), types=wanted, since=since, incomplete=incomplete)

    def backup(self, project: str, environment: str, backup: str) -> Backup | None:
        """Return the backup of that name, or None if it does not exist.

        Args:
            project: the id of the project.
            environment: the id of the environment.
            backup: the name of the backup.
        """
        try:
            reply = self._get(environment_path(project, environment, f"/backups/{segment(backup)}"), "backup")
        except NotFound:
            return None
        return models.about(models.read_backup(document(reply, "backup")), backup, "backup")

    def backups(self, project: str, environment: str) -> list[Backup]:
        """Return the environment's backups."""
        reply = self._get(environment_path(project, environment, "/backups"), "backups")
        return [models.read_backup(each) for each in models.read_list(document(reply, "backups"), "backups")]

    def source_operations(self, project: str, environment: str) -> list[tuple[str, str]]:
        """Return the source operations that the environment's apps define, as (app, name)."""
        reply = self._get(environment_path(project, environment, "/source-operations"), "source operations")
        items = [Fields.of(each, "operation") for each in models.read_list(document(reply, "operations"), "operations")]
        return [(each.text("app"), each.text("operation")) for each in items]

    def routes(self, project: str, environment: str) -> tuple[str, ...]:
        """Return the URLs of the environment's apps, the primary one first."""
        path = environment_path(project, environment, "/deployments/current")
        return models.read_routes(document(self._get(path, "deployment"), "deployment"))

    def page(self, url: str, within: float, *, body: bool = True) -> Reply:
        """Return the answer of a website: no bearer is sent, nothing is repeated, no redirect is followed.

        Without ``body`` its head is enough; else what of its body came in time, and within bounds.

        Args:
            url: the address of the page.
            within: the time limit, in seconds.
            body: whether the body is read; else the head is enough.

        Raises:
            NoAnswer: none came within so many seconds.
            OutOfTime: the tick's time leaves less than that.
        """
        if self.left < within + 1:
            raise OutOfTime("the tick's time is used up", remedy="the next tick continues")
        with settings_named():
            if body:
                return self._transport.some(url, headers={"Accept": "*/*"}, deadline=within)
            return self._transport.status("GET", url, headers={"Accept": "*/*"}, content=None, deadline=within)

    def manual_backup_limits(self, project: str) -> dict[str, int]:
        """Return how many manual backups the project keeps, by environment type, as far as the settings say."""
        reply = self._get(project_path(project, "/settings"), "settings")
        return models.read_manual_limits(document(reply, "settings"))

    def owner(self) -> str | None:
        """Return the id of the token's user; None if the bearer does not tell it."""
        known = self._auth.bearer().user
        if known is not None:
            return known
        value = document(self._get("/users/me", "user"), "user")
        user = value.get("id") if isinstance(value, dict) else None
        return user if isinstance(user, str) else None

    def certificate(self, public_key: str) -> str:
        """Return an SSH certificate for the public key line; the request can be repeated safely.

        Raises:
            NotPermitted: the platform gives none to this user, such as one who must use a second factor.
        """
        url, content = f"{self._endpoints.auth}/ssh", json.dumps({"key": public_key}).encode()
        reply = self._with_fresh_bearer(lambda: self._authorised("POST", url, content), "certificate")
        if kind_of(reply.status) in SUCCESS:
            return Fields.of(document(reply, "certificate"), "certificate").long_text("certificate", CERTIFICATE_MOST)
        raise refusal(reply, "certificate")

    # --- the two requests that change something ---------------------------------------------------------------

    def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Make one request at a link's path, exactly once (twice only where the API refused the first one's bearer).

        A 401 of the API says that it did not act, so the same request goes out once more with a new bearer.

        Raises:
            NoAnswer: it may or may not have been acted on.
            TokenMissing, TokenRefused, Unreachable, SettingsInvalid: nothing was sent.
        """
        return self._once("POST", path, body)

    def _once(self, method: str, path: str, body: Mapping[str, Any]) -> Reply:
        url, content = self._endpoints.at(path), json.dumps(body).encode()
        reply = self._authorised(method, url, content)
        if self._needs_new_bearer(reply) and classify(reply) is Meaning.TOKEN:
            reply = self._authorised(method, url, content)
        return reply

    def _needs_new_bearer(self, reply: Reply) -> bool:
        """Discard the bearer and return True if a new one may help; not if a second factor is missing."""
        refused = kind_of(reply.status) is StatusKind.UNAUTHORIZED
        needed = refused and classify(reply) is not Meaning.SECOND_FACTOR
        if needed:
            self._auth.forget()
        return needed

    def once(self, path: str) -> Reply:
        """Return the answer to one read, whatever its status; nothing is repeated."""
        return self._authorised("GET", self._endpoints.at(path), None)

    def read(self, path: str, what: str) -> Any:
        """Return the JSON document at a path of the API; ``what`` names it in errors."""
        return document(self._get(path, what), what)

    def write(self, method: str, path: str, body: Mapping[str, Any], what: str) -> Any:
        """Make one request that changes something, exactly once; return its JSON document or None.

        Args:
            method: the HTTP method.
            path: the path of the resource or operation.
            body: the fields of the request.
            what: what the request is for, in messages.

        Raises:
            Uncertain: no usable answer came; it may or may not have been acted on.
            Conflict: the API says that it is there already.
            NotPermitted, NotFound, BadReply: it was refused.
        """
        try:
            reply = self._once(method, path, body)
        except NoAnswer as error:
            if error.sent:
                raise Uncertain(f"{what}: {error}; it may or may not have been changed") from error
            raise Unreachable(f"{what}: {error}", remedy=self._endpoints.remedy(error.remedy)) from error
        meaning = classify(reply)
        if meaning is Meaning.DONE:
            try:
                return document(reply, what) if reply.body.strip() else None
            except BadReply as error:  # a sign-in page answers 200 too
                raise Uncertain(f"{error}; it may or may not have been changed") from error
        if meaning in UNSURE:
            said = not_the_apis(reply) if meaning is Meaning.UNUSABLE else f"the API answers {reply.status}"
            raise Uncertain(f"{what}: {said}; it may or may not have been changed")
        if meaning is Meaning.CONFLICT:
            raise Conflict(f"{what}: it exists already: {error_words(reply)}")
        raise refusal(reply, what)

    def cancel_activity(self, project: str, activity: str) -> None:
        """Cancel a running activity; a second request does no harm. Raise as ``write`` does."""
        self.write("POST", project_path(project, f"/activities/{segment(activity)}/cancel"), {}, "cancellation")

    def exchange(self) -> int:
        """Exchange the API token now, and return the lifetime of the new bearer in seconds."""
        return self._auth.renew().lifetime

    def prepare(self) -> None:
        """Get a bearer in advance, so that only the request itself can fail afterwards."""
        self._auth.bearer()

    def _get(self, path: str, what: str) -> Reply:
        """Return the reply of a successful read; raise one of our errors otherwise."""
        reply = self._with_fresh_bearer(lambda: self._authorised("GET", self._endpoints.at(path), None), what)
        if kind_of(reply.status) is StatusKind.OK:
            if "json" in reply.headers.get("content-type", ""):  # the page of a gateway has another clock
                self.heard = dated(reply) or self.heard
            return reply
        raise refusal(reply, what)

    def some(self, path: str, what: str, most: int, deadline: float) -> Reply:
        """Return what arrives in time of an answer that may not end; ``Reply.whole`` says whether it is complete.

        Args:
            path: the path.
            what: what the request is for, in messages.
            most: how many bytes are read at most.
            deadline: the time limit, in seconds.
        """

        def attempt() -> Reply:
            headers = {"Authorization": f"Bearer {self._auth.bearer().value}"}
            url, seconds = self._endpoints.at(path), max(min(deadline, self.left), 1.0)
            with settings_named():
                some = self._transport.some(url, headers=headers, most=most, deadline=seconds)
            return replace(some, secrets=self._secrets)

        reply = self._with_fresh_bearer(attempt, what)
        if kind_of(reply.status) is StatusKind.OK:
            return reply
        raise refusal(reply, what)

    def _with_fresh_bearer(self, attempt: Callable[[], Reply], what: str) -> Reply:
        """Return the reply of a request that changes nothing; use a new bearer if the first was refused."""
        reply = self._retried(attempt, what)
        return self._retried(attempt, what) if self._needs_new_bearer(reply) else reply

    def _post_form(self, url: str, content: bytes) -> Reply:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._retried(lambda: self._send("POST", url, headers, content), "token exchange")

    def _authorised(self, method: str, url: str, content: bytes | None) -> Reply:
        headers = {"Authorization": f"Bearer {self._auth.bearer().value}"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        return self._send(method, url, headers, content)

    def _send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> Reply:
        left = self.left
        if left <= 1:
            raise OutOfTime("the tick's time is used up", remedy="the next tick continues")
        deadline = min(REQUEST_DEADLINE, left)
        with settings_named():
            reply = self._transport.send(
                method, url, headers=headers, content=content, deadline=deadline, shorten=STRING_MOST_BYTES
            )
        return replace(reply, secrets=self._secrets)

    def _retried(self, attempt: Callable[[], Reply], what: str) -> Reply:
        """Return the reply of a request that changes nothing; retry after temporary faults."""
        return repeated(attempt, what, self._endpoints, self._clock, lambda: self.left)
