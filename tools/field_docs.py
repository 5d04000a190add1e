"""Find fields of records that have no line of documentation.

A record is a class that derives from ``msgspec.Struct``, a dataclass, a ``NamedTuple`` or a ``TypedDict``. The line
stands above the field and begins with ``#:``. It says what the field means, in which unit, and when it is None. A key
of a step's settings has its text in the annotation instead: ``Annotated[TYPE, Field(SHAPE, TEXT)]``.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import dedent

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = ("upsun_agent", "upsun_setup", "upsun_simulator")
BASES = frozenset({"Struct", "NamedTuple", "TypedDict"})
#: Keys of steps that ``upsun_agent/steps/common/keys.py`` describes for all kinds.
SHARED_KEYS = frozenset({"Retries", "RetryAfter"})


def undocumented(files: Iterable[tuple[str, str]]) -> list[str]:
    """Return a line for each field without documentation: file, line, class and field.

    Args:
        files: the name and the text of each module. Classes that derive from a record of another one are records too.
    """
    modules = [(name, text.splitlines(), list(_classes(text))) for name, text in files]
    records = _records(each for _, _, classes in modules for each in classes)
    return [
        f"{name}:{field.lineno}: {each.name}.{field.target.id}"
        for name, lines, classes in modules
        for each in classes
        if each.name in records
        for field in each.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if not _is_documented(field, lines)
    ]


def docs_of(record: type) -> dict[str, str]:
    """Return the documentation of the fields of a record and of the records that it derives from, by field."""
    found: dict[str, str] = {}
    for each in reversed(record.__mro__):
        if vars(each).get("__annotations__"):
            lines = dedent(inspect.getsource(each)).splitlines()
            (parsed,) = _classes("\n".join(lines))
            for field in parsed.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    found[field.target.id] = _above(lines[: field.lineno - 1])
    return found


def _above(lines: list[str]) -> str:
    """Return the text of the ``#:`` lines at the end of these lines."""
    texts = [line.strip().removeprefix("#: ") if line.strip().startswith("#:") else "" for line in lines]
    begin = next(place for place in range(len(texts), -1, -1) if place == 0 or not texts[place - 1])
    return " ".join(texts[begin:])


def _is_documented(field: ast.AnnAssign, lines: list[str]) -> bool:
    """Return whether the field has its line, or is a class variable, or a key that says its text in its annotation."""
    annotation = ast.unparse(field.annotation)
    in_annotation = annotation.startswith("ClassVar") or "Field(" in annotation or annotation in SHARED_KEYS
    return in_annotation or lines[field.lineno - 2].lstrip().startswith("#:")


def _classes(text: str) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef))


def _records(classes: Iterable[ast.ClassDef]) -> set[str]:
    """Return the names of the classes that are records, by their decorator or by one of their bases."""
    known = list(classes)
    bases = {each.name: {_last(base) for base in each.bases} for each in known}
    found = {each.name for each in known if any(_last(mark) == "dataclass" for mark in each.decorator_list)}
    size = -1
    while size != len(found):
        size = len(found)
        found |= {name for name, above in bases.items() if above & (found | BASES)}
    return found


def _last(node: ast.expr) -> str:
    """Return the last name of an expression: ``dataclass`` of ``@dataclasses.dataclass(frozen=True)``."""
    return ast.unparse(node.func if isinstance(node, ast.Call) else node).rpartition(".")[2]


def main() -> int:
    """Print every field without a line; return 1 if there is one."""
    paths = [path for name in PACKAGES for path in sorted((REPOSITORY / "agent" / name).rglob("*.py"))]
    missing = undocumented((str(path.relative_to(REPOSITORY)), path.read_text()) for path in paths)
    for line in missing:
        print(f"{line} has no line that documents it (`#: ...` above it)")
    if missing:
        print(f"{len(missing)} fields of records are not documented")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
