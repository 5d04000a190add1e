"""Decode a page's text with the charset that its header, byte order mark or markup declares."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator

from upsun_agent.api.http import Reply
from upsun_agent.limits import BODY_MOST_BYTES
from upsun_agent.log.escapes import normal

_DECLARED = re.compile(r"charset\s{0,9}=\s{0,9}[\"']?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
_MARKUP = re.compile(
    rb"(?:<meta\s[^>]{0,400}?charset\s{0,9}=\s{0,9}[\"']?|<\?xml\s[^>]{0,200}?encoding\s{0,9}=\s{0,9}[\"'])"
    rb"([A-Za-z0-9._:-]{1,40})",
    re.IGNORECASE,
)
_HEAD_MOST = 4096  # bytes in which a page declares its charset; browsers look at 1024
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
#: Labels that browsers read as a wider charset (encoding.spec.whatwg.org), and what Python calls those.
_WIDER = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "iso8859-9": "cp1254",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "utf-16": "utf-16-le",
}
_ALIASES = {
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "ks_c_5601-1987": "cp949",
    "x-gbk": "gb18030",
    "big5": "big5hkscs",
}
#: What Python calls encodings too, and no page is written in.
_ODD = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "utf-7"})
#: Marks on one letter that count: the bound of Unicode's Stream-Safe Text Format (UAX 15). Languages have a few.
MARKS_MOST = 30
_MAYBE_MARKS = re.compile(f"[\u0300-\U0010ffff]{{{MARKS_MOST + 1},}}")  # all marks are in that range
#: Marks made of two, which ``unicodedata.combining`` takes for letters.
_DOUBLE_MARKS = frozenset("\u0f73\u0f75\u0f81")
_SEPARATOR = "\u034f"  # what Unicode puts between the marks that are too many


def missing(reply: Reply, text: str) -> str | None:
    """Return None if the page contains the text, "" if it does not, else why that is unknown."""
    if text.encode() in reply.body:
        return None
    wanted, unknown = composed(text), ""
    for label in dict.fromkeys(_labels(reply)):
        name = _known(label)
        if name is None:
            unknown = f"it declares the charset {normal(label)!r}, which is not known"
            continue
        for each in (name, _WIDER.get(name)):
            if each is not None and wanted in composed(reply.body.decode(each, "replace")):
                return None
    if not reply.whole:
        return reply.fault or f"only its first {BODY_MOST_BYTES} bytes were read"
    return unknown


def composed(text: str) -> str:
    """Return the text in NFC; split runs of more than ``MARKS_MOST`` combining marks.

    Marks are sorted in time that grows with the square of how many there are, in C, where no deadline interrupts it.
    """
    return unicodedata.normalize("NFC", _MAYBE_MARKS.sub(_set_apart, text))


def is_mark(char: str) -> bool:
    """Return whether a character is a combining mark, which normalisation may reorder."""
    return unicodedata.combining(char) != 0 or char in _DOUBLE_MARKS


def _set_apart(found: re.Match[str]) -> str:
    """Return the characters with a separator after each ``MARKS_MOST`` consecutive marks."""
    text, parts, begun, marks = found[0], [], 0, 0
    for place, char in enumerate(text):
        if not is_mark(char):
            marks = 0
        elif marks < MARKS_MOST:
            marks += 1
        else:
            parts.append(text[begun:place])
            begun, marks = place, 1
    return _SEPARATOR.join([*parts, text[begun:]]) if parts else text


def _labels(reply: Reply) -> Iterator[str]:
    """Yield the charsets that the page may be in, and UTF-8."""
    declared = _DECLARED.search(reply.headers.get("content-type", ""))
    if declared is not None:
        yield declared[1]
    for mark, name in _MARKS:
        if reply.body.startswith(mark):
            yield name
    markup = _MARKUP.search(reply.body[:_HEAD_MOST])
    if markup is not None:
        yield markup[1].decode("ascii")
    yield "utf-8"


def _known(label: str) -> str | None:
    """Return Python's name of a charset; None if Python does not know it as a text encoding."""
    try:
        name = codecs.lookup(_ALIASES.get(label.lower(), label)).name
        "".encode(name)  # no text encodings, such as hex, are refused here
    except (LookupError, ValueError):
        return None
    return None if name in _ODD else name
