"""The keys of the journal's notes stand in one module, and no two of them can be taken for each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

from upsun_agent.journal import notes

AGENT = Path(__file__).resolve().parents[3] / "agent" / "upsun_agent"
KEYS = {name: value for name, value in vars(notes).items() if name.isupper()}
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
