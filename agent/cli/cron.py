"""``upsun-agent tick`` as a cron starts it: without a terminal and without options, so there is nothing to parse."""

from __future__ import annotations

import gc
import os
from types import SimpleNamespace

from agent.cli.boundary import guarded
from agent.cli.context import Context
from agent.redaction import Redaction
from agent.tick import run_tick

#: What the options are where none are given.
OPTIONS = SimpleNamespace(
    json=False, config=None, project=None, environment=None, api_url=None, auth_url=None, log_level=None
)


def main() -> int:
    """A whole tick; returns the exit code."""
    gc.disable()  # a tick ends within a minute: what it leaves lying about goes with the process
    redaction = Redaction()
    return guarded(lambda: _tick(redaction), wants_json=False, clean=redaction.clean)


def _tick(redaction: Redaction) -> int:
    site = Context(OPTIONS, os.environ, redaction).site()
    try:
        return run_tick(site).exit_code()
    finally:
        site.client.close()
