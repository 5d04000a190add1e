"""The keys of the journal's notes stand in one module, and no two of them can be taken for each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path

import pytest
from upsun_agent.journal import notes

AGENT = Path(__file__).resolve().parents[3] / "agent" / "upsun_agent"
KEYS = {name: value for name, value in vars(notes).items() if name.isupper() and isinstance(value, str)}
#: Both begin other keys on purpose.
SHARED = {"OUTBOX_ALL", "MOVE_MARKS"}


def literals_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Calls of ``note``, ``noted`` and ``notes`` of a journal whose key is written out."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
            continue
        if node.func.attr not in {"note", "noted", "notes"} or "terminal" in ast.unparse(node.func.value):
            continue
        first = node.args[0]
        if isinstance(first, ast.JoinedStr) and first.values:
            first = first.values[0]
        if isinstance(first, ast.Constant) and first.value:
            yield node.lineno, ast.unparse(node)


def test_no_module_writes_a_key_out() -> None:
    found = [
        f"{path.relative_to(AGENT)}:{line}: {text}"
        for path in sorted(AGENT.rglob("*.py"))
        if path.name != "terminal.py"
        for line, text in literals_of(ast.parse(path.read_text()))
    ]
    assert found == []


def test_the_search_sees_what_it_is_for() -> None:
    calls = [
        "journal.note('a', None)",
        "journal.notes(f'b:{c}')",
        "self.journal.noted('d')",
        "journal.notes('')",
        "journal.note(KEY, 'e')",
    ]
    assert [line for line, _ in literals_of(ast.parse("\n".join(calls)))] == [1, 2, 3]


def test_no_key_begins_another() -> None:
    plain = {value for name, value in KEYS.items() if name not in SHARED}
    assert len(plain) == len(KEYS) - len(SHARED)
    assert [
        (one, other) for one, other in permutations(sorted(plain), 2) if one.endswith(":") and other.startswith(one)
    ] == []


@pytest.mark.parametrize("text", [None, "", "None", "soon", "2026-11-24T03:00:00", "2026-11-24", "1795000000"])
def test_a_note_without_a_time_and_zone_holds_no_moment(text: str | None) -> None:
    assert notes.moment_of(text) is None


def test_the_moment_of_a_note_is_the_one_that_was_written() -> None:
    moment = datetime(2026, 11, 24, 3, 0, 0, 5, tzinfo=UTC)
    assert notes.moment_of(moment.isoformat()) == moment
    assert notes.moment_at(moment.timestamp()) == moment


@pytest.mark.parametrize("seconds", [None, 0, -1.0, 1e12, float("nan"), float("inf")])
def test_seconds_that_no_clock_shows_are_no_moment(seconds: float | None) -> None:
    assert notes.moment_at(seconds) is None
