"""The outbox as a table: facts in, changes of facts out; what is damaged harms nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upsun_agent.limits import NOTICE_ATTEMPTS, OUTBOX_MOST
from upsun_agent.notify import outbox
from upsun_agent.notify.messages import Message

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


def message(number: int = 0, **changes: Any) -> Message:
    given = {"id": f"id-{number}", "channel": "ops", "event_type": "failed", "job": "job", "run": f"job@{number}"}
    return Message(**{**given, "at": NOW + timedelta(seconds=number), **changes})


def after(facts: dict[str, str], changes: outbox.Changes) -> dict[str, str]:
    merged = {**facts, **changes}
    return {key: value for key, value in merged.items() if value is not None}


def test_what_is_put_in_comes_out_in_order_and_once() -> None:
    facts = after({}, outbox.added({}, [message(2), message(1), message(2)], NOW))
    assert [each.id for each in outbox.waiting(facts)] == ["id-1", "id-2"]
    assert after(facts, outbox.added(facts, [message(1)], NOW)) == facts
    assert after(facts, outbox.delivered(message(1))).keys() == {"outbox:id-2"}


def test_at_one_moment_the_start_comes_first_and_the_suspension_last() -> None:
    at_once = [
        message(n, at=NOW, event_type=event_type) for n, event_type in enumerate(["suspended", "failed", "started"])
    ]
    facts = after({}, outbox.added({}, at_once, NOW))
    assert [each.event_type for each in outbox.waiting(facts)] == ["started", "failed", "suspended"]


def test_the_oldest_of_too_many_are_given_up_and_counted() -> None:
    facts: dict[str, str] = {}
    for number in range(OUTBOX_MOST + 7):
        facts = after(facts, outbox.added(facts, [message(number)], NOW))
    waiting = outbox.waiting(facts)
    assert (len(waiting), waiting[0].id) == (OUTBOX_MOST, "id-7")
    assert outbox.lost(facts)["ops"].count == 7
    assert after(facts, outbox.delivered(waiting[0])).get("outbox-lost:ops") is None


def test_pauses_grow_and_end() -> None:
    waits, known = [], message()
    now = NOW
    while (later := outbox.failed(known, "no", now, 0.5)) is not None:
        assert later.again_at is not None
        waits.append((later.again_at - now).total_seconds())
        known, now = later, later.again_at
    assert len(waits) == NOTICE_ATTEMPTS - 1
    assert waits == sorted(waits)
    assert waits[0] < 300, "the next tick tries again"


@given(
    st.builds(
        message,
        st.integers(0, 9),
        text=st.text(max_size=50),
        reason=st.text(max_size=50),
        attempts=st.integers(0, 20),
        again_at=st.none() | st.just(NOW),
    )
)
def test_a_message_comes_back_as_it_was(known: Message) -> None:
    assert Message.from_json(known.to_json()) == known


SOUND = json.loads(message().to_json())
DAMAGE = ["", "7", "[]", "{}", "null", "[" * 5000, "nonsense", '{"id": 7}'] + [
    json.dumps({**SOUND, key: odd})
    for key, odd in (
        ("id", None), ("event_type", "unknown"), ("at", "yesterday"), ("at", 7), ("at", "2026-03-02T03:00:00"),
        ("attempts", "many"), ("again_at", "x"), ("text", []), ("job", {}),
    )
]  # fmt: skip


@pytest.mark.parametrize("text", DAMAGE)
def test_an_entry_that_is_none_is_passed_over_and_named(text: str) -> None:
    facts = {
        "outbox:id-0": text,
        "outbox:id-1": message(1).to_json(),
        "other": "x",
        "outbox:id-2": message(1).to_json(),
    }
    assert [each.id for each in outbox.waiting(facts)] == ["id-1"]
    assert set(outbox.unreadable(facts)) == {"outbox:id-0", "outbox:id-2"}


@pytest.mark.parametrize("text", ["", "7", "{}", '{"count": "x", "at": 1, "reason": 2}', "null"])
def test_a_note_of_a_loss_that_does_not_read_is_a_loss(text: str) -> None:
    assert outbox.lost({"outbox-lost:ops": text})["ops"].count == 1


@pytest.mark.parametrize("text", ["", "x", "2026-03-02T03:00:00", "9999-12-31T23:59:59+00:00"])
def test_a_heartbeat_that_makes_no_sense_is_pinged_now(text: str) -> None:
    assert outbox.next_beat({"heartbeat": text}, 3600, NOW) == NOW
