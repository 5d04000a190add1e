"""What fuzzers feed to job files, variables and arguments: the likeness of good ones, and junk."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

from hypothesis import strategies as st

GOOD = """\
[agent]
state = "/app/var/agent"
token-variable = "UPSUN_CLI_TOKEN"

[jobs.nightly]  # the main one
schedule = "H 3 * * mon-fri"
timezone = "Europe/Paris"
environment-types = ["production", "staging"]
catch-up = "latest"
misfire-grace = "6h"
overlap = "skip"
timeout = "1d12h"
suspend-after = 3

[[jobs.nightly.steps]]
backup = { live = false, reuse-within = "30m", retries = 2, retry-after = "15m" }

[[jobs.nightly.steps]]
source-operation = { name = "update", variables = { env = { CHANNEL = "stable" } }, on-failure = "continue" }

[jobs.by-hand]
steps = [{ backup = {} }]
"""


TOKENS = st.one_of(
    st.sampled_from(
        (
            "[",
            "]",
            "[[",
            "]]",
            "{",
            "}",
            '"',
            '"""',
            "'",
            "=",
            ",",
            ".",
            "\n",
            "#",
            "\\",
            "\x00",
            "\ud800",
            "é",
            "\u202e",
            "jobs",
            "steps",
            "backup",
            "true",
            "nan",
            "inf",
            "1979-05-27",
            "99999999999999999999",
            "-1",
            "0x",
            "1e400",
            "H",
            "*/0",
            "60",
            "31",
            "@daily",
            "@reboot",
            "Mars/Crater",
            "../../etc/passwd",
            "Europe/Paris\x00",
            "\r",
            "\t",
            " " * 300,
        )
    ),
    st.text(max_size=4),
)
CHANGES = st.lists(st.tuples(st.integers(0, len(GOOD)), st.integers(0, 12), TOKENS), min_size=1, max_size=5)


KEYS = st.sampled_from(
    (
        "agent",
        "jobs",
        "state",
        "token-variable",
        "nightly",
        "schedule",
        "timezone",
        "environment-types",
        "catch-up",
        "misfire-grace",
        "overlap",
        "timeout",
        "suspend-after",
        "steps",
        "backup",
        "source-operation",
        "live",
        "name",
        "reuse-within",
        "retries",
        "retry-after",
        "on-failure",
        "variables",
        "env",
        "scheduel",
        "",
        "a.b",
        "\x1b[31m",
        "é",
    )
)
VALUES = st.one_of(
    st.sampled_from(
        ("0 3 * * *", "H H * * *", "UTC", "production", "latest", "6h", "skip", "stop", "update", "/app/var")
    ),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.booleans(),
    st.text(max_size=20),
    st.text("0123456789*/-,hH ", max_size=12),
    st.datetimes(),
)
#: The same as far as JSON can hold it.
JSON = st.recursive(
    st.one_of(st.text(max_size=20), st.integers(-(10**20), 10**20), st.floats(), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(KEYS, inner, max_size=2)),
    max_leaves=5,
)
TREES = st.recursive(
    VALUES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
STEPS = st.lists(st.dictionaries(st.sampled_from(("backup", "source-operation")), TREES, max_size=2), max_size=3)
JOBS = st.builds(lambda tree, steps: {**tree, "steps": steps}, st.dictionaries(KEYS, TREES, max_size=4), STEPS)
FILES = st.one_of(
    st.dictionaries(KEYS, TREES, max_size=4),
    st.builds(
        lambda job, agent: {"jobs": {"nightly": job}, **agent},
        JOBS,
        st.dictionaries(st.just("agent"), TREES, max_size=1),
    ),
    st.builds(
        lambda job: {"jobs": {"nightly": job}},
        st.fixed_dictionaries(
            {"steps": st.just([{"backup": {}}])},
            optional={
                "schedule": st.text("0123456789*/-,hH @daily", max_size=16),
                "timezone": VALUES,
                "timeout": VALUES,
                "misfire-grace": VALUES,
                "suspend-after": VALUES,
                "environment-types": TREES,
                "overlap": VALUES,
            },
        ),
    ),
)


def toml(value: Any) -> str:
    """The value as TOML, all inline but for the top."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f")
    return value.isoformat() if isinstance(value, datetime) else str(value)


NAMES = (
    "PLATFORM_PROJECT",
    "PLATFORM_BRANCH",
    "PLATFORM_ENVIRONMENT",
    "PLATFORM_ENVIRONMENT_TYPE",
    "PLATFORM_APP_DIR",
    "PLATFORM_APPLICATION_NAME",
    "PLATFORM_RELATIONSHIPS",
    "PLATFORM_ROUTES",
    "PLATFORM_OUTPUT_DIR",
    "UPSUN_CLI_TOKEN",
    "UPSUN_CLI_API_URL",
    "UPSUN_CLI_AUTH_URL",
    "UPSUN_AGENT_CONFIG",
    "XDG_STATE_HOME",
    "NO_COLOR",
    "TERM",
    "COLUMNS",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TZ",
    "CI",
    "SSH_TTY",
)
#: What the system lets a variable hold: no NUL; bytes that are no UTF-8 come as half surrogates.
TEXTS = st.one_of(
    st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=60),
    st.binary(max_size=30).map(lambda data: data.replace(b"\x00", b"").decode("utf-8", "surrogateescape")),
    st.sampled_from(
        (
            "",
            " ",
            "/",
            "..",
            "main",
            "feature/x",
            "é" * 300,
            "x" * 5000,
            "http://",
            "http://127.0.0.1:1/\n",
            "1e9",
            "-1",
        )
    ),
    JSON.map(lambda value: base64.b64encode(json.dumps(value).encode()).decode()),
)


WORDS = (
    "tick",
    "run",
    "show",
    "status",
    "history",
    "changes",
    "report",
    "--since",
    "--limit",
    "--outcome",
    "--watch",
    "next",
    "validate",
    "why",
    "pause",
    "resume",
    "check",
    "rehearse",
    "simulate",
    "nightly",
    "by-hand",
    "nightly@2026-03-02T03:00",
    "--json",
    "--wait",
    "--config",
    "agent.toml",
    "missing.toml",
    ".",
    "--project",
    "--environment",
    "abcdefgh1234z",
    "feature/x",
    "--api-url",
    "http://127.0.0.1:1",
    "ftp://x",
    "http://",
    "--auth-url",
    "--log-level",
    "debug",
    "error",
    "loud",
    "--count",
    "3",
    "0",
    "-1",
    "99999999999999999999",
    "1e9",
    "--phase",
    "build",
    "runtime",
    "--fault",
    "backup-fails",
    "POST */backup cut-after",
    "GET * 999",
    "--days",
    "--seed",
    "--reason",
    "--schema",
    "--port",
    "--set",
    "--request-log",
    "--help",
    "--version",
    "--",
    "-",
    "--js",
    "-h",
    "",
    "03:12",
    "2026-11-24",
    "2026-11-24T03:12",
    "9999-12-31T23:59",
    "0001-01-01",
    "24:61",
    "../../etc/passwd",
)
COMMANDS = st.sampled_from(
    (
        *("tick", "run", "show", "status", "history", "report", "next", "validate", "why", "pause", "resume", "check"),
        *("rehearse", "simulate"),
    )
)
ARGUMENTS = st.lists(st.one_of(st.sampled_from(WORDS), st.sampled_from(WORDS), TEXTS), max_size=5)
