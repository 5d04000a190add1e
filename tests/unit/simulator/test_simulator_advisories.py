"""The stand-in for OSV: which versions an advisory is about, batches, pages, and what it refuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from upsun_simulator import ManualClock, Scenario, Simulator
from upsun_simulator.advisory import ECOSYSTEMS, VECTORS

from tests.harness.simulator_client import Answer, Talker

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CORE = "GHSA-core-0000-0001 composer:drupal/core 11.0.0 11.2.5 high"
MORE = "GHSA-core-0000-0002 composer:drupal/core 10.0 none critical"
VITE = "GHSA-vite-0000-0001 npm:@scope/vite 6.0.0 6.3.5 low"


class Osv:
    """A client of the stand-in, which has no bearer."""

    def __init__(self, **scenario: Any) -> None:
        known = {"advisories": (CORE, MORE, VITE), **scenario}
        self.simulator = Simulator(Scenario(**known), ManualClock(NOON))
        self._talker = Talker(self.simulator)

    def ask(self, path: str, body: Any = None) -> Answer:
        """Return the answer to a query, or to a look without one."""
        return self._talker.send("GET" if body is None else "POST", path, None if body is None else json.dumps(body))

    def found(self, path: str, body: Any = None) -> Any:
        """Return the document of an answer that must be one."""
        answer = self.ask(path, body)
        assert answer.status == 200, answer.text
        return answer.content


def ids(result: dict[str, Any]) -> list[str]:
    return [each["id"].rpartition("-")[2] for each in result.get("vulns", [])]


def asked(version: str, name: str = "drupal/core", ecosystem: str = "Packagist") -> dict[str, Any]:
    return {"package": {"name": name, "ecosystem": ecosystem}, "version": version}


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("11.2.3", ["0001", "0002"]),
        ("11.0.0", ["0001", "0002"]),
        ("v11.2.4", ["0001", "0002"]),
        ("11.2.5", ["0002"]),
        ("10.5.1", ["0002"]),
        ("9.5", []),
        ("", ["0001", "0002"]),
    ],
)
def test_an_advisory_is_about_the_versions_between_two(version: str, found: list[str]) -> None:
    assert ids(Osv().found("/v1/query", asked(version))) == found


def test_a_batch_answers_in_the_order_of_its_queries() -> None:
    queries = [asked("9"), asked("11.2.3"), {"package": {"purl": "pkg:npm/%40scope/vite@6.3.4"}}]
    results = Osv().found("/v1/querybatch", {"queries": queries})["results"]
    assert [ids(each) for each in results] == [[], ["0001", "0002"], ["0001"]]
    assert results[0] == {}
    assert set(results[1]["vulns"][0]) == {"id", "modified"}


def test_answers_come_in_pages() -> None:
    osv = Osv(advisories_page_size=1)
    (first,) = osv.found("/v1/querybatch", {"queries": [asked("11.2.3")]})["results"]
    (second,) = osv.found("/v1/querybatch", {"queries": [{**asked("11.2.3"), "page_token": first["next_page_token"]}]})[
        "results"
    ]
    assert (ids(first), ids(second)) == (["0001"], ["0002"])
    assert "next_page_token" not in second


def test_an_advisory_says_what_is_affected_and_how_grave_it_is() -> None:
    found = Osv().found("/v1/vulns/GHSA-core-0000-0001")
    (affected,) = found["affected"]
    assert affected["package"] == {"ecosystem": "Packagist", "name": "drupal/core"}
    assert affected["ranges"][0]["events"] == [{"introduced": "11.0.0"}, {"fixed": "11.2.5"}]
    assert found["severity"] == [{"type": "CVSS_V3", "score": VECTORS["high"]}]
    assert found["modified"].endswith("Z")
    (open_still,) = Osv().found("/v1/vulns/GHSA-core-0000-0002")["affected"]
    assert open_still["ranges"][0]["events"] == [{"introduced": "10.0"}]


def test_an_advisory_that_is_not_there_is_not_found() -> None:
    answer = Osv().ask("/v1/vulns/GHSA-none")
    assert (answer.status, answer.content) == (404, {"code": 5, "message": "Bug not found."})


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"queries": {}},
        {"queries": [1]},
        {"queries": [{}]},
        {"queries": [{"package": {"name": "x"}}]},
        {"queries": [{"package": {"purl": "nonsense"}}]},
        {"queries": [{"package": {"purl": "pkg:npm/x@1"}, "version": "1"}]},
        {"queries": [{**asked("1"), "page_token": "x"}]},
        {"queries": [asked("1")] * 1001},
    ],
)
def test_a_query_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    answer = Osv().ask("/v1/querybatch", wrong)
    assert (answer.status, answer.content["code"]) == (400, 3)


def test_faults_hit_it_as_they_hit_the_platform() -> None:
    osv = Osv()
    osv.simulator.add_fault("POST /v1/querybatch 503")
    assert osv.ask("/v1/querybatch", {"queries": []}).status == 503
    assert osv.ask("/v1/querybatch", {"queries": []}).content == {"results": []}


@pytest.mark.parametrize("kind", sorted(ECOSYSTEMS))
def test_every_ecosystem_can_be_asked_for_by_its_package_url(kind: str) -> None:
    name, path = ("a.b:c", "a.b/c") if kind == "maven" else ("a/b", "a/b")
    osv = Osv(advisories=(f"X-1 {kind}:{name} 1.0 2.0 medium",))
    assert ids(osv.found("/v1/query", {"package": {"purl": f"pkg:{kind}/{path}@1.5"}})) == ["1"]


@pytest.mark.parametrize(
    "wrong", ["X-1 composer:a/b 1 2", "X-1 composer:a/b 1 2 grave", "X-1 other:a/b 1 2 low", "a/b 1 2 low"]
)
def test_an_advisory_that_does_not_read_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="the advisory"):
        Scenario(advisories=(wrong,))
