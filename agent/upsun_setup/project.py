"""The apps of a checkout: which file says what of an app, and where it can be changed. Pure but for reading."""

from __future__ import annotations

import posixpath
from contextlib import suppress
from typing import Any

from msgspec import Struct, field
from upsun_agent.errors import ConfigInvalid, UsageError
from upsun_agent.platform.product import Product, product_of

from upsun_setup.app import APP_FILE, APPS_FILE, FOLDER, INCLUDE, PRODUCTS, TOP_FILES, App, Files, Spot
from upsun_setup.edits import BY_HAND, Editor, editor_of
from upsun_setup.yaml_tree import Node


class Project(Struct):
    """The configuration of a checkout, file by file, with what is to be changed in each."""

    #: The files of the checkout.
    files: Files
    #: The editors of the files that were read, by path.
    editors: dict[str, Editor] = field(default_factory=dict)
    #: The apps, by name.
    apps: dict[str, App] = field(default_factory=dict)
    #: The product that the project is on.
    product: Product = "flex"
    #: The configuration files in which apps may be.
    sources: list[str] = field(default_factory=list)
    #: The configuration files of the other product, which a deployment does not accept beside them.
    others: list[str] = field(default_factory=list)

    @property
    def is_fixed(self) -> bool:
        """Return whether this is a project of Upsun Fixed."""
        return self.product == "fixed"

    def read(self, product: Product | None = None) -> Project:
        """Read every file that the platform reads.

        Args:
            product: the product to set up, where the checkout has the configuration of both.

        Raises:
            ConfigInvalid: there is no app.
            UsageError: the configuration of both products is here, and none is named.
        """
        names = self.files.configurations()
        found = product_of(names)
        if found is None:
            raise _nothing_here()
        if product is not None and found not in {product, "both"}:
            raise UsageError(f"this is a checkout of {PRODUCTS[found]}", remedy="leave --product out")
        if product is None and found == "both":
            raise UsageError(
                f"{of_product(names, 'fixed')[0]} (Upsun Fixed) and {of_product(names, 'flex')[0]} (Upsun Flex) are "
                "both here: a deployment with both fails",
                remedy="say which product this project is on: --product flex or --product fixed",
            )
        self.product = product or found
        self.sources = [name for name in of_product(names, self.product) if name not in TOP_FILES or name == APPS_FILE]
        self.others = of_product(names, "flex" if self.is_fixed else "fixed") if found == "both" else []
        for name in self.sources:
            self._take(name)
        if not self.apps:
            where = "under 'applications'" if not self.is_fixed else f"in {APPS_FILE}, and no {APP_FILE}"
            raise ConfigInvalid(
                f"{', '.join(self.sources) or '.platform/'}: no app {where}", remedy="define one, then try again"
            )
        return self

    def config_of(self, app: App) -> str:
        """Return the name of the file that configures an app, as texts call it."""
        return APPS_FILE if self.is_fixed and app.parent is not None else app.spot.document.name

    def _editor(self, name: str) -> Editor:
        if name not in self.editors:
            text = self.files.read(name)
            if text is None:
                raise ConfigInvalid(f"{name} is included but does not exist", remedy="fix its path")
            self.editors[name] = editor_of(text, name)
        return self.editors[name]

    def _take(self, name: str) -> None:
        """Take the apps of a file."""
        editor = self._editor(name)
        document = editor.document
        if document.root.is_null:
            return
        top = Spot(editor, document.root, ())
        if self.is_fixed and name == APPS_FILE:
            self._take_apps(top)
            return
        if document.root.kind != "mapping":
            keys = "name, type, hooks and so on" if self.is_fixed else "applications, routes, services"
            raise ConfigInvalid(f"{document.name}:1: is not a mapping", remedy=f"its keys are {keys}")
        if self.is_fixed:
            self._add(self.text(top, "name"), top, None, posixpath.dirname(name))
            return
        apps = self.child(top, "applications")
        if apps is None or apps.node.is_null:
            return
        if apps.node.kind != "mapping":
            raise ConfigInvalid(f"{apps.where()}: 'applications' is not a mapping", remedy="list the apps by name")
        self._take_apps(apps)

    def _take_apps(self, apps: Spot) -> None:
        """Take the apps of a mapping by their names, or of a list (on Fixed) in which each says its own."""
        if apps.node.kind == "sequence":
            for number in range(len(apps.node.items)):
                item = self._item(apps, number, reading=True)
                if item.node.kind != "mapping":
                    raise ConfigInvalid(f"{item.where()}: the app is not a mapping", remedy="add its name and type")
                self._add(self.text(item, "name"), item, apps, "", number)
            return
        if apps.node.kind != "mapping":
            raise ConfigInvalid(f"{apps.where()}: is neither a list nor a mapping", remedy="list the apps")
        for key, _ in apps.node.pairs:
            if key.kind != "scalar" or key.text.startswith("."):
                continue
            spot = self.child(apps, key.text, reading=True)
            if spot is None or spot.node.kind != "mapping":
                raise ConfigInvalid(f"{apps.where(key)}: the app '{key.text}' is not a mapping", remedy="add its type")
            self._add(key.text, spot, apps, "", where=apps.where(key))

    def _add(
        self, name: str | None, spot: Spot, parent: Spot | None, folder: str, number: int | None = None, where: str = ""
    ) -> None:
        """Add an app.

        Args:
            name: the name of the app; None if its configuration does not say it.
            spot: where it is configured.
            parent: where the table or list of apps is; None if the file configures this app alone.
            folder: the folder of its configuration, which is its own unless ``source.root`` says another one.
            number: the position in the list of apps; None if there is no list.
            where: file and line of the name, for messages; that of the app if it is empty.
        """
        if not name:
            raise ConfigInvalid(f"{spot.where()}: the app has no name", remedy="add its name")
        earlier = self.apps.get(name)
        if earlier is not None:
            text = f"{earlier.spot.where()} and {where or spot.where()}"
            raise ConfigInvalid(f"the app '{name}' is defined twice: {text}", remedy="keep one of them")
        root = self._root(spot, folder)
        self.apps[name] = App(name, Spot(spot.editor, spot.node, spot.path, root), parent, root, number)

    def _root(self, app: Spot, folder: str) -> str:
        root = self.text(app, "source", "root")
        clean = posixpath.normpath((folder if root is None else root).strip("/") or ".")
        if not clean.isprintable():  # it goes into comments and commands of the files that init writes
            raise ConfigInvalid(
                f"{app.where()}: source.root is not printable", remedy="choose another name for the folder"
            )
        return "" if clean == "." or clean.startswith("..") else clean

    # --- looking ---------------------------------------------------------------------------------------------

    def child(self, spot: Spot, key: str, *, reading: bool = False) -> Spot | None:
        """Return the value of a key, read from the included file where it is included; None where it is absent.

        Args:
            spot: the value in which the key is looked up, with its file.
            key: one key, not a path.
            reading: True: the value is not going to be changed, so it may come from an anchor or a merge.

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

    def _item(self, spot: Spot, number: int, *, reading: bool = False) -> Spot:
        """Return an item of a list, read from the included file where it is included.

        Raises:
            ConfigInvalid: as ``child`` does.
        """
        own = spot.node.items[number]
        found = spot.document.target(own)
        if own.kind == "alias" or spot.document.is_shared(own):
            if not reading:
                raise self._shared(spot, str(number + 1), own)
            own = found
        if own.tag == INCLUDE:
            return self._included(spot, own, reading=reading)
        return Spot(spot.editor, own, (*spot.path, str(number)), spot.root)

    def refuse_shared_app(self, app: App) -> None:
        """Raise ConfigInvalid where a change of the app would change other places too."""
        if app.parent is not None and app.number is None:
            self.child(app.parent, app.name)
        elif app.parent is not None and app.number is not None:
            self._item(app.parent, app.number)

    def _shared(self, spot: Spot, key: str, node: Node) -> ConfigInvalid:
        text = f"{spot.where(node)}: '{key}' is used in several places (an anchor and its aliases)"
        return ConfigInvalid(f"{text}: init would change them all", remedy=f"write it out in the app, or {BY_HAND}")

    def _included(self, spot: Spot, node: Node, *, reading: bool) -> Spot:
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
        queue = [
            (self._editor(name), self._editor(name).document.root, "")
            for name in self.sources
            if name not in TOP_FILES or name == APPS_FILE
        ]
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

    def changed(self) -> dict[str, tuple[str | None, str]]:
        """Return the old and the new text of every file that was read."""
        return {name: (editor.original, editor.text()) for name, editor in self.editors.items()}

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


def of_product(names: list[str], product: Product) -> list[str]:
    """Return those of the configuration files that are of a product."""
    return [name for name in names if product_of([name]) == product]


def _nothing_here() -> ConfigInvalid:
    remedy = "go to the checkout of an Upsun project or name it with --dir; `upsun project:init` begins a new one"
    return ConfigInvalid(f"there is no {FOLDER}/config.yaml and no {APP_FILE} here", remedy=remedy)


def chosen(project: Project, wanted: str | None, likely: list[str]) -> App | None:
    """Return the app to set up: the one named, the only one or the only likely one; else None.

    Args:
        project: the configuration of the checkout.
        wanted: the app's name from the command line; None: it was not given.
        likely: the names of the apps that look like the one to set up; used only where there is exactly one.

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
