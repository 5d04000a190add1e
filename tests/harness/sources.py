"""Where Python finds the packages of this repository, for processes that tests start."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
#: For the variable ``PYTHONPATH``: the source folder ``agent/`` first, then the repository with bench, tests and tools.
SOURCES = os.pathsep.join((str(REPOSITORY / "agent"), str(REPOSITORY)))
