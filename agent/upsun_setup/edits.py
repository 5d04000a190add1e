"""Edits of a YAML file at the places of its nodes: all other bytes stay, which is checked before anybody sees them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, field
from upsun_agent.errors import ConfigInvalid

from upsun_setup.render import Style, flow, is_literal, literal, pair, scalar
from upsun_setup.yaml_tree import Document, Node, differences, plain, read_yaml, walk

Path = tuple[str, ...]
LEAST_STEP, MOST_STEP = 1, 8
_HEADER = re.compile(r"[|>]([0-9]?)[-+]?([0-9]?)")
BY_HAND = "make these changes by hand: docs/how-to/init.md lists them"


class Editor(Struct):
    """Collects the edits of one document. Every method names the path of what it changes, for the check at the end."""

    #: The document as it was read.
    document: Document
    #: How new lines are written.
    style: Style = field(default_factory=Style)
    #: Whether the file's last line lacks its break; the document has it.
    bare: bool = False
    #: The edits so far: start, end, indentation, and the text to put there.
    _edits: list[tuple[int, int, int, str]] = field(default_factory=list)
    #: The keys to take out of mappings in flow style, by where the mapping begins.
    _dropped: dict[int, tuple[Node, set[str]]] = field(default_factory=dict)
    #: The values that are wanted, by their path.
    _wanted: dict[Path, Any] = field(default_factory=dict)

    def add(self, mapping: Node, path: Path, value: Any, comment: str = "") -> None:
        """Add a key (the path's last part) to a mapping that does not have it, or to nothing in its place.

        Args:
            mapping: the mapping that gets the key, in block or flow style.
            path: the keys from the top of the file to the new key; the last part is its name.
            value: what YAML holds there: a text, number, truth, list or mapping.
            comment: one line above the key, without the ``#``; not written in flow style. Empty: no comment.
        """
        key = path[-1]
        self._wanted[path] = value
        if mapping.flow and mapping.kind == "mapping":
            self._add_in_flow(mapping, f"{flow(key)}: {flow(value)}")
            return
        indent = self.document.column(mapping.pairs[0][0].start)
        lines = [" " * indent + f"# {comment}"] if comment else []
        at = self._below(mapping, indent)
        self._insert_lines(at, [*lines, *pair(key, value, indent, self.style)])

    def fill(self, parent: Node, path: Path, value: Any) -> None:
        """Set the value of a key that has none: nothing behind its colon, or null.

        Args:
            parent: the mapping that has the key.
            path: the keys from the top of the file to the key, which exists.
            value: a text, a list or a mapping; in block style a text becomes a literal block where it can be one.
        """
        key, node = self._pair(parent, path[-1])
        self._wanted[path] = value
        start, end = self._span(key, node)
        if parent.flow:
            self._edit(start, end, f" {flow(value)}")
            return
        if isinstance(value, str):
            self._as_literal(parent, key, node, value)
            return
        indent = self.document.column(parent.pairs[0][0].start)
        _, *lines = pair(path[-1], value, indent, self.style)
        self._edit(len(self.document.text[:start].rstrip(" ")), end, "")
        self._insert_lines(self.document.next_line(end), lines)

    def fill_document(self, value: Any) -> None:
        """Write a value into a file that says nothing, below its comments."""
        root = self.document.root
        self._wanted[()] = value
        style = self.style
        if isinstance(value, Mapping):
            lines = [line for key, each in value.items() for line in pair(key, each, 0, style)]
        elif isinstance(value, list):
            lines = [f"- {scalar(each, style)}" for each in value]
        else:
            lines = self._text_lines(value)
        end = self.document.next_line(len(self.document.text))
        if root.start != root.end:
            self._edit(root.start, root.end, style.newline.join(lines))
        else:
            self._insert_lines(end, lines)

    def edit_document(self, dropped: list[int], at: int, lines: list[str]) -> None:
        """Do what ``edit_text`` does to a file that is one text.

        Args:
            dropped: the lines to take out, from 0.
            at: the line before which the others go.
            lines: the lines to put in.
        """
        root = self.document.root
        new = edited(root.text, dropped, at, lines)
        self._wanted[()] = new
        if root.style == "|" and root.text.strip():
            self._in_literal(0, root, dropped, at, lines)
        else:
            end = self.document.content_end(root)
            header, *body = self._text_lines(new)
            rest = self.document.text[end : self.document.line_end(end)] if root.style not in {"|", ">"} else ""
            self._edit(root.start, end + len(rest), self.style.newline.join([f"{header}{rest.rstrip()}", *body]))

    def replace(self, mapping: Node, path: Path, name: str, value: Any, comment: str = "") -> None:
        """Replace the key that the path names, and its value, by another key and value.

        Args:
            mapping: the mapping that has the old key.
            path: the keys from the top of the file to the old key, which exists.
            name: the new key.
            value: the new key's value; nothing of the old one stays.
            comment: one line above the key, without the ``#``; not written in flow style. Empty: no comment.
        """
        key, node = self._pair(mapping, path[-1])
        self._wanted[path] = None
        self._wanted[(*path[:-1], name)] = value
        if mapping.flow:
            self._edit(key.start, node.end, f"{flow(name)}: {flow(value)}")
            return
        indent = self.document.column(key.start)
        lines = [" " * indent + f"# {comment}"] if comment else []
        text = self.style.newline.join([*lines, *pair(name, value, indent, self.style)])
        self._edit(self.document.line_start(key.start), self._line_of(node, key), text)

    def remove(self, mapping: Node, path: Path, comment: str = "") -> None:
        """Take a key away with its value and its lines.

        Args:
            mapping: the mapping that has the key.
            path: the path of the key.
            comment: how the comment in the line above begins that goes with it; none by default.
        """
        key, node = self._pair(mapping, path[-1])
        self._wanted[path] = None
        if not mapping.flow:
            start = self.document.line_start(key.start)
            above = self.document.text[:start].splitlines(keepends=True)[-1:]
            if comment and above and above[0].strip().startswith(f"# {comment}"):
                start -= len(above[0])
            self._edit(start, self.document.next_line(self._line_of(node, key)), "")
            return
        self._dropped.setdefault(mapping.start, (mapping, set()))[1].add(path[-1])

    def append(self, sequence: Node, path: Path, item: str) -> None:
        """Add an item at the end of a sequence.

        Args:
            sequence: the sequence, in block or flow style.
            path: the keys from the top of the file to the sequence.
            item: a text; quoted, but in flow style only where it needs quotes or has an ``@``.
        """
        self._wanted[(*path, str(len(sequence.items)))] = item
        if sequence.flow:
            text = scalar(item, self.style) if "@" not in item else f"{self.style.quote}{item}{self.style.quote}"
            self._add_in_flow(sequence, text)
            return
        indent = self.document.column(sequence.start)
        quoted = f"{self.style.quote}{item}{self.style.quote}"
        self._insert_lines(self._below(sequence, indent), [f"{' ' * indent}- {quoted}"])

    def edit_text(self, mapping: Node, path: Path, dropped: list[int], at: int, lines: list[str]) -> None:
        """Remove lines from a text of one or more lines, and insert others.

        Args:
            mapping: the mapping that has the text's key.
            path: the keys from the top of the file to the text, which exists.
            dropped: the lines to remove, as numbers from 0.
            at: the line of the old text before which the new lines go, from 0.
            lines: the new lines, without line breaks.
        """
        key, node = self._pair(mapping, path[-1])
        new = edited(node.text, dropped, at, lines)
        self._wanted[path] = new
        if mapping.flow:
            self._edit(node.start, node.end, flow(new))
        elif node.style == "|" and node.text.strip():
            self._in_literal(self.document.column(mapping.pairs[0][0].start), node, dropped, at, lines)
        else:
            self._as_literal(mapping, key, node, new)

    # --- the result ------------------------------------------------------------------------------------------

    def text(self) -> str:
        """Return the new text; raises ConfigInvalid where it would say anything else than what was wanted."""
        text = self.document.text
        edits = [*self._edits, *self._flow_removals()]
        if not edits:
            return self.original
        # At one place what is indented more belongs to the block above and comes first; else first come, first served.
        order = sorted(enumerate(edits), key=lambda each: (each[1][0], -each[1][2], each[0]))
        for _, (start, end, _, new) in reversed(order):
            text = text[:start] + new + text[end:]
        self._check(text)
        end = len(self.document.text)
        if self.bare and all(each[1] < end for each in edits):  # what was at the end is so still
            return text.removesuffix(self.style.newline)
        return text

    @property
    def original(self) -> str:
        """Return the file's text as it was read."""
        return self.document.text.removesuffix(self.style.newline) if self.bare else self.document.text

    def _check(self, text: str) -> None:
        name = self.document.name
        try:
            changed = read_yaml(text, name)
        except ConfigInvalid as error:
            raise ConfigInvalid(f"{name} is written in a way that init cannot change", remedy=BY_HAND) from error
        for path in differences(self.document.root, changed.root):
            wanted = next((each for each in self._wanted if each[: len(path)] == path), None)
            if wanted is None:
                where = ".".join(path) or "the file"
                raise ConfigInvalid(f"{name}: init would change {where} too, which it must not", remedy=BY_HAND)
        for path, value in self._wanted.items():
            if _found(changed.root, path) != _texts(value):
                where = ".".join(path)
                raise ConfigInvalid(f"{name} is written in a way that init cannot change {where} there", remedy=BY_HAND)

    def _edit(self, start: int, end: int, text: str, indent: int = -1) -> None:
        self._edits.append((start, end, indent, text))

    def _flow_removals(self) -> Iterator[tuple[int, int, int, str]]:
        """Yield one edit for each run of neighbours that goes: with the comma behind it, or else the one before it."""
        for mapping, names in self._dropped.values():
            pairs = mapping.pairs
            gone = [key.kind == "scalar" and key.text in names for key, _ in pairs]
            for first, (key, _) in enumerate(pairs):
                if not gone[first] or (first and gone[first - 1]):
                    continue
                behind = next((at for at in range(first, len(pairs)) if not gone[at]), None)
                if behind is not None:
                    yield key.start, pairs[behind][0].start, -1, ""
                else:
                    last = self._span(*pairs[-1])[1]
                    yield self._span(*pairs[first - 1])[1] if first else key.start, last, -1, ""

    # --- places ----------------------------------------------------------------------------------------------

    def _pair(self, mapping: Node, name: str) -> tuple[Node, Node]:
        return next((key, value) for key, value in mapping.pairs if key.kind == "scalar" and key.text == name)

    def _span(self, key: Node, node: Node) -> tuple[int, int]:
        """Return where a value is written; behind the key's colon where nothing is."""
        if node.start != node.end:
            return node.start, self.document.content_end(node)
        colon = self.document.text.index(":", key.end) + 1
        return colon, colon

    def _line_of(self, node: Node, key: Node) -> int:
        """Return where the last line of a pair ends."""
        return self.document.line_end(self._span(key, node)[1])

    def _below(self, node: Node, indent: int) -> int:
        """Return where lines go that are added to a block: behind its last line and the comments that belong to it."""
        at = below = self.document.next_line(self.document.content_end(node))
        while below < len(self.document.text):
            line = self.document.text[below : self.document.line_end(below)]
            below = self.document.next_line(below)
            if line.lstrip(" ").startswith("#") and len(line) - len(line.lstrip(" ")) >= max(indent, 1):
                at = below
            elif line.strip(" "):
                break
        return at

    def _insert_lines(self, at: int, lines: list[str]) -> None:
        newline = self.style.newline
        text = newline.join(lines) + newline
        self._edit(at, at, text, len(lines[0]) - len(lines[0].lstrip(" ")))

    def _add_in_flow(self, node: Node, text: str) -> None:
        children = [value for _, value in node.pairs] or node.items
        if not children:
            at = node.end - 1
            between = ", " if any(start == at for start, *_ in self._edits) else ""
            self._edit(at, at, f"{between}{text}")
            return
        last = self._span(*node.pairs[-1])[1] if node.pairs else children[-1].end
        first = (node.pairs[0][0] if node.pairs else children[0]).start
        document = self.document
        between = " "
        if document.line_start(first) != document.line_start(node.start):  # one on each line
            between = self.style.newline + " " * document.column(first)
        self._edit(last, last, f",{between}{text}")

    def _text_lines(self, text: str) -> list[str]:
        """Return the lines of a text that is all that a file says."""
        return literal(text, self.style.step, self.style.step) if is_literal(text) else [flow(text)]

    def _in_literal(self, margin: int, node: Node, dropped: list[int], at: int, lines: list[str]) -> None:
        """Edit the lines of a literal block; ``margin`` is the column that its indentation is counted from."""
        document = self.document
        bar = document.text.index("|", node.start)
        header = _HEADER.match(document.text, bar)
        hint = "".join(header.groups()) if header else ""
        starts = [document.next_line(bar)]
        while starts[-1] < node.end:
            starts.append(document.next_line(starts[-1]))
        first = next(line for line in re.split(r"\r\n|\r|\n", document.text[starts[0] : node.end]) if line.strip(" "))
        indent = margin + int(hint) if hint else len(first) - len(first.lstrip(" "))
        for number in dropped:
            self._edit(starts[number], starts[number + 1], "")
        if lines:
            self._insert_lines(starts[at], [" " * indent + line if line else "" for line in lines])

    def _as_literal(self, mapping: Node, key: Node, node: Node, text: str) -> None:
        """Replace a value by a literal block; a comment behind the value stays behind the key."""
        document = self.document
        start, end = self._span(key, node)
        if not is_literal(text):
            self._edit(start, end, flow(text) if node.start != node.end else f" {flow(text)}")
            return
        indent = document.column(mapping.pairs[0][0].start) + self.style.step
        header, *lines = literal(text, indent, self.style.step)
        rest = document.text[end : document.line_end(end)] if node.style not in {"|", ">"} else ""
        gap = "" if node.start != node.end else " "
        new = self.style.newline.join([f"{gap}{header}{rest.rstrip()}", *lines])
        self._edit(start, document.line_end(end), new)


def editor_of(text: str, name: str) -> Editor:
    """Return an editor for a file's text; raises ConfigInvalid where it is not valid YAML."""
    document = read_yaml(text, name)
    if text and text[-1] not in "\r\n":
        return Editor(read_yaml(text + document.newline, name), style_of(document), bare=True)
    return Editor(document, style_of(document))


def edited(text: str, dropped: list[int], at: int, lines: list[str]) -> str:
    """Return the text without some of its lines, and with others inserted.

    Args:
        text: lines with line feeds between them.
        dropped: the lines to leave out, as numbers from 0.
        at: the line of the old text before which the new lines go, from 0.
        lines: the new lines, without line breaks.
    """
    old: list[str | None] = [*text.split("\n")]
    for number in dropped:
        old[number] = None
    return "\n".join(line for line in [*old[:at], *lines, *old[at:]] if line is not None)


def style_of(document: Document) -> Style:
    """Return how the file is written: the step that is most common in it, and its more common quotation mark."""
    steps: Counter[int] = Counter()
    quotes: Counter[str] = Counter()
    for node in walk(document):
        quotes[node.style] += 1
        for key, value in node.pairs if not node.flow else ():
            if value.kind == "mapping" and value.pairs and not value.flow:
                steps[document.column(value.pairs[0][0].start) - document.column(key.start)] += 1
    likely = [step for step, _ in steps.most_common() if LEAST_STEP <= step <= MOST_STEP]
    return Style(likely[0] if likely else 2, "'" if quotes["'"] > quotes['"'] else '"', document.newline)


def _found(root: Node, path: Path) -> Any:
    """Return what stands at the path, as text; None where nothing does."""
    node: Node | None = root
    for part in path:
        if node is None:
            return None
        if node.kind == "sequence":
            node = node.items[int(part)] if int(part) < len(node.items) else None
        else:
            node = node.own(part)
    return None if node is None else plain(node)


def _texts(value: Any) -> Any:
    """Return the value with every scalar as the text that stands for it."""
    if isinstance(value, dict):
        return {key: _texts(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_texts(each) for each in value]
    return value if value is None or isinstance(value, str) else str(value).lower()
