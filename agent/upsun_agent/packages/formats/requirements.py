"""requirements.txt, as pip reads it (https://pip.pypa.io/en/stable/reference/requirements-file-format/)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from upsun_agent.packages.manifest import python_name
from upsun_agent.packages.records import Package, Unreadable
from upsun_agent.packages.source import Source, commit_in, lines_of

_NAME = r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*+(?:\[[^\]]*+\]\s*+)?"
_PINNED = re.compile(_NAME + r"\(?===?\s*([^\s;,()*]+)\)?\s*(?:;.*|--?[A-Za-z].*)?")
_ADDRESS = re.compile(_NAME + r"@\s*(\S+)(?:\s.*)?")
_OTHER = re.compile(_NAME + r"(?:[<>=!~;(,@-].*|(?<=\s).*)?")
_INCLUDE = re.compile(r"(?:-r|--requirement|-c|--constraint)[\s=]*(\S.*)")
_COMMENT = re.compile(r"(?:^|\s)#")
_OF_PROJECT = re.compile(r"-r |-c |.*\(.*\)$")
_SHOWN_MOST = 3  # names in a note
_NAME_MOST = 60  # characters of such a name
_VIA_MOST = 1000  # packages that ask for one
_PARTS_MOST = 5000  # lines of one requirement, a hash each


class _Requirement:
    """One requirement, with what comments tell of it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._via: list[str] = []
        self._in_via = False

    def take(self, comment: str) -> None:
        """Take a comment behind or below it: ``via NAME``, or ``via`` with a name on each of the next lines."""
        word, _, rest = comment.strip().partition(" ")
        if word == "via":
            self._in_via = True
            self._via += [each.strip() for each in rest.split(",") if each]
        elif self._in_via and comment.startswith("   ") and len(self._via) < _VIA_MOST:
            self._via.append(comment.strip())
        else:
            self._in_via = False

    @property
    def is_direct(self) -> bool | None:
        """Whether a file of the project asks for it; None if no comment tells, as pip-compile and uv write it."""
        return any(_OF_PROJECT.match(each) for each in self._via) if self._via else None


class _Names:
    """Names of which the first few are shown."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[str] = []

    def add(self, name: str) -> None:
        """Take one more."""
        self.count += 1
        if self.count <= _SHOWN_MOST:
            self._first.append(name[:_NAME_MOST])

    @property
    def shown(self) -> str:
        """The first names, and how many more there are."""
        more = self.count - _SHOWN_MOST
        return f"{', '.join(self._first)}{f' and {more} more' if more > 0 else ''}"


def read(source: Source) -> Iterator[Package]:
    """Yield the packages that are pinned to a version or a commit; note what is included or not pinned."""
    included, loose = _Names(), _Names()
    for line in _requirements(lines_of(source.data)):
        if found := _INCLUDE.fullmatch(line.text):
            included.add(found[1])
        elif found := _PINNED.fullmatch(line.text):
            yield Package(python_name(found[1]), found[2], "", line.is_direct)
        elif (found := _ADDRESS.fullmatch(line.text)) and (commit := commit_in(found[2])):
            yield Package(python_name(found[1]), "", commit, line.is_direct)
        elif found := _OTHER.fullmatch(line.text):
            loose.add(found[1])
    if included.count:
        source.notes.append(f"what it includes is not read: {included.shown}")
    if loose.count:
        source.notes.append(f"without == there is no version to compare: {loose.shown}")


def _requirements(lines: Iterable[str]) -> Iterator[_Requirement]:
    """Yield each requirement or option."""
    found: _Requirement | None = None
    for text, comment in _joined(lines):
        if text:
            if found:
                yield found
            found = _Requirement(text)
        if found and comment:
            found.take(comment)
    if found:
        yield found


def _joined(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each line without its comment, and the comment; a backslash at the end continues a line."""
    parts: list[str] = []
    for line in lines:
        mark = _COMMENT.search(line)
        text, comment = (line[: mark.start()], line[mark.end() :]) if mark else (line, "")
        text = text.strip()
        parts.append(text.removesuffix("\\").strip())
        if len(parts) > _PARTS_MOST:
            raise Unreadable(f"a requirement has more than {_PARTS_MOST} lines")
        if not text.endswith("\\"):
            yield " ".join(each for each in parts if each), comment
            parts = []
    if any(parts):
        yield " ".join(each for each in parts if each), ""
