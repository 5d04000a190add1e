"""Every request that whole runs make is one that the platform's own OpenAPI document knows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness import openapi_document
from tests.harness.stage import JOB, SLOT, START, Stage, build

pytestmark = pytest.mark.reference

REUSE = JOB.replace("backup = {}", 'backup = { reuse-within = "1h" }')
PIPELINE = """
[jobs.nightly]
schedule = "0 3 * * *"
steps = [
  { branch = { environment = ".", name = "trial" } },
  { pause = { environment = "staging" } },
  { resume = { environment = "staging" } },
  { sync = { environment = "staging", code = true, data = true } },
  { source-operation = { environment = "staging", name = "update", backup = "not-needed" } },
  { runtime-operation = { environment = "staging", app = "app", name = "clear-cache", parameters = ["all"] } },
  { task = { environment = "staging", name = "migrate" } },
  { redeploy = { environment = "staging" } },
  { backup = { environment = "." } },
  { merge = { environment = "staging", into = "." } },
  { http-check = { environment = ".", retries = 0 } },
]
on-failure = [
  { source-operation = { environment = ".", name = "revert", backup = "not-needed" } },
  { restore = { environment = ".", allow-restore = true } },
]
"""
WAKING = """
[jobs.nightly]
schedule = "0 3 * * *"
steps = [
  { activate = { environment = "staging" } },
  { sync = { environment = "staging", code = true } },
  { deploy = { environment = "staging", backup = "not-needed" } },
]
"""
DEFINED = {"source_operations": ("update", "revert"), "runtime_operations": ("app:clear-cache",), "tasks": ("migrate",)}
FOREIGN = JOB.replace("[jobs.nightly]", '[jobs.nightly]\nenvironment-types = ["development"]')


def lost(end: str) -> Callable[[Stage], None]:
    """The answer to a request never arrives, so that the run looks for what became of it."""

    def arrange(stage: Stage) -> None:
        stage.simulator.add_fault(f"POST */{end} cut-after")

    return arrange


def busy(stage: Stage) -> None:
    """Somebody else is at work when the run begins."""
    stage.simulator.start_activity(type="environment.push", seconds=900)


def elsewhere(stage: Stage) -> None:
    """The container is one of an environment whose id has a slash."""
    stage.with_container(environment="feature/login", environment_type="development")


def nowhere(stage: Stage) -> None:
    """The container is one of an environment that does not exist."""
    stage.with_container(environment="gone")


def asleep(stage: Stage) -> None:
    """Staging is inactive, and has less code than production."""
    stage.simulator.push()
    stage.simulator.set_status("inactive", "staging")


def downtime(stage: Stage) -> None:
    """No tick ran for an hour, so that the next asks for restores."""
    stage.at(START).tick()
    stage.at(SLOT).later(hours=1)


RUNS: dict[str, tuple[str, dict[str, Any], Callable[[Stage], object]]] = {
    "an ordinary night": (JOB, {}, lambda _: None),
    "nothing to update": (JOB, {"update_outcome": "no-commit"}, lambda _: None),
    "links without a prefix": (JOB, {"regional_links": False}, lambda _: None),
    "a lost backup answer": (JOB, {}, lost("backup")),
    "a lost update answer": (JOB, {}, lost("source-operation")),
    "a colleague at work": (JOB, {}, busy),
    "a backup to reuse": (REUSE, {}, lambda stage: stage.simulator.add_backup(age=60)),
    "an id with a slash": (FOREIGN, {}, elsewhere),
    "an id of nothing": (JOB, {}, nowhere),
    "downtime": (JOB, {}, downtime),
    "a pipeline that is rolled back": (PIPELINE, {"update_breaks_site": "production", **DEFINED}, lambda _: None),
    "an environment that is woken and deployed by hand": (WAKING, {"manual_deployment": True}, asleep),
    "a lost merge answer": (PIPELINE, DEFINED, lost("merge")),
}


def played(place: Path, jobs: str, scenario: dict[str, Any], arrange: Callable[[Stage], object]) -> Stage:
    """A run from its slot to its end."""
    stage = build(place, START, jobs, **scenario).at(SLOT)
    arrange(stage)
    stage.ticks()
    return stage


@pytest.mark.parametrize("name", RUNS)
def test_every_request_of_a_run_is_in_the_platforms_document(tmp_path: Path, name: str) -> None:
    openapi_document.require()
    requests = played(tmp_path, *RUNS[name]).simulator.requests
    assert len(requests) > 1
    assert openapi_document.problems_of_requests(requests) == []


def test_the_runs_of_this_file_make_every_kind_of_request_that_a_tick_can(tmp_path: Path) -> None:
    seen = set()
    for number, (jobs, scenario, arrange) in enumerate(RUNS.values()):
        (tmp_path / str(number)).mkdir()
        for each in played(tmp_path / str(number), jobs, scenario, arrange).simulator.requests:
            path = each.path.removeprefix("/projects/abcdefgh1234z")
            kind = re.sub("(activities|backups)/.+", r"\1/*", path)
            seen.add(f"{each.method} {kind}")
    main = "/environments/main"
    assert seen >= {
        "POST /oauth2/token",
        "GET ",
        "GET /settings",
        "GET /activities/*",
        f"GET {main}",
        f"GET {main}/activities",
        f"GET {main}/backups",
        f"GET {main}/backups/*",
        f"POST {main}/backup",
        f"POST {main}/source-operation",
        f"POST {main}/branch",
        f"POST {main}/backups/*",
        "POST /environments/staging/activate",
        "POST /environments/staging/deploy",
        "POST /environments/staging/pause",
        "POST /environments/staging/resume",
        "POST /environments/staging/synchronize",
        "POST /environments/staging/merge",
        "POST /environments/staging/redeploy",
        "POST /environments/staging/deployments/current/operations",
        "POST /environments/staging/tasks/migrate/run",
        f"GET {main}/deployments/current",
        "GET /activities",
    }


def test_a_request_that_is_in_no_document_would_be_found(tmp_path: Path) -> None:
    openapi_document.require()
    stage = build(tmp_path)
    stage.play()
    wrong = stage.simulator.requests[-1]
    wrong.raw_path = wrong.raw_path + "/nothing"
    assert len(openapi_document.problems_of_requests(stage.simulator.requests)) == 1
