"""Metrics: what they say, and that the text format is what Prometheus reads, whatever stands in the journal."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from upsun_agent import __version__
from upsun_agent.model.events import RunOutcome
from upsun_agent.model.job import Job, StepPlan
from upsun_agent.report.metrics import OUTCOMES, Measures, measure
from upsun_agent.report.prometheus import text
from upsun_agent.runtime.suspension import pause_job

from tests.harness.past_runs import JOBS, NOW, Ledger, months
from tests.harness.report_pages import hostile

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
SAMPLE = re.compile(rf"({NAME})\{{({LABEL}(?:,{LABEL})*)\}} (-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)")
LABELS = re.compile(rf"({NAME})=\"((?:[^\"\\\n]|\\.)*)\"")
COMMON = ("project", "environment", "app")

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(page: str) -> Samples:
    """The samples of a file, read strictly: HELP, TYPE, the samples of that family; nothing else, nothing twice."""
    found: Samples = {}
    families: list[str] = []
    assert page.endswith("\n")
    lines = iter(page.removesuffix("\n").split("\n"))
    expected, kind = "HELP", ""
    for line in lines:
        if line.startswith("# HELP "):
            match = re.fullmatch(rf"# HELP ({NAME}) ([^\n]+)", line)
            assert match, line
            assert match[1] not in families, "a family comes once"
            families.append(match[1])
            expected = "TYPE"
        elif line.startswith("# TYPE "):
            match = re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge)", line)
            assert match, line
            assert (expected, match[1]) == ("TYPE", families[-1])
            expected, kind = "sample", match[2]
            assert (kind == "counter") == match[1].endswith("_total")
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert expected == "sample"
            assert match[1] == families[-1]
            labels = tuple(LABELS.findall(match[2]))
            assert tuple(name for name, _ in labels[:3]) == COMMON
            assert len({name for name, _ in labels}) == len(labels)
            assert (match[1], labels) not in found, f"twice: {line}"
            found[match[1], labels] = float(match[3])
    return found


def value(samples: Samples, name: str, **labels: str) -> float:
    (found,) = (
        number
        for (family, theirs), number in samples.items()
        if family == f"upsun_agent_{name}" and labels == {key: each for key, each in theirs if key not in COMMON}
    )
    return found


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return months(Ledger(str(tmp_path)))


def measured(ledger: Ledger) -> Measures:
    return measure(ledger.context, ledger.journal)


def test_the_metrics_say_what_the_journal_knows(ledger: Ledger) -> None:
    pause_job(ledger.journal, "hourly-backup", "why not", NOW)
    found = read(text(measured(ledger)))
    night = "nightly-update"
    assert value(found, "runs_total", job=night, outcome=RunOutcome.SUCCEEDED) == 35
    assert value(found, "runs_total", job=night, outcome=RunOutcome.FAILED) == 2
    assert value(found, "runs_total", job="by-hand", outcome=RunOutcome.FAILED) == 0, "zeros show the first increase"
    assert value(found, "run_seconds_total", job="hourly-backup", outcome=RunOutcome.SUCCEEDED) == 20160
    assert value(found, "runs_in_flight", job="by-hand") == 1
    assert value(found, "runs_in_flight", job=night) == 0
    assert value(found, "runs_waiting", job="by-hand", on="activity") == 1
    assert value(found, "job_paused", job="hourly-backup") == 1
    assert value(found, "job_suspended", job="hourly-backup") == 0
    assert value(found, "job_paused", job=night) == 0
    assert value(found, "job_suspended", job=night) == 0
    assert value(found, "last_run_duration_seconds", job=night) == 522
    assert value(found, "last_run_success", job=night) == 1
    assert value(found, "last_step_duration_seconds", job=night, step="1", kind="backup") == 174
    proved = value(found, "last_proved_backup_timestamp_seconds", backup_environment="main")
    assert value(found, "last_proved_backup_age_seconds", backup_environment="main") == pytest.approx(
        NOW.timestamp() - proved
    )
    assert value(found, "job_last_proved_backup_age_seconds", job=night) > 12 * 3600
    due = value(found, "next_slot_timestamp_seconds", job=night)
    assert value(found, "next_slot_seconds", job=night) == due - NOW.timestamp() == 40075
    assert value(found, "ticks_total") == 1
    assert value(found, "last_tick_timestamp_seconds") == NOW.timestamp() - 180
    assert value(found, "report_timestamp_seconds") == NOW.timestamp()
    assert value(found, "info", version=__version__, environment_type="production") == 1


def test_a_job_that_is_held_back_or_not_here_has_no_coming_slot(tmp_path: Path) -> None:
    staging = JOBS.replace("[jobs.hourly-backup]\n", '[jobs.hourly-backup]\nenvironment-types = ["staging"]\n')
    ledger = Ledger(str(tmp_path), text=staging)
    pause_job(ledger.journal, "nightly-update", "why not", NOW)
    assert not [key for key in read(text(measured(ledger))) if key[0].startswith("upsun_agent_next_slot")]


def test_a_run_that_failed_is_the_last_one_and_the_last_success_stays(ledger: Ledger) -> None:
    before = value(read(text(measured(ledger))), "last_success_timestamp_seconds", job="nightly-update")
    ledger.run("nightly-update", NOW - timedelta(minutes=30), "failed", named=_other(ledger))
    found = read(text(measured(ledger)))
    assert value(found, "last_run_success", job="nightly-update") == 0
    assert value(found, "last_success_timestamp_seconds", job="nightly-update") == before


def _other(ledger: Ledger) -> Job:
    job = ledger.job_file.jobs["nightly-update"]
    return Job(job.name, job.steps)


def test_counters_never_go_down_when_history_is_forgotten(ledger: Ledger) -> None:
    before = {key: number for key, number in read(text(measured(ledger))).items() if key[0].endswith("_total")}
    ledger.journal.prune(NOW - timedelta(days=4000), 3)
    assert len(ledger.journal.rows(most=1000)) <= 4
    after = read(text(measured(ledger)))
    assert {key: after[key] for key in before} == before
    assert {label for key, _ in before if key == "upsun_agent_runs_total" for label in [key]}
    assert measured(ledger).since == NOW.replace(hour=0, minute=43, second=7) - timedelta(days=39)


def test_an_empty_journal_has_metrics_too(tmp_path: Path) -> None:
    found = read(text(measured(Ledger(str(tmp_path)))))
    jobs = ("nightly-update", "hourly-backup", "by-hand")
    for job in jobs:
        for outcome in OUTCOMES:
            assert value(found, "runs_total", job=job, outcome=outcome) == 0
    assert not [key for key in found if "proved" in key[0]]


@pytest.mark.parametrize("turn", range(7))
def test_hostile_texts_leave_the_format_what_it_is(tmp_path: Path, turn: int) -> None:
    found = read(text(measured(hostile(str(tmp_path), turn))))
    assert len(found) > 100


def test_quotes_and_backslashes_in_labels_are_read_back_as_they_were(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    odd = 'a"b\\c\\n{d},e="f"'
    ledger.run(odd, NOW - timedelta(hours=1), named=Job(odd, (StepPlan("backup", {}),)))
    written = text(measured(ledger))
    found = {dict(labels).get("job", "") for name, labels in read(written) if name == "upsun_agent_runs_total"}
    assert odd in {re.sub(r"\\(.)", r"\1", job) for job in found}


def test_names_and_units_follow_the_conventions(ledger: Ledger) -> None:
    for family in measured(ledger).families:
        assert family.name.startswith("upsun_agent_")
        assert (family.kind == "counter") == family.name.endswith("_total")
        assert (family.unit == "s") == family.name.removesuffix("_total").endswith("_seconds")
        assert family.doc.endswith(".")
