"""Cron expressions: what is accepted, what is refused and why, and what H picks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from upsun_agent.cron_expression import ALIASES, ExpressionError, expression_fault, plain
from upsun_agent.schedule import Schedule, zone_fault

from tests.harness.sources import SOURCES

SALTS = [f"project|main|job-{number}" for number in range(2000)]


# --- what is accepted ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "fields"),
    [
        ("0 3 * * *", "0 3 * * *"),
        ("  0   3\t* * *\n", "0 3 * * *"),
        ("00 03 01 01 00", "0 3 1 1 0"),
        ("*/15 0-6 * * *", "*/15 0-6 * * *"),
        ("5/10 * * * *", "5-59/10 * * * *"),
        ("59/1 * * * *", "59 * * * *"),
        ("5-5 3-3 * * *", "5 3 * * *"),  # croniter takes 5-5 for *
        ("5-5/1 3 * * 7-7", "5 3 * * 7"),
        ("5,* 3,* 1,*,2 * sun,*", "* * * * *"),  # and drops 5,* where the other day field is fixed
        ("0-30/10,45 * * * *", "0-30/10,45 * * * *"),
        ("0 0 * jan *", "0 0 * 1 *"),
        ("0 0 * JAN-Mar,dec *", "0 0 * 1-3,12 *"),
        ("0 0 * * sun", "0 0 * * 0"),
        ("0 0 * * Mon-FRI", "0 0 * * 1-5"),
        ("0 0 * * 7", "0 0 * * 7"),
        ("0 0 * * 5-7", "0 0 * * 5-7"),
        ("0 0 29 2 *", "0 0 29 2 *"),
        ("0 0 31 1-2 *", "0 0 31 1-2 *"),
        ("0 0 30,1 2 *", "0 0 30,1 2 *"),
        ("0 0 30 2 1", "0 0 30 2 1"),  # Mondays in February: either day will do
        ("0 0 31 4 */7", None),  # both days must match, and 31 April never comes
    ],
)
def test_an_expression_becomes_five_plain_fields(expression: str, fields: str | None) -> None:
    if fields is None:
        assert expression_fault(expression) == "is not a valid schedule: no day ever matches it"
    else:
        assert plain(expression) == fields
        assert expression_fault(expression) is None


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_is_plain_whatever_the_salt_and_its_case(alias: str) -> None:
    assert {plain(alias, salt) for salt in SALTS[:20]} == {ALIASES[alias]}
    assert plain(alias.upper()) == ALIASES[alias]


def test_aliases_say_what_cron_says() -> None:
    assert ALIASES == {
        "@hourly": "0 * * * *",
        "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *",
        "@weekly": "0 0 * * 0",
        "@monthly": "0 0 1 * *",
        "@yearly": "0 0 1 1 *",
        "@annually": "0 0 1 1 *",
    }


# --- what is refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("", "0 fields, a schedule has 5: minute hour day-of-month month day-of-week"),
        ("0 3 * *", "4 fields, a schedule has 5: minute hour day-of-month month day-of-week"),
        ("0 0 3 * * *", "6 fields, a schedule has 5: minute hour day-of-month month day-of-week"),
        ("@reboot", f"unknown alias '@reboot'; known are {', '.join(ALIASES)}"),
        ("60 * * * *", "minute: 60 is not between 0 and 59"),
        ("* 24 * * *", "hour: 24 is not between 0 and 23"),
        ("* * 0 * *", "day of month: 0 is not between 1 and 31"),
        ("* * 32 * *", "day of month: 32 is not between 1 and 31"),
        ("* * * 13 *", "month: 13 is not between 1 and 12"),
        ("* * * 0 *", "month: 0 is not between 1 and 12"),
        ("* * * * 8", "day of week: 8 is not between 0 and 7"),
        ("1-99 * * * *", "minute: 99 is not between 0 and 59"),
        ("* * * mon *", "month: 'mon' is not a valid value"),
        ("* * * * jan", "day of week: 'jan' is not a valid value"),
        ("sun * * * *", "minute: 'sun' is not a valid value"),
        ("30-10 * * * *", "minute: '30-10' ends before it begins"),
        ("* * * * fri-mon", "day of week: 'fri-mon' ends before it begins"),
        ("* * * * sat-sun", "day of week: 'sat-sun' ends before it begins"),
        ("*/0 * * * *", "minute: the step in '*/0' is 0"),
        ("*/60 * * * *", "minute: the step in '*/60' is larger than its range"),
        ("10-20/11 * * * *", "minute: the step in '10-20/11' is larger than its range"),
        ("59/2 * * * *", "minute: the step in '59/2' is larger than its range"),
        ("*-5 * * * *", "minute: '*-5' has a range after *"),
        ("1,,2 * * * *", "minute: '' is not a value, range, list or step"),
        ("-1 * * * *", "minute: '-1' is not a value, range, list or step"),
        ("1.5 * * * *", "minute: '1.5' is not a value, range, list or step"),
        ("100 * * * *", "minute: '100' is not a value, range, list or step"),
        ("* * l * *", "day of month: 'l' is not a value, range, list or step"),
        ("* * ? * *", "day of month: '?' is not a value, range, list or step"),
        ("* * 1w * *", "day of month: '1w' is not a value, range, list or step"),
        ("* * * * 1#2", "day of week: '1#2' is not a value, range, list or step"),
        ("R * * * *", "minute: 'r' is not a value, range, list or step"),
        ("H(5-70) * * * *", "minute: 'h(5-70)' is not within 0 to 59"),
        ("H(9-5) * * * *", "minute: 'h(9-5)' is not within 0 to 59"),
        ("* * H(0-5) * *", "day of month: 'h(0-5)' is not within 1 to 31"),
        ("H/0 * * * *", "minute: the step in 'h/0' is 0"),
        ("H/60 * * * *", "minute: the step in 'h/60' is larger than its range"),
        ("H(1-5 * * * *", "minute: 'h(1-5' is not a value, range, list or step"),
        ("hh * * * *", "minute: 'hh' is not a value, range, list or step"),
        ("٣ * * * *", "minute: '٣' is not a value, range, list or step"),
        ("0 0 30 2 *", "no day ever matches it"),
        ("0 0 31 2,4,6,9,11 *", "no day ever matches it"),
        ("0 0 30-31 feb *", "no day ever matches it"),
        ("0 0 H(30-31) 2 *", "no day ever matches it"),
        ("* * * * *" + " " * 248, "longer than 256 characters"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_reason(expression: str, why: str) -> None:
    with pytest.raises(ExpressionError) as refusal:
        plain(expression)
    assert str(refusal.value) == why
    assert expression_fault(expression) == f"is not a valid schedule: {why}"


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "America/Argentina/Buenos_Aires", "Etc/GMT+12"])
def test_a_zone_of_the_data_base_is_accepted(zone: str) -> None:
    assert zone_fault(zone) is None


@pytest.mark.parametrize(
    "zone",
    ["", "Mars/Olympus", "Europe", "../UTC", "/etc/passwd", "Europe/Paris/x", "zone.tab", "\x00", "x" * 300, "UTC\n"],
)
def test_any_other_name_of_a_zone_is_refused_by_name(zone: str) -> None:
    assert zone_fault(zone) == f"unknown time zone {zone!r}; names look like Europe/Paris or UTC"
    with pytest.raises(ExpressionError):
        Schedule("0 3 * * *", zone)


# --- H ---------------------------------------------------------------------------------------------------------


def picks(expression: str, field: int) -> set[int]:
    """The values that H takes in that field over many salts."""
    return {int(plain(expression, salt).split()[field]) for salt in SALTS}


def test_minute_and_hour_are_picked_independently_of_each_other() -> None:
    slots = {tuple(plain("H H * * *", salt).split()[:2]) for salt in SALTS}
    # 2,000 darts at 1,440 slots hit 1,440 * (1 - e**(-2000/1440)) = 1,081 of them.
    assert len(slots) > 1050


@pytest.mark.parametrize(
    ("expression", "field", "values"),
    [
        ("H * * * *", 0, set(range(60))),
        ("0 H * * *", 1, set(range(24))),
        ("0 0 H * *", 2, set(range(1, 29))),  # a day that every month has
        ("0 0 1 H *", 3, set(range(1, 13))),
        ("0 0 * * H", 4, set(range(7))),
        ("H(0-29) * * * *", 0, set(range(30))),
        ("0 H(22-23) * * *", 1, {22, 23}),
        ("0 0 H(5-5) * *", 2, {5}),
        ("0 0 H(29-31) 1 *", 2, {29, 30, 31}),
        ("0 0 H(29-31) 2 *", 2, {29}),  # the others never come
        ("0 0 31 H *", 3, {1, 3, 5, 7, 8, 10, 12}),
        ("0 0 30 H(2-3) *", 3, {3}),
    ],
)
def test_h_takes_every_value_that_its_field_can_be_due_on_and_no_other(
    expression: str, field: int, values: set[int]
) -> None:
    assert picks(expression, field) == values


def test_h_with_a_step_begins_anywhere_within_the_first_step() -> None:
    assert {plain("H/20 * * * *", salt).split()[0] for salt in SALTS} == {f"{start}-59/20" for start in range(20)}
    assert {plain("H(10-19)/8 * * * *", salt).split()[0] for salt in SALTS} == {
        "10-19/8",
        "11-19/8",
        *("12", "13", "14", "15", "16", "17"),  # 20 and more lie outside
    }


def test_h_is_the_same_for_the_same_salt_and_in_any_case() -> None:
    assert plain("H H * * *", "a") == plain("H H * * *", "a") == plain("h h * * *", "a")
    assert plain("H H * * *", "a") != plain("H H * * *", "b")


def test_h_may_stand_in_a_list() -> None:
    first, second = plain("H(0-9),H(50-59) * * * *", "a").split()[0].split(",")
    assert 0 <= int(first) <= 9
    assert 50 <= int(second) <= 59


def test_whatever_the_validator_accepts_every_job_can_be_scheduled_with() -> None:
    for expression in ("0 0 31 H *", "0 0 H(29-31) 2 *", "0 0 H(29-31)/2 H(1-2) *", "H H H H *", "0 0 30 H(2-3) */2"):
        assert expression_fault(expression) is None
        for salt in SALTS[:300]:
            assert Schedule(expression, "Europe/Paris", salt).next(datetime(2026, 1, 1, tzinfo=UTC)) is not None


# --- importing croniter ----------------------------------------------------------------------------------------

WATCHED = """
import sys
started = []
sys.addaudithook(lambda name, _: started.append(name) if name in {
    "subprocess.Popen", "os.posix_spawn", "os.system", "os.exec", "os.fork"} else None)
"""
SCHEDULE = (
    "from upsun_agent.schedule import Schedule; from datetime import *\nSchedule('0 3 * * *').next(datetime.now(UTC))\n"
)


@pytest.fixture
def child(tmp_path: Path) -> Callable[[str], tuple[str, bool]]:
    """Runs Python code where a program ``file`` is on PATH: what it printed, and whether ``file`` was run."""
    trace = tmp_path / "trace"
    program = tmp_path / "bin" / "file"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n: > '{trace}'\necho data\n")
    program.chmod(0o755)

    def run(code: str) -> tuple[str, bool]:
        environ = {"PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": SOURCES}
        done = subprocess.run(
            [sys.executable, "-c", WATCHED + code + "print(started)"],
            env=environ,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout.strip(), trace.exists()

    return run


def test_a_schedule_starts_no_process(child: Callable[[str], tuple[str, bool]]) -> None:
    assert child(SCHEDULE) == ("[]", False)


def test_the_trap_of_the_test_above_works(child: Callable[[str], tuple[str, bool]]) -> None:
    started, ran = child("import croniter\n")
    assert ran
    assert "subprocess.Popen" in started


def test_the_platform_module_is_itself_again_afterwards(child: Callable[[str], tuple[str, bool]]) -> None:
    code = "import platform; before = platform.architecture\n" + SCHEDULE + "assert platform.architecture is before\n"
    assert child(code)[0] == "[]"
