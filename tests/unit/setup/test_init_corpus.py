"""What init makes of each configuration of the corpus: just the lines meant, valid for the platform, and only once."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from upsun_agent.config import parse
from upsun_setup.cli_cron import CliCron, read_cron
from upsun_setup.hook import installs, is_strict

from tests.harness import config_schema
from tests.harness.checkouts import CASES, HERE, INSTALL, Case, keeps_what_was_there
from tests.harness.fixed_checkouts import apps

every = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
FLEX = {name: case for name, case in CASES.items() if not case.is_fixed}
#: What holds for Upsun Fixed stands in test_fixed_corpus.py.
of_flex = pytest.mark.parametrize("case", FLEX.values(), ids=FLEX)


def app_of(case: Case, files: dict[str, str]) -> dict[str, Any]:
    apps = config_schema.merged(files)["applications"]
    found: dict[str, Any] = apps[case.app or next(iter(apps))]
    return found


def test_the_corpus_is_large_and_each_case_is_expected_to_become_something() -> None:
    assert len(CASES) >= 30
    assert {file.stem for file in (HERE / "checkouts_expected").iterdir()} == set(CASES)


@every
def test_the_changes_are_those_that_were_reviewed(case: Case) -> None:
    assert case.diff() == (HERE / "checkouts_expected" / f"{case.name}.diff").read_text(encoding="utf-8")


@every
def test_a_second_run_has_nothing_to_do(case: Case) -> None:
    assert case.plan(case.after()).changes == []


@of_flex
@pytest.mark.reference
def test_the_result_is_valid_for_the_platform(case: Case) -> None:
    config_schema.check(case.after())


@of_flex
def test_everything_that_the_agent_needs_is_there(case: Case) -> None:
    files = case.after()
    app, plan = app_of(case, files), case.plan()
    assert installs(app["hooks"]["build"]) or all(line in app["hooks"]["build"] for line in INSTALL)
    assert is_strict(app["hooks"]["build"])
    ticks = [cron for cron in app["crons"].values() if cron.get("commands", {}).get("start", "").endswith("agent tick")]
    assert [cron["spec"] for cron in ticks] == ["*/5 * * * *"]
    assert (ticks[0]["shutdown_timeout"], ticks[0]["timeout"]) == (10, 300)
    job_file = parse(files[plan.jobs])
    assert job_file.state is not None
    path = job_file.state.removeprefix("/app/")
    around = [mount for name, mount in app["mounts"].items() if f"{path}/".startswith(f"{name.strip('/')}/")]
    assert [mount["source"] for mount in around] == ["storage"]
    assert ".upsun-agent/environment.sh" in next(text for name, text in files.items() if name.endswith(".environment"))


@of_flex
def test_every_operation_that_a_job_names_is_defined(case: Case) -> None:
    files = case.after()
    job_file = parse(files[case.plan().jobs])
    named = {step.settings["name"] for job in job_file.jobs.values() for step in job.steps if "name" in step.settings}
    apps = config_schema.merged(files)["applications"].values()
    defined = {name for app in apps for name in (app.get("source") or {}).get("operations", {})}
    assert named <= defined


@of_flex
def test_no_cron_of_the_guide_is_left_beside_the_agent(case: Case) -> None:
    for cron in app_of(case, case.after())["crons"].values():
        assert not isinstance(read_cron(cron.get("commands", {}).get("start") or cron.get("cmd", "")), CliCron)


@of_flex
def test_what_was_there_still_says_the_same(case: Case) -> None:
    """By another reader of YAML: apart from what init adds and takes over, nothing has another meaning."""
    old, new = config_schema.merged(case.files), config_schema.merged(case.after())
    name = case.app or next(iter(old["applications"]))
    before, after = old["applications"].pop(name), new["applications"].pop(name)
    assert old == new
    keeps_what_was_there(before, after)
    hooks = {**(before.get("hooks") or {})}
    build = hooks.pop("build", "")
    assert {each: after["hooks"][each] for each in hooks} == hooks
    kept = iter(after["hooks"]["build"].split("\n"))
    for line in build.rstrip("\n").split("\n"):
        assert not line or "installer" in line or "CLI" in line or any(line == other for other in kept)


def meaning(files: dict[str, str]) -> dict[str, Any]:
    """What a configuration says; the line break at the end of a build hook says nothing."""
    fixed = not any(map(re.compile(r"\.upsun/.+\.ya?ml").fullmatch, files))
    found = {"applications": apps(files)} if fixed else config_schema.merged(files)
    for app in found["applications"].values():
        if "hooks" in app and app["hooks"].get("build"):
            app["hooks"]["build"] = app["hooks"]["build"].rstrip("\n")
    return found


@every
@pytest.mark.parametrize("variant", ["crlf", "no line break at the end", "comment at the end"])
def test_variants_of_a_file_change_alike(case: Case, variant: str) -> None:
    def vary(text: str) -> str:
        if variant == "crlf":
            return text.replace("\n", "\r\n")
        return text.rstrip("\n") if variant.startswith("no") else f"{text}\n\n# the end\n"

    config = [name for name in case.files if name.endswith((".yaml", ".yml"))]
    files = {**case.files, **{name: vary(case.files[name]) for name in config}}
    plan = case.plan(files)
    after = {**files, **{change.path: change.new for change in plan.changes}}
    assert not plan.changes or meaning(after) == meaning(case.after())
    assert case.plan(after).changes == []
    for name in config:
        if yaml.safe_load(re.sub("![a-z]+", "", files[name])) is None:  # it said nothing, so nothing of it stays
            continue
        if variant == "crlf":
            assert after[name].count("\n") == after[name].count("\r\n")
        elif variant.startswith("comment"):
            assert after[name].endswith("\n\n# the end\n")
