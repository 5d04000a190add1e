"""The options of ``check --prove``."""

from __future__ import annotations

from argparse import ArgumentParser

from upsun_agent.cli.change import confirmation
from upsun_agent.cli.context import Context
from upsun_agent.errors import UsageError


def add_prove(check: ArgumentParser) -> None:
    """Add the options of ``--prove``."""
    check.add_argument(
        "--prove",
        metavar="ENVIRONMENT",
        help="try on this environment, never production, what the agent assumes of the platform: takes two backups and "
        "deletes them, and redeploys once; in its container it tries python3 and locks too",
    )
    check.add_argument(
        "--operation",
        metavar="NAME",
        help="with --prove: run this source operation too; the commit that it makes stays",
    )
    check.add_argument("--to", metavar="FILE", help="with --prove: write the table to this file too, as JSON")
    confirmation(check)


def refuse_prove_options(context: Context) -> None:
    """Raise UsageError for an option that only ``--prove`` has."""
    options = context.options
    for name in ("operation", "to", "yes", "dry_run"):
        if getattr(options, name):
            raise UsageError(f"--{name.replace('_', '-')} is for --prove ENVIRONMENT only")
