"""The text of a page is looked for in time that grows with the page's length, whatever characters it is made of."""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
from typing import Any

import pytest
from upsun_agent.api.http import Reply
from upsun_agent.api.pages import MARKS_MOST, composed, is_mark, missing
from upsun_agent.limits import BODY_MOST_BYTES

from tests.harness.api_client import Misbehaving, answer
from tests.harness.sources import SOURCES

#: Reads a page over the network and looks for a text in it, with ten seconds of CPU; the system kills it after that.
READER = """
import resource, sys
from upsun_agent.api.pages import MARKS_MOST, composed, is_mark, missing
from upsun_agent.api.http import Transport
resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
reply = Transport("reader").some(sys.argv[1], headers={}, deadline=60)
print(repr(missing(reply, sys.argv[2])))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
MEMORY_MOST = 96 * 1024  # kilobytes: a character of the page takes four bytes, and some become four characters
ROOM = BODY_MOST_BYTES - 100


def filled(*parts: str) -> str:
    """Return a text with as much of each part, one after the other, as a page has room for."""
    each = ROOM // len(parts)
    return "".join(part * (each // len(part.encode())) for part in parts)


PAGES = {
    "two kinds of marks, each a long run": filled("\u0301", "\u0316"),
    "two kinds of marks in turn": filled("\u0301\u0316"),
    "marks that are made of two marks": filled("\u0f73"),
    "marks that are made of two marks, behind a letter": "a" + filled("\u0f81", "\u0f75"),
    "marks beyond the first plane": filled("\U0001e8d0", "\U0001d167"),
    "marks behind a letter, thirty at a time": filled("e" + "\u0301" * 15 + "\u0316" * 16),
    "letters that are made of four": filled("\u1f82"),
    "syllables in parts": filled("\u1100\u1161\u11a8"),
    "no marks, and no letter below them": filled("\u4e00"),
}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("charset", ["utf-8", "utf-16"])
def test_a_page_of_marks_is_looked_through_in_bounded_time_and_memory(name: str, charset: str) -> None:
    body = PAGES[name].encode(charset)[: BODY_MOST_BYTES - 2]  # or it would not be whole

    def behave(connection: Any, _: Misbehaving) -> None:
        connection.sendall(answer("200 OK", body, f"Content-Type: text/html; charset={charset}"))

    server = Misbehaving(behave)
    environ = {**os.environ, "PYTHONPATH": SOURCES}
    command = [sys.executable, "-c", READER, server.url, "caf\u00e9 ist da"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    finally:
        server.close()
    assert done.returncode == 0, (done.returncode, done.stderr[-500:])
    said, memory = done.stdout.splitlines()
    assert said == "''", "the page does not hold it"
    assert int(memory) < MEMORY_MOST


@pytest.mark.parametrize("text", ["caf\u00e9", "cafe\u0301", "\u1ea5", "a\u0302\u0301", "\u0e01\u0e38\u0e48", "\ud55c"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("around", ["", "\u4e00" * 100, "\u0301\u0316" * 100 + " "])
def test_a_text_is_found_however_its_marks_are_written_and_whatever_stands_before_it(
    text: str, form: Any, around: str
) -> None:
    page = f"{around}{unicodedata.normalize(form, text)}. {around}"
    assert missing(Reply(200, {}, page.encode()), text) is None
    assert missing(Reply(200, {"content-type": "text/html; charset=utf-16"}, page.encode("utf-16")), text) is None


def test_every_character_that_reordering_moves_counts_as_a_mark() -> None:
    for number in range(sys.maxunicode + 1):
        char = chr(number)
        if unicodedata.combining(unicodedata.normalize("NFD", char)[0]):
            assert is_mark(char), hex(number)
            assert char >= "\u0300", hex(number)


def test_text_with_as_many_marks_as_any_language_has_is_composed_as_ever() -> None:
    for text in (
        "a" + "\u0316\u0301" * (MARKS_MOST // 2),
        "Z" + "\u0489\u0301" * 5,
        "\u1100\u1161\u11a8" * 50,
        "x" * 99,
    ):
        assert composed(text) == unicodedata.normalize("NFC", text)
