"""The one choke point of the log: secrets by value, in whatever they stand, and innocent words untouched."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upsun_agent.log.lines import HIDDEN, SECRET_LEAST, Redaction, make_log

TOKEN = "canary-token-1234567890"


@pytest.mark.parametrize(
    "value",
    [
        TOKEN,
        f"before {TOKEN} after {TOKEN}",
        {"key": f"x{TOKEN}y"},
        {TOKEN: "value"},
        [f"{TOKEN}", {"deep": [TOKEN]}],
        (TOKEN, 1),
        ValueError(f"it holds {TOKEN}"),
        Path(f"/srv/{TOKEN}"),
        {f"{TOKEN}": {TOKEN: [TOKEN]}},
    ],
    ids=range(9),
)
def test_a_secret_is_hidden_wherever_it_stands(value: Any) -> None:
    cleaned = json.dumps(Redaction([TOKEN]).clean(value))
    assert TOKEN not in cleaned
    assert HIDDEN in cleaned


@pytest.mark.parametrize("value", [None, True, False, 0, 1.5, "", "nothing", [], {}, ["a", {"b": None}]])
def test_what_holds_no_secret_stays_as_it_is(value: Any) -> None:
    assert Redaction([TOKEN]).clean(value) == value


def test_a_secret_within_a_longer_one_does_not_leave_the_rest() -> None:
    redaction = Redaction(["secret", "secret-and-more"])
    assert redaction.clean("a secret-and-more b secret c") == f"a {HIDDEN} b {HIDDEN} c"
    redaction.hide("secret-and-more-still")
    assert redaction.clean("secret-and-more-still") == HIDDEN


@pytest.mark.parametrize("short", [None, "", "x" * (SECRET_LEAST - 1), "   ", "  abc  "])
def test_values_too_short_to_be_secrets_hide_no_words(short: str | None) -> None:
    redaction = Redaction([short])
    redaction.hide(short)
    assert redaction.clean("  abc  xxxxx  ") == "  abc  xxxxx  "


def test_white_space_around_a_secret_is_no_part_of_it() -> None:
    assert Redaction([f" {TOKEN}\n"]).clean(f"[{TOKEN}]") == f"[{HIDDEN}]"
    twice = Redaction([TOKEN, f"{TOKEN}\n"])
    assert twice.clean(TOKEN) == HIDDEN


@given(st.text(min_size=SECRET_LEAST).filter(str.strip), st.text(), st.text())
def test_no_text_keeps_a_secret(secret: str, before: str, after: str) -> None:
    cleaned = Redaction([secret]).clean(f"{before}{secret}{after}")
    if len(secret.strip()) >= SECRET_LEAST and secret.strip() not in before + HIDDEN + after:
        assert secret.strip() not in cleaned.replace(HIDDEN, "")


@pytest.mark.parametrize("readable", [True, False])
def test_a_log_line_passes_the_choke_point(*, readable: bool) -> None:
    stream = io.StringIO()
    log = make_log(Redaction([TOKEN]), stream=stream, readable=readable)
    log.warning("trouble", message=f"the server said {TOKEN}", nested={"token": [TOKEN]}, odd=ValueError(TOKEN))
    log.bind(run=TOKEN).error(f"event {TOKEN}")
    written = stream.getvalue()
    assert TOKEN not in written
    assert written.count(HIDDEN) >= 5


def test_a_line_is_one_json_object_with_time_level_and_event() -> None:
    stream = io.StringIO()
    log = make_log(Redaction(), stream=stream, level="warning")
    log.info("run-opened")
    log.warning("trouble", message="it says §")
    (line,) = stream.getvalue().splitlines()
    read = json.loads(line)
    assert (read["event"], read["level"], read["message"]) == ("trouble", "warning", "it says §")
    assert read["time"].endswith("Z")


def test_the_asyncio_that_structlog_does_without_is_there_for_others() -> None:
    code = (
        "import sys, upsun_agent.log.lines\n"
        "assert 'asyncio' not in sys.modules; import asyncio; print(asyncio.run.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("run\n", "")


def test_an_asyncio_that_is_there_already_stays() -> None:
    code = "import asyncio, upsun_agent.log.lines, sys; assert sys.modules['asyncio'] is asyncio; print('kept')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("kept\n", "")


def test_the_stand_in_for_asyncio_is_taken_away_again() -> None:
    code = "import upsun_agent.log.lines as log, sys; assert log.structlog.processors; print('asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False\n", "")
