"""Every answer of the simulator satisfies the platform's official OpenAPI document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from agent.simulator import router

from simulator_talker import Talker  # isort: skip
import openapi_document  # isort: skip

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.simulator import ManualClock

pytestmark = pytest.mark.reference

ROUTES = [(method, template) for method, template, _ in router.CLOSED]
BODIES = {"backup": {"safe": True}, "source-operation": {"operation": "update", "variables": {}}}
QUERIES = {
    "/ref/users": "in={user}&sig=x",
    "/ref/projects": "in=abcdefgh1234z&sig=x",
    "/ref/organizations": "in=x&sig=x",
}
# What the platform has and its document has not.
UNDOCUMENTED = {
    "/ssh",
    f"{router.ENVIRONMENT}/settings",
    f"{router.ACTIVITY}/log",
    f"{router.ENVIRONMENT_ACTIVITY}/log",
}

WORLDS: dict[str, dict[str, Any]] = {
    "as it is by default": {},
    "that forbids": {"role": "viewer"},
    "that fails": {"backup_outcome": "failure", "update_outcome": "failure", "deploy_outcome": "failure"},
    "that cancels": {"backup_outcome": "cancelled", "update_outcome": "cancelled"},
    "that stages": {"manual_deployment": True},
    "that goes through an integration": {"source_integration": True, "source_operations": ("update", "other")},
    "that is paused": {"status": "paused"},
}


def _fill(ask: Talker, template: str, **names: str) -> str:
    path = re.sub(r"<s:(\w+)>", lambda found: quote(names[found[1]], safe=""), template)
    query = QUERIES.get(template, "").format(user=names["user"])
    return f"{path}?{query}" if query else path


@pytest.mark.parametrize("moment", [0, 1, 3600])
@pytest.mark.parametrize("world", WORLDS)
def test_every_answer_validates(make: Callable[..., Talker], clock: ManualClock, world: str, moment: float) -> None:
    openapi_document.require()
    ask = make()
    user = ask.get("/users/me")["id"]
    backup = ask.simulator.add_backup(age=60).id
    ask.simulator.change(**WORLDS[world])
    for kind in ("environment.backup", "environment.source-operation", "environment.redeploy"):
        activity = ask.simulator.start_activity("staging", kind, seconds=2).id
        ask.simulator.start_activity("main", kind, seconds=2)
    clock.advance(moment)
    problems = []
    for method, template in ROUTES:
        place = "staging" if template.startswith(router.ENVIRONMENT_ACTIVITY) else "main"
        names = {"project": "abcdefgh1234z", "environment": place, "activity": activity, "backup": backup}
        path = _fill(ask, template, **names, user=user, kind="production", deployment="current")
        if not openapi_document.is_documented(method, path):
            assert template in UNDOCUMENTED, f"{method} {template} is in no document"
            continue
        answer = ask(method, path, BODIES.get(path.rpartition("/")[2]) if method == "POST" else None)
        problems.append(openapi_document.problem_of_answer(method, path, answer.status, answer.text))
        assert answer.status in (200, 202, 403, 409), answer.text
    assert "\n".join(one for one in problems if one) == ""
    assert openapi_document.problems_of_requests(ask.simulator.requests) == []


def test_what_the_document_does_not_allow_is_found() -> None:
    document = openapi_document
    backup = "/api/projects/p/environments/feature%2Flogin/backup"
    assert document.problem_of_request("POST", backup, {"safe": True}) is None
    assert "not of type 'boolean'" in (document.problem_of_request("POST", backup, {"safe": "yes"}) or "")
    assert "not found" in (document.problem_of_request("POST", f"{backup}s", {"safe": True}) or "")
    assert "required" in (document.problem_of_answer("GET", "/projects/p", 200, "{}") or "")
    assert "no error" in (document.problem_of_answer("GET", "/projects/p", 404, "{}") or "")


def test_the_document_is_missed_loudly(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(openapi_document, "NAMED", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="NOT VALIDATED"):
        openapi_document.require()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="NOT VALIDATED"):
        openapi_document.require()
