"""The simulator as a project of Upsun Fixed: settings, mounts, links and limits of its plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from upsun_simulator import Scenario

from tests.harness.simulator_client import MAIN, PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable

    from upsun_simulator import ManualClock

    from tests.harness.simulator_client import Talker


def test_settings_name_the_product_and_no_retention(make: Callable[..., Talker]) -> None:
    found = make(product="fixed").get(f"{PROJECT}/settings")
    assert (found["product_name"], found["product_code"]) == ("Platform.sh", "platformsh")
    assert (found["application_config_file"], found["project_config_dir"]) == (".platform.app.yaml", ".platform")
    assert (found["data_retention"], found["cron_minimum_interval"]) == (None, 5)


def test_the_larger_plans_have_crons_every_minute(make: Callable[..., Talker]) -> None:
    assert make(product="fixed", fixed_plan="elite").get(f"{PROJECT}/settings")["cron_minimum_interval"] == 1


def test_mounts_are_local_on_a_disk_and_crons_have_no_time_limit(make: Callable[..., Talker]) -> None:
    app = make(product="fixed").get(f"{MAIN}/deployments/current")["webapps"]["app"]
    assert app["mounts"]["var/agent"]["source"] == "local"
    assert app["disk"] == 512
    assert app["crons"]["agent"]["timeout"] is None


@pytest.mark.parametrize(("plan", "status"), [("professional", 400), ("enterprise", 202), ("elite", 202)])
def test_source_operations_are_part_of_the_larger_plans(make: Callable[..., Talker], plan: str, status: int) -> None:
    ask = make(product="fixed", fixed_plan=plan)
    has = status == 202
    assert ("#source-operation" in ask.get(MAIN)["_links"]) is has
    assert "#backup" in ask.get(MAIN)["_links"]
    assert ask.get(f"{PROJECT}/capabilities")["source_operations"]["enabled"] is has
    answer = ask("POST", f"{MAIN}/source-operation", {"operation": "update"})
    assert answer.status == status
    assert has or "doesn't support source operations" in answer.text


def test_previews_keep_two_manual_backups_and_production_four(make: Callable[..., Talker], clock: ManualClock) -> None:
    ask = make(product="fixed")
    for path in (MAIN, f"{PROJECT}/environments/staging"):
        for _ in range(5):
            assert ask("POST", f"{path}/backup", {"safe": True}).status == 202
            clock.advance(60)
        kept = [each for each in ask.get(f"{path}/backups") if not each["automated"]]
        assert len(kept) == (4 if path == MAIN else 2)


def test_product_and_plan_are_among_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="product"):
        Scenario(product="dedicated")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="fixed_plan"):
        Scenario(fixed_plan="basic")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cannot change"):
        Scenario().changed(product="fixed")
