"""What an app's image brings: its runtimes, and whether the agent's Python is among them. Pure."""

from __future__ import annotations

import re

from msgspec import Struct
from upsun_agent.platform.image_python import LEAST_MINOR, image_python

from upsun_setup.app import App
from upsun_setup.project import Project
from upsun_setup.yaml_tree import Node

PYTHON = "python@3.13"
_VERSION = re.compile(r"python[:@]?3\.?(\d+)")
#: Python of the Nix collection, which a composable image can have as a package.
_RUNTIME = re.compile(r"(python|nodejs|php|ruby)[-_]?\d+(?:Full|Minimal|_x)?")
_PACKAGE = re.compile(r"python3\d{0,2}(?:Full|Minimal)?")


class Image(Struct, frozen=True):
    """``runtimes`` are their names, such as ``php``; ``composable`` images have only what they list."""

    #: The type of the app, such as ``php:8.4``; ``composable`` if only its stack says so.
    kind: str
    #: Whether it is a composable image.
    composable: bool
    #: The names of the runtimes; empty if none is known.
    runtimes: tuple[str, ...]
    #: The names of tools that the app has from elsewhere: packages of a stack, and of ``dependencies``.
    tools: frozenset[str]
    #: Whether the image lists a Python that runs the agent.
    has_python: bool
    #: A Python that is listed and cannot run the agent; empty if there is none.
    too_old: str = ""
    #: Whether the stack is in a form that ``init`` does not know.
    unknown: bool = False
    #: Whether the Python that ``init`` adds is listed.
    has_added: bool = False


def image_of(project: Project, app: App) -> Image:
    """Return the app's image (https://developer.upsun.com/docs/configure-apps/app-reference).

    A ``stack`` makes an image composable; until 2025 no type was written beside it.
    """
    kind = project.text(app.spot, "type") or ""
    tools = _dependencies(project, app)
    stack = project.look(app.spot, "stack")
    if not kind.startswith("composable") and stack is None:
        name = kind.partition(":")[0]
        old = kind if name == "python" and _is_old(kind) else ""
        return Image(kind, False, (name,) if name else (), tools, has_python=name == "python" and not old, too_old=old)
    kind = kind if kind.startswith("composable") else "composable"
    listed = _listed(project, app)
    if listed is None:
        return Image(kind, True, (), tools, has_python=True, unknown=True)
    pythons = [each for each in listed if each.startswith("python@") or _PACKAGE.fullmatch(each)]
    fine = [each for each in pythons if not _is_old(each)]
    names = tuple(dict.fromkeys(name for each in listed for name in (each.partition("@")[0], *_base(each))))
    old = "" if fine or not pythons else pythons[0]
    return Image(
        kind, True, names, tools | frozenset(names), has_python=bool(fine), too_old=old, has_added=PYTHON in listed
    )


def _base(package: str) -> tuple[str, ...]:
    """Return the runtime that a package of the Nix collection is, such as ``python313`` or ``nodejs_22``."""
    found = _RUNTIME.fullmatch(package)
    return (found[1],) if found else ()


def _dependencies(project: Project, app: App) -> frozenset[str]:
    """Return the names of the tools under ``dependencies``, such as ``yarn`` or ``composer/composer``."""
    languages = project.names(app.spot, "dependencies")
    return frozenset(name for each in languages for name in project.names(app.spot, "dependencies", each))


def told_python(kind: str) -> str:
    """Return what is known of the python3 of an image and what follows for the agent, and no more."""
    python = image_python(kind)
    if python.minor is None:
        return (
            f"which python3 the image {kind} has is not known: where it has none, or an older one than "
            f"3.{LEAST_MINOR}, the agent brings its own"
        )
    version = f"Python 3.{python.minor}"
    if python.certainty == "known":
        if python.is_enough:
            return f"the image {kind} is known to have {version}: the agent runs with it"
        return f"the image {kind} is known to be too old for the agent ({version}): the agent brings its own"
    if python.is_enough:
        return f"the image {kind} seems to have {version} (inferred): the agent runs with it, or else brings its own"
    return f"the image {kind} seems to be too old for the agent ({version}, inferred): if so, the agent brings its own"


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
    """Return the first web location that serves a path as files to the public; None: no location does.

    Args:
        project: the configuration of the checkout.
        app: the app whose ``web.locations`` are read.
        path: a file or folder, relative to the app's folder.
    """
    for name in project.names(app.spot, "web", "locations"):
        root = project.text(app.spot, "web", "locations", name, "root")
        allow = project.text(app.spot, "web", "locations", name, "allow")
        if root is not None and _within(path, root) and allow != "false":
            return name
    return None


def _within(path: str, root: str) -> bool:
    root = root.strip("/")
    return root in {"", "."} or path == root or path.startswith(f"{root}/")


def _is_old(text: str) -> bool:
    version = _VERSION.match(text)
    return text.startswith(("python:2", "python@2")) or (version is not None and int(version[1][:3]) < LEAST_MINOR)


def _listed(project: Project, app: App) -> list[str] | None:
    """Return what a stack lists; None if it has neither of the forms that the platform documents."""
    stack = project.look(app.spot, "stack")
    if stack is None:
        return []
    if stack.kind == "sequence":
        return _names(stack)
    runtimes = project.look(app.spot, "stack", "runtimes")
    packages = project.look(app.spot, "stack", "packages")
    parts = [part for part in (runtimes, packages) if part is not None]
    known = all(name in {"runtimes", "packages"} for name in project.names(app.spot, "stack"))
    if stack.kind != "mapping" or stack.tag or not known or any(part.kind != "sequence" for part in parts):
        return None
    return [name for part in parts for name in _names(part)]


def _names(sequence: Node) -> list[str]:
    """Return the items of a list: a name, a mapping of one name to its settings, or one of ``package`` to a name."""
    found = []
    for item in sequence.items:
        if item.kind == "scalar":
            found.append(item.text)
        elif item.kind == "mapping":
            package = item.own("package")
            found += [package.text] if package is not None else [key.text for key, _ in item.pairs[:1]]
    return found
