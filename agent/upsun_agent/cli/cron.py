"""``upsun-agent tick`` without options, as a cron starts it: without argparse, for a fast start."""

from __future__ import annotations

import gc
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

from upsun_agent.lazy_imports import LazyModule, held_back

if TYPE_CHECKING:
    from upsun_agent.log.redaction import Redaction

#: The options of a call without options.
OPTIONS = SimpleNamespace(
    json=False, config=None, project=None, environment=None, api_url=None, auth_url=None, log_level=None
)


#: Modules that libraries import for features that a tick does not use: tracebacks, mail, forms, Windows, certificates.
HELD_BACK = (
    # `dataclasses` asks it for the signature of every class of h11 and structlog, only to write their docstrings.
    LazyModule("inspect", signature=lambda _: "()"),
    *("_colorize", "ast", "certifi", "ctypes", "email.message", "idna", "importlib.resources"),
    *("ipaddress", "linecache", "locale", "mimetypes", "random", "textwrap", "tokenize", "uuid"),
)
ABSENT = ("anyio", "click", "h2", "rich", "socksio", "trio", "twisted", "typing_extensions")


def main() -> int:
    """Make a whole tick and return the exit code."""
    gc.disable()  # a tick ends within a minute: garbage is freed with the process
    with held_back(*HELD_BACK, absent=ABSENT):
        from upsun_agent.cli.boundary import guarded  # noqa: PLC0415  only here, where modules are held back
        from upsun_agent.cli.streams import complain  # noqa: PLC0415  same
        from upsun_agent.log.foreign_text import safe_by  # noqa: PLC0415  same
        from upsun_agent.log.quiet_libraries import keep_libraries_quiet  # noqa: PLC0415  same
        from upsun_agent.log.redaction import Redaction  # noqa: PLC0415  same

        keep_libraries_quiet(complain)
        redaction = Redaction()
        return guarded(lambda: _tick(redaction), wants_json=False, keeps_journal=True, clean=safe_by(redaction))


def _tick(redaction: Redaction) -> int:
    from upsun_agent.cli.context import Context  # noqa: PLC0415  only here, as above
    from upsun_agent.config import cache  # noqa: PLC0415  same
    from upsun_agent.runtime.tick import run_tick  # noqa: PLC0415  same

    context = Context(OPTIONS, os.environ, redaction)
    context.job_file = cache.load(os.environ)
    tick_context = context.tick_context()
    try:
        return run_tick(tick_context).exit_code()
    finally:
        tick_context.client.close()
