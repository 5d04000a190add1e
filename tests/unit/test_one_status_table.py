"""A status of HTTP is classified by api/status.py alone: found in the source, so in every module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

AGENT = Path(__file__).resolve().parents[2] / "agent" / "upsun_agent"
TABLE = AGENT / "api" / "status.py"
#: What the numbers of SMTP are compared with: its table is RFC 5321, and it has one line.
OF_SMTP = {("notify/channels/mail.py", "range(500, 600)")}


def is_number(node: ast.AST) -> bool:
    """Return whether the node is a number that a final status can be."""
    return isinstance(node, ast.Constant) and type(node.value) is int and 200 <= node.value <= 600


def names_status(node: ast.AST) -> bool:
    """Return whether the node is a name or attribute that says that it is a status."""
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.strip("_").lower() in {"status", "code", "status_code", "http_status", "smtp_code"}


def comparisons(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Find comparisons and matches of a status with numbers, collections of such numbers, and uses of HTTPStatus."""
    for node in ast.walk(tree):
        found = False
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            numbers = any(is_number(each) for side in sides for each in ast.walk(side))
            found = numbers and any(names_status(each) for side in sides for each in ast.walk(side))
        elif isinstance(node, ast.Match):
            found = names_status(node.subject) and any(
                is_number(each) for case in node.cases for each in ast.walk(case)
            )
        elif isinstance(node, ast.Set | ast.List | ast.Tuple | ast.Dict):
            items = node.keys if isinstance(node, ast.Dict) else node.elts
            found = len(items) > 1 and all(each is not None and is_number(each) for each in items)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
            found = len(node.args) == 2 and all(is_number(each) for each in node.args)
        elif isinstance(node, ast.Name):
            found = node.id == "HTTPStatus"
        if found:
            yield getattr(node, "lineno", 0), ast.unparse(node)


def test_only_the_table_compares_a_status_with_a_number() -> None:
    found = [
        f"{path.relative_to(AGENT)}:{line}: {text}"
        for path in sorted(AGENT.rglob("*.py"))
        if path != TABLE
        for line, text in comparisons(ast.parse(path.read_text()))
        if (str(path.relative_to(AGENT)), text) not in OF_SMTP
    ]
    assert found == []


def test_the_search_sees_what_it_is_for() -> None:
    assert list(comparisons(ast.parse(TABLE.read_text())))
    for bypass in (
        "reply.status == 401",
        "200 <= reply.status < 300",
        "reply.status in {409, 423}",
        "response.status_code // 100 == 200",
        "UNWANTED = frozenset((400, 413, 414))",
        "REASONS = {404: 'not-found', 403: 'permission'}",
        "PASSING = range(500, 600)",
        "reply.status == HTTPStatus.CONFLICT",
        "match reply.status:\n    case 404:\n        pass",
    ):
        assert list(comparisons(ast.parse(bypass))), bypass
    for other in ("environment.status == 'active'", "kind_of(reply.status) is StatusKind.OK", "len(name) > 200"):
        assert not list(comparisons(ast.parse(other))), other
