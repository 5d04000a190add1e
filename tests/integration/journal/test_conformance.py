"""What every form of the journal promises: a file, PostgreSQL and MariaDB pass the same tests."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from upsun_agent.journal import Copied, Cursor, IdleHint, Journal, JournalReader
from upsun_agent.journal.codec import cleaned
from upsun_agent.limits import PRUNED_AT_ONCE
from upsun_agent.log.foreign_text import use
from upsun_agent.log.redaction import Redaction
from upsun_agent.model import events as ev
from upsun_agent.model.job import Job, StepPlan

from tests.harness.journal_forms import FileForm, Form

NOW = datetime(2026, 11, 24, 3, 0, 0, 123456, tzinfo=UTC)
ODD = "ünï ☃ 🦄 'quoted' \"double\" back\\slash %s %(x)s {p} ; -- \0 \r\n\t end "


def opened(run: str, *, job: str = "j", slot: str | None = None, at: datetime = NOW) -> ev.RunOpened:
    snapshot = Job(job, (StepPlan("backup", {}),)).to_json()
    return ev.RunOpened(
        at=at, run=run, environment="main", slot=slot, due_at=at, trigger=ev.Trigger.SCHEDULE, job=snapshot
    )


def warned(message: str) -> ev.Warned:
    return ev.Warned(at=NOW, message=message)


def closed(at: datetime = NOW, outcome: ev.RunOutcome = ev.RunOutcome.SUCCEEDED) -> ev.RunClosed:
    return ev.RunClosed(at=at, outcome=outcome, message="")


def accepted(activity: str) -> ev.RequestAccepted:
    return ev.RequestAccepted(at=NOW, step=0, activity=activity)


def names(journal: JournalReader, **which: Any) -> list[str]:
    return [row.run for row in journal.rows(**{"most": 1000, **which})]


# --- runs and events -------------------------------------------------------------------------------------------------


def test_no_form_keeps_a_secret_or_an_escape_sequence_of_a_text(form: Form) -> None:
    secret = "canary-of-the-journal-9"
    texts = [
        secret,
        f"\x1b[8m{secret}\x1b[0m",
        f"{secret[:5]}\x1b[31m{secret[5:]}",
        base64.b64encode(secret.encode()).decode(),
    ]
    use(Redaction([secret]))
    try:
        with form.work() as journal:
            assert journal.open_run(opened("r"), [warned(text) for text in texts])
            done = ev.StepDone(
                at=NOW, step=0, outcome=ev.StepOutcome.DONE, message="", detail={"said": texts, "more": {"deep": texts}}
            )
            journal.append("r", accepted("a"), done)
    finally:
        use(Redaction())
    with form.look() as journal:
        kept = repr(journal.events("r"))
    for each in (secret, texts[3].rstrip("="), "\x1b", "[31m"):
        assert each not in kept
    assert kept.count("[hidden]") == 3 * len(texts)
    assert "activity='a'" in kept


def test_what_is_written_is_read_by_another_process_in_order_and_clean(form: Form) -> None:
    intent = ev.IntentRecorded(at=NOW, step=0, attempt=1, server_at=NOW - timedelta(hours=1), head=None)
    done = ev.StepDone(
        at=NOW, step=0, outcome=ev.StepOutcome.DONE, message=ODD, detail={"backup": "b", "safe": True, ODD: [1.5]}
    )
    written = [opened("r", slot="2026-11-24T03:00"), warned(ODD), intent, accepted("a"), done, closed()]
    with form.work() as journal:
        assert journal.open_run(written[0], written[1:2])  # type: ignore[arg-type]  # the first one opens the run
        journal.append("r", *written[2:4])
        journal.append("r", *written[4:])
    with form.look() as journal:
        assert journal.events("r") == [cleaned(each) for each in written]
        assert journal.events("another") == []
        (row,) = journal.rows()
        assert (row.run, row.job, row.slot, row.outcome) == ("r", "j", "2026-11-24T03:00", "succeeded")
        assert (row.due_at, row.opened_at, row.closed_at) == (NOW, NOW, NOW)
        assert journal.claimed() == {"a": "r"}


def test_a_large_event_is_kept_whole(form: Form) -> None:
    event = warned("ü" * 1_000_000)
    with form.work() as journal:
        assert journal.open_run(opened("r"), [event])
    with form.look() as journal:
        assert journal.events("r")[1] == event


def test_a_run_is_opened_once_and_a_slot_has_one_run(form: Form) -> None:
    with form.work() as journal:
        assert journal.open_run(opened("a", slot="s"), notes={"first": "1"})
        assert not journal.open_run(opened("a", slot="t"), [warned("x")], notes={"late": "1"})
        assert not journal.open_run(opened("b", slot="s"), [warned("x")], notes={"late": "1"})
        assert journal.open_run(opened("c", slot="s", job="k")), "another job's slot"
        assert journal.open_run(opened("d")), "without a slot"
        assert journal.open_run(opened("e")), "any number of them"
        assert names(journal) == ["e", "d", "c", "a"]
        assert len(journal.events("a")) == 1
        assert (journal.noted("first"), journal.noted("late")) == ("1", None)


def test_names_that_differ_in_case_or_accents_or_spaces_are_different(form: Form) -> None:
    alike = ["a", "A", "á", "a ", " a", "\uff41", "ss", "ß"]
    with form.work() as journal:
        for name in alike:
            assert journal.open_run(opened(name, slot=name)), name
            journal.note(f"n{name}", name)
        assert sorted(names(journal)) == sorted(alike)
        assert {key: journal.noted(key) for key in (f"n{each}" for each in alike)} == {f"n{n}": n for n in alike}


def test_rows_are_newest_first_and_open_ones_oldest_first(form: Form) -> None:
    with form.work() as journal:
        for number in (2, 0, 1):
            assert journal.open_run(opened(f"r{number}", at=NOW + timedelta(seconds=number), job=f"j{number % 2}"))
        assert journal.open_run(opened("twin", at=NOW + timedelta(seconds=2)))
        journal.append("r1", closed())
        assert names(journal) == ["twin", "r2", "r1", "r0"]
        assert names(journal, open_only=True) == ["r0", "r2", "twin"]
        assert names(journal, job="j0") == ["r2", "r0"]
        assert names(journal, job="j0", open_only=True, most=1) == ["r0"]
        assert names(journal, most=2) == ["twin", "r2"]


def test_an_activity_belongs_to_the_run_that_had_it_last(form: Form) -> None:
    adopted = ev.ActivityAdopted(at=NOW, step=1, activity="x", how="alone")
    with form.work() as journal:
        journal.open_run(opened("a"), [accepted("x"), accepted("y")])
        journal.open_run(opened("b"), [adopted])
        assert journal.claimed() == {"x": "b", "y": "a"}


def test_events_of_runs_side_by_side_do_not_mix(form: Form) -> None:
    with form.work() as journal:
        for run in ("a", "b"):
            journal.open_run(opened(run))
        for number in range(50):
            journal.append("ab"[number % 2], *(warned(f"{number}.{part}") for part in range(3)))
        for index, run in enumerate("ab"):
            told = [event.message for event in journal.events(run) if isinstance(event, ev.Warned)]
            assert told == [f"{number}.{part}" for number in range(index, 50, 2) for part in range(3)]


# --- notes -----------------------------------------------------------------------------------------------------------


def test_notes_are_kept_replaced_and_taken_away(form: Form) -> None:
    with form.work() as journal:
        journal.note("k", "one")
        journal.note("k", ODD.replace("\0", ""))
        journal.note("k:%_", "")
        journal.note("K", "other")
    with form.look() as journal:
        assert journal.noted("k") == ODD.replace("\0", "")
        assert journal.notes("k") == {"k": ODD.replace("\0", ""), "k:%_": ""}
        assert journal.notes("k:%") == {"k:%_": ""}
        assert journal.notes("_") == {}
        assert journal.noted("none") is None
    with form.work() as journal:
        journal.note("k", None)
        journal.note("none", None)
        assert journal.notes("k") == {"k:%_": ""}


def test_notes_are_written_with_the_events_or_not_at_all(form: Form) -> None:
    with form.work() as journal:
        assert journal.open_run(opened("a"), notes={"with-opening": "1"})
        journal.append("a", warned("x"), notes={"with-event": "2", "with-opening": None})
        journal.append("a", notes={"alone": "3"})
        bad: Any = ev.Warned(at=NOW, message=object())  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            journal.append("a", warned("x"), bad, notes={"with-lost": "3"})
        with pytest.raises(TypeError):
            journal.open_run(opened("lost"), [bad], notes={"with-lost": "3"})
    with form.look() as journal:
        assert journal.notes("with-") == {"with-event": "2"}
        assert journal.noted("alone") == "3"
        assert len(journal.events("a")) == 2
        assert names(journal) == ["a"]


# --- what stands beside them ------------------------------------------------------------------------------------------


def test_cursors_are_kept_to_the_microsecond_and_forgotten_by_job(form: Form) -> None:
    first, second = Cursor("a", "0 3 * * *|UTC", NOW), Cursor("b", "x", NOW + timedelta(microseconds=1))
    with form.work() as journal:
        journal.set_cursor(Cursor("a", "old", NOW - timedelta(days=1)))
        journal.set_cursor(first)
        journal.set_cursor(second)
    with form.look() as journal:
        assert (journal.cursor("a"), journal.cursor("b"), journal.cursor("c")) == (first, second, None)
        assert journal.cursors() == [first, second]
    with form.work() as journal:
        journal.forget_cursors(["b", "c"])
        assert journal.cursors() == [second]
        journal.forget_cursors(each for each in ("b",))
        assert journal.cursors() == [second]


def test_the_last_tick_is_remembered(form: Form) -> None:
    with form.look() as journal:
        assert journal.last_tick() is None
    with form.work() as journal:
        assert journal.last_tick() is None
        journal.mark_tick(1_700_000_000.9)
    with form.look() as journal:
        assert journal.last_tick() == 1_700_000_000


def test_what_idle_ticks_read_may_be_written_at_every_tick(form: Form) -> None:
    with form.work() as journal:
        for due in (5, 5, 6):
            journal.set_idle_hint(IdleHint(form.identity, f"text {ODD}", due))
        journal.mark_tick(3)
        assert journal.last_tick() == 3


def test_a_new_journal_is_empty(form: Form) -> None:
    for opening in (form.look, form.work, form.look):
        with opening() as journal:
            assert (list(journal.rows()), journal.claimed(), journal.notes(""), journal.cursors()) == ([], {}, {}, [])
            assert (journal.noted("x"), journal.cursor("x"), journal.last_tick()) == (None, None, None)


def test_ticks_are_counted_and_the_count_can_be_carried_on(form: Form) -> None:
    with form.work() as journal:
        assert journal.ticks() == 0
        for _ in range(3):
            journal.mark_tick(NOW.timestamp())
        assert journal.ticks() == 3
        journal.mark_tick(NOW.timestamp(), 40)
        journal.mark_tick(NOW.timestamp())
    with form.look() as journal:
        assert journal.ticks() == 41


def test_the_latest_events_of_a_kind_are_found_newest_first_by_job(form: Form) -> None:
    with form.work() as journal:
        for number, job in enumerate(("a", "b", "a", "b", "a")):
            assert journal.open_run(opened(f"{job}{number}", job=job), [warned(f"{number}"), closed()])
        found = journal.latest("warned", job="a", most=2)
        assert [(run, getattr(event, "message", None)) for run, event in found] == [("a4", "4"), ("a2", "2")]
        assert [run for run, _ in journal.latest("warned", most=3)] == ["a4", "b3", "a2"]
        assert [run for run, _ in journal.latest("warned")] == ["a4", "b3", "a2", "b1", "a0"]
        assert list(journal.latest("step-failed")) == list(journal.latest("warned", job="c")) == []


def test_the_last_proof_of_each_job_is_found_behind_later_steps_and_runs(form: Form) -> None:
    def done(step: int, **detail: Any) -> ev.StepDone:
        return ev.StepDone(at=NOW, step=step, outcome=ev.StepOutcome.DONE, message='"backup":"no"', detail=detail)

    with form.work() as journal:
        assert list(journal.last_proofs()) == []
        for number, job in enumerate(("a", "b", "a", "c", "b")):
            proved = done(0, backup=f"backup-{number}", safe=True)
            assert journal.open_run(opened(f"{job}{number}", job=job), [proved, done(1, commit=None), closed()])
        assert journal.open_run(opened("a9", job="a"), [done(0, commit="backup"), warned("backup"), closed()])
        journal.drop(["c3"])
        found = [(job, run, getattr(event, "detail", {}).get("backup")) for job, run, event in journal.last_proofs()]
        assert found == [("b", "b4", "backup-4"), ("a", "a2", "backup-2")]


# --- forgetting -------------------------------------------------------------------------------------------------------


def fill(journal: Journal, ages: list[int], *, open_runs: tuple[str, ...] = ()) -> None:
    for age in ages:
        at = NOW - timedelta(days=age)
        later = [accepted(f"activity-{age}")] + ([] if f"{age}" in open_runs else [closed(at)])
        assert journal.open_run(opened(f"{age}", slot=f"{age}", at=at), later)


def test_runs_beyond_the_age_are_forgotten_with_all_of_theirs(form: Form) -> None:
    with form.work() as journal:
        fill(journal, [1, 399, 401, 500], open_runs=("500",))
        assert journal.prune(NOW - timedelta(days=400), 100) == 1
        assert sorted(names(journal)) == ["1", "399", "500"]
        assert journal.events("401") == []
        assert set(journal.claimed()) == {"activity-1", "activity-399", "activity-500"}
        assert journal.prune(NOW - timedelta(days=400), 100) == 0


def test_the_oldest_of_too_many_are_forgotten(form: Form) -> None:
    with form.work() as journal:
        fill(journal, list(range(6)))
        assert journal.prune(NOW - timedelta(days=400), 4) == 2
        assert names(journal) == ["0", "1", "2", "3"]
        assert journal.prune(NOW - timedelta(days=400), 0) == 3, "the newest stays: nothing is older than itself"


def test_how_many_ended_how_is_known_though_they_are_forgotten(form: Form) -> None:
    took = timedelta(minutes=4)
    good = ev.RunOutcome.SUCCEEDED
    outcomes = (good, ev.RunOutcome.FAILED, good, ev.RunOutcome.MISSED, good)

    def known(journal: Journal) -> list[tuple[str, str, int, float, datetime]]:
        return [(each.job, each.outcome, each.runs, round(each.seconds, 3), each.since) for each in journal.tallies()]

    with form.work() as journal:
        assert known(journal) == []
        for age, outcome in enumerate(outcomes):
            at = NOW - timedelta(days=age)
            assert journal.open_run(opened(f"r{age}", job="a:b", at=at), [closed(at + took, outcome)])
        assert journal.open_run(opened("flies", job="a:b"))
        before = known(journal)
        assert before == [
            ("a:b", "failed", 1, 240.0, NOW - timedelta(days=1)),
            ("a:b", "missed", 1, 240.0, NOW - timedelta(days=3)),
            ("a:b", "succeeded", 3, 720.0, NOW - timedelta(days=4)),
        ]
        for most in (5, 4, 2):
            assert journal.prune(NOW - timedelta(days=400), most) >= 1
            assert known(journal) == before
        journal.note("forgotten:a:b:failed", "no numbers")
        assert [each.outcome for each in journal.tallies()] == ["missed", "succeeded"]


def counters(journal: Journal) -> dict[tuple[str, str], tuple[int, float]]:
    return {(each.job, each.outcome): (each.runs, each.seconds) for each in journal.tallies()}


def test_counters_never_fall_by_a_digit_while_history_is_forgotten_run_by_run(form: Form) -> None:
    dice = random.Random(20261127)
    with form.work() as journal:
        for number in range(60):
            at = NOW - timedelta(days=number, microseconds=dice.randrange(10**6))
            length = timedelta(microseconds=dice.randrange(10**7))
            assert journal.open_run(opened(f"r{number}", at=at), [closed(at + length)])
        before = counters(journal)
        for most in range(59, 0, -1):
            assert journal.prune(NOW - timedelta(days=400), most) == 1
            assert counters(journal) == before, f"with {most} runs left"
        at = NOW + timedelta(days=1)
        journal.open_run(opened("new", at=at), [closed(at + timedelta(milliseconds=1))])
        assert counters(journal)["j", "succeeded"] > before["j", "succeeded"]


def test_a_run_that_a_clock_ended_before_it_began_took_no_time(form: Form) -> None:
    with form.work() as journal:
        for number, back in enumerate((timedelta(microseconds=15), timedelta(days=3), timedelta())):
            at = NOW - timedelta(days=number)
            assert journal.open_run(opened(f"r{number}", at=at), [closed(at - back, ev.RunOutcome.MISSED)])
        for most in (3, 2, 1):
            journal.prune(NOW - timedelta(days=400), most)
            assert counters(journal) == {("j", "missed"): (3, 0.0)}
            assert str(counters(journal)["j", "missed"][1]) == "0.0"
        journal.note("forgotten:j:missed", "2 -1.5e-05 1790000000.0")  # as it was written before
        assert counters(journal)["j", "missed"] == (3, 0.0)


def test_so_many_at_once_that_it_takes_no_time(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PRUNED_AT_ONCE > 2
    for module in ("upsun_agent.journal.sqlite", "upsun_agent.journal.server.journal"):
        monkeypatch.setattr(f"{module}.PRUNED_AT_ONCE", 2)
    with form.work() as journal:
        fill(journal, [500, 501, 502])
        assert journal.prune(NOW - timedelta(days=400), 100) == 2
        assert names(journal) == ["500"]


# --- whole journals ---------------------------------------------------------------------------------------------------


def test_a_run_taken_in_twice_and_longer_the_second_time_is_there_once(form: Form) -> None:
    with form.work() as source:
        source.open_run(opened("a", slot="s"), [warned(ODD.replace("\0", "")), accepted("x")])
        early = source.copied(source.rows())[0]
        source.append("a", closed(outcome=ev.RunOutcome.FAILED))
        late = source.copied(source.rows())[0]
    other = None
    if not isinstance(form, FileForm):
        other = (form.identity[0], "copy", "app")
    else:
        form.place += "-copy"
        __import__("os").mkdir(form.place)
    with form.work(other) as target:
        for copy in (early, early, late, late):
            target.take_in([copy])
        assert target.copied(target.rows())[0] == late
        assert target.claimed() == {"x": "a"}
        assert [event.kind for event in target.events("a")] == [kind for kind, _ in late.events]


def test_a_run_that_became_another_meanwhile_is_taken_in_anew(form: Form) -> None:
    with form.work() as journal:
        journal.open_run(opened("a"), [warned("one"), warned("two")])
        row = journal.rows()[0]
        found = journal.copied([row])[0]
        other = Copied(row, (found.events[0], found.events[2]), (("z", 1),))
        journal.take_in([other])
        assert journal.copied(journal.rows())[0] == other
        journal.drop(["a", "none"])
        journal.drop([])
        assert (list(journal.rows()), journal.events("a"), journal.claimed()) == ([], [], {})


# --- the same calls, the same answers ---------------------------------------------------------------------------------


def test_any_mix_of_calls_gives_what_a_model_gives(form: Form) -> None:
    dice = random.Random(8)
    notes: dict[str, str] = {}
    runs: dict[str, list[ev.Event]] = {}
    slots: set[tuple[str, str]] = set()

    def open_one(journal: Journal) -> None:
        run, job, slot = f"r{dice.randrange(40)}", f"j{dice.randrange(3)}", f"s{dice.randrange(25)}"
        event, added = opened(run, job=job, slot=slot), {f"n{dice.randrange(5)}": run}
        new = run not in runs and (job, slot) not in slots
        assert journal.open_run(event, notes=added) is new
        if new:
            runs[run] = [event]
            slots.add((job, slot))
            notes.update(added)

    def append(journal: Journal) -> None:
        if runs:
            run = dice.choice(sorted(runs))
            added = [warned(f"{dice.random()}") for _ in range(dice.randrange(4))]
            gone = f"n{dice.randrange(5)}"
            journal.append(run, *added, notes={gone: None})
            runs[run] += added
            notes.pop(gone, None)

    def note(journal: Journal) -> None:
        key, value = f"n{dice.randrange(5)}", f"{dice.random()}"
        journal.note(key, value)
        notes[key] = value

    calls: list[Callable[[Journal], None]] = [open_one, append, note]
    for _ in range(6):
        with form.work() as journal:
            for _ in range(25):
                dice.choice(calls)(journal)
        with form.look() as reader:
            assert reader.notes("") == notes
            assert {row.run: reader.events(row.run) for row in reader.rows(most=1000)} == runs
