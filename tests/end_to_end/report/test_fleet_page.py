"""The page and the metrics of a fleet: what is in trouble first, every text stays text, and it is bounded."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import timedelta
from pathlib import Path

from upsun_agent.journal.member import Member
from upsun_agent.limits import REPORT_FLEET
from upsun_agent.report.fleet import by_concern, fleet_measures, fleet_page, is_overdue
from upsun_agent.report.prometheus import text

from tests.end_to_end.report.test_browser import HERE, PACKAGES, UNCHECKED
from tests.harness.html_payloads import PAYLOADS
from tests.harness.needs import node_modules, program
from tests.harness.past_runs import NOW
from tests.unit.report.test_metrics import COMMON, read
from tests.unit.report.test_page import Census

WELL = Member(
    ("shop", "main", "app"),
    last_tick=NOW - timedelta(minutes=3),
    last_job="nightly",
    last_opened=NOW - timedelta(hours=5),
    last_outcome="succeeded",
    proved_backup="b-1",
    proved_at=NOW - timedelta(hours=5),
)
FLIES = Member(("shop", "staging", "app"), NOW, in_flight=1, last_job="nightly", last_opened=NOW)
FAILED = Member(("blog", "main", "app"), NOW, last_job="nightly", last_opened=NOW, last_outcome="failed")
STOPPED = Member(("zoo", "main", "app"), NOW - timedelta(days=2), last_job="x", last_opened=NOW, last_outcome="skipped")
NEW = Member(("new", "main", "app"))
ALL = (WELL, FLIES, FAILED, STOPPED, NEW)


def words(page: str) -> str:
    return " ".join(" ".join(Census(page).words).split())


def test_what_is_in_trouble_comes_first() -> None:
    assert [each.identity[0] for each in by_concern(ALL, NOW)] == ["new", "zoo", "blog", "shop", "shop"]
    assert [is_overdue(each, NOW) for each in ALL] == [False, False, False, True, True]


def test_the_page_tells_how_many_and_of_each() -> None:
    said = words(fleet_page(ALL, "relationship:database", NOW))
    assert "State in relationship:database" in said
    assert "Environments 5 of 4 projects" in said
    assert "Without ticks 2" in said
    assert "Last run failed or missed 1" in said
    assert "In flight 1" in said
    assert "Oldest proved backup 5 h ago 4 environments have none" in said
    table = said[said.index("Outcome") :]
    assert table.index("zoo") < table.index("blog") < table.index("shop")
    assert "left out" not in said
    empty = words(fleet_page((), "here", NOW))
    assert "There is no journal yet." in empty


def test_a_large_fleet_is_cut_after_what_is_in_trouble_and_says_so() -> None:
    many = [Member((f"p{number:05}", "main", "app"), NOW) for number in range(REPORT_FLEET + 7)]
    page = fleet_page([*many, STOPPED], "here", NOW)
    said = words(page)
    assert "zoo" in said
    assert "8 more are not shown; for all: upsun-agent status --all" in said
    assert Census(page).elements["tr"] == REPORT_FLEET + 1
    assert len(page) < 1_000_000


def test_names_from_outside_stay_text() -> None:
    hostile = [Member((payload, payload, payload), NOW, last_job=payload, last_outcome=payload) for payload in PAYLOADS]
    plain = [Member(("a", "b", "c"), NOW, last_job="d", last_outcome="e") for _ in PAYLOADS]
    attacked, innocent = Census(fleet_page(hostile, PAYLOADS[0], NOW)), Census(fleet_page(plain, "f", NOW))
    assert attacked.elements == innocent.elements
    assert attacked.attributes == innocent.attributes
    assert attacked.odd == innocent.odd


def test_the_metrics_are_what_prometheus_reads() -> None:
    found = read(text(fleet_measures(ALL, NOW)))

    def of(member: Member, name: str) -> float | None:
        return found.get((f"upsun_agent_fleet_{name}", tuple(zip(COMMON, member.identity, strict=True))))

    assert [of(each, "overdue") for each in ALL] == [0, 0, 0, 1, 1]
    assert [of(each, "last_run_success") for each in ALL] == [1, None, 0, None, None]
    assert [of(each, "runs_in_flight") for each in ALL] == [0, 1, 0, 0, 0]
    assert of(WELL, "last_proved_backup_timestamp_seconds") == (NOW - timedelta(hours=5)).timestamp()
    assert of(NEW, "last_tick_timestamp_seconds") is None
    hostile = [Member((payload, str(number), "app"), NOW) for number, payload in enumerate(PAYLOADS)]
    assert len(read(text(fleet_measures(hostile, NOW)))) == 3 * len(hostile)


def test_axe_and_a_phone_find_nothing_wrong_with_it(tmp_path: Path) -> None:
    node, chromium, modules = (
        program("node", UNCHECKED),
        program("chromium", UNCHECKED),
        node_modules(UNCHECKED, *PACKAGES),
    )
    page = tmp_path / "fleet.html"
    page.write_text(fleet_page(ALL * 9, "relationship:database", NOW), encoding="utf-8")
    done = subprocess.run(
        [node, str(HERE / "browser.cjs"), chromium, os.environ.get("UPSUN_SHOTS", ""), str(page)],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NODE_PATH": modules, "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    looks = json.loads(done.stdout)
    assert len({(seen["size"], seen["colorScheme"]) for seen in looks}) == 4
    for seen in looks:
        assert (seen["requests"], seen["complaints"]) == ([], [])
        if seen["javaScriptEnabled"]:
            assert seen["violations"] == []
            assert seen["overflow"] == 0
