"""Redact secrets in texts, by value and by shape. Every log line and message passes through it.

By value: what was named as secret, line by line too, in base64 at any offset and in whatever way the text is encoded:
the text is read in every spelling (``log.spellings``), without what a terminal obeys (``log.escapes``). By shape:
what is a secret whoever it belongs to. Every search is linear in the text: patterns begin with something literal and
every repetition is bounded.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, MutableMapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

from upsun_agent.limits import SECRET_FORM_MOST
from upsun_agent.log.escapes import Normaliser, normal
from upsun_agent.log.spellings import Layer, fully_decoded, layers, unquoted

HIDDEN = "[hidden]"
SECRET_LEAST = 6  # shorter values would hide innocent words
CORE_LEAST = 8  # characters of base64 that a secret alone decides
LINE_LEAST = 20  # characters of one line of a secret of several
SEEN_LONGEST, SEEN_MOST = 200, 4096  # characters of a text that is remembered, texts
BLOB_LEAST = 2048  # characters from which a value is hidden as it is only: its forms would cost more than they help

Span = tuple[int, int]

_WORD = r"[A-Za-z0-9_-]"
_SLASHES = r":(?:\\{0,3}/){2}"  # as JSON may escape them

#: A name that says that its value is secret, what stands between the two, and what the value has: a letter, a digit.
_NAMES = ("oken", "OKEN", "ass", "ASS", "ecret", "ECRET", "ey", "EY")
_NAME = (
    r"(?:[Tt]oken|TOKEN|[Pp]assw(?:or)?d|PASSW(?:OR)?D|[Pp]assphrase|PASSPHRASE|_pass|_PASS"
    r"|[Ss]ecret(?:[_-]?[Aa]ccess)?(?:[_-]?[Kk]ey)?(?:_base)?|SECRET(?:_ACCESS)?(?:_KEY)?(?:_BASE)?"
    r"|(?:[Aa]pi|[Pp]rivate|[Aa]ccess)[_-]?[Kk]ey|(?:API|PRIVATE|ACCESS)[_-]?KEY)"
)
_IS = r"(?:\\{0,3}[\"']?\s{0,2}(?:=>|[:=])\s{0,2}|>)"
_OUT = r"\s\"'\\&,;<>(){}\[\]"
_QUOTES_OUT = r"\s\"'\\"


def _mixed(out: str) -> str:
    """Return the pattern of a value with a letter and a digit, without the characters ``out``."""
    some = rf"(?=[^{out}0-9]{{0,80}}[0-9])(?=[^{out}A-Za-z]{{0,80}}[A-Za-z])"
    return rf"{some}(?P<s>[^{out}]{{8,4000}})"


#: Literals that a text must hold, and the pattern that is then looked for; the group named ``s`` is the secret.
_SHAPES: tuple[tuple[tuple[str, ...], str], ...] = (
    (  # a JWT, such as every bearer: its payload is a JSON object, as its header is
        (".eyJ",),
        rf"(?P<s>(?<!{_WORD}){_WORD}{{9,4000}}+\.eyJ{_WORD}{{4,8000}}+(?:\.{_WORD}{{0,8000}}+){{0,100}}+)",
    ),
    (
        ("earer", "EARER", "uthorization", "UTHORIZATION"),
        (
            r"(?:(?:[Bb]earer|BEARER)\s{1,3}|(?:[Aa]uthorization|AUTHORIZATION)\\{0,3}[\"']?\s{0,2}[:=]\s{0,2}"
            r"\\{0,3}[\"']?(?:[A-Za-z][A-Za-z-]{1,20}\s{1,3})?)(?=[A-Za-z._~+/=-]{0,80}[0-9])(?P<s>[A-Za-z0-9._~+/=-]{16,8000})"
        ),
    ),
    (  # user:password@ in a URL, also with a password that should have been encoded, but not a port with a path
        ("@",),
        rf"{_SLASHES}[^\s/?#:@'\"<>\\\[]{{0,200}}:(?!\d{{1,5}}[/?#])(?P<s>[^\s@'\"<>\\]{{1,300}})@",
    ),
    (("@",), rf"https?{_SLASHES}(?P<s>[^\s/?#:@'\"<>\\]{{16,300}})@"),
    (
        ("hooks.slack.com",),
        r"hooks\.slack\.com\\{0,3}/(?:services|workflows|triggers)\\{0,3}/(?P<s>[A-Za-z0-9/_\\-]{10,300})",
    ),
    (("hc-ping.com",), r"hc-ping\.com\\{0,3}/(?P<s>[0-9a-f-]{36}|[A-Za-z0-9_-]{22})"),
    (("/webhooks",), r"/api\\{0,3}/webhooks\\{0,3}/(?P<s>[0-9]{15,22}\\{0,3}/[A-Za-z0-9_-]{30,100})"),
    (("/bot",), r"/bot[0-9]{6,12}:(?P<s>[A-Za-z0-9_-]{30,60})"),
    (("/webhookb2/",), r"/webhookb2/(?P<s>[A-Za-z0-9@/-]{30,300})"),
    (("ookie", "OOKIE"), r"(?:[Cc]ookie|COOKIE):\s{0,2}[^\s=;]{1,80}=(?=[^\s;0-9]{0,80}[0-9])(?P<s>[^\s;]{12,4000})"),
    (_NAMES, rf"{_NAME}{_IS}\\{{0,3}}[\"']?{_mixed(_OUT)}"),
    (_NAMES, rf"{_NAME}{_IS}\\{{0,3}}[\"']{_mixed(_QUOTES_OUT)}"),  # in quotes, which alone end the value
    (("--",), rf"--[a-z-]{{0,30}}{_NAME} {_mixed(_OUT)}"),
    (
        (
            "gh",
            "glpat-",
            "xox",
            "k_live_",
            "k_test_",
            "AKIA",
            "whsec_",
            "sk-",
            "npm_",
            "SG.",
            "AIza",
            "dop_v1_",
            "hvs.",
        ),
        (
            r"(?P<s>(?<![A-Za-z0-9])(?:gh[opsur]_[A-Za-z0-9]{30,255}|github_pat_\w{30,255}|glpat-[\w-]{20,100}"
            r"|xox[abeprs]-[A-Za-z0-9-]{10,250}|[rs]k_(?:live|test)_[A-Za-z0-9]{16,250}|AKIA[0-9A-Z]{16}"
            r"|whsec_[A-Za-z0-9+/=]{16,200}|sk-(?:proj|ant|svcacct)-[\w-]{20,250}|npm_[A-Za-z0-9]{36}"
            r"|SG\.[\w-]{16,32}\.[\w-]{32,64}|AIza[\w-]{35}|dop_v1_[0-9a-f]{40,64}|hvs\.[\w-]{20,250}))"
        ),
    ),
)
_KEY_BEGIN, _KEY_END, _KEY_MOST = "-----BEGIN ", "-----END ", 20_000
_KEY_NAME = r"(?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
_KEY_GAP = r"(?:\s|\\{1,4}[nrt]){0,40}+"
_KEY_LINES = rf"(?:{_KEY_GAP}[A-Za-z0-9+/=]{{20,20000}}+){{0,400}}+(?:{_KEY_GAP}[A-Za-z0-9+/=]{{1,20000}}+)?"
_KEY_HEADS = rf"(?:{_KEY_GAP}[A-Z][A-Za-z-]{{2,20}}: [^\n\\]{{0,200}}){{0,6}}+"
_KEY_QUOTED = r"(?:[^\S\n]{0,40}\n[^\n]{0,80}?[ |>:][A-Za-z0-9+/=]{40,200}(?=\s|\Z)){1,400}+"  # a prefix on each line
_KEY_BODY = rf"{_KEY_QUOTED}(?:\n[^\n]{{0,80}}?[ |>:][A-Za-z0-9+/=]{{1,200}}(?=\s|\Z))?|{_KEY_HEADS}{_KEY_LINES}"
_WRAP = r"\s{0,2}(?:\n|\\{1,4}n)\s{0,40}"
QUOTES = "\\'\""
_QUOTED = re.compile(r"[\\'\"+ ]")
_TO_URLSAFE = str.maketrans("+/", "-_")
_BASE64 = "[A-Za-z0-9+/_=-]"
_KEY_IN_BASE64 = "LS0tLS1CRUdJTi"  # of "-----BEGIN "


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compiled when first needed: most lines hold nothing that looks like a secret."""
    return re.compile(pattern)


class Redaction:
    """Replaces secrets in texts: registered values, and everything with the shape of a secret."""

    def __init__(self, secrets: Iterable[str | None] = ()) -> None:
        self._secrets: set[str] = set()
        self._seen: dict[str, str] = {}  # short texts that were looked at, and what is left of them
        self._forms: list[str] = []
        self._unquoted: list[tuple[str, int]] = []
        for secret in secrets:
            self.hide(secret)

    def hide(self, secret: str | None) -> None:
        """Register a secret value: it is redacted from now on, in all its forms."""
        stripped = (secret or "").strip()
        if len(stripped) < SECRET_LEAST or stripped in self._secrets:
            return
        self._secrets.add(stripped)
        self._seen.clear()
        self._forms = sorted({*self._forms, *forms_of(stripped)}, key=len, reverse=True)
        inner = stripped.strip(QUOTES)
        if len(unquoted(inner)) >= SECRET_LEAST and len(stripped) <= BLOB_LEAST and _QUOTED.search(inner):
            self._unquoted.append((unquoted(inner), len(inner)))

    def clean(self, value: Any) -> Any:
        """Return the value with every secret in its texts replaced, in containers too."""
        if isinstance(value, str):
            return self._without(value)
        if isinstance(value, dict):
            return {self.clean(key): self.clean(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean(item) for item in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.clean(str(value))

    def _without(self, text: str) -> str:
        """Return the text with its secrets replaced. The same words come again and again: short ones are remembered."""
        if len(text) < SECRET_LEAST:
            return text
        if (known := self._seen.get(text)) is not None:
            return known
        left = replaced(text, self.spans(text))
        if len(text) <= SEEN_LONGEST:
            if len(self._seen) >= SEEN_MOST:
                self._seen.clear()
            self._seen[text] = left
        return left

    def spans(self, text: str) -> list[Span]:
        """Return where secrets stand in the text, in order, none overlapping another."""
        return _merged([span for span, _ in self.found(text)])

    def found(self, text: str) -> list[tuple[Span, Span]]:
        """Return each secret's place in the text, and the place of all by which it is known as one."""
        found: list[Span] = []
        around: list[tuple[Span, Span]] = []
        for layer in layers(text):
            found += self._named(layer)
            for span, about in _shaped(layer.text):
                around.append((layer.span(*span), layer.span(*about)))
        return [*((span, span) for span in found), *around]

    def holds(self, text: str) -> bool:
        """Return whether a named secret stands in the text, in whatever spelling."""
        return any(True for layer in layers(text) for _ in self._named(layer))

    def _named(self, layer: Layer) -> Iterator[Span]:
        """Yield where named secrets stand in a layer."""
        for each in filter(None, (layer, layer.unfolded())):
            for form in self._forms:
                yield from _places(each, form, 0)
        bare = layer.unquoted() if self._unquoted else None
        if bare is not None:
            for core, least in self._unquoted:
                yield from _places(bare, core, least)

    def stream(self) -> Stream:
        """Return a redactor for a text that comes in pieces."""
        return Stream(self)

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Return the choke point of the log: a structlog processor. Nothing that a terminal obeys gets into a line."""
        return {key: self.clean(_normal(value)) for key, value in event.items()}


class Stream:
    """Takes a text in pieces and gives it back normalised and without secrets, also without those that pieces share.

    It holds back as much as the longest secret; ``end`` gives the rest.
    """

    def __init__(self, redaction: Redaction, hold: int = SECRET_FORM_MOST) -> None:
        self._redaction = redaction
        self._hold = hold
        self._kept = ""
        self._normaliser = Normaliser()

    def feed(self, piece: str) -> str:
        """Return one more piece; what of the text can be shown already."""
        self._kept += self._normaliser.feed(piece)
        if len(self._kept) <= 2 * self._hold:  # so that each character is looked at twice, not once a piece
            return ""
        found, cut = self._redaction.found(self._kept), len(self._kept) - self._hold
        for begin, end in reversed(_merged([around for _, around in found])):
            cut = begin if begin < cut < end else cut  # a secret goes with what tells that it is one
        shown, self._kept = self._kept[:cut], self._kept[cut:]
        return replaced(shown, _merged([span for span, _ in found if span[1] <= cut]))

    def end(self) -> str:
        """Return the rest of the text."""
        rest, self._kept = self._kept + self._normaliser.end(), ""
        return replaced(rest, self._redaction.spans(rest))


def replaced(text: str, spans: Iterable[Span]) -> str:
    """Return the text with something else at these places."""
    parts, place = [], 0
    for start, end in spans:
        parts += [text[place:start], HIDDEN]
        place = end
    return "".join([*parts, text[place:]]) if parts else text


def forms_of(secret: str) -> set[str]:
    """Return what to search for in every spelling of a text: the secret, its lines, its base64 and hex forms."""
    if len(secret) > BLOB_LEAST and "\n" not in secret:
        return {secret}
    raw = secret.encode("utf-8", "replace")
    found = {secret, fully_decoded(secret), raw.decode("latin-1"), raw.hex(), raw.hex().upper()}
    found |= {unicodedata.normalize(form, secret) for form in ("NFC", "NFD")} if not secret.isascii() else set()
    found |= {secret.replace("\n", "\r\n")} | {line.strip() for line in secret.split("\n") if len(line) >= LINE_LEAST}
    found |= {normal(raw.decode("latin-1")), normal(raw.decode("cp1252", "ignore"))} if not secret.isascii() else set()
    encoded = {raw, secret.encode("utf-16-le", "replace"), secret.encode("utf-16-be", "replace"), *_written(secret)}
    for data in encoded:
        for offset in range(3):  # base64 of something that holds the secret: what the secret alone decides of it
            core = base64.b64encode(b"\0" * offset + data).rstrip(b"=").decode()
            core = core[-(-8 * offset // 6) : 8 * (offset + len(data)) // 6]
            if len(core) >= CORE_LEAST:
                found |= {core, core.replace("+", "-").replace("/", "_")}
    return {form for form in found if len(form) >= SECRET_LEAST}


def _written(secret: str) -> Iterator[bytes]:
    """Yield the secret as JSON and URLs have it, which are put into base64 whole: relationships, logins of headers."""
    for text in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
        yield text.encode("utf-8", "replace")
        yield text.replace("/", "\\/").encode("utf-8", "replace")
    for safe in ("", "/"):
        yield quote(secret, safe, errors="replace").encode()
        yield quote_plus(secret, safe, errors="replace").encode()


def _places(layer: Layer, form: str, least: int) -> Iterator[Span]:
    """Yield where a form stands in a layer, as places of the text; shorter ones than ``least`` are something else."""
    place = layer.text.find(form)
    while place >= 0:
        start, end = layer.span(place, place + len(form))
        if end - start >= least:
            yield start, end
        place = layer.text.find(form, place + len(form))


def _shaped(text: str) -> Iterator[tuple[Span, Span]]:
    """Yield where something with a secret's shape stands in the text, and what it is known by."""
    for needles, pattern in _SHAPES:
        if any(needle in text for needle in needles):
            for match in _compiled(pattern).finditer(text):
                yield match.span("s"), match.span()
    if _KEY_BEGIN in text:
        yield from ((span, span) for span in _private_keys(text))
    if _KEY_IN_BASE64 in text:
        yield from ((span, span) for span in _encoded_keys(text))


def _normal(value: Any) -> Any:
    """Return the value with its texts normalised, in containers too."""
    if isinstance(value, str):
        return normal(value)
    if isinstance(value, dict):
        return {_normal(key): _normal(item) for key, item in value.items()}
    return [_normal(item) for item in value] if isinstance(value, list | tuple) else value


def _merged(found: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(found):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _private_keys(text: str) -> Iterator[Span]:
    """Blocks of private keys, to their end, or as far as they look like one where they are cut."""
    name, body, place, end = _compiled(_KEY_NAME), _compiled(_KEY_BODY), 0, -1
    while (begin := text.find(_KEY_BEGIN, place)) >= 0:
        place = begin + len(_KEY_BEGIN)
        head = name.match(text, place)
        if head is None:
            continue
        if end < head.end():  # looked for once, not once a key
            end = text.find(_KEY_END, head.end())
            end = len(text) if end < 0 else end
        foot = name.match(text, end + len(_KEY_END)) if end - begin <= _KEY_MOST else None
        following = text.find(_KEY_BEGIN, head.end(), end) if foot else -1
        rest = body.match(text, head.end())
        place = foot.end() if foot and following < 0 else rest.end() if rest else head.end()
        yield begin, place


def _encoded_keys(text: str) -> Iterator[Span]:
    """Private keys in base64, on several lines too; certificates and public keys begin the same way and stay."""
    wrapped = rf"(?:(?:{_WRAP}{_BASE64}{{60,80}}+){{1,400}}+(?:{_WRAP}{_BASE64}{{1,80}}+(?=[\s\"'\\]|\Z))?)?"
    for match in _compiled(rf"{_KEY_IN_BASE64}{_BASE64}{{20,{_KEY_MOST}}}+{wrapped}").finditer(text):
        begin = match[0][:64].replace("=", "")
        if b"PRIVATE KEY" in base64.urlsafe_b64decode(begin.translate(_TO_URLSAFE)[: len(begin) // 4 * 4]):
            yield match.span()
