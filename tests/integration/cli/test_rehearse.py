"""``rehearse``: days are as many as were asked for, and a fault that changes nothing is said."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

import pytest
from upsun_simulator.rehearsal.simulate_days import PAUSE_DAYS, plan

from tests.harness.cli_app import App

START = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
DAYS = (1, 2, 6, 7, 8, 13, 28, 29, 30, 31, 59, 61, 180)


@pytest.mark.parametrize("days", DAYS)
def test_nothing_is_planned_for_behind_the_days(days: int) -> None:
    for seed in range(50):
        found = plan(START, days, random.Random(seed))
        assert found == sorted(found, key=lambda each: each.at)
        assert all(START <= each.at < START + timedelta(days=days) for each in found)


@pytest.mark.parametrize(("days", "seed"), [(3, "1"), (30, "1"), (30, "2")])
def test_what_is_listed_was_played_and_crons_run_again_before_the_end(app: App, days: int, seed: str) -> None:
    now = datetime.now(UTC)
    said = app.call("rehearse", "nightly", "--days", str(days), "--seed", seed, "--config", daily(app))
    assert said.code == 0, said.said
    moments = [
        datetime.fromisoformat(f"{line.strip()[:16]}+00:00")
        for line in said.out.splitlines()
        if line.startswith("  20")
    ]
    assert moments
    assert all(now - timedelta(minutes=1) <= each <= now + timedelta(days=days, minutes=1) for each in moments)
    assert f"{days} slots fell due" in said.out
    assert "after the last tick:" not in said.out
    pauses = [line for line in said.out.splitlines() if "crons pause" in line]
    assert len(pauses) == (days > PAUSE_DAYS * 2)
    if pauses:
        # the last slot of the pause still runs where the pause ends within the grace after it
        assert any(f" {count} missed" in said.out for count in range(PAUSE_DAYS - 1, PAUSE_DAYS + 2))
        ends = datetime.fromisoformat(f"{pauses[0].strip()[:16]}+00:00") + timedelta(days=PAUSE_DAYS)
        assert ends < now + timedelta(days=days)


def test_a_slot_that_came_after_the_last_tick_is_explained(app: App) -> None:
    soon = datetime.now(UTC) - timedelta(minutes=1)
    said = app.call("rehearse", "nightly", "--days", "1", "--config", daily(app, f"{soon:%M %H}"))
    assert said.code == 0
    assert "1 slot fell due" in said.out
    if "after the last tick" in said.out:
        assert "the next tick would have seen to it" in said.out
    assert "1 slots" not in said.out


@pytest.mark.parametrize(
    ("faults", "idle"),
    [
        (["site-down"], ["site-down"]),
        (["sync-fails"], ["sync-fails"]),
        (["backup-fails"], []),
        (["backup-fails", "merge-fails"], ["merge-fails"]),
        (["backup-fails", "update-fails"], ["update-fails"]),
        (["POST */redeploy 503"], ["POST */redeploy 503"]),
        (["POST */backup cut-after"], []),
        ([], []),
    ],
)
def test_a_fault_that_nothing_met_is_said(app: App, faults: list[str], idle: list[str]) -> None:
    options = [part for fault in faults for part in ("--fault", fault)]
    found = app.call("rehearse", "nightly", "--json", *options, "--config", daily(app)).document
    assert found["without_effect"] == idle
    said = app.call("rehearse", "nightly", *options, "--config", daily(app)).out
    assert [line.split("'")[1] for line in said.splitlines() if "had no effect" in line] == idle


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("GET */activities/* 404 x1 #2", "it occurred, but what was recorded is the same without it"),
        ("GET */activities/* complete-null x1 #2", "it occurred, but what was recorded is the same without it"),
        ("GET */environments/main delay seconds=0", "it occurred, but what was recorded is the same without it"),
        ("GET */activities/* 404 x1 #9", "nothing that this run did triggered it"),
        ("site-down", "nothing that this run did triggered it"),
    ],
)
def test_a_fault_that_was_met_and_changed_nothing_is_told_from_one_that_nothing_met(
    app: App, fault: str, words: str
) -> None:
    said = app.call("rehearse", "nightly", "--fault", fault, "--config", daily(app))
    assert said.code == 0
    assert f"The fault '{fault}' had no effect: {words}." in said.out


def test_a_fault_that_a_step_meets_is_not_said_to_have_no_effect(app: App) -> None:
    step = '[[jobs.nightly.steps]]\nhttp-check = { url = "https://www.example.com/" }\n'
    app.jobs.write_text(app.jobs.read_text().replace("[jobs.hand]", f"{step}\n[jobs.hand]", 1))
    said = app.call("rehearse", "nightly", "--fault", "site-down", "--json")
    assert json.loads(said.out)["without_effect"] == []
    assert said.code == 1


def daily(app: App, time: str = "30 2") -> str:
    """A job file whose job runs every day."""
    file = app.directory / "daily.toml"
    steps = '[[jobs.nightly.steps]]\nbackup = {}\n[[jobs.nightly.steps]]\nsource-operation = { name = "update" }\n'
    file.write_text(f'[jobs.nightly]\nschedule = "{time} * * *"\n{steps}')
    return str(file)
