"""Ticks as processes whose clock is years ahead, made so by libfaketime; the platform's clock is right."""

from __future__ import annotations

from glob import glob
from typing import Any

import pytest

from tests.harness.container import Container
from tests.harness.needs import missing, program

UNCHECKED = "what a process with a wrong clock leaves behind"


@pytest.fixture
def years_ahead() -> dict[str, str]:
    """The variables of a process whose clock is 1,200 days ahead."""
    program("faketime", UNCHECKED)
    libraries = glob("/usr/lib/*/faketime/libfaketime.so.1")
    library = libraries[0] if libraries else missing("libfaketime is missing", UNCHECKED)
    return {"LD_PRELOAD": library, "FAKETIME": "+1200d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def status(container: Container) -> Any:
    found = container.agent("status", "--json")
    assert found.code == 0, found.said
    return found.document


def findings(container: Container) -> dict[str, str]:
    return {each["name"]: each["level"] for each in container.agent("check", "--json").document["findings"]}


def why(container: Container) -> str:
    return " ".join(container.agent("why", "nightly").out.split())


def test_a_tick_whose_clock_is_years_ahead_goes_by_the_platforms(
    container: Container, years_ahead: dict[str, str]
) -> None:
    said = container.agent("tick", **years_ahead)
    assert said.code == 0, said.said
    assert "the tick uses the platform's" in said.err
    assert [row.outcome for row in container.rows()] == [None]
    assert status(container)["ahead"] == []
    container.tick_until_done()
    assert [row.outcome for row in container.rows()] == ["succeeded"]
    assert (container.asked("backup"), container.asked("source-operation")) == (1, 1)


def test_what_a_tick_without_a_token_left_years_ahead_is_told_and_put_right(
    container: Container, years_ahead: dict[str, str]
) -> None:
    container.agent("tick", UPSUN_CLI_TOKEN=None, **years_ahead)
    assert {row.outcome for row in container.rows()} == {"missed"}
    assert len(status(container)["ahead"]) == 3
    assert findings(container)["clock of the state"] == "warn"
    assert "the journal holds later times, written while a clock was ahead" in why(container)
    assert "a clock was ahead" in container.agent("tick").err
    assert "clock of the state" not in findings(container)
    assert status(container)["ahead"] == []
    container.tick_until_done()
    assert [row.outcome for row in container.rows()] == ["succeeded"]
    assert "It succeeded" in why(container)
