"""The configurations of ``checkouts_given/`` as checkouts, in memory and on disk.

``python -m tests.harness.checkouts`` writes what init makes of each into ``checkouts_expected/``: read what differs
before you commit.
"""

from __future__ import annotations

import difflib
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from upsun_agent.errors import UsageError
from upsun_agent.platform.product import Product, product_of
from upsun_setup.cli_cron import CliCron, read_cron
from upsun_setup.plan import Planner
from upsun_setup.plan_record import Plan
from upsun_setup.project import Project, chosen

HERE = Path(__file__).parent
INSTALL = ["fetch https://example.org/upsun-agent/releases/download/v1/install.sh", "sh /tmp/install.sh"]


class Texts:
    """A checkout that is nowhere."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files

    def configurations(self) -> list[str]:
        return sorted(name for name in self.files if product_of([name]))

    def read(self, path: str) -> str | None:
        return self.files.get(posixpath.normpath(path))

    def peek(self, path: str) -> str | None:
        return self.read(path)

    def has(self, path: str) -> bool:
        path = posixpath.normpath(path)
        return path in self.files or any(name.startswith(f"{path}/") for name in self.files)


@dataclass(frozen=True)
class Case:
    """A checkout of the corpus, and the app that is named for it."""

    name: str
    files: dict[str, str]
    app: str | None
    product: Product | None = None
    fixed_plan: str | None = None

    @property
    def is_fixed(self) -> bool:
        """Whether this is a project of Upsun Fixed."""
        return (self.product or product_of(self.files)) == "fixed"

    def plan(self, files: dict[str, str] | None = None, *, with_operations: bool = False) -> Plan:
        """What init would do there, or in a variant of it; with ``--operations`` too."""
        texts = Texts(files or self.files)
        project = Project(texts).read(self.product)
        app = chosen(project, self.app, [])
        if app is None:
            raise UsageError("several apps")
        return Planner(
            texts, project, app, INSTALL, fixed_plan=self.fixed_plan, with_operations=with_operations
        ).decide()

    def after(self) -> dict[str, str]:
        """The files once the plan is carried out."""
        return {**self.files, **{change.path: change.new for change in self.plan().changes}}

    def diff(self) -> str:
        """All changes and remarks, as ``expected/`` has them."""
        plan = self.plan()
        lines = []
        for change in plan.changes:
            old, new = (change.old or "").splitlines(keepends=True), change.new.splitlines(keepends=True)
            for line in difflib.unified_diff(old, new, change.path if change.old is not None else "", change.path, n=1):
                lines += [line] if line.endswith("\n") else [f"{line}\n\\ no line break\n"]
        lines += [f"done: {text}\n" for text in plan.done]
        lines += [f"remark: {text}; {remedy}\n" for text, remedy in plan.remarks]
        return "".join(lines)

    def lay_out(self, place: Path) -> None:
        """Write the files."""
        for name, text in self.files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(text.encode())


def read(file: Path) -> Case:
    """A case from its file: a line about it, perhaps the app, then each file behind a line with its name."""
    head, *parts = re.split(r"^-- (.+) --\n", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    files = dict(zip(parts[::2], parts[1::2], strict=True))
    if file.stem.endswith("no-newline"):
        files = {name: text.rstrip("\n") for name, text in files.items()}
    app = re.search(r"^app: (.+)$", head, re.MULTILINE)
    product = re.search(r"^product: (flex|fixed)$", head, re.MULTILINE)
    plan = re.search(r"^plan: (.+)$", head, re.MULTILINE)
    return Case(
        file.stem,
        files,
        app[1] if app else None,
        cast("Product | None", product[1] if product else None),
        plan[1] if plan else None,
    )


CASES = {file.stem: read(file) for file in sorted((HERE / "checkouts_given").glob("*.txt"))}


def main() -> None:
    """Write what is expected."""
    for case in CASES.values():
        (HERE / "checkouts_expected" / f"{case.name}.diff").write_text(case.diff(), encoding="utf-8")


if __name__ == "__main__":
    main()


def keeps_what_was_there(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Assert that the app says what it said before, apart from the hooks and the crons that init takes over."""
    for key in before.keys() - {"hooks", "mounts", "crons", "source", "stack"}:
        assert before[key] == after[key]
    for key in ("mounts", "crons", "source"):
        for each, value in (before.get(key) or {}).items():
            taken = key == "crons" and isinstance(
                read_cron(value.get("commands", {}).get("start") or value.get("cmd", "")), CliCron
            )
            if each == "operations":
                assert {one: after[key][each][one] for one in value} == value
            else:
                assert taken or after[key][each] == value
