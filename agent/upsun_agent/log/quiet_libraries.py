"""Keep libraries from writing to stderr: logging without a handler, warnings, errors in threads and finalizers.

Their texts quote addresses, users and values without redaction, and are not needed: an error that affects a command is
reported by the command. Unexpected background errors are reported by their class only.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any


def keep_libraries_quiet(complain: Callable[[str], None]) -> None:
    """Keep everything but the agent from writing to stderr; ``complain`` reports a failure that nobody would see."""
    logging.lastResort = None
    logging.getLogger().addHandler(logging.NullHandler())
    logging.raiseExceptions = False  # a handler that fails would print a traceback
    if not sys.warnoptions:  # somebody who asks for warnings gets them
        warnings.showwarning = _unheard

    def unseen(failure: Any) -> None:
        kind = failure.exc_type
        if kind is not None and not issubclass(kind, SystemExit):
            complain(f"upsun-agent: unexpected {kind.__name__} in the background; please report it if it stays")

    sys.unraisablehook = unseen
    threading.excepthook = unseen


def _unheard(*_: Any, **__: Any) -> None:
    """Take a warning, and do nothing about it."""
