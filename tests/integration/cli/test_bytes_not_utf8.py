"""Arguments and variables that are not UTF-8 are refused where they would be stored, shown escaped, and never a bug."""

from __future__ import annotations

import json
import os

import pytest

from tests.harness.cli_app import App

BYTES = os.fsdecode(b"caf\xe9")

STORED = [
    ("pause", "nightly", "--reason", BYTES),
    ("show", BYTES),
    ("logs", BYTES),
    ("history", BYTES),
    ("why", "nightly", BYTES),
    ("run", BYTES),
    ("cancel", BYTES),
    ("approve", BYTES),
    ("resume", BYTES),
    ("state", "move", "--to", BYTES),
    ("status", "--environment", BYTES),
]


@pytest.mark.parametrize("call", STORED, ids=lambda call: call[0])
def test_what_is_stored_or_compared_is_refused_by_name(app: App, call: tuple[str, ...]) -> None:
    said = app.agent(*call)
    assert said.code == 64
    assert "an argument is not UTF-8: caf\\xe9" in said.err
    document = app.agent(*call, "--json")
    assert document.code == 64
    assert "caf\\xe9" in json.loads(document.out)["error"]["message"]


def test_a_file_may_have_any_name(app: App) -> None:
    said = app.agent("report", "--html", f"{app.directory}/{BYTES}.html")
    assert said.code == 0
    assert "caf\\xe9.html" in said.out
    assert os.path.exists(os.path.join(os.fsencode(app.directory), b"caf\xe9.html"))
    missing = app.agent("validate", "--config", BYTES, "--json")
    assert missing.code == 78
    assert "\\udc" not in missing.out, "half of a pair is not valid JSON for many readers"


NAMES = (
    "HOME",
    "UPSUN_AGENT_STATE",
    "UPSUN_AGENT_SSH",
    "UPSUN_CLI_TOKEN",
    "PLATFORM_APP_DIR",
    "PLATFORM_BRANCH",
    "TMPDIR",
)


@pytest.mark.parametrize("name", NAMES)
def test_no_variable_is_a_bug(app: App, name: str) -> None:
    for call in (("status",), ("check",), ("ssh", "load"), ("tick",)):
        assert app.agent(*call, **{name: f"{app.directory}/{BYTES}"}).code != 70


def test_printed_characters_stay(app: App) -> None:
    assert app.agent("pause", "nightly", "--reason", "café 😀").code == 0
    assert "café 😀" in app.agent("status").out
