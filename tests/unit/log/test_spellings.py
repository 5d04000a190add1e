"""A known secret is found in whatever way a program spells it: encoded twice, coloured, quoted."""

from __future__ import annotations

import base64
import html
import json
import quopri
import shlex
import unicodedata
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from upsun_agent.api.deadline import alarm
from upsun_agent.log.redaction import HIDDEN, Redaction

SECRETS = [
    "canary!b/c%d*e(f)g'h~ij&k",
    "Canary+Wort/42=Zwölf",
    "canary horse battery staple",
    "canary\"o'te\\back$lash`tick",
    "canary\there<>{}[]",
    "canary😀emoji+pass🎉word",
    "canary-token-0123456789",
    "x\\\\canary\\z12",
]


def units(text: str, *, upper: bool) -> str:
    data = text.encode("utf-16-be").hex()
    return "".join(f"\\u{data[at : at + 4].upper() if upper else data[at : at + 4]}" for at in range(0, len(data), 4))


def wrapped(text: str, width: int) -> list[str]:
    return [text[at : at + width] for at in range(0, len(text), width)]


def go(text: str) -> str:
    said = json.dumps(text, ensure_ascii=False)
    return said.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def php(text: str) -> str:
    said = json.dumps(text).replace("/", "\\/").replace("&", "\\u0026").replace("'", "\\u0027")
    return said.replace("<", "\\u003C").replace(">", "\\u003E")


SPELLINGS: dict[str, Callable[[str], str]] = {
    "encodeURIComponent": lambda text: quote(text, safe="!'()*~-_."),
    "the userinfo of a URL": lambda text: quote(text, safe="!$&'()*+,-._~%" if "%" not in text else "!$&'()*+,-._~"),
    "a form": quote_plus,
    "every byte in percent, lower case": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "percent three times": lambda text: quote(quote(quote(text, safe=""), safe=""), safe=""),
    "escape() of JavaScript": lambda text: units(text, upper=True).replace("\\u", "%u"),
    "JSON of Go": go,
    "JSON of PHP": php,
    "JSON with every character escaped": lambda text: units(text, upper=False),
    "JSON with upper-case hex": lambda text: units(text, upper=True),
    "JSON in JSON in JSON": lambda text: json.dumps(json.dumps(json.dumps(text))),
    "a URL in JSON": lambda text: json.dumps(f"https://example.com/?p={quote(text)}").replace("/", "\\/"),
    "JSON in a URL": lambda text: quote(json.dumps({"p": text})),
    "HTML": html.escape,
    "HTML twice": lambda text: html.escape(html.escape(text)),
    "HTML in decimals": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "HTML in hex": lambda text: "".join(f"&#x{ord(char):X};" for char in text),
    "HTML by names": lambda text: text.replace("&", "&amp;").replace("ö", "&ouml;").replace("+", "&plus;"),
    "a shell's quotes": shlex.quote,
    "a shell's quotes with backslashes": lambda text: "'" + text.replace("'", "'\\''") + "'",
    "a shell's backslashes": lambda text: "".join(char if char.isalnum() else f"\\{char}" for char in text),
    "Python": repr,
    "Python's bytes": lambda text: repr(text.encode()),
    "octal": lambda text: "".join(f"\\{byte:03o}" for byte in text.encode()),
    "braces": lambda text: "".join(f"\\u{{{ord(char):x}}}" for char in text),
    "SQL": lambda text: text.replace("'", "''"),
    "CSV": lambda text: text.replace('"', '""'),
    "quoted-printable": lambda text: quopri.encodestring(text.encode()).decode(),
    "another normal form": lambda text: unicodedata.normalize("NFD", text),
    "UTF-8 read as Latin-1": lambda text: text.encode().decode("latin-1"),
    "hex": lambda text: text.encode().hex(),
    "base64 with a user before it and a line's end": lambda text: base64.b64encode(f"user:{text}\n".encode()).decode(),
    "base64, one byte on": lambda text: base64.b64encode(f"u:{text}\n".encode()).decode(),
    "base64, two bytes on": lambda text: base64.urlsafe_b64encode(f"us:{text}\n".encode()).decode(),
    "base64 in a URL": lambda text: quote(base64.b64encode(text.encode()), safe=""),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "colours": "\x1b[1;31m".join,
    "a title within": lambda text: f"{text[:5]}\x1b]0;title\x07{text[5:]}",
    "a colour in JSON": lambda text: json.dumps(f"{text[:6]}\x1b[1m{text[6:]}"),
    "spaces without width": "\u200b".join,
    "joiners": "\u200d".join,
    "soft hyphens": "\u00ad".join,
    "a folded header": lambda text: f"{text[:7]}\r\n {text[7:]}",
    "lines of a narrow terminal": lambda text: "\n".join(text[at : at + 5] for at in range(0, len(text), 5)),
    "lines that a backslash joins": lambda text: f"{text[:7]}\\\n    {text[7:]}",
    "base64 in short lines": lambda text: "\n".join(wrapped(base64.b64encode(text.encode()).decode(), 20)),
    "folded lines in JSON": lambda text: json.dumps(f"{text[:7]}\r\n\t{text[7:]}"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_hidden_in_every_spelling(secret: str, spelling: str) -> None:
    said = SPELLINGS[spelling](secret)
    cleaned = Redaction([secret]).clean(f"before {said} after")
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" after")
    assert HIDDEN in cleaned
    rest = cleaned.replace(HIDDEN, "").removeprefix("before").removesuffix("after")
    assert len(rest) <= len(said) - len(secret) + 14
    assert "canary" not in rest.lower()
    assert "attery" not in rest


@pytest.mark.parametrize("secret", SECRETS)
def test_what_stands_around_it_stays(secret: str) -> None:
    clean = Redaction([secret]).clean
    assert clean(f'{{"a": "%41", "p": {json.dumps(secret)}, "n": "\\u00e9"}}') == (
        f'{{"a": "%41", "p": "{HIDDEN}", "n": "\\u00e9"}}'
    )
    assert clean(f"https://u:{quote(secret, safe='')}@h/%7Euser") == f"https://u:{HIDDEN}@h/%7Euser"
    assert clean(f"<b title='&quot;'>{html.escape(secret)}</b>") == f"<b title='&quot;'>{HIDDEN}</b>"


def test_words_that_only_resemble_a_secret_stay() -> None:
    clean = Redaction(["'production'", 'main"', "a+b c+d"]).clean
    for line in (
        "the production environment",
        "main is up",
        "a-b c-d",
        "production's main",
        "production' and 'production",
    ):
        assert clean(line) == line


HARD = [
    "%",
    "%25",
    "%2",
    "\\",
    "\\\\",
    "\\u0026",
    "\\\\u0041",
    "\\x41",
    "\\101",
    "&",
    "&amp;",
    "&#39;",
    "=41",
    "=\n",
    "'",
    "+",
]


@pytest.mark.parametrize("part", HARD)
def test_a_long_text_of_escapes_does_not_take_the_square_of_its_length(part: str) -> None:
    redaction = Redaction(SECRETS)
    with alarm(60):  # linear: a second or two; quadratic: an hour
        redaction.clean((part * (1_000_000 // len(part) + 1))[:1_000_000])
