"""The apps of a checkout: which file says what of an app, and where it can be changed. Pure but for reading."""

from __future__ import annotations

import posixpath
from contextlib import suppress
from typing import Any, Protocol

from msgspec import Struct, field
from upsun_agent.errors import ConfigInvalid, UsageError

from upsun_setup.edits import BY_HAND, Editor, Path, editor_of
from upsun_setup.yaml_tree import Document, Node

FOLDER = ".upsun"
INCLUDE = "!include"
#: Files of an Upsun Fixed project; the folder ``.platform`` alone is made by the CLI, in any checkout.
FIXED = (
    ".platform.app.yaml",
    ".platform/applications.yaml",
    ".platform/routes.yaml",
    ".platform/services.yaml",
)


class Files(Protocol):
    """The texts of a checkout."""

    def configurations(self) -> list[str]:
        """Return the first-level YAML files of ``.upsun/``, sorted: the platform merges them.

        https://developer.upsun.com/docs/learn/overview/yaml
        """

    def read(self, path: str) -> str | None:
        """Return the text of a file, by its path in the checkout; None where there is none."""

    def peek(self, path: str) -> str | None:
        """The beginning of a file that is only looked at; None where there is none, or it is not UTF-8."""

    def has(self, path: str) -> bool:
        """Return whether there is such a file or folder."""


class Spot(Struct):
    """A mapping of the configuration, or a place for one: its file's editor, its node, its path there."""

    #: The editor of the file.
    editor: Editor
    #: The node in the file.
    node: Node
    #: The path of keys to the node.
    path: Path
    #: The folder that paths of an ``!include`` start from, below the checkout: the app's directory.
    root: str = ""

    @property
    def document(self) -> Document:
        """Return the file."""
        return self.editor.document

    def where(self, node: Node | None = None) -> str:
        """File and line, for messages."""
        return f"{self.document.name}:{self.document.line((node or self.node).start)}"


class App(Struct):
    """An app of the project: its name, where it is defined, and the folder of its code (``""`` is the top)."""

    #: The name of the app.
    name: str
    #: Where it is configured.
    spot: Spot
    #: Where the table of apps is.
    parent: Spot
    #: The app's directory, below the checkout.
    root: str = ""

    def file(self, name: str) -> str:
        """Return the path, in the checkout, of a file in the app's folder."""
        return posixpath.join(self.root, name)


class Project(Struct):
    """The configuration of a checkout, file by file, with what is to be changed in each."""

    #: The files of the checkout.
    files: Files
    #: The editors of the files that were read, by path.
    editors: dict[str, Editor] = field(default_factory=dict)
    #: The apps, by name.
    apps: dict[str, App] = field(default_factory=dict)

    def read(self) -> Project:
        """Read every file that the platform reads; raises ConfigInvalid where there is no app."""
        names = self.files.configurations()
        if not names:
            raise self._nothing_here()
        for name in names:
            self._take(self._editor(name))
        if not self.apps:
            raise ConfigInvalid(f"{', '.join(names)}: no app under 'applications'", remedy="define one, then try again")
        return self

    def _nothing_here(self) -> ConfigInvalid:
        fixed = self.fixed()
        if fixed:
            return ConfigInvalid(
                f"{fixed}: this is an Upsun Fixed project, and init does not edit its configuration",
                remedy="set it up by hand: docs/how-to/install.md",
            )
        remedy = "go to the checkout of an Upsun project or name it with --dir; `upsun project:init` begins a new one"
        return ConfigInvalid(f"there is no {FOLDER}/config.yaml here", remedy=remedy)

    def fixed(self) -> str:
        """Return the file that makes this the checkout of an Upsun Fixed project; empty if there is none."""
        return next((name for name in FIXED if self.files.has(name)), "")

    def _editor(self, name: str) -> Editor:
        if name not in self.editors:
            text = self.files.read(name)
            if text is None:
                raise ConfigInvalid(f"{name} is included but does not exist", remedy="fix its path")
            self.editors[name] = editor_of(text, name)
        return self.editors[name]

    def _take(self, editor: Editor) -> None:
        document = editor.document
        if document.root.kind != "mapping":
            if document.root.is_null:
                return
            raise ConfigInvalid(
                f"{document.name}:1: is not a mapping", remedy="its keys are applications, routes, services"
            )
        top = Spot(editor, document.root, ())
        apps = self.child(top, "applications")
        if apps is None or apps.node.is_null:
            return
        if apps.node.kind != "mapping":
            raise ConfigInvalid(f"{apps.where()}: 'applications' is not a mapping", remedy="list the apps by name")
        for key, _ in apps.node.pairs:
            if key.kind != "scalar" or key.text.startswith("."):
                continue
            earlier = self.apps.get(key.text)
            if earlier is not None:
                where = f"{earlier.spot.where()} and {apps.where(key)}"
                raise ConfigInvalid(f"the app '{key.text}' is defined twice: {where}", remedy="keep one of them")
            spot = self.child(apps, key.text, reading=True)
            if spot is None or spot.node.kind != "mapping":
                raise ConfigInvalid(f"{apps.where(key)}: the app '{key.text}' is not a mapping", remedy="add its type")
            root = self._root(spot)
            self.apps[key.text] = App(key.text, Spot(spot.editor, spot.node, spot.path, root), apps, root)

    def _root(self, app: Spot) -> str:
        root = self.text(app, "source", "root") or ""
        clean = posixpath.normpath(root.strip("/") or ".")
        if not clean.isprintable():  # it goes into comments and commands of the files that init writes
            raise ConfigInvalid(
                f"{app.where()}: source.root is not printable", remedy="choose another name for the folder"
            )
        return "" if clean == "." or clean.startswith("..") else clean

    # --- looking ---------------------------------------------------------------------------------------------

    def child(self, spot: Spot, key: str, *, reading: bool = False) -> Spot | None:
        """Return the value of a key, read from the included file where it is included; None where it is absent.

        Raises:
            ConfigInvalid: it comes from elsewhere in the file, so that a change of it would change other places too
                (not where it is only read).
        """
        own = spot.node.own(key) if spot.node.kind == "mapping" else None
        found = spot.document.get(spot.node, key)
        if found is None:
            return None
        if own is None or own.kind == "alias" or spot.document.is_shared(own):
            if not reading:
                raise self._shared(spot, key, own or found)
            own = found
        if own.tag == INCLUDE:
            return self._included(spot, own, reading=reading)
        return Spot(spot.editor, own, (*spot.path, key), spot.root)

    def _shared(self, spot: Spot, key: str, node: Node) -> ConfigInvalid:
        text = f"{spot.where(node)}: '{key}' is used in several places (an anchor and its aliases)"
        return ConfigInvalid(f"{text}: init would change them all", remedy=f"write it out in the app, or {BY_HAND}")

    def _included(self, spot: Spot, node: Node, *, reading: bool) -> Spot | None:
        path, kind = self.included(spot, node)
        if kind != "yaml":
            return Spot(spot.editor, node, spot.path, spot.root)
        if not reading:
            self.refuse_shared(spot, node, path)
        editor = self._editor(path)
        return Spot(editor, editor.document.root, (), spot.root)

    def refuse_shared(self, spot: Spot, node: Node, path: str) -> None:
        """Refuse to change a file that another place includes too: it would change there as well.

        Args:
            spot: the mapping that includes it.
            node: the ``!include``.
            path: the file.

        Raises:
            ConfigInvalid: another place includes it.
        """
        if [each for each, _ in self.includes()].count(path) > 1:
            text = f"{spot.where(node)}: {path} is included in several places: init would change them all"
            raise ConfigInvalid(text, remedy=f"give the app a file of its own, or {BY_HAND}")

    def includes(self) -> list[tuple[str, str]]:
        """Return the file and type of every ``!include`` of the configuration, as often as it is included."""
        found: list[tuple[str, str]] = []
        roots = {id(app.spot.node): app.root for app in self.apps.values()}
        queue = [(self._editor(name), self._editor(name).document.root, "") for name in self.files.configurations()]
        entered = set[tuple[str, str]]()
        while queue:
            editor, node, root = queue.pop()
            root = roots.get(id(node), root)
            if node.tag != INCLUDE:
                queue += [(editor, each, root) for each in [part for pair in node.pairs for part in pair] + node.items]
                continue
            with suppress(ConfigInvalid):  # what cannot be read is included nowhere else
                path, kind = self.included(Spot(editor, node, (), root), node)
                found.append((path, kind))
                if kind == "yaml" and (path, root) not in entered:
                    entered.add((path, root))
                    queue.append((self._editor(path), self._editor(path).document.root, root))
        return found

    def included(self, spot: Spot, node: Node) -> tuple[str, str]:
        """Path and type of an ``!include``; the path is relative to the app's directory, and may lead out of it.

        https://developer.upsun.com/docs/learn/overview/yaml
        """
        path = node.own("path") if node.kind == "mapping" else node
        kind = node.own("type") if node.kind == "mapping" else None
        clean = posixpath.normpath(posixpath.join(spot.root, path.text if path else ""))
        if path is None or path.kind != "scalar" or clean.startswith(("/", "..")) or clean == ".":
            raise ConfigInvalid(f"{spot.where(node)}: !include does not name a file here", remedy="fix its path")
        return clean, kind.text if kind else "yaml"

    def look(self, spot: Spot, *keys: str) -> Node | None:
        """Return what stands below the mapping at these keys, for reading only; None where nothing does."""
        found: Spot | None = spot
        for key in keys:
            try:
                found = self.child(found, key, reading=True) if found is not None else None
            except ConfigInvalid:  # it includes a file that cannot be read, which matters only where it is changed
                return None
        return None if found is None or found.node.is_null else found.node

    def text(self, spot: Spot, *keys: str) -> str | None:
        """Return the text below the mapping at these keys; None where no text stands there."""
        node = self.look(spot, *keys)
        if node is not None and node.tag == INCLUDE:
            return self.included_text(spot, node)
        return node.text if node is not None and node.kind == "scalar" else None

    def included_text(self, spot: Spot, node: Node) -> str | None:
        """Return the text of a file that is included as a string; None if it cannot be looked at."""
        with suppress(ConfigInvalid):
            path, kind = self.included(spot, node)
            return self.files.peek(path) if kind == "string" else None
        return None

    def names(self, spot: Spot, *keys: str) -> list[str]:
        """Return the keys of the mapping at these keys; none where there is none."""
        node = self.look(spot, *keys)
        return [key.text for key, _ in node.pairs] if node is not None and node.kind == "mapping" else []

    # --- changing --------------------------------------------------------------------------------------------

    def put(self, spot: Spot, keys: tuple[str, ...], value: Any, comment: str = "") -> None:
        """Add a value below the mapping at these keys, with the mappings that are missing on the way.

        Args:
            spot: where the mapping stands.
            keys: the keys that lead to the value, the outermost first.
            value: what to add, made of mappings, lists, texts and numbers.
            comment: a comment for the line, without its mark; none by default.

        """
        first, rest = keys[0], keys[1:]
        inner = self.child(spot, first)
        if inner is not None and rest and inner.node.kind == "mapping" and inner.node.tag == "":
            self.put(inner, rest, value, comment)
            return
        for key in reversed(rest):
            value = {key: value}
        if inner is None:
            spot.editor.add(spot.node, (*spot.path, first), value, comment)
        elif inner.node.is_null and inner.editor is not spot.editor:  # the key includes an empty file
            inner.editor.fill_document(value)
        elif inner.node.is_null:
            spot.editor.fill(spot.node, (*spot.path, first), value)
        else:
            raise ConfigInvalid(f"{inner.where()}: '{first}' is not what init expects there", remedy=BY_HAND)


def chosen(project: Project, wanted: str | None, likely: list[str]) -> App | None:
    """Return the app to set up: the one named, the only one or the only likely one; else None.

    Raises:
        UsageError: there is no app of that name.
    """
    if wanted is not None:
        if wanted not in project.apps:
            raise UsageError(f"there is no app '{wanted[:80]}'", remedy=f"the apps are: {', '.join(project.apps)}")
        return project.apps[wanted]
    if len(project.apps) == 1:
        return next(iter(project.apps.values()))
    return project.apps[likely[0]] if len(likely) == 1 else None
