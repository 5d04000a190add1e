"""Commands in this process: arguments and variables in, exit code and texts out, never a traceback."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from unittest.mock import patch

from upsun_agent.cli.main import run
from upsun_agent.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_TERMINATED, documented
from upsun_agent.idle import is_idle

BUG = 70
#: What a command may end with. 70 is documented as well, but as a bug: here it is one.
CODES = {EXIT_OK, EXIT_INTERRUPTED, EXIT_TERMINATED, *(error.exit_code for error in documented())} - {BUG}
#: Calls that look at a journal and change nothing.
LOOKS = (
    ("status",),
    ("status", "--json"),
    ("show", "nightly"),
    ("why", "nightly", "2026-03-02"),
    ("history",),
    ("history", "--json", "--since", "2026-01-01"),
    ("changes", "nightly"),
    ("changes", "--json"),
    ("report", "--html", "-"),
    ("report", "--prometheus", "-"),
)
#: A port of this machine that nothing listens on: what the network is in these tests.
NOWHERE = "http://127.0.0.1:1"


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


def container(directory: str, **more: str) -> dict[str, str]:
    """The variables of a container whose mount is the directory."""
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": directory,
        "UPSUN_AGENT_STATE": f"{directory}/state",
        "UPSUN_AGENT_CONFIG": f"{directory}/agent.toml",
        "UPSUN_CLI_TOKEN": "canary-api-token-1234567890",
        "UPSUN_CLI_API_URL": NOWHERE,
        "UPSUN_CLI_AUTH_URL": NOWHERE,
        "PLATFORM_PROJECT": "abcdefgh1234z",
        "PLATFORM_BRANCH": "main",
        "PLATFORM_ENVIRONMENT_TYPE": "production",
        "PLATFORM_APPLICATION_NAME": "app",
    }
    return {**variables, **more}


def command(arguments: Sequence[str], variables: Mapping[str, str]) -> Outcome:
    """Carry the command out and check what holds for every one."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with (
        patch.dict(os.environ, variables, clear=True),
        patch.object(sys, "stdin", io.StringIO()),
        patch.object(sys, "stdout", out),
        patch.object(sys, "stderr", err),
        patch("upsun_agent.clock.SystemClock.sleep", lambda *_: None),
    ):
        assert is_idle(os.environ) in {True, False}
        try:
            code = run(arguments)
        except SystemExit as ended:  # argparse, after --help and --version
            code = int(ended.code or 0)
            assert code == EXIT_OK
    texts = [each.buffer.getvalue().decode("utf-8", "surrogateescape") for each in (out, err)]
    outcome = Outcome(code, *texts)
    assert code in CODES, f"{list(arguments)!r} ended with {code}: {outcome.err[-500:]}"
    assert "Traceback" not in outcome.err, outcome.err[-2000:]
    shown = (outcome.out + outcome.err).replace("\n", "")
    assert shown.isprintable(), f"{list(arguments)!r} prints what a terminal obeys: {outcome!r}"
    assert "canary-api-token" not in outcome.out + outcome.err
    if code not in {EXIT_OK, 1}:
        assert outcome.err or outcome.out, "a refusal says why"
    return outcome
