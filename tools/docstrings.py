"""Check that public functions of three parameters or more document them: ``python -m tools.docstrings``.

ruff's D417 finds parameters that an ``Args:`` section lacks, but not a missing section. The number of functions
without one must not grow: ``ALLOWED`` says how many each package may have, and is lowered whenever some are documented.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

LEAST = 3  # parameters from which a function must document them, without self and cls
SOURCE = Path(__file__).parent.parent / "agent"

#: The most functions without ``Args:``, by package.
ALLOWED: dict[str, int] = {}


def undocumented(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and name of each public function with ``LEAST`` parameters or more and no ``Args:``."""
    todo: list[ast.AST] = [ast.parse(source)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef):
            documented = "Args:" in (ast.get_docstring(node) or "")
            if not node.name.startswith("_") and not documented and len(_parameters(node)) >= LEAST:
                yield node.lineno, node.name
        elif not (isinstance(node, ast.ClassDef) and node.name.startswith("_")):
            todo.extend(ast.iter_child_nodes(node))


def _parameters(node: ast.FunctionDef) -> list[str]:
    every = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    return [each.arg for each in every if each.arg not in {"self", "cls"}]


def excess() -> list[str]:
    """Return the functions of packages that have more functions without ``Args:`` than they may have, a line each."""
    lines = []
    for package in sorted(path.name for path in SOURCE.iterdir() if path.is_dir()):
        found = [
            f"{path.relative_to(SOURCE)}:{line}: {name}"
            for path in sorted((SOURCE / package).rglob("*.py"))
            for line, name in undocumented(path.read_text())
        ]
        if len(found) > ALLOWED.get(package, 0):
            lines += [f"{package}: {len(found)} functions without Args:, {ALLOWED.get(package, 0)} allowed", *found]
    return lines


if __name__ == "__main__":
    sys.exit("\n".join(excess()) or 0)
