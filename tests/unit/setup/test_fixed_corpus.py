"""What init makes of each configuration of Upsun Fixed: valid for that product, and only once.

The inputs are those that were written for Fixed, and every input of Flex in up to three forms of Fixed.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from upsun_agent.config import parse
from upsun_agent.errors import ConfigInvalid, UsageError
from upsun_setup.hook import installs, is_strict

from tests.harness.checkouts import CASES, INSTALL, Case, keeps_what_was_there
from tests.harness.fixed_checkouts import APP, APPS, FIXED, apps, faults

every = pytest.mark.parametrize("case", FIXED.values(), ids=FIXED)


def app_of(case: Case, files: dict[str, str]) -> dict[str, Any]:
    found = apps(files)
    return found[case.app or next(iter(found))]


def test_every_input_of_flex_is_here_in_a_form_of_fixed_but_for_a_few() -> None:
    left_out = [name for name in CASES if name not in FIXED and f"{name}-mapping" not in FIXED]
    # An anchor outside of the apps, files in braces, a name in quotes; both products, and Flex is chosen.
    assert left_out == ["anchors", "fixed-and-flex", "flow-json", "yarn-berry"]
    forms = [sum(name.endswith(form) for name in FIXED) for form in ("-mapping", "-list", "-single")]
    assert min(forms) >= 65


@every
def test_a_second_run_has_nothing_to_do(case: Case) -> None:
    assert case.plan(case.after()).changes == []


@every
@pytest.mark.reference
def test_what_init_adds_is_valid_for_the_platform(case: Case) -> None:
    """What a translated input had of Flex only is in no schema of Fixed, before and after."""
    assert faults(case.after()) <= faults(case.files)


@pytest.mark.reference
def test_most_results_are_valid_as_a_whole() -> None:
    valid = [name for name, case in FIXED.items() if not faults(case.after())]
    assert len(valid) > len(FIXED) * 0.6
    assert {name for name, case in CASES.items() if name in FIXED} - {"fixed-old-mounts"} <= set(valid)


@every
def test_everything_that_the_agent_needs_is_there(case: Case) -> None:
    files, plan = case.after(), case.plan()
    app = app_of(case, files)
    assert installs(app["hooks"]["build"]) or all(line in app["hooks"]["build"] for line in INSTALL)
    assert is_strict(app["hooks"]["build"])
    ticks = [cron for cron in app["crons"].values() if cron.get("commands", {}).get("start", "").endswith("agent tick")]
    assert len(ticks) == 1
    assert ticks[0]["spec"] == ("* * * * *" if case.fixed_plan == "enterprise" else "*/5 * * * *")
    job_file = parse(files[plan.jobs])
    assert plan.jobs.rpartition("/")[2] == "upsun-agent.toml"
    assert job_file.state is not None
    state = job_file.state.removeprefix("/app/")
    around = [mount for name, mount in app["mounts"].items() if f"{state}/".startswith(f"{name.strip('/')}/")]
    assert [mount == "shared:files/var" or mount["source"] == "local" for mount in around] == [True]
    assert int(app["disk"]) >= 128


@every
def test_no_file_is_put_into_a_folder_of_flex(case: Case) -> None:
    """A repository with a folder ``.upsun`` would become that of a Flex project."""
    assert [change.path for change in case.plan().changes if change.path.startswith(".upsun/")] == []


@every
def test_nothing_speaks_of_flex(case: Case) -> None:
    plan = case.plan()
    said = [*plan.done, *(part for remark in plan.remarks for part in remark)]
    new = [change.new for change in plan.changes if change.old is None]
    assert [text for text in [*said, *new] if ".upsun/config.yaml" in text and case.product is None] == []
    assert [text for text in [*said, *new] if "resources:set" in text] == []


@every
def test_no_new_job_updates_where_the_plan_is_not_known(case: Case) -> None:
    """Only a job that was there, or takes over a cron that updated, may have the step."""
    before = [parse(text) for name, text in case.files.items() if name.endswith("upsun-agent.toml")]
    known = {name for file in before for name in file.jobs}
    jobs = parse(case.after()[case.plan().jobs]).jobs
    updating = [name for name, job in jobs.items() if any(step.kind == "source-operation" for step in job.steps)]
    if case.fixed_plan is None and not case.plan().takes_over:
        assert set(updating) <= known


@every
def test_what_was_there_still_says_the_same(case: Case) -> None:
    """By another reader of YAML: apart from what init adds and takes over, nothing has another meaning."""
    old, new = apps(case.files), apps(case.after())
    name = case.app or next(iter(old))
    before, after = old.pop(name), new.pop(name)
    assert old == new
    keeps_what_was_there(before, after)


@pytest.mark.parametrize("plan", ["enterprise", "elite"])
def test_the_larger_plans_update_and_tick_every_minute(plan: str) -> None:
    case = dataclasses.replace(FIXED["fixed-single"], fixed_plan=plan)
    app = app_of(case, case.after())
    assert app["crons"]["agent"]["spec"] == "* * * * *"
    assert "composer update" in app["source"]["operations"]["update"]["command"]
    assert [step.kind for step in parse(case.after()["upsun-agent.toml"]).jobs["nightly-update"].steps] == [
        "backup",
        "source-operation",
    ]


def test_on_professional_nothing_is_left_to_say_about_the_plan() -> None:
    plan = dataclasses.replace(FIXED["fixed-single"], fixed_plan="professional").plan()
    assert [text for text, _ in plan.remarks] == []
    assert any("only backs up" in text for text in plan.done)


def test_both_products_are_asked_about() -> None:
    with pytest.raises(UsageError, match=r"\.platform\.app\.yaml \(Upsun Fixed\) and \.upsun/config\.yaml") as refused:
        dataclasses.replace(FIXED["both-and-fixed"], product=None).plan()
    assert "--product" in refused.value.remedy


@pytest.mark.parametrize("product", ["flex", "fixed"])
def test_a_product_that_is_not_here_is_refused(product: Any) -> None:
    case = CASES["minimal"] if product == "fixed" else CASES["fixed-single"]
    with pytest.raises(UsageError, match="this is a checkout of"):
        dataclasses.replace(case, product=product).plan()


def test_a_job_file_in_a_folder_of_flex_is_to_be_moved() -> None:
    case = CASES["fixed-single"]
    files = {**case.files, ".upsun/agent.toml": "[jobs.a]\nsteps = [{ backup = {} }]\n"}
    with pytest.raises(ConfigInvalid, match=r"folder \.upsun is that of a Flex project") as refused:
        case.plan(files)
    assert "git mv .upsun/agent.toml upsun-agent.toml" in refused.value.remedy


REFUSED = {
    "no name": ({APP: "type: php:8.4\n"}, "the app has no name"),
    "no mapping": ({APP: "- name: app\n"}, "is not a mapping"),
    "a text as a list": ({APPS: "apps\n"}, "neither a list nor a mapping"),
    "an item that is no mapping": ({APPS: "- app\n"}, "the app is not a mapping"),
    "an app that is no mapping": ({APPS: "app: php\n"}, "the app 'app' is not a mapping"),
    "the same name twice": (
        {APP: "name: app\ntype: php:8.4\n", APPS: "- name: app\n  type: php:8.4\n"},
        "the app 'app' is defined twice",
    ),
    "services only": ({".platform/services.yaml": "{}\n"}, "no app in"),
    "an item that another one repeats": (
        {APPS: "- &a\n  name: app\n  type: php:8.4\n- <<: *a\n  name: b\n"},
        "used in several places",
    ),
}


@pytest.mark.parametrize("files", [each[0] for each in REFUSED.values()], ids=REFUSED)
def test_what_cannot_be_an_app_is_refused_with_its_place(files: dict[str, str]) -> None:
    reason = next(text for given, text in REFUSED.values() if given == files)
    with pytest.raises(ConfigInvalid, match=reason) as refused:
        Case("any", files, "app").plan()
    assert refused.value.remedy
