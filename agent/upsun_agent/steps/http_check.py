"""The step ``http-check``: a page must answer as it should. It asks again as often as ``retries`` says."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urljoin

from upsun_agent.engine.step import Done, Failed, Need, StepContext, Verdict
from upsun_agent.model.answers import Absent, LookAtPage, Page, Routes
from upsun_agent.model.job import StepPlan
from upsun_agent.steps.request import on

WITHIN = 10  # seconds, where the job file says none


class HttpCheckStep:
    """Look at a page: its status, how long it takes, and what it says."""

    way: Literal["look"] = "look"
    passes_time = False
    name = "http-check"
    retryable = frozenset({"check-failed"})

    def describe(self, plan: StepPlan) -> str:
        """The step in a few words for people."""
        return f"check of {plan.settings.get('url') or plan.settings.get('path') or '/'}{on(plan)}"

    def changes(self, plan: StepPlan, home: str) -> str | None:  # noqa: ARG002  the protocol's signature
        """A look changes nothing."""
        return None

    def needs_proof(self, plan: StepPlan) -> bool:  # noqa: ARG002  the protocol's signature
        """A look needs none."""
        return False

    def look(self, case: StepContext) -> Verdict:
        """The page is as it should be."""
        settings = case.step.plan.settings
        url = settings.get("url")
        if not url:
            routes = case.seen.get(case.look_at_routes())
            if isinstance(routes, Absent):
                text = f"{case.environment} is not deployed now, so there is no page to look at"
                return Failed(
                    "no-deployment", text, "deploy the environment, or name the page with 'url'", doubtful=True
                )
            if not isinstance(routes, Routes):
                return Need(case.look_at_routes())
            if not routes.urls:
                text = f"{case.environment} has no route of an app, so there is no page to look at"
                return Failed("no-route", text, "name the page with 'url'", doubtful=True)
            url = urljoin(routes.urls[0], str(settings.get("path") or "/"))
        contains = str(settings.get("contains") or "")
        question = LookAtPage(str(url), int(settings.get("within", WITHIN)), contains, case.step.retries)
        page = case.seen.get(question)
        if not isinstance(page, Page):
            return Need(question)
        wanted = tuple(settings.get("status") or (200,))
        if page.status is None:
            return Failed("check-failed", f"{url} gave no answer: {page.fault}", _look(str(url)))
        if page.status not in wanted:
            text = f"{url} answered {page.status}, not {' or '.join(str(each) for each in wanted)}"
            return Failed("check-failed", text, _look(str(url)))
        if not page.found and page.fault:
            text = f"{url} answered {page.status}, but its text cannot be read: {page.fault}"
            return Failed("check-failed", text, _look(str(url)))
        if not page.found:
            return Failed(
                "check-failed", f"{url} answered {page.status} without the text {contains!r}", _look(str(url))
            )
        text = f"{url} answered {page.status} in {page.seconds:.1f} s"
        return Done("done", text, {"url": str(url), "status": page.status, "seconds": round(page.seconds, 3)})


def _look(url: str) -> str:
    return f"look at it: curl -i {url}"
