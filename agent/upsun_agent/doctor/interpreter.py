"""The finding about the interpreter: whose it is, and whether the table of images says the same."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from upsun_agent.doctor import Finding, Level
from upsun_agent.errors import ConfigInvalid
from upsun_agent.platform.image_python import ImagePython, image_python
from upsun_agent.platform.variables import decoded

#: The folder of an install that holds this package in ``lib``.
INSTALL = Path(__file__).resolve().parents[3]


def interpreter(environ: Mapping[str, str], install: Path = INSTALL) -> Finding:
    """Return the version that runs the agent, whose interpreter that is, and where the table of images is wrong."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    if os.path.realpath(sys.prefix) != str(install / "python"):
        return Finding("python", Level.OK, f"{version} ({sys.executable})")
    had = _image(install)
    if not had:
        return Finding("python", Level.OK, f"{version}, the agent's own")
    kind = _kind(environ)
    text = f"{version}, the agent's own; the image has {had}"
    return Finding("python", Level.OK, text + _compared(kind, image_python(kind), had))


def _kind(environ: Mapping[str, str]) -> str:
    """Return the type of the app, such as ``php:8.2``; empty if it is not known."""
    try:
        return str(decoded(environ, "PLATFORM_APPLICATION").get("type") or "")
    except ConfigInvalid:  # nothing that the agent does depends on it
        return ""


def _image(install: Path) -> str:
    """Return what the image had when the agent was installed, such as ``Python 3.9``; empty if that was not noted."""
    try:
        lines = (install / "installed").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.removeprefix("image ") for line in lines if line.startswith("image ")), "")


def _compared(kind: str, table: ImagePython, had: str) -> str:
    """Return what the table of images says of this one."""
    if table.minor is None:
        return ""
    if had == f"Python 3.{table.minor}":
        return f", as is {table.certainty} of {kind}"
    return f"; the agent's table of images says 3.{table.minor} ({table.certainty}) for {kind}: please report that"
