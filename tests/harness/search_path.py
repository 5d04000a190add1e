"""The search path of the processes that tests start."""

from __future__ import annotations

import os
import sys


def without_shims(path: str) -> str:
    """Return a search path on which ``python3`` is the interpreter itself.

    The shims of pyenv and asdf are scripts that look for an interpreter at each call. One that finds none takes a
    second, and an install asks for each version of Python.
    """
    real = os.path.join(sys.base_prefix, "bin")
    places = [real if os.path.basename(place) == "shims" else place for place in path.split(os.pathsep)]
    return os.pathsep.join(dict.fromkeys(places))
