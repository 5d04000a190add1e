"""``upsun-agent tick`` as a cron starts it: without a terminal and without options, so there is nothing to parse."""

from __future__ import annotations

import gc
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

from agent.late import held_back

if TYPE_CHECKING:
    from agent.redaction import Redaction

#: What the options are where none are given.
OPTIONS = SimpleNamespace(
    json=False, config=None, project=None, environment=None, api_url=None, auth_url=None, log_level=None
)


#: What libraries import for what a tick does not do: tracebacks, mail, forms, Windows, certificates of their own.
HELD_BACK = (
    *("_colorize", "ast", "certifi", "ctypes", "email.message", "idna", "importlib.resources", "inspect"),
    *("ipaddress", "linecache", "locale", "mimetypes", "random", "textwrap", "tokenize", "uuid"),
)
ABSENT = ("anyio", "click", "h2", "rich", "socksio", "trio", "twisted")


def main() -> int:
    """A whole tick; returns the exit code."""
    gc.disable()  # a tick ends within a minute: what it leaves lying about goes with the process
    with held_back(*HELD_BACK, absent=ABSENT):
        from agent.cli.boundary import guarded  # noqa: PLC0415  only here, where modules are held back
        from agent.cli.streams import complain  # noqa: PLC0415  same
        from agent.foreign import safe_by  # noqa: PLC0415  same
        from agent.hush import keep_libraries_quiet  # noqa: PLC0415  same
        from agent.redaction import Redaction  # noqa: PLC0415  same

        keep_libraries_quiet(complain)
        redaction = Redaction()
        return guarded(lambda: _tick(redaction), wants_json=False, keeps_journal=True, clean=safe_by(redaction))


def _tick(redaction: Redaction) -> int:
    from agent.cli.context import Context  # noqa: PLC0415  only here, as above
    from agent.config import kept  # noqa: PLC0415  same
    from agent.tick import run_tick  # noqa: PLC0415  same

    context = Context(OPTIONS, os.environ, redaction)
    context.job_file = kept.load(os.environ)
    site = context.site()
    try:
        return run_tick(site).exit_code()
    finally:
        site.client.close()
