"""Find the secrets in a container's variables: entropy, credentials of relationships, URLs of channels.

A relationship may hold credentials under any key, at any depth and within a URL (DSN). Every text of it counts as
a credential, except addresses and names of services.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from upsun_agent.limits import URL_MOST

DEPTH_MOST = 20  # containers within containers of a relationship
NUMBER_LEAST = 100_000  # a number below is too short to be hidden
PART_LEAST = 12  # characters of a part of a channel's address from which it may be a key
TARGET_LEAST = 8  # characters of path and query of a channel's address
PLAIN_LEAST = 16  # characters from which a text under a key that nobody knows is a credential, whatever it is made of

#: Names of the container that a password may equal by chance. They are public and stand in every message.
NAMES = (
    *("PLATFORM_PROJECT", "PLATFORM_BRANCH", "PLATFORM_ENVIRONMENT", "PLATFORM_ENVIRONMENT_TYPE"),
    "PLATFORM_APPLICATION_NAME",
)
#: Keys of a relationship that say where a service is or how it is called, never who may enter.
PUBLIC = frozenset(
    {
        *("host", "hostname", "hosts", "ip", "ips", "instance_ips", "port", "scheme", "protocol", "service", "rel"),
        *("type", "cluster", "path", "username", "user", "epoch", "fragment", "public", "host_mapped", "is_master"),
        *("version", "region", "name", "database", "dbname", "vhost", "bucket", "driver", "engine", "mode", "id"),
        *("url", "uri", "dsn", "endpoint", "server", "servers", "query", "options", "charset", "collation", "role"),
    }
)
_REVEALING = (
    r"(?i)pass|pwd|secret|token|credential|auth|private|salt|signature|pin\b|(?:^|[_-])key|apikey|accesskey|authkey"
)
_LOGIN = r":(?:\\{0,3}/){2}[^\s/:@]{0,200}:([^\s/@]{1,300})@"
_LOGIN_ALONE = r":(?:\\{0,3}/){2}([^\s/:@]{16,300})@"
_PAIR = (
    r"(?i)(?:^|[\s;?&,(])[a-z_-]{0,30}(?:pass(?:word|wd)?|pwd|secret|token|key|signature)\s?=\s?"
    r"(?:'([^']{1,300})'|\"([^\"]{1,300})\"|([^\s;&,)]{1,300}))"
)
#: Keys that say no secret even within an object whose key says that it holds some.
_ACCOUNT = frozenset({"username", "user", "host", "port", "scheme", "path", "type"})


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile when first needed: many containers have no relationship."""
    return re.compile(pattern)


def surroundings(environ: Mapping[str, str], relationships: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is secret in the variables of a container: entropy, credentials of services, the variables whole.

    A password that is the account's own name (the platform's PostgreSQL says main, its RabbitMQ guest) is none.
    """
    for name in ("PLATFORM_PROJECT_ENTROPY", "PLATFORM_RELATIONSHIPS", "PLATFORM_VARIABLES"):
        if environ.get(name):
            yield environ[name]
    public = {environ[name] for name in NAMES if environ.get(name)}
    for entries in relationships.values():
        for entry in entries if isinstance(entries, list) else [entries]:
            yield from _credentials(entry, public | _names(entry), secret=False, depth=0)


def _names(entry: Any) -> set[str]:
    """Return what a service and its account are called."""
    if not isinstance(entry, dict):
        return set()
    named = ("username", "user", "path", "host", "hostname", "service", "rel", "scheme", "cluster", "type")
    return {str(entry[name]) for name in named if entry.get(name)}


def _credentials(value: Any, public: set[str], *, secret: bool | None, depth: int) -> Iterator[str]:
    """Yield the credentials within a value; ``secret``: what its key says, None where nobody knows the key."""
    if depth > DEPTH_MOST:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _credentials(item, public, secret=_says(str(key).lower(), around=secret), depth=depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _credentials(item, public, secret=secret, depth=depth + 1)
    elif isinstance(value, int) and secret and value >= NUMBER_LEAST:
        yield str(value)
    elif isinstance(value, str) and value not in public:
        within = [each for each in _within(value) if each not in public]
        if secret or (secret is None and not within and _looks_secret(value)):
            yield value
        for each in within:
            yield from dict.fromkeys((each, unquote(each)))


def _says(key: str, *, around: bool | None) -> bool | None:
    """Return what a key says of its value: that it is secret, that it is public, or None where nobody knows it."""
    if key in _ACCOUNT:
        return False
    if around or _compiled(_REVEALING).search(key):
        return True
    return False if key in PUBLIC else None


def _within(text: str) -> Iterator[str]:
    """Yield the passwords and keys within an address or a DSN."""
    for match in _compiled(_LOGIN).finditer(text):
        yield match[1]
    for match in _compiled(_LOGIN_ALONE).finditer(text):
        yield match[1]
    for match in _compiled(_PAIR).finditer(text):
        yield match[1] or match[2] or match[3]


def _looks_secret(text: str) -> bool:
    """Return whether a text under a key that nobody knows may be a credential: no address, no name, no sentence."""
    if not text.isprintable() or " " in text or text.startswith(("/", "http://", "https://")):
        return "-----BEGIN" in text
    place = re.fullmatch(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::\d+)?", text)  # a host or a version
    return place is None and len(text) >= (TARGET_LEAST if _mixed(text) else PLAIN_LEAST)


def _mixed(text: str) -> bool:
    """Return whether the text has a digit and a letter, as keys have and words have not."""
    return any(char.isdigit() for char in text) and any(char.isalpha() for char in text)


def parts_of(url: str) -> Iterator[str]:
    """Yield a channel's address and what of it lets others in: its path and query, long parts of both, its login."""
    yield url
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return
    if parts.scheme not in {"http", "https"}:
        return
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    if len(target) >= TARGET_LEAST:
        yield target
    for each in parts.path.split("/"):
        if len(each) >= PART_LEAST and _mixed(each):  # words alone may be a job's name
            yield each
    for name, value in parse_qsl(parts.query[:URL_MOST]):
        if len(value) >= PART_LEAST or _compiled(_REVEALING).search(name):
            yield value
    if parts.password or (parts.username and len(parts.username) >= PART_LEAST):
        yield parts.password or str(parts.username)
