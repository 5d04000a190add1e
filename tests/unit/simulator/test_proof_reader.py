"""What a proof says of the platform, as a scenario: only facts are read, and nothing odd in them gets through."""

from __future__ import annotations

from typing import Any

import pytest
from upsun_agent.prove.rows import ASSUMPTIONS
from upsun_simulator.faults import Fault
from upsun_simulator.proof import READERS, ProofInvalid, read_proof


def proof(name: str, outcome: str = "differs", **facts: Any) -> dict[str, Any]:
    return {"proof": 1, "rows": [{"name": name, "outcome": outcome, "facts": facts}]}


@pytest.mark.parametrize(
    ("name", "facts", "settings", "faults"),
    [
        ("page-size", {"page": 25}, {"page_size": 25}, []),
        (
            "rate-limit",
            {"refused": 9, "status": 429, "retry_after": 7.0},
            {},
            ["GET */activities 429 x3 retry-after=7"],
        ),
        ("rate-limit", {"refused": 1, "status": 429, "retry_after": None}, {}, ["GET */activities 429 x1"]),
        (
            "operation-role",
            {"admin": True, "backup": True, "source_operation": False},
            {"absent_links": ("#source-operation",)},
            [],
        ),
        (
            "operation-role",
            {"admin": False, "backup": False, "source_operation": False},
            {"other_role": "contributor"},
            [],
        ),
        ("backup-activity", {"embedded": False}, {}, ["POST */backup json body={}"]),
        ("second-backup", {"second": "refused", "status": 409}, {}, ["POST */backup 409 #2"]),
        ("cron-backup", {"waits": False}, {"crons_hold_others": False}, []),
        ("cron-deploy", {"waits": False}, {"crons_hold_others": False}, []),
        ("backup-proof", {"found": False}, {"backup_outcome": "missing"}, []),
        (
            "backup-proof",
            {"restorable": False, "seconds": 42},
            {"backup_outcome": "unrestorable", "backup_seconds": 42},
            [],
        ),
        ("failed-backup", {"listed": True}, {"cancelled_backups_listed": True}, []),
        ("source-operation", {"result": "succeeded", "committed": False}, {"update_outcome": "no-commit"}, []),
        ("source-operation", {"result": "failed"}, {"update_outcome": "failure"}, []),
    ],
)  # fmt: skip
def test_each_row_becomes_a_behaviour(
    name: str, facts: dict[str, Any], settings: dict[str, Any], faults: list[str]
) -> None:
    found = read_proof(proof(name, **facts))
    assert (found.settings, found.faults, found.unplayed) == (settings, faults, [])
    for text in found.faults:
        Fault.parse(text)


@pytest.mark.parametrize("name", [*ASSUMPTIONS, "x"])
@pytest.mark.parametrize("value", [None, True, -1, 1e99, "x" * 99, [], {}, 10**30])
def test_odd_facts_are_left_out_or_refused(name: str, value: Any) -> None:
    words = ("page", "refused", "status", "retry_after", "admin", "backup", "second", "waits", "seconds", "result")
    try:
        found = read_proof(proof(name, **dict.fromkeys(words, value)))
    except ProofInvalid:
        return
    found.scenario()
    for text in found.faults:
        Fault.parse(text)


def test_what_was_not_tried_says_nothing() -> None:
    assert read_proof(proof("page-size", "not tried", page=3)).settings == {}


def test_what_the_simulator_cannot_play_is_named() -> None:
    for name in ASSUMPTIONS.keys() - READERS.keys():
        assert read_proof(proof(name)).unplayed == [name]
    assert read_proof(proof("second-backup", second="parallel")).unplayed == ["second-backup"]
