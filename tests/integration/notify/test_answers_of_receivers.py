"""The status of an answer decides, for messages and for pages of which nothing more is asked; a text in any charset."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from upsun_agent.api.http import Transport
from upsun_agent.log.redaction import Redaction
from upsun_agent.notify.channels.http import HttpSender
from upsun_agent.notify.outcome import Delivered, Outcome, Undelivered

from tests.harness.agent_process import Result
from tests.harness.container import Container, due_container
from tests.harness.raw_answers import GZIP, NOT_TAKEN, OK, TAKEN, Speaker, path_of, sized, speaker
from tests.harness.stage import SLOT, START, Stage

BACKUP = '[jobs.nightly]\nschedule = "0 3 * * *"\n[[jobs.nightly.steps]]\nbackup = { retries = 0 }\n'
HOOK = '[notify.hook]\nwebhook = { url-variable = "HOOK" }\n[agent]\nnotify = { on = ["failed", "succeeded"] }'


@pytest.fixture
def answers() -> Iterator[Speaker]:
    with speaker({**TAKEN, **{name: said for name, (said, _) in NOT_TAKEN.items()}}) as found:
        yield found


def post(answers: Speaker, name: str) -> Outcome:
    redaction = Redaction()
    transport = Transport("upsun-agent/test")
    sender = HttpSender(os.environ, transport, redaction.hide, redaction.clean, lambda: datetime.now(UTC))
    try:
        return sender.post(f"{answers.url}{path_of(name)}", b"{}", {}, 5.0)
    finally:
        transport.close()


@pytest.mark.parametrize("name", TAKEN)
def test_a_status_of_success_is_a_delivery_whatever_its_body_is(answers: Speaker, name: str) -> None:
    assert post(answers, name) == Delivered()


@pytest.mark.parametrize("name", NOT_TAKEN)
def test_any_other_answer_is_none(answers: Speaker, name: str) -> None:
    outcome = post(answers, name)
    assert isinstance(outcome, Undelivered)
    assert outcome.for_good == NOT_TAKEN[name][1]


def test_what_is_left_of_an_answer_is_not_taken_for_the_next_one(answers: Speaker) -> None:
    transport = Transport("upsun-agent/test")
    for name in ("plain", "huge", "plain", "endless", "accepted", "shorter than said", "gzip, 204"):
        reply = transport.status("POST", f"{answers.url}{path_of(name)}", headers={}, content=b"", deadline=5)
        assert 200 <= reply.status < 300
    transport.close()


@pytest.mark.parametrize("name", ["gzip, 204", "gzip that is none", "endless", "chunked, cut"])
def test_a_message_that_was_taken_is_sent_once(make: Callable[..., Stage], answers: Speaker, name: str) -> None:
    stage = make(HOOK, environ={"HOOK": f"{answers.url}{path_of(name)}"}, jobs=BACKUP)
    stage.at(START).tick()
    stage.at(SLOT + timedelta(seconds=7)).settle()
    for _ in range(3):
        stage.later(minutes=30).tick()
    assert answers.asked == [path_of(name)]
    assert stage.waiting() == []


# --- pages -------------------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Container]:
    with due_container(tmp_path) as container:
        yield container


def look(place: Container, url: str, **settings: object) -> Result:
    """The job's one step is a look at a page."""
    said = "".join(f", {key} = {json.dumps(value)}" for key, value in settings.items())
    step = f'http-check = {{ url = "{url}", retries = 0{said} }}'
    Path(place.agent.home, "agent.toml").write_text(f"[jobs.look]\n[[jobs.look.steps]]\n{step}\n")
    return place.agent("run", "look")


@pytest.mark.parametrize("name", ["gzip that is none", "gzip, 204", "brotli", "endless", "huge", "shorter than said"])
def test_a_page_of_which_no_text_is_asked_needs_no_body(place: Container, answers: Speaker, name: str) -> None:
    said = look(place, f"{answers.url}{path_of(name)}", status=[200, 204])
    assert said.code == 0, said.said


WORDS = "Zwölf Äpfel 日本"
JAPANESE = "日本語のページ"
META = '<html><head><meta charset="{}"></head><body>{}</body>'
OLD_META = '<meta http-equiv="Content-Type" content="text/html; charset={}">{}'
XML = '<?xml version="1.0" encoding="{}"?><p>{}</p>'


def of(charset: str, body: bytes) -> bytes:
    """A page whose header says that charset, or none."""
    return sized(f"Content-Type: text/html{'; charset=' if charset else ''}{charset}\r\n".encode(), body)


PAGES: dict[str, tuple[bytes, str]] = {
    "UTF-8": (sized(b"", WORDS.encode()), WORDS),
    "Latin-1 by its header": (of("ISO-8859-1", "Zwölf".encode("latin-1")), "Zwölf"),
    "cp1252 that is called Latin-1": (of("iso-8859-1", "10 €".encode("cp1252")), "10 €"),
    "a quoted charset": (of('"windows-1251"', "Привет".encode("cp1251")), "Привет"),
    "UTF-16 by its mark": (sized(b"", b"\xff\xfe" + WORDS.encode("utf-16-le")), WORDS),
    "big-endian UTF-16 by its mark": (sized(b"", b"\xfe\xff" + WORDS.encode("utf-16-be")), WORDS),
    "UTF-16 by its header": (of("utf-16", WORDS.encode("utf-16")), WORDS),
    "UTF-16 without a mark": (of("utf-16", WORDS.encode("utf-16-le")), WORDS),
    "Shift_JIS by its header": (of("Shift_JIS", JAPANESE.encode("cp932")), JAPANESE),
    "Shift_JIS by its markup": (of("", META.format("shift_jis", JAPANESE).encode("cp932")), JAPANESE),
    "EUC-JP by its old markup": (sized(b"", OLD_META.format("euc-jp", JAPANESE).encode("euc-jp")), JAPANESE),
    "GBK called gb2312": (sized(b"", META.format("gb2312", "朱镕基").encode("gbk")), "朱镕基"),
    "XML": (sized(b"", XML.format("ISO-8859-15", "10 €").encode("iso-8859-15")), "10 €"),
    "a header that is wrong": (of("iso-8859-1", WORDS.encode()), WORDS),
    "another normal form": (of("utf-8", "Zwo\u0308lf".encode()), "Zwölf"),
    "gzip": (sized(GZIP, gzip.compress(WORDS.encode())), WORDS),
    "gzip of two members": (sized(GZIP, gzip.compress(b"one ") + gzip.compress(WORDS.encode())), WORDS),
    "the part that came": (OK + b"Content-Length: 9000\r\n\r\n" + WORDS.encode(), WORDS),
}  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_a_text_is_found_in_the_charset_that_its_page_declares(place: Container, name: str) -> None:
    answer, text = PAGES[name]
    with speaker({"page": answer}) as answers:
        said = look(place, f"{answers.url}/page", contains=text)
    assert said.code == 0, said.said


UNREAD = {
    "gzip that is none": (sized(GZIP), "its text cannot be read: the answer cannot be decompressed"),
    "brotli": (sized(b"Content-Encoding: br\r\n"), "its text cannot be read: the answer has the encoding 'br'"),
    "an unknown charset": (
        of("klingon-1", b"ok"),
        "declares the charset 'klingon-1'",
    ),
    "no charset of pages": (of("unicode_escape", b"ok"), "which is not known"),
    "too long": (OK + b"Content-Length: 9000000\r\n\r\n" + b"x" * 9_000_000, "only its first 4194304 bytes were read"),
    "cut": (OK + b"Content-Length: 100\r\n\r\nok", "its text cannot be read: "),
    "another text": (
        of("iso-8859-1", b"ok"),
        "answered 200 without the text 'Zwölf'",
    ),
}


@pytest.mark.parametrize("name", UNREAD)
def test_a_body_that_cannot_be_read_is_said_as_such(place: Container, name: str) -> None:
    answer, words = UNREAD[name]
    with speaker({"page": answer}) as answers:
        said = look(place, f"{answers.url}/page", contains="Zwölf")
    assert said.code == 1
    assert "answered 200" in said.said
    assert words in said.said
