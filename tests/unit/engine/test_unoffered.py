"""A link that is missing has reasons: the role is named only where nothing else explains it."""

from __future__ import annotations

from typing import Any

import pytest
from upsun_agent.engine.guards import unoffered
from upsun_agent.model.answers import Environment, Rights
from upsun_agent.steps import KINDS

from tests.harness.builders import LINKS, environment

ADMIN, VIEWER = Rights(admin=True), Rights(admin=False)


def seen(*links: str, **changes: Any) -> Environment:
    return environment(links={name: f"/{name}" for name in links}, **changes)


@pytest.mark.parametrize(
    ("kind", "where", "failure", "words"),
    [
        ("backup", seen(), "permission", "lacks the role"),
        ("backup", seen(rights=VIEWER), "permission", "lacks the role"),
        ("backup", seen(rights=Rights()), "permission", "lacks the role"),
        ("backup", seen("#branch", "#variables"), "permission", "lacks the role"),
        ("backup", seen(rights=ADMIN), "not-offered", "is an admin there"),
        ("backup", seen("#source-operation"), "not-offered", "is an admin there"),
        ("backup", seen("#redeploy", rights=VIEWER), "not-offered", "is an admin there"),
        ("source-operation", seen("#backup"), "not-offered", "is an admin there"),
        ("source-operation", seen(rights=ADMIN), "not-offered", "is an admin there"),
        ("source-operation", seen(rights=Rights(True, False)), "not-offered", "has no source operations"),
        ("source-operation", seen(rights=Rights(False, False)), "not-offered", "has no source operations"),
        ("source-operation", seen(rights=Rights(False, True)), "permission", "lacks the role"),
        ("source-operation", seen(is_pr=True), "not-offered", "pull request"),
        ("source-operation", seen(is_pr=True, rights=VIEWER), "not-offered", "pull request"),
        ("backup", seen(is_pr=True, rights=VIEWER), "permission", "lacks the role"),
        ("sync", seen(rights=VIEWER), "not-offered", "no parent"),
        ("sync", seen(parent="main", rights=VIEWER), "permission", "lacks the role"),
        ("sync", seen("#backup", parent="main"), "not-offered", "is an admin there"),
        ("merge", seen("#backup", parent="main"), "permission", "lacks the role"),
        ("resume", seen(status="paused"), "not-offered", "it is paused"),
        ("resume", seen(status="paused", rights=ADMIN), "not-offered", "is an admin there"),
        ("resume", seen(status="paused", rights=VIEWER), "permission", "lacks the role"),
        ("activate", seen(status="inactive"), "not-offered", "it is inactive"),
    ],
)
def test_the_reason_that_is_told(kind: str, where: Environment, failure: str, words: str) -> None:
    step = KINDS[kind]
    assert step.way == "request"
    found = unoffered(where, step)
    assert (found.failure, words in found.message) == (failure, True), found
    assert found.remedy
    assert ("user:update" in found.remedy) is (failure == "permission")


def test_what_a_later_step_needs_is_said_with_that_step() -> None:
    found = unoffered(environment(links=LINKS), KINDS["sync"], "step 3 (sync) will need it: ")  # type: ignore[arg-type]
    assert found.message.startswith("step 3 (sync) will need it: the platform does not offer #synchronize on main")
