"""A good job file, and ways to spoil it."""

from __future__ import annotations

from upsun_agent.config import JobFile, JobFileInvalid, parse

GOOD = """\
# The jobs of this app.
[agent]
state = "/app/var/agent"
token-variable = "UPSUN_CLI_TOKEN"

[jobs.nightly-update]
schedule = "H 3 * * *"
timezone = "Europe/Paris"
environment-types = ["production"]
catch-up = "latest"
misfire-grace = "6h"
overlap = "skip"
timeout = "12h"
suspend-after = 3

[[jobs.nightly-update.steps]]
backup = { live = false, reuse-within = "0s" }

[[jobs.nightly-update.steps]]
source-operation = { name = "update", variables = { env = { CHANNEL = "stable" } } }

[jobs.by-hand]
steps = [
  { backup = { live = true, retries = 2, retry-after = "5m", timeout = "1h", on-failure = "continue" } },
  { source-operation = { name = "clean", backup = "not-needed" } },
]
"""

LEAST = "[jobs.a]\nsteps = [{ backup = {} }]\n"


def mistakes(text: str) -> list[str]:
    """What is wrong with the text, one line each: ``line key: message (remedy)``."""
    try:
        good = parse(text)
    except JobFileInvalid as error:
        return [f"{mistake.line} {str(mistake).partition(': ')[2]}" for mistake in error.mistakes]
    raise AssertionError(f"nothing is wrong with it: {good}")


def read(text: str) -> JobFile:
    return parse(text, "/app/.upsun/agent.toml")
