"""Answers that are valid, and about something else or of another time, as a cache or a balancer mixes them up."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import pytest

from tests.harness.stage import JOB, SLOT, START, Stage, Wsgi

RESTORES = f"{JOB}\n[[jobs.nightly.on-failure]]\nrestore = {{ allow-restore = true }}\n"
PATH = "/projects/abcdefgh1234z/environments/main"
Change = Callable[[Any], object]


class Between:
    """Stands before the platform and changes the answers to some reads."""

    def __init__(
        self,
        path: str,
        *,
        times: int,
        change: Change | None = None,
        date: timedelta | None = None,
        method: str = "GET",
    ) -> None:
        self.path, self.left, self.change, self.date, self.method = re.compile(path), times, change, date, method

    def __call__(self, wsgi: Wsgi) -> Wsgi:
        def changed(environ: Any, start_response: Any) -> Any:
            if self.left == 0 or environ["REQUEST_METHOD"] != self.method or not self.path.search(environ["PATH_INFO"]):
                return wsgi(environ, start_response)
            self.left -= 1
            environ.pop("HTTP_ACCEPT_ENCODING", None)
            said: list[Any] = []
            body = b"".join(wsgi(environ, lambda status, headers, _=None: said.extend([status, headers])))
            status, headers = said
            if self.change is not None:
                document = json.loads(body)
                self.change(document)
                body = json.dumps(document).encode()
            kept = [each for each in headers if each[0].lower() not in {"content-length", "date"}]
            date = next(parsedate_to_datetime(value) for name, value in headers if name.lower() == "date")
            shown = format_datetime(date + (self.date or timedelta()), usegmt=True)
            start_response(status, [*kept, ("Content-Length", str(len(body))), ("Date", shown)])
            return [body]

        return changed


def asked(stage: Stage) -> dict[str, int]:
    """How many requests of each kind that change something reached the platform."""
    return {kind: len(stage.asked(kind)) for kind in ("backup", "source-operation", "restore")}


ALL_WELL = {"backup": 1, "source-operation": 1, "restore": 0}
NOTHING = {"backup": 0, "source-operation": 0, "restore": 0}


def link(href: object) -> Change:
    def change(document: Any) -> None:
        document["_links"]["#backup"] = {"href": href}

    return change


# --- about something else -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (r"/activities/[^/]+$", lambda found: found.update(id="another")),
        (r"/activities/[^/]+$", lambda found: found.update(id="another", state="complete", result="failure")),
        (r"/backups/[^/]+$", lambda found: found.update(id="another")),
        (r"/environments/main$", lambda found: found.update(id="staging")),
        (r"/environments/main$", link(f"{PATH.replace('main', 'staging')}/backup")),
        (r"/environments/main$", link(f"{PATH.replace('abcdefgh', 'zyxwvuts')}/backup")),
        (r"/environments/main$", link(f"{PATH}-2/backup")),
        (r"/environments/main$", link(PATH)),
        (r"/environments/main$", link("/projects/other/environments/x" + PATH + "/backup")),
        (r"/environments/main$", link(f"{PATH}/backup{{?x}}")),
    ],
)
def test_an_answer_about_another_thing_is_asked_for_again(
    make: Callable[..., Stage], path: str, change: Change
) -> None:
    stage = make(RESTORES)
    stage.wrap = Between(path, times=2, change=change)
    stage.play()
    assert [row.outcome for row in stage.rows()] == ["succeeded"]
    assert asked(stage) == ALL_WELL
    said = [each for each in stage.said("trouble") if each["trouble"] == "bad-reply"]
    assert said
    assert all("is about" in each["message"] or "does not lead to it" in each["message"] for each in said)


@pytest.mark.parametrize("kind", ["staging", "another-project"])
def test_nothing_is_ever_requested_at_the_link_of_another_environment(make: Callable[..., Stage], kind: str) -> None:
    stage = make(RESTORES)
    other = PATH.replace("main" if kind == "staging" else "abcdefgh1234z", kind)
    stage.wrap = Between(r"/environments/main$", times=1000, change=link(f"{other}/backup"))
    stage.at(SLOT)
    for _ in range(20):
        stage.tick()
        stage.later(minutes=5)
    assert asked(stage) == NOTHING


def test_a_link_that_no_step_needs_holds_nothing(make: Callable[..., Stage]) -> None:
    stage = make(RESTORES)

    def change(document: Any) -> None:
        document["_links"] |= {"#domains": {"href": "https://console.example"}, "#x": {"href": "/a{?b}"}}

    stage.wrap = Between(r"/environments/main$", times=1000, change=change)
    stage.play()
    assert asked(stage) == ALL_WELL


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        (r"/activities/[^/]+$", {"completed_at": "0001-01-01T00:00:00Z"}),
        (r"/activities/[^/]+$", {"failure_reason": "", "payload": [], "parameters": []}),
        (r"/environments/main$", {"last_backup_at": "0001-01-01T00:00:00Z", "parent": ""}),
        (r"/environments/main$", {"last_backup_at": "0000-00-00 00:00:00"}),
        (r"/environments/main$", {"last_backup_at": "", "deployment_state": []}),
        (r"/environments/main$", {"head_commit": ""}),
    ],
)
def test_a_zero_value_of_another_language_stands_for_null(
    make: Callable[..., Stage], path: str, changes: dict[str, Any]
) -> None:
    stage = make(RESTORES)
    stage.wrap = Between(path, times=1000, change=lambda found: found.update(changes))
    stage.play()
    assert asked(stage) == ALL_WELL
    assert stage.said("trouble") == []


def test_an_activity_that_is_complete_with_an_empty_result_is_unknown_and_restores_nothing(
    make: Callable[..., Stage],
) -> None:
    stage = make(RESTORES)
    stage.wrap = Between(r"/activities", times=1000, change=_without_results)
    stage.play()
    assert [row.outcome for row in stage.rows()] == ["failed"]
    assert asked(stage) == {"backup": 1, "source-operation": 0, "restore": 0}
    assert "what became of the backup is not known" in stage.said("run-closed")[-1]["message"]


def _without_results(document: Any) -> None:
    for each in document if isinstance(document, list) else [document]:
        each["result"] = "" if each["result"] else each["result"]


def test_an_answer_that_embeds_two_activities_is_looked_up_in_the_list(make: Callable[..., Stage]) -> None:
    stage = make(RESTORES)

    def change(document: Any) -> None:
        (own,) = document["_embedded"]["activities"]
        another = {**own, "id": "another-one", "state": "complete", "result": "failure"}
        document["_embedded"]["activities"] = [another, own]

    stage.wrap = Between(r"/environments/main/backup$", times=1, change=change, method="POST")
    stage.play()
    assert [row.outcome for row in stage.rows()] == ["succeeded"]
    assert asked(stage) == ALL_WELL
    assert "embeds 2 activities" in stage.said("request-unanswered")[0]["message"]


# --- of another time --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "date", [timedelta(days=3650), timedelta(days=-3650), timedelta(hours=3), timedelta(minutes=-20)]
)
@pytest.mark.parametrize("path", [r"/environments/main$", r"/activities", r"/backups/", r"."])
def test_one_answer_with_a_wrong_date_changes_nothing(make: Callable[..., Stage], path: str, date: timedelta) -> None:
    stage = make(RESTORES)
    stage.wrap = Between(path, times=1, date=date)
    stage.play()
    assert [(row.slot, row.outcome) for row in stage.rows()] == [(f"{SLOT:%Y-%m-%dT%H:%M}", "succeeded")]
    assert asked(stage) == ALL_WELL
    assert stage.said("clock-wrong") == []


def test_a_lost_answer_and_a_list_of_another_time_make_no_second_request(make: Callable[..., Stage]) -> None:
    stage = make(
        '[jobs.nightly]\nschedule = "0 3 * * *"\n[[jobs.nightly.steps]]\nredeploy = {}\n', list_lag_seconds=100
    )
    stage.simulator.add_fault("POST */redeploy cut-after")
    stage.at(START).tick()
    stage.at(SLOT + timedelta(seconds=7))
    stage.wrap = Between(r"/activities$", times=1000, date=timedelta(days=3650))
    for _ in range(3):
        stage.tick()
        stage.later(seconds=20)
    assert len(stage.asked("redeploy")) == 1
