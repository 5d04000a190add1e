"""Whole runs on environments that do not offer what a step needs: each reason has its word, remedy and exit code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from upsun_agent.model.failures import exit_code_of

from tests.harness.night import Night

NO_ROLES = ("GET */user-access/* 404 x*", "GET */extended-access* 404 x*")
NOT_ON_PLAN = 'GET */capabilities json x* body={"source_operations": {"enabled": false}}'


def shown(*absent: str, **changes: Any) -> str:
    """A fault that shows the environment without these links, for ever."""
    document = {
        "id": "main",
        "type": "production",
        "status": "active",
        "is_dirty": False,
        "head_commit": "a" * 40,
        "parent": None,
        **changes,
    }
    path = "/projects/abcdefgh1234z/environments/main"
    links = {
        "self": {"href": path},
        **{f"#{each}": {"href": f"{path}/{each}"} for each in ("backup", "source-operation")},
    }
    found = {name: link for name, link in links.items() if name not in absent}
    return f"GET */environments/main json x* body={json.dumps({'_links': found, **document})}"


def closed(*faults: str, more: str = "") -> Any:
    """How the night's run was closed."""
    night = Night(*faults, more=more)
    played = night.play()
    assert night.mine("backup") == [], "nothing was begun"
    assert played.run is not None
    assert played.run.closed is not None
    return played.run.closed


@pytest.mark.parametrize(
    ("faults", "failure", "words"),
    [
        ((shown("#source-operation"),), "not-offered", "is an admin there"),
        ((shown("#source-operation"), NOT_ON_PLAN), "not-offered", "the project has no source operations"),
        ((shown("#source-operation", is_pr=True),), "not-offered", "pull request"),
        ((shown("#backup", "#source-operation"),), "not-offered", "is an admin there"),
        ((shown("#backup", "#source-operation"), *NO_ROLES), "permission", "lacks the role"),
        ((shown("#backup", "#source-operation"), "GET *-access* html x*"), "permission", "lacks the role"),
    ],
)
def test_the_run_fails_with_the_reason(faults: tuple[str, ...], failure: str, words: str) -> None:
    found = closed(*faults)
    assert found.failure == failure
    assert words in found.message
    assert found.remedy
    assert exit_code_of(found.failure) == (77 if failure == "permission" else 78)


@pytest.mark.parametrize("links", [None, {}, "left out"], ids=str)
def test_an_environment_without_any_links_is_waited_for(links: Any) -> None:
    fault = shown(_links=links)
    if links == "left out":
        head, _, body = fault.partition(" body=")
        fault = f"{head} body={json.dumps({key: each for key, each in json.loads(body).items() if key != '_links'})}"
    found = closed(fault, more='misfire-grace = "1h"')
    assert found.failure == "too-late"
    assert "no _links" in found.message


def test_an_outage_while_the_reason_is_looked_for_is_waited_for() -> None:
    found = closed(shown("#backup"), "GET *-access* 503 x*", more='misfire-grace = "1h"')
    assert found.failure == "too-late"
