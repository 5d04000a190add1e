"""The parts of a checkout's configuration: its files, a place in one of them, an app. Pure."""

from __future__ import annotations

import posixpath
from typing import Protocol

from msgspec import Struct

from upsun_setup.edits import Editor, Path
from upsun_setup.yaml_tree import Document, Node

FOLDER = ".upsun"
INCLUDE = "!include"
#: What configures one app of an Upsun Fixed project, in the app's folder; and what configures several, at the top.
APP_FILE = ".platform.app.yaml"
APPS_FILE = ".platform/applications.yaml"
#: Configuration files of an Upsun Fixed project that stand at the top.
TOP_FILES = (APPS_FILE, ".platform/routes.yaml", ".platform/services.yaml")
PRODUCTS = {"flex": "Upsun Flex", "fixed": "Upsun Fixed"}


class Files(Protocol):
    """The texts of a checkout."""

    def configurations(self) -> list[str]:
        """Return the configuration files of both products.

        Those of Flex are the first-level YAML files of ``.upsun/``, which the platform merges
        (https://developer.upsun.com/docs/learn/overview/yaml). Those of Fixed are ``.platform.app.yaml`` of each app's
        folder and the files of ``.platform/``.
        """

    def read(self, path: str) -> str | None:
        """Return the text of a file, by its path in the checkout; None where there is none."""

    def peek(self, path: str) -> str | None:
        """Return the beginning of a file that is only looked at; None where there is none, or it is not UTF-8."""

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
    #: Where the table or list of apps is; None if the file configures this app alone.
    parent: Spot | None
    #: The app's directory, below the checkout.
    root: str = ""
    #: The position in the list of apps; None if there is no list.
    number: int | None = None

    def file(self, name: str) -> str:
        """Return the path, in the checkout, of a file in the app's folder."""
        return posixpath.join(self.root, name)
