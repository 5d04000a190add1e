"""Journals of every kind: overwritten, cut short, with events that nobody wrote. Each ends in a named outcome."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st
from msgspec.structs import fields
from upsun_agent.engine.decide import Background, decide
from upsun_agent.engine.fold import InconsistentEvents, fold
from upsun_agent.engine.run import Run
from upsun_agent.errors import AgentError
from upsun_agent.journal.codec import EventUnreadable, cleaned, decode, encode
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.model.answers import Observation
from upsun_agent.model.events import EVENTS, Event
from upsun_agent.report.run_views import event_view, run_view
from upsun_agent.steps import KINDS
from upsun_agent.text.event_text import tell

from tests.harness.commands import CODES, LOOKS, command, container
from tests.harness.fuzz_budget import fuzz
from tests.harness.fuzz_inputs import JSON, KEYS
from tests.harness.soak_stage import Scene

START = datetime(2026, 3, 2, 2, 55, tzinfo=UTC)
AROUND = START.replace(tzinfo=None)  # hypothesis adds the zone
JOBS = """
[jobs.nightly]
schedule = "0 3 * * *"
steps = [{ backup = {} }, { source-operation = { name = "update" } }]
"""
EVERY = 64  # bytes between two places at which a journal is cut off


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state directory of an agent with one run behind it and one in flight."""
    with tempfile.TemporaryDirectory(prefix="upsun-agent-real-") as directory:
        scene = Scene(START, JOBS, directory)
        scene.tick()
        for days in (0, 1):
            scene.manual_clock.set(START + timedelta(days=days, minutes=5, seconds=7))
            for _ in range(4 - 3 * days):
                scene.tick()
                scene.manual_clock.advance(300)
        assert [run.closed is None for run in scene.runs()] == [True, False]
        yield Path(scene.mount.directory)


BOOK: dict[str, Path] = {}


@pytest.fixture(autouse=True)
def known(real: Path) -> None:
    """Where the examples find it: hypothesis and fixtures do not go together."""
    BOOK["real"] = real


def with_journal(data: bytes | None = None, rollback: bytes | None = None) -> tempfile.TemporaryDirectory[str]:
    """A directory with a job file and a state directory like the real one, its journal as given."""
    directory = tempfile.TemporaryDirectory(prefix="upsun-agent-bad-")
    state = Path(directory.name, "state")
    shutil.copytree(BOOK["real"], state)
    if data is not None:
        (state / "journal.sqlite").write_bytes(data)
    if rollback is not None:
        (state / "journal.sqlite-journal").write_bytes(rollback)
    Path(directory.name, "agent.toml").write_text(JOBS)
    return directory


def check_state(directory: str, *, commands: bool = True, ticks: int = 2) -> set[int]:
    """Look at it with every command that looks, then tick; the exit codes."""
    codes = set()
    if commands:
        for arguments in LOOKS:
            codes.add(command(arguments, container(directory)).code)
    scene = Scene(START + timedelta(days=1, minutes=40), JOBS, directory)
    scene.mount.directory = f"{directory}/state"
    for _ in range(ticks):
        said = scene.tick()
        codes.add(said.exit_code if isinstance(said, AgentError) else said.exit_code())
        scene.manual_clock.advance(300)
    assert codes <= CODES, codes
    assert "Traceback" not in scene.log.getvalue()
    return codes


def test_the_real_journal_is_read_and_its_run_goes_on() -> None:
    with with_journal() as directory:
        assert check_state(directory, ticks=5) == {0, 1}, "its activity does not exist in this world: the run fails"


@pytest.mark.parametrize(
    "text", ["", "soon", "-5", "1" * 32, "9" * 18, "1e9", "nan", "\x00", "1772420000 \n", "99999999999"]
)
def test_a_last_tick_of_anything_leads_to_a_named_outcome(text: str) -> None:
    with with_journal() as directory:
        Path(directory, "state", "last-tick").write_text(text)
        check_state(directory)


PLACES = st.one_of(st.integers(0, 120), st.integers(0, 200_000))
PIECES = st.one_of(
    st.binary(min_size=1, max_size=8), st.sampled_from((b"\x00" * 64, b"\xff" * 64, b"\x80", b'"', b"}", b"\x1b"))
)


@fuzz("bytes of a journal overwritten", pieces=st.lists(st.tuples(PLACES, PIECES), min_size=1, max_size=6))
def test_a_journal_with_bytes_overwritten_leads_to_a_named_outcome(pieces: list[tuple[int, bytes]]) -> None:
    data = bytearray(BOOK["real"].joinpath("journal.sqlite").read_bytes())
    for place, piece in pieces:
        place %= len(data)  # noqa: PLW2901  within the file
        data[place : place + len(piece)] = piece
    with with_journal(bytes(data)) as directory:
        check_state(directory)


@pytest.mark.parametrize("part", range(4))
def test_a_journal_cut_off_at_any_place_leads_to_a_named_outcome(part: int) -> None:
    data = BOOK["real"].joinpath("journal.sqlite").read_bytes()
    places = range(part * EVERY, len(data), EVERY * 4)
    assert len(places) > 100
    for place in places:
        with with_journal(data[:place]) as directory:
            try:
                check_state(directory, commands=place % (EVERY * 16) == 0)
            except BaseException as error:
                raise AssertionError(f"cut off after {place} bytes: {error!r}") from error


@pytest.mark.parametrize(
    "rollback", [b"", b"\x00" * 600, os.urandom(600), b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + b"\xff" * 600]
)
def test_a_rollback_file_of_anything_leads_to_a_named_outcome(rollback: bytes) -> None:
    with with_journal(rollback=rollback) as directory:
        check_state(directory)


# --- events -----------------------------------------------------------------------------------------------------

MOMENTS = st.one_of(
    st.sampled_from(
        ("2026-03-02T03:00:00+00:00", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00", "2026-03-02", "soon")
    ),
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    st.datetimes(AROUND, AROUND + timedelta(days=3), timezones=st.just(UTC)).map(datetime.isoformat),
)
WORDS = st.sampled_from(
    ("nightly", "main", "success", "complete", "failed", "succeeded", "act1", "schedule", "done", "")
)
SNAPSHOT = {
    "name": "nightly",
    "steps": [{"kind": "backup", "settings": {}}, {"kind": "source-operation", "settings": {"name": "update"}}],
    "schedule": "0 3 * * *",
    "timezone": "UTC",
    "environment_types": ["production"],
    "catch_up": "latest",
    "misfire_grace": 21600,
    "overlap": "skip",
    "timeout": 43200,
    "suspend_after": 0,
}
NUMBERS = st.one_of(st.integers(-1, 3), st.integers(-(10**30), 10**30), st.floats())


def likely(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Fields of an event of the kind, most of them of the right type."""
    drawn: dict[str, st.SearchStrategy[Any]] = {}
    for field in fields(EVENTS[kind]):
        name, form = field.name, str(field.type)
        if "datetime" in form:
            drawn[name] = MOMENTS
        elif field.type is int:
            drawn[name] = st.one_of(st.integers(0, 2), NUMBERS)
        elif "Mapping" in form:
            drawn[name] = st.one_of(
                st.just(SNAPSHOT),
                st.dictionaries(KEYS, JSON, max_size=3),
                st.builds(lambda key, value: {**SNAPSHOT, key: value}, st.sampled_from(sorted(SNAPSHOT)), JSON),
            )
        else:
            drawn[name] = st.one_of(WORDS, WORDS, st.text(max_size=10), st.none())
    return st.fixed_dictionaries(drawn)


KINDS_DRAWN = st.sampled_from(sorted(EVENTS))
LIKELY = KINDS_DRAWN.flatmap(lambda kind: st.tuples(st.just(kind), likely(kind).map(json.dumps)))
JUNK = st.tuples(
    st.one_of(KINDS_DRAWN, st.text(max_size=10)),
    st.one_of(
        st.text(max_size=60),
        JSON.map(json.dumps),
        st.sampled_from(
            ("NaN", "[" * 5000, '{"at":1e999}', '{"at":null}', "null", '{"at":"2026-03-02T03:00:00+00:00","step":true}')
        ),
    ),
)


def decoded(kind: str, text: str) -> Event | None:
    """The event, or None where it is refused as it should be."""
    try:
        event = decode(kind, text)
    except EventUnreadable:
        return None
    assert decode(kind, encode(event)) == cleaned(event)
    return event


@fuzz("an event's JSON", event=st.one_of(LIKELY, LIKELY, JUNK))
def test_an_event_of_anything_is_read_or_refused(event: tuple[str, str]) -> None:
    decoded(*event)


OPENED = likely("run-opened").map(
    lambda fields: ("run-opened", json.dumps({**fields, "job": SNAPSHOT, "run": "nightly@1"}))
)
SERIES = st.tuples(st.one_of(OPENED, OPENED, LIKELY), st.lists(LIKELY, max_size=6)).map(
    lambda pair: [pair[0], *pair[1]]
)


def folded(series: list[tuple[str, str]]) -> Run | None:
    events = [event for event in (decoded(*each) for each in series) if event is not None]
    try:
        return fold(events)
    except InconsistentEvents:
        return None


@fuzz("events in any order", series=SERIES)
def test_events_in_any_order_fold_and_are_decided_on_or_refused(series: list[tuple[str, str]]) -> None:
    run = folded(series)
    if run is None:
        return
    msgspec.json.encode(run_view(run))
    for each in series:
        event = decoded(*each)
        if event is not None:
            json.dumps(event_view(event))
            if getattr(event, "step", 0) in range(len(run.steps)):
                tell(event, run.job)
    decision = decide(run, START, Observation(), KINDS, Background())
    assert decision is not None


ROWS = st.lists(st.one_of(LIKELY, LIKELY, JUNK), max_size=4)


@fuzz(
    "rows of a journal",
    rows=ROWS,
    first=st.booleans(),
    columns=st.tuples(NUMBERS, st.one_of(NUMBERS, st.text(max_size=5))),
)
def test_rows_that_nobody_wrote_lead_to_a_named_outcome(
    *, rows: list[tuple[str, str]], first: bool, columns: tuple[Any, Any]
) -> None:
    with with_journal() as directory:
        path = f"{directory}/state/journal.sqlite"
        with closing(sqlite3.connect(path)) as db:
            (run,) = db.execute("SELECT run FROM runs WHERE outcome IS NULL").fetchone()
            if first:
                db.execute("DELETE FROM events WHERE run = ?", (run,))
            for kind, text in rows:
                values = [each.encode("utf-8", "surrogatepass").decode("utf-8", "replace") for each in (kind, text)]
                db.execute("INSERT INTO events (run, kind, data) VALUES (?, ?, ?)", (run, *values))
            numbers = [str(each) if isinstance(each, int) and abs(each) >= 2**63 else each for each in columns]
            db.execute("UPDATE runs SET due_at = coalesce(?, 0) WHERE run = ?", (numbers[0], run))
            db.execute("UPDATE cursors SET until = coalesce(?, 0)", (numbers[1],))
            db.commit()
        check_state(directory)


def test_the_journal_of_these_tests_is_as_the_agent_writes_it() -> None:
    journal = SqliteJournal(str(BOOK["real"]), ("abcdefgh1234z", "main", "app"))
    try:
        kinds = {event.kind for row in journal.rows() for event in journal.events(row.run)}
    finally:
        journal.close()
    assert {"run-opened", "intent-recorded", "request-accepted", "step-done", "run-closed"} <= kinds
