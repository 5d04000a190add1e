"""pom.xml: the dependencies with a version that stands in the file (https://maven.apache.org/pom.html)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.parsers import expat

from upsun_agent.packages.records import Package, Unreadable
from upsun_agent.packages.source import Source, check_count

_PROPERTY = re.compile(r"\$\{([^{}]+)\}")
_DEPTH_MOST = 60  # elements in each other; a pom has about ten
_TEXT_MOST = 300  # characters of one value
_NESTED_MOST = 10  # properties that name properties
_VALUES = frozenset({"groupId", "artifactId", "version"})
Place = tuple[str, str, str]


class _Pom:
    """What the parser has met so far."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self.text = ""
        self.properties: dict[str, str] = {}
        self.found: list[tuple[dict[str, str], bool | None]] = []
        self._open: list[dict[str, str]] = []

    def begin(self, name: str, _: dict[str, str]) -> None:
        """Take the begin of an element."""
        name = name.rpartition(":")[2]
        if not self.path and name != "project":
            raise Unreadable("its root is not a project")
        self.path.append(name)
        if len(self.path) > _DEPTH_MOST:
            raise Unreadable(f"elements are nested more than {_DEPTH_MOST} deep")
        self.text = ""
        if name in {"dependency", "parent"}:
            self._open.append({})

    def data(self, text: str) -> None:
        """Take a piece of text."""
        self.text = (self.text + text)[: _TEXT_MOST + 1]

    def end(self, _: str) -> None:
        """Take the end of an element."""
        name, text = self.path[-1], self.text.strip()
        above = self.path[-2] if len(self.path) > 1 else ""
        if self.path[1:2] == ["properties"] and above == "properties":
            self.properties[name] = text
        elif name in _VALUES and above == "project":
            self.properties[f"project.{name}"] = text
        elif name in _VALUES and above in {"dependency", "parent"} and self._open:
            self._open[-1][name] = text
        elif name in {"dependency", "parent"} and self._open:
            is_managed = "dependencyManagement" in self.path
            self.found.append((self._open.pop(), None if is_managed else True))
        check_count(self.found, self.properties)
        self.path.pop()
        self.text = ""

    def resolved(self, text: str) -> str:
        """Return the text with the properties of the file in place of their names."""
        for _ in range(_NESTED_MOST):
            replaced = _PROPERTY.sub(lambda found: self.properties.get(found[1], found[0]), text)[: _TEXT_MOST + 1]
            if replaced == text:
                break
            text = replaced
        return text


def read(source: Source) -> Iterator[Package]:
    """Yield the dependencies; note those whose version another file sets."""
    pom = _parsed(source.data)
    elsewhere = 0
    for values, direct in pom.found:
        group, artifact, version = (pom.resolved(values.get(name, "")) for name in ("groupId", "artifactId", "version"))
        if not version or "${" in version:
            elsewhere += 1
        else:
            yield Package(f"{group}:{artifact}", version, "", direct)
    if elsewhere:
        source.notes.append(f"dependencies whose version another file sets: {elsewhere}")


def _parsed(data: bytes) -> _Pom:
    pom, parser = _Pom(), expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise Unreadable("it has a document type or an entity")

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = pom.begin
    parser.EndElementHandler = pom.end
    parser.CharacterDataHandler = pom.data
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise Unreadable(f"it is not XML: {error}") from error
    except (LookupError, ValueError) as error:
        raise Unreadable("its encoding is not known") from error
    return pom
