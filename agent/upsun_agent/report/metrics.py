"""The snapshot as metrics; names and units follow the conventions of Prometheus. Pure.

Times are metrics of their own (``…_timestamp_seconds``), since ages change only when the file is written; ages are
there too, as of the time of writing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from upsun_agent import __version__
from upsun_agent.engine.run import Run
from upsun_agent.journal import JournalReader, RunRow, Tally
from upsun_agent.model.events import RunOutcome
from upsun_agent.report.bulk import BulkReader
from upsun_agent.report.reading import runs_of
from upsun_agent.report.snapshot import JobStanding, Snapshot, snapshot
from upsun_agent.runtime.context import ReadContext
from upsun_agent.runtime.suspension import Word, state_word
from upsun_agent.text.durations import StepSpan, step_spans, took

OUTCOMES = tuple(each.value for each in RunOutcome)
PREFIX = "upsun_agent_"

Labels = tuple[tuple[str, str], ...]


class Sample(Struct, frozen=True):
    """One value of a metric, with its labels."""

    #: The value; in the unit of its family.
    value: float
    #: The labels, each as name and value.
    labels: Labels = ()


class Family(Struct, frozen=True):
    """A metric with its samples."""

    #: The name of the metric.
    name: str
    #: Whether it is a counter or a gauge.
    kind: Literal["counter", "gauge"]
    #: The unit: seconds, or ``1`` for none.
    unit: Literal["s", "1"]
    #: What it measures.
    doc: str
    #: The values.
    samples: tuple[Sample, ...]


class Measures(Struct, frozen=True):
    """All metrics of one time."""

    #: When it was measured.
    at: datetime
    #: Since when the counters count.
    since: datetime
    #: The owner of these metrics: labels of project, environment and app.
    owner: Labels
    #: The metrics.
    families: tuple[Family, ...]

    @property
    def count(self) -> int:
        """The number of samples."""
        return sum(len(family.samples) for family in self.families)


def measure(context: ReadContext, journal: JournalReader) -> Measures:
    """Read the journal once, and return the metrics."""
    reader = BulkReader(journal)
    seen, tallies = snapshot(context, journal, reader), journal.tallies()
    rows: dict[str, list[RunRow]] = {**{standing.job.name: [] for standing in seen.jobs}, **reader.by_job}
    last = [row for past in rows.values() if (row := _ended(past)) is not None]
    told = {row.job: (run, step_spans(events)) for row, (run, events, _) in runs_of(journal, last)}
    container = seen.container
    owner = zip(("project", "environment", "app"), container.identity, strict=True)
    families = [
        *_of_runs(seen, tallies, rows),
        *_of_last_runs(rows),
        _step_durations(told),
        *_of_backups(seen),
        *_of_slots(seen),
        *_of_ticks(seen),
    ]
    since = min((tally.since for tally in tallies), default=seen.now)
    return Measures(seen.now, since, tuple(owner), tuple(each for each in families if each.samples))


def _gauge(name: str, unit: Literal["s", "1"], doc: str, samples: Iterable[Sample]) -> Family:
    return Family(PREFIX + name, "gauge", unit, doc, tuple(samples))


def _counter(name: str, unit: Literal["s", "1"], doc: str, samples: Iterable[Sample]) -> Family:
    return Family(f"{PREFIX}{name}_total", "counter", unit, doc, tuple(samples))


def _ended(rows: Sequence[RunRow]) -> RunRow | None:
    """Return the newest run that ran and ended; None without one."""
    return next((row for row in rows if took(row) is not None), None)


def _of_runs(seen: Snapshot, tallies: Sequence[Tally], rows: dict[str, list[RunRow]]) -> list[Family]:
    known = {(tally.job, tally.outcome): tally for tally in tallies}
    keys = sorted({*known, *((job, outcome) for job in rows for outcome in OUTCOMES)})  # zeros too: increases show
    labels = [(("job", job), ("outcome", outcome)) for job, outcome in keys]
    found = [known.get(key) for key in keys]
    waits = Counter((each.run.job.name, each.run.waits_on or "nothing") for each in seen.flights)
    pairs = list(zip(labels, found, strict=True))
    return [
        _counter(
            "runs",
            "1",
            "Runs that ended, by outcome.",
            (Sample(each.runs if each else 0, label) for label, each in pairs),
        ),
        _counter(
            "run_seconds",
            "s",
            "The total duration of runs, by outcome.",
            (Sample(each.seconds if each else 0.0, label) for label, each in pairs),
        ),
        _gauge(
            "runs_in_flight",
            "1",
            "Runs in flight.",
            (Sample(sum(row.closed_at is None for row in past), (("job", job),)) for job, past in sorted(rows.items())),
        ),
        _gauge(
            "runs_waiting",
            "1",
            "Runs in flight, by what they wait for.",
            (Sample(count, (("job", job), ("on", on))) for (job, on), count in sorted(waits.items())),
        ),
        _gauge(
            "job_paused",
            "1",
            "Whether a person paused the job, until it is resumed.",
            (Sample(int(_is(each, "paused")), (("job", each.job.name),)) for each in seen.jobs),
        ),
        _gauge(
            "job_suspended",
            "1",
            "Whether failed runs suspended the job, until it is resumed.",
            (Sample(int(_is(each, "suspended")), (("job", each.job.name),)) for each in seen.jobs),
        ),
    ]


def _is(standing: JobStanding, word: Word) -> bool:
    """Return whether the job is paused, or suspended, as the word says."""
    return standing.suspension is not None and state_word(standing.suspension) == word


def _of_last_runs(rows: dict[str, list[RunRow]]) -> list[Family]:
    lengths, closed, good, succeeded = [], [], [], []
    for job, past in sorted(rows.items()):
        label = (("job", job),)
        last = _ended(past)
        best = next((row for row in past if row.outcome == RunOutcome.SUCCEEDED and row.closed_at is not None), None)
        if best is not None and best.closed_at is not None:
            succeeded.append(Sample(best.closed_at.timestamp(), label))
        if last is None or last.closed_at is None:
            continue
        length = took(last)
        lengths.append(Sample(length.total_seconds() if length else 0.0, label))
        closed.append(Sample(last.closed_at.timestamp(), label))
        good.append(Sample(int(last.outcome == RunOutcome.SUCCEEDED), label))
    return [
        _gauge("last_run_duration_seconds", "s", "The duration of the job's last run.", lengths),
        _gauge("last_run_timestamp_seconds", "s", "When the job's last run ended, in seconds since 1970.", closed),
        _gauge("last_run_success", "1", "Whether the job's last run succeeded.", good),
        _gauge(
            "last_success_timestamp_seconds",
            "s",
            "When a run of the job last succeeded, in seconds since 1970.",
            succeeded,
        ),
    ]


def _step_durations(told: dict[str, tuple[Run | None, dict[int, StepSpan]]]) -> Family:
    samples = []
    for job, (run, spans) in sorted(told.items()):
        for index, each in sorted(spans.items()):
            if run is not None and each.length is not None and index < len(run.steps):
                label = (("job", job), ("step", str(index + 1)), ("kind", run.steps[index].plan.kind))
                samples.append(Sample(each.length.total_seconds(), label))
    return _gauge("last_step_duration_seconds", "s", "The durations of the steps of the job's last run.", samples)


def _of_backups(seen: Snapshot) -> list[Family]:
    whole = [((("backup_environment", name),), proof) for name, proof in sorted(seen.proofs.items())]
    by_job = [((("job", each.job.name),), proof) for each in seen.jobs if (proof := each.proof) is not None]
    return [
        _gauge(
            "last_proved_backup_timestamp_seconds",
            "s",
            "When the last proved backup was created, in seconds since 1970.",
            (Sample(proof.created_at.timestamp(), label) for label, proof in whole),
        ),
        _gauge(
            "last_proved_backup_age_seconds",
            "s",
            "How old that backup is, as of the moment of writing.",
            (Sample(proof.age(seen.now).total_seconds(), label) for label, proof in whole),
        ),
        _gauge(
            "job_last_proved_backup_timestamp_seconds",
            "s",
            "When the last backup that the job proved was created, in seconds since 1970.",
            (Sample(proof.created_at.timestamp(), label) for label, proof in by_job),
        ),
        _gauge(
            "job_last_proved_backup_age_seconds",
            "s",
            "How old that backup is, as of the moment of writing.",
            (Sample(proof.age(seen.now).total_seconds(), label) for label, proof in by_job),
        ),
    ]


def _of_slots(seen: Snapshot) -> list[Family]:
    coming = [((("job", each.job.name),), slot) for each in seen.jobs if (slot := each.coming) is not None]
    return [
        _gauge(
            "next_slot_timestamp_seconds",
            "s",
            "When the job's next slot is due, in seconds since 1970.",
            (Sample(slot.due_at.timestamp(), label) for label, slot in coming),
        ),
        _gauge(
            "next_slot_seconds",
            "s",
            "The time until that slot, as of the time of writing.",
            (Sample((slot.due_at - seen.now).total_seconds(), label) for label, slot in coming),
        ),
    ]


def _of_ticks(seen: Snapshot) -> list[Family]:
    kind = seen.container.environment_type or ""
    last = [Sample(seen.ticked.timestamp())] if seen.ticked is not None else []
    return [
        _counter("ticks", "1", "Ticks on this state, idle ones included, manual runs excluded.", [Sample(seen.ticks)]),
        _gauge("last_tick_timestamp_seconds", "s", "When the last tick was, in seconds since 1970.", last),
        _gauge(
            "report_timestamp_seconds",
            "s",
            "When these metrics were written, in seconds since 1970.",
            [Sample(seen.now.timestamp())],
        ),
        _gauge(
            "info",
            "1",
            "The agent's version, in the labels; the value is always 1.",
            [Sample(1, (("version", __version__), ("environment_type", kind)))],
        ),
    ]
