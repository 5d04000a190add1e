"""A YAML file as a tree whose nodes know where they stand in its text, so that an edit changes nothing else.

Nothing is constructed: tags stay words, an alias stays an alias, so no file can make this large or run anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct, field
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from upsun_agent.errors import ConfigInvalid
from upsun_agent.limits import YAML_DEPTH_MOST, YAML_NODES_MOST

MERGE = "<<"
BREAKS = "\r\n"
#: What the scanner says of a tab where it expects a token.
TAB = "found character '\\t'"
KEPT = re.compile(r"^[^\r\n|>]*[|>][0-9]?\+")  # a block scalar that keeps the blank lines at its end


class Node(Struct):
    """A value of a YAML text: what it is and where it stands (offsets of characters).

    ``text`` is a scalar's value or an alias's name; ``style`` is ``|``, ``>``, a quote, or empty.
    """

    #: Whether it is a scalar, a mapping, a sequence or an alias.
    kind: Literal["mapping", "sequence", "scalar", "alias"]
    #: Where it begins, as an index into the text.
    start: int
    #: Where it ends, as an index into the text.
    end: int
    #: The tag; empty if it has none.
    tag: str = ""
    #: The anchor; empty if it has none.
    anchor: str = ""
    #: The value of a scalar, or the name of an alias.
    text: str = ""
    #: How a scalar is written: ``|``, ``>``, a quotation mark, or empty.
    style: str = ""
    #: Whether it is written in brackets or braces.
    flow: bool = False
    #: The keys and values of a mapping.
    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    #: The items of a sequence.
    items: list[Node] = field(default_factory=list)
    #: The position in ``pairs`` of the first pair with that key.
    _places: dict[str, int] = field(default_factory=dict)
    #: How many pairs are in ``_places``.
    _indexed: int = 0

    def _place(self, key: str) -> int | None:
        """Return which pair has that key; looked up, since a mapping may have thousands and be asked for each."""
        while self._indexed < len(self.pairs):
            name = self.pairs[self._indexed][0]
            if name.kind == "scalar":
                self._places.setdefault(name.text, self._indexed)
            self._indexed += 1
        return self._places.get(key)

    @property
    def is_null(self) -> bool:
        """Return whether nothing is written here, or a word for nothing."""
        return self.kind == "scalar" and not self.style and not self.tag and self.text in {"", "~", "null", "Null"}

    def own(self, key: str) -> Node | None:
        """Return the value of a key that is written in this mapping itself."""
        place = self._place(key)
        return None if place is None else self.pairs[place][1]

    def key(self, name: str) -> Node | None:
        """Return the node of the key itself."""
        place = self._place(name)
        return None if place is None else self.pairs[place][0]


class Document(Struct):
    """A YAML file: its name for messages, its text (without a byte order mark), its root and its anchors."""

    #: The name of the file.
    name: str
    #: The text of the file.
    text: str
    #: The top node.
    root: Node
    #: The nodes that have an anchor, by its name.
    anchors: dict[str, Node]

    def line(self, offset: int) -> int:
        """Return the number of the line, from 1."""
        return self.text.replace("\r\n", " \n").replace("\r", "\n").count("\n", 0, offset) + 1

    def line_start(self, offset: int) -> int:
        """Return where the line of that place begins."""
        return max(self.text.rfind(char, 0, offset) for char in BREAKS) + 1

    def line_end(self, offset: int) -> int:
        """Return where the line of that place ends, before its break."""
        found = [at for char in BREAKS if (at := self.text.find(char, offset)) >= 0]
        return min(found, default=len(self.text))

    def next_line(self, offset: int) -> int:
        """Return where the line after that of the place begins; the end of the text where there is none."""
        end = self.line_end(offset)
        return end + (2 if self.text.startswith("\r\n", end) else 1 if end < len(self.text) else 0)

    def column(self, offset: int) -> int:
        """Return how many characters stand before the place on its line."""
        return offset - self.line_start(offset)

    @property
    def newline(self) -> str:
        """Return how lines end here, mostly."""
        pairs = self.text.count("\r\n")
        if pairs and pairs * 2 >= self.text.count("\n"):
            return "\r\n"
        return "\r" if "\r" in self.text and "\n" not in self.text else "\n"

    def target(self, node: Node) -> Node:
        """Return the node that an alias stands for, or the node itself."""
        return self.anchors[node.text] if node.kind == "alias" else node

    def get(self, mapping: Node, key: str) -> Node | None:
        """Return the value of a key, also of one that is merged in with ``<<``; aliases are followed."""
        queue, seen = [self.target(mapping)], set[int]()
        while queue:
            node = queue.pop(0)
            if id(node) in seen or node.kind != "mapping":
                continue
            seen.add(id(node))
            found = node.own(key)
            if found is not None:
                return self.target(found)
            for name, value in node.pairs if node.own(MERGE) is not None else ():  # there may be several
                if name.text != MERGE:
                    continue
                merged = self.target(value)
                queue += [self.target(item) for item in merged.items] or [merged]
        return None

    def content_end(self, node: Node) -> int:
        """Return where what is written of a node ends: without the blank lines and comments behind it."""
        while node.kind in {"mapping", "sequence"} and not node.flow and (node.pairs or node.items):
            if node.pairs and node.pairs[-1][1].start == node.pairs[-1][1].end:  # nothing stands behind the last key
                return max(node.pairs[-1][0].end, self.text.find(":", node.pairs[-1][0].end) + 1)
            node = node.pairs[-1][1] if node.pairs else node.items[-1]
        if node.start == node.end:  # an item of which only the dash is written
            return len(self.text[: node.end].rstrip(" \r\n"))
        if node.style not in {"|", ">"}:
            return node.end
        written = self.text[node.start : node.end]
        if not KEPT.search(written):
            return node.start + len(written.rstrip(" \r\n"))
        end = node.end
        if self.text[end - 1] in BREAKS:
            end -= 2 if self.text.endswith("\r\n", 0, end) else 1
        return end

    def is_shared(self, node: Node) -> bool:
        """Return whether an alias elsewhere stands for this very node."""
        return bool(node.anchor) and any(each.kind == "alias" and each.text == node.anchor for each in walk(self))


def read_yaml(text: str, name: str) -> Document:
    """Return the tree of a YAML text.

    Raises:
        ConfigInvalid: it is not valid YAML, has a key twice, or is beyond the bounds.
    """
    builder = _Builder(name, text)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise builder.wrong(mark.index if mark else 0, error.problem or error.context or "not valid YAML") from None
    except (YAMLError, ValueError, ArithmeticError, LookupError, RecursionError, AttributeError) as error:
        first = str(error).strip().split("\n", 1)[0]
        raise builder.wrong(0, first[:200] or "not valid YAML") from None
    return builder.document


class _Builder:
    """Makes the tree from the events of the parser, without recursion and within bounds."""

    def __init__(self, name: str, text: str) -> None:
        self.document = Document(name, text, Node("scalar", 0, 0), {})
        self._stack: list[Node] = []
        self._keys: list[Node | None] = []  # of each mapping on the stack: the key that waits for its value
        self._known: list[dict[str, Node]] = []  # and the keys that it has
        self._count = 0
        self._documents = 0

    def wrong(self, offset: int, problem: str) -> ConfigInvalid:
        """Return the error for something at that place."""
        place = f"{self.document.name}:{self.document.line(offset)}"
        remedy = "use spaces instead of the tab" if TAB in problem else "fix that line; init changed nothing"
        return ConfigInvalid(f"{place}: {problem}", remedy=remedy)

    def take(self, event: Any) -> None:
        """One event of the parser."""
        start = event.start_mark.index if event.start_mark else 0
        end = event.end_mark.index if event.end_mark else start
        match event:
            case DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise self.wrong(start, "a second document begins here: the platform reads one")
            case MappingStartEvent() | SequenceStartEvent():
                kind: Literal["mapping", "sequence"] = "mapping" if isinstance(event, MappingStartEvent) else "sequence"
                node = Node(kind, start, end, _tag(event), event.anchor or "", flow=bool(event.flow_style))
                self._place(node)
                self._stack.append(node)
                self._keys.append(None)
                self._known.append({})
                if len(self._stack) > YAML_DEPTH_MOST:
                    raise self.wrong(start, f"nested more than {YAML_DEPTH_MOST} deep")
            case MappingEndEvent() | SequenceEndEvent():
                self._stack.pop().end = end
                self._keys.pop()
                self._known.pop()
            case AliasEvent():
                if event.anchor not in self.document.anchors:
                    raise self.wrong(start, f"the anchor of *{event.anchor} is not known here")
                self._place(Node("alias", start, end, text=event.anchor))
            case ScalarEvent():
                self._place(Node("scalar", start, end, _tag(event), event.anchor or "", event.value, event.style or ""))
            case _:
                pass

    def _place(self, node: Node) -> None:
        self._count += 1
        if self._count > YAML_NODES_MOST:
            raise self.wrong(node.start, f"more than {YAML_NODES_MOST} keys and values")
        if node.anchor:
            self.document.anchors[node.anchor] = node
        if not self._stack:
            self.document.root = node
            return
        parent = self._stack[-1]
        if parent.kind == "sequence":
            parent.items.append(node)
            return
        key = self._keys[-1]
        if key is None:
            self._refuse_twice(node)
            self._keys[-1] = node
        else:
            parent.pairs.append((key, node))
            self._keys[-1] = None

    def _refuse_twice(self, key: Node) -> None:
        if key.kind != "scalar" or key.text == MERGE:
            return
        # The platform would take the last one, silently; what is added to one of them could be lost.
        earlier = self._known[-1].setdefault(key.text, key)
        if earlier is not key:
            first = self.document.line(earlier.start)
            raise self.wrong(key.start, f"the key '{key.text[:80]}' is here a second time (first on line {first})")


def _tag(event: Any) -> str:
    tag = event.tag
    return str(tag) if tag is not None else ""


def walk(document: Document, node: Node | None = None) -> Iterator[Node]:
    """Yield every node once, in the order of the text; aliases are not followed."""
    queue = [node or document.root]
    while queue:
        found = queue.pop()
        yield found
        queue += reversed([part for pair in found.pairs for part in pair] + found.items)


def differences(old: Node, new: Node) -> list[tuple[str, ...]]:
    """Return the paths at which two trees differ; the highest ones only. Aliases are compared as aliases."""
    found: list[tuple[str, ...]] = []
    queue: list[tuple[tuple[str, ...], Node, Node]] = [((), old, new)]
    while queue:
        path, one, other = queue.pop()
        if (one.kind, one.tag, one.anchor, one.text) != (other.kind, other.tag, other.anchor, other.text):
            found.append(path)
            continue
        ours, theirs = _children(one), _children(other)
        found += [(*path, name) for name in ours.keys() ^ theirs.keys()]
        queue += [((*path, name), ours[name], theirs[name]) for name in ours.keys() & theirs.keys()]
    return found


def _children(node: Node) -> dict[str, Node]:
    if node.kind == "sequence":
        return {str(number): item for number, item in enumerate(node.items)}
    named: dict[str, Node] = {}
    for key, value in node.pairs:
        name = key.text if key.kind == "scalar" else f"<{key.kind}>"
        while name in named:  # several merges, or keys that are no text
            name += "'"
        named[name] = value
    return named


def plain(node: Node) -> Any:
    """Return what a node without tags and aliases says: text, lists and mappings of text."""
    if node.kind == "mapping":
        return {key.text: plain(value) for key, value in node.pairs}
    return [plain(item) for item in node.items] if node.kind == "sequence" else node.text
