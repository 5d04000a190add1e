"""What an app's image brings: its runtimes, and whether the agent's Python is among them. Pure."""

from __future__ import annotations

import re

from msgspec import Struct

from upsun_setup.project import App, Project, Spot
from upsun_setup.yaml_tree import Node

PYTHON = "python@3.13"
LEAST_MINOR = 11
_VERSION = re.compile(r"python[:@]?3\.?(\d+)")
#: Python of the Nix collection, which a composable image can have as a package.
_PACKAGE = re.compile(r"python3(?:1[1-9]|[2-9]\d)?(?:Full|Minimal)?")


class Image(Struct, frozen=True):
    """``runtimes`` are their names, such as ``php``; ``composable`` images have only what they list."""

    #: The type of the app's image.
    kind: str
    #: Whether it is a composable image.
    composable: bool
    #: The names of its runtimes, such as ``php``.
    runtimes: tuple[str, ...]
    #: Whether it has a Python.
    has_python: bool
    #: A Python that is listed and cannot run the agent; empty if there is none.
    too_old: str = ""
    #: Whether the list of runtimes is written in a way that is not understood.
    unknown: bool = False


def image_of(project: Project, app: App) -> Image:
    """Return the app's image (https://developer.upsun.com/docs/configure-apps/app-reference)."""
    kind = project.text(app.spot, "type") or ""
    if not kind.startswith("composable"):
        name = kind.partition(":")[0]
        old = kind if name == "python" and _is_old(kind) else ""
        return Image(kind, composable=False, runtimes=(name,), has_python=not old, too_old=old)
    stack = project.look(app.spot, "stack")
    listed = _listed(stack)
    if listed is None:
        return Image(kind, composable=True, runtimes=(), has_python=True, unknown=True)
    pythons = [each for each in listed if each.startswith("python@")]
    packages = _names(stack.own("packages")) if stack is not None and stack.kind == "mapping" else []
    fine = [each for each in pythons if not _is_old(each)] or [each for each in packages if _PACKAGE.fullmatch(each)]
    old = "" if fine or not pythons else pythons[0]
    names = tuple(each.partition("@")[0] for each in listed)
    return Image(kind, composable=True, runtimes=names, has_python=bool(fine), too_old=old)


def list_python(project: Project, app: App) -> str:
    """Add Python to a composable image, behind the runtimes that it has (the first one is the app's)."""
    stack = project.child(app.spot, "stack")
    if stack is None or stack.node.is_null:
        project.put(app.spot, ("stack",), {"runtimes": [PYTHON]})
        return "stack.runtimes"
    if stack.node.kind == "sequence":
        stack.editor.append(stack.node, stack.path, PYTHON)
        return "stack"
    runtimes = project.child(stack, "runtimes")
    if runtimes is None or runtimes.node.is_null:
        project.put(stack, ("runtimes",), [PYTHON])
    else:
        runtimes.editor.append(runtimes.node, runtimes.path, PYTHON)
    return "stack.runtimes"


def served_at(project: Project, app: App, path: str) -> str | None:
    """Return the location that serves a path of the app's folder to the world as files, or None."""
    locations = project.look(app.spot, "web", "locations")
    for key, _ in locations.pairs if locations is not None else ():
        spot = Spot(app.spot.editor, locations, ()) if locations is not None else app.spot
        root = project.text(spot, key.text, "root")
        if root is not None and _within(path, root) and project.text(spot, key.text, "allow") != "false":
            return key.text
    return None


def _within(path: str, root: str) -> bool:
    root = root.strip("/")
    return root in {"", "."} or path == root or path.startswith(f"{root}/")


def _is_old(text: str) -> bool:
    version = _VERSION.match(text)
    return text.startswith("python:2") or (version is not None and int(version[1][:3]) < LEAST_MINOR)


def _listed(stack: Node | None) -> list[str] | None:
    """Return the runtimes that a stack lists; None where it is neither of the forms that the platform documents."""
    if stack is None:
        return []
    if stack.kind == "mapping" and not stack.tag:
        runtimes = stack.own("runtimes")
        if runtimes is None or runtimes.is_null:
            return []
        return _names(runtimes) if runtimes.kind == "sequence" else None
    return _names(stack) if stack.kind == "sequence" else None


def _names(sequence: Node | None) -> list[str]:
    """Return the items of a list: a name, or a mapping of one name to its settings."""
    found = []
    for item in sequence.items if sequence is not None else ():
        if item.kind == "scalar":
            found.append(item.text)
        elif item.kind == "mapping":
            found += [key.text for key, _ in item.pairs[:1]]
    return found
