"""The step ``http-check``: check the answer of a page; retry as often as ``retries`` says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urljoin

from upsun_agent.engine.step import Done, Failed, Need, StepContext, Verdict
from upsun_agent.model.answers import Absent, LookAtPage, Page, Routes
from upsun_agent.model.events import StepOutcome
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import StepPlan
from upsun_agent.steps.common.kind import LookStep, StepDocs, StepProblem, on
from upsun_agent.steps.common.settings import StepSettings

if TYPE_CHECKING:
    from upsun_agent.steps.common.keys import (
        PAGE,
        PAGE_MOST,
        Duration,
        Field,
        ListOf,
        Number,
        Retries,
        RetryAfter,
        Text,
    )


class HttpCheckSettings(StepSettings, frozen=True, kw_only=True):
    """What the job file says of a check of a page."""

    url: Annotated[str | None, Field(PAGE, "The page to check.")] = None
    path: Annotated[
        str | None,
        Field(Text(r"/[^\s\x00-\x1f\x7f]*", "a path", 2000), "Or its path on the environment's primary route."),
    ] = None
    status: Annotated[tuple[int, ...], Field(ListOf(Number(100, 599)), "The HTTP statuses that count as success.")] = (
        200,
    )
    contains: Annotated[str | None, Field(Text(r"[^\x00]+", most=1000), "A text that the page must contain.")] = None
    within: Annotated[int, Field(Duration(1, PAGE_MOST), "How long it may take.")] = 10
    retries: Retries = 2
    retry_after: RetryAfter = 60


class HttpCheckStep(LookStep[HttpCheckSettings]):
    """Check a page: its status, its response time and its text."""

    name = "http-check"
    settings_type = HttpCheckSettings
    docs = StepDocs(
        about="Check that a page answers as expected.",
        notes="Asks for a page: `url`, or `path` on the environment's primary route. The request carries no token, "
        "follows no redirect, and has one time limit for everything. It is tried again as `retries` and `retry-after` "
        "say (twice, a minute apart).",
        example=('http-check = { path = "/health", contains = "ok", within = "5s", retries = 3 }',),
        done="The status is one of `status`, in time, and the body holds the text.",
        failures={
            FailureKind.CHECK_FAILED: "Another status, no answer in time, or the text is missing, after all retries.",
            FailureKind.NO_ROUTE: "The environment has no route that leads to an app.",
        },
    )
    retryable = frozenset({FailureKind.CHECK_FAILED})

    def problems(self, settings: HttpCheckSettings) -> Iterator[StepProblem]:
        """Yield a problem if it names two pages."""
        yield from super().problems(settings)
        if settings.url is not None and settings.path is not None:
            yield StepProblem("has url and path, of which one is enough")

    def must_name_environment(self, settings: HttpCheckSettings) -> bool:
        """Return whether the page belongs to an environment."""
        return settings.url is None

    def describe(self, plan: StepPlan) -> str:
        """Return the step in a few words for people."""
        settings = self.settings(plan)
        return f"check of {settings.url or settings.path or '/'}{on(plan)}"

    def look(self, case: StepContext) -> Verdict:
        """Return the verdict on the page's answer."""
        settings = self.settings(case.step.plan)
        url = settings.url
        if not url:
            routes = case.seen.get(case.look_at_routes())
            if isinstance(routes, Absent):
                text = f"{case.environment} is not deployed now, so there is no page to look at"
                return Failed(FailureKind.NO_DEPLOYMENT, text, doubtful=True)
            if not isinstance(routes, Routes):
                return Need(case.look_at_routes())
            if not routes.urls:
                text = f"{case.environment} has no route of an app, so there is no page to look at"
                return Failed(FailureKind.NO_ROUTE, text, doubtful=True)
            url = urljoin(routes.urls[0], settings.path or "/")
        contains = settings.contains or ""
        question = LookAtPage(url, settings.within, contains, case.step.retries)
        page = case.seen.get(question)
        if not isinstance(page, Page):
            return Need(question)
        if page.status is None:
            return Failed(FailureKind.CHECK_FAILED, f"{url} gave no answer: {page.fault}", _look(url))
        if page.status not in settings.status:
            text = f"{url} answered {page.status}, not {' or '.join(str(each) for each in settings.status)}"
            return Failed(FailureKind.CHECK_FAILED, text, _look(url))
        if not page.found and page.fault:
            text = f"{url} answered {page.status}, but its text cannot be read: {page.fault}"
            return Failed(FailureKind.CHECK_FAILED, text, _look(url))
        if not page.found:
            return Failed(
                FailureKind.CHECK_FAILED, f"{url} answered {page.status} without the text {contains!r}", _look(url)
            )
        text = f"{url} answered {page.status} in {page.seconds:.1f} s"
        return Done(StepOutcome.DONE, text, {"url": url, "status": page.status, "seconds": round(page.seconds, 3)})


def _look(url: str) -> str:
    return f"look at it: curl -i {url}"


KIND = HttpCheckStep()
