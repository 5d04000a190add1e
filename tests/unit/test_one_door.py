"""Events reach the journal through the recorder alone (recorder.py): found in the source, so in every module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

AGENT = Path(__file__).resolve().parents[2] / "agent"
RECORDER = AGENT / "upsun_agent" / "runtime" / "recorder.py"
#: The journal's forms themselves, and what moves whole journals.
JOURNAL = AGENT / "upsun_agent" / "journal"


def is_journal(of: ast.expr) -> bool:
    """Whether the expression is a journal, by its last name: they are called nothing else."""
    name = of.attr if isinstance(of, ast.Attribute) else of.id if isinstance(of, ast.Name) else ""
    return name.strip("_") in {"journal", "journals", "nothing", "source", "target", "old", "new"}


def writes_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Calls that give events to a journal: ``open_run``, and ``append`` with more than the run's id."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name, journal = node.func.attr, is_journal(node.func.value)
        if (name == "open_run" and journal) or (name == "append" and journal and len(node.args) > 1):
            yield node.lineno, ast.unparse(node)


def test_only_the_recorder_gives_events_to_a_journal() -> None:
    found = [
        f"{path.relative_to(AGENT)}:{line}: {text}"
        for path in sorted(AGENT.rglob("*.py"))
        if path != RECORDER and JOURNAL not in path.parents
        for line, text in writes_of(ast.parse(path.read_text()))
    ]
    assert found == []


def test_the_search_sees_what_it_is_for() -> None:
    bypass = "with open_session(of) as s:\n    s.journal.append(run.id, event)\n    self.journal.open_run(opened)\n"
    assert [line for line, _ in writes_of(ast.parse(bypass))] == [2, 3]
    assert len(list(writes_of(ast.parse(RECORDER.read_text())))) >= 3
    assert list(writes_of(ast.parse("journal.append(run, notes=changes)\nrows.append(1, 2)"))) == []
