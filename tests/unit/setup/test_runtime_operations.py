"""The runtime operations of ``init --operations``: which, for whom, valid for the platform, and only once."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from upsun_agent.cli.main import build
from upsun_setup.project import Project
from upsun_setup.runtime_operations import own_operations, runtime_operations

from tests.harness import config_schema
from tests.harness.checkouts import CASES, Case, Texts

NAMES = ["agent-status", "agent-check", "agent-run", "agent-approve"]
FLEX = {name: case for name, case in CASES.items() if not case.is_fixed}
FIXED = {name: case for name, case in CASES.items() if case.is_fixed}


def after(case: Case, files: dict[str, str] | None = None) -> dict[str, str]:
    files = files or case.files
    return {**files, **{change.path: change.new for change in case.plan(files, with_operations=True).changes}}


def app_of(case: Case, files: dict[str, str]) -> dict[str, Any]:
    apps: dict[str, Any] = config_schema.merged(files)["applications"]
    found: dict[str, Any] = apps[case.plan(with_operations=True).app]
    return found


@pytest.mark.parametrize("case", FLEX.values(), ids=FLEX)
@pytest.mark.reference
def test_every_checkout_of_flex_gets_them_and_stays_valid(case: Case) -> None:
    files = after(case)
    config_schema.check(files)
    operations = app_of(case, files)["operations"]
    assert set(NAMES) <= set(operations)
    for name in NAMES:
        words = operations[name]["commands"]["start"].split()
        assert words[0] == ".upsun-agent/bin/upsun-agent"
    assert case.plan(files, with_operations=True).changes == [], "the second time there is nothing to do"


@pytest.mark.parametrize("case", FIXED.values(), ids=FIXED)
def test_upsun_fixed_gets_none_and_a_remark(case: Case) -> None:
    plan = case.plan(with_operations=True)
    assert plan.changes == case.plan().changes
    assert any("no runtime operations" in text for text, _ in plan.remarks)


def test_each_is_a_command_of_the_agent_and_what_changes_something_is_for_admins() -> None:
    found = runtime_operations("nightly update")
    assert list(found) == NAMES
    for name, each in found.items():
        changes = name in {"agent-run", "agent-approve"}
        assert each["role"] == ("admin" if changes else "contributor")
        words = shlex.split(each["commands"]["start"])[1:]
        options = build().parse_args(words)
        assert getattr(options, "job", getattr(options, "of", "nightly update")) == "nightly update"


def test_an_operation_of_that_name_that_is_not_the_agents_stays() -> None:
    own = "    operations:\n      agent-run: {commands: {start: ls}}\n"
    files = {".upsun/config.yaml": f"applications:\n  web:\n    type: python:3.13\n{own}"}
    case = Case("own-operation", files, None)
    operations = app_of(case, after(case, files))["operations"]
    assert operations["agent-run"] == {"commands": {"start": "ls"}}
    assert "agent-status" in operations
    plan = case.plan(files, with_operations=True)
    assert any("agent-run of its own" in said for said, _ in plan.remarks)


def test_those_of_the_agent_are_found_again() -> None:
    case = CASES["php-guide"]
    project = Project(Texts(after(case))).read()
    assert own_operations(project, project.apps[case.plan().app]) == NAMES
