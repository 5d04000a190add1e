"""Every kind of failure that the code can name has a row in the docs, and no word for one stands outside the enum."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from upsun_agent.model.failures import FailureKind, exit_code_of, kind_named

from tools.reference import DOCS, failure_kinds

AGENT = Path(__file__).resolve().parents[3] / "agent" / "upsun_agent"
ENUM = AGENT / "model" / "failures.py"


def trees() -> Iterator[tuple[Path, ast.Module]]:
    """Every module but the one with the enum."""
    for path in sorted(AGENT.rglob("*.py")):
        if path != ENUM:
            yield path, ast.parse(path.read_text())


def written_out(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Calls that are given a kind of failure as a text, where types do not forbid it."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        given = [each.value for each in node.keywords if each.arg == "failure"]
        if any(isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value for each in given):
            yield node.lineno, ast.unparse(node)


def named() -> set[str]:
    """The members of the enum that some module names."""
    return {
        node.attr
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "FailureKind"
    }


def test_every_kind_has_a_row() -> None:
    rows = [line.split("|")[1].strip() for line in failure_kinds().splitlines() if line.startswith("| `")]
    assert rows == [f"`{kind}`" for kind in sorted(FailureKind)]
    for page in ("index.md", "how-to/troubleshooting.md"):
        assert "reference/failure-kinds.md" in (DOCS.parent / page).read_text(encoding="utf-8")


def test_every_kind_says_what_it_means_who_must_act_and_what_helps() -> None:
    for kind in FailureKind:
        assert kind.meaning.endswith("."), kind
        assert kind.who in {"you", "no one"}, kind
        assert kind.remedy, kind
        assert not kind.remedy.endswith("."), kind


def test_every_kind_is_one_that_the_agent_names() -> None:
    assert {kind.name for kind in FailureKind} == named()


def test_no_event_is_given_a_kind_as_a_text() -> None:
    found = [f"{path.relative_to(AGENT)}:{line}: {text}" for path, tree in trees() for line, text in written_out(tree)]
    assert found == []
    assert list(written_out(ast.parse("ev.RunClosed(at=now, failure='odd')")))


def test_a_word_of_another_version_is_no_kind_and_its_exit_code_is_1() -> None:
    assert kind_named("of-another-version") is None
    assert (exit_code_of("of-another-version"), exit_code_of(None)) == (1, 1)
    assert kind_named("permission") is FailureKind.PERMISSION
