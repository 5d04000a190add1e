"""Faults between a client and the platform, and when they happen."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, get_args

Kind = Literal[
    "status",
    "status-after",
    "cut-before",
    "cut-after",
    "half-headers",
    "half-body",
    "drip",
    "reset",
    "reset-after",
    "redirect",
    "empty",
    "html",
    "delay",
    "expired-bearer",
    "json",
    "gateway",
    "refused-empty",
    "captive",
    "step-up",
    "invalid-grant",
    "invalid-client",
    "request-unauthorized",
    "absent",
    "not-listed",
    "complete-null",
    "unknown-result",
    "unknown-state",
]
KINDS: tuple[str, ...] = get_args(Kind)
# What the help of `simulate` says of each.
DOCS: dict[str, str] = {
    "STATUS": "a JSON error with this HTTP status, such as 503; the request is not carried out",
    "status-after": "the same once the request is carried out (status=STATUS)",
    "cut-before": "the connection ends; the request is not carried out",
    "cut-after": "the request is carried out, then the connection ends",
    "half-headers": "the connection ends in the middle of the head of the answer",
    "half-body": "the connection ends in the middle of the body of the answer",
    "drip": "the answer comes byte by byte (seconds=N for each)",
    "reset": "the connection is reset; the request is not carried out",
    "reset-after": "the request is carried out, then the connection is reset",
    "redirect": "a redirection to another host (status=STATUS)",
    "empty": "the request is carried out; the answer has no body (status=STATUS)",
    "html": "an HTML page with status 200 (status=STATUS)",
    "delay": "the answer comes later (seconds=N)",
    "expired-bearer": "401: the access token has expired",
    "json": "the request is carried out; the answer has the body that body=TEXT gives",
    "gateway-STATUS": "the HTML page of a gateway with this status, such as gateway-403",
    "empty-STATUS": "an answer with this status and no body, such as empty-401; the request is not carried out",
    "captive": "the login page of a captive portal: HTML with status 200",
    "step-up": "401 that asks for a login with a second factor",
    "invalid-grant": "400 as the token endpoint refuses an API token",
    "invalid-client": "401 as the token endpoint refuses a client",
    "request-unauthorized": "401 as the token endpoint refuses an API token in its other form",
    "absent": "404 as the API says that something does not exist",
    "not-listed": "a list without its newest item",
    "complete-null": "activities have the state complete and no result",
    "unknown-result": "activities have the state complete and a result that is in no document",
    "unknown-state": "activities have a final state that is in no document, and the result success",
}
# Not carried out: the platform never saw the request, or turned it away.
UNACTED = frozenset(
    {
        "status",
        "cut-before",
        "reset",
        "redirect",
        "html",
        "expired-bearer",
        "gateway",
        "refused-empty",
        "captive",
        "step-up",
        "invalid-grant",
        "invalid-client",
        "request-unauthorized",
        "absent",
    }
)
# No whole answer reaches the client.
CUTS = frozenset({"cut-before", "cut-after", "half-headers", "half-body", "drip", "reset", "reset-after"})
# Kinds that carry their status in their name.
WITH_STATUS = re.compile(r"(gateway|empty)-(\d{3})")
DEFAULT_SECONDS = 1.0
FIRST_STATUS, LAST_STATUS = 200, 599
FOREVER = 1_000_000_000
LEAST_WORDS = 3


class ConnectionCut(ConnectionError):
    """The connection broke while a request was under way; raised out of the WSGI callable.

    `phase` is the kind of the fault, `acted` whether the platform carried the request out, and `status`,
    `headers`, `body` the answer that the client will not get whole. A server turns it into the real thing
    on the wire; a transport in process turns it into its own network error.
    """

    def __init__(self, phase: str, *, seconds: float = DEFAULT_SECONDS) -> None:
        super().__init__(f"simulated {phase}")
        self.phase = phase
        self.seconds = seconds
        self.acted = phase not in UNACTED
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.body = b""


@dataclass(kw_only=False, eq=False)
class Fault:
    """A fault that hits the `nth` request that matches, and those after it, `times` in all.

    `path` is a shell pattern for the decoded path without a leading `/api`; `*` also spans slashes.
    """

    #: What happens to the request.
    kind: Kind
    #: The method of the requests that it hits; `*`: any.
    method: str = "*"
    #: A shell pattern for the decoded path without a leading `/api`; `*` also spans slashes.
    path: str = "*"
    #: Which of the requests that match it hits first, from 1.
    nth: int = 1
    #: How many requests it hits.
    times: int = 1
    #: The status of the answer; None: that of the kind.
    status: int | None = None
    #: The header `Retry-After` of the answer; None: there is none.
    retry_after: str | None = None
    #: The body of the answer; None: that of the kind.
    body: str | None = None
    #: How long the answer takes, in seconds; None: that of the kind.
    seconds: float | None = None
    #: How many requests matched so far.
    seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is not a kind of fault: {', '.join(DOCS)}")
        if self.nth < 1 or self.times < 1:
            raise ValueError(f"nth and times count from 1, not {min(self.nth, self.times)}")
        if self.kind in ("status", "status-after", "refused-empty") and self.status is None:
            raise ValueError(f"the fault {self.kind!r} needs a status")
        if self.status is not None and not FIRST_STATUS <= self.status <= LAST_STATUS:
            raise ValueError(f"{self.status} is not an HTTP status that ends a request")
        if self.kind == "json" and self.body is None:
            raise ValueError("the fault 'json' needs a body")
        if self.seconds is not None and self.seconds < 0:
            raise ValueError(f"seconds is {self.seconds}, less than nothing")
        self.method = self.method.upper()

    @property
    def acts(self) -> bool:
        """Return whether the platform carries out the request despite the fault."""
        return self.kind not in UNACTED

    @property
    def pause(self) -> float:
        """Return the seconds of a `delay`, or of each byte of a `drip`."""
        return DEFAULT_SECONDS if self.seconds is None else self.seconds

    def hits(self, method: str, path: str) -> bool:
        """Count a request that matches; return whether the fault hits this one."""
        if not (fnmatchcase(method.upper(), self.method) and fnmatchcase(path, self.path)):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Parse `METHOD PATH KIND [xTIMES] [#NTH] [option=value ...]`; `DOCS` names the kinds.

        Options: `status`, `retry-after`, `seconds`, `nth`, `times`, and `body`, which takes the rest of
        the line. `x*` means from then on.
        """
        head, found, body = text.partition(" body=")
        words = head.split()
        if len(words) < LEAST_WORDS:
            raise ValueError(f"{text!r}: a fault is METHOD PATH KIND [xTIMES] [#NTH] [option=value ...]")
        method, path, kind, *options = words
        fields: dict[str, object] = {"body": body} if found else {}
        if kind.isdigit():
            kind, fields["status"] = "status", int(kind)
        elif (named := WITH_STATUS.fullmatch(kind)) is not None:
            kind, fields["status"] = ("refused-empty" if named[1] == "empty" else named[1]), int(named[2])
        for word in options:
            name, value = _option(text, word)
            if name in fields:
                raise ValueError(f"{text!r}: {name} is given twice")
            fields[name] = value
        try:
            return cls(kind, method, path, **fields)  # type: ignore[arg-type] # checked in __post_init__
        except ValueError as error:
            raise ValueError(f"{text!r}: {error}") from None


def _option(text: str, word: str) -> tuple[str, object]:
    """Return one word after the kind, as a field of a fault and its value."""
    if word == "x*":
        return "times", FOREVER
    if word[:1] == "x" and word[1:].isdigit():
        return "times", int(word[1:])
    if word[:1] == "#" and word[1:].isdigit():
        return "nth", int(word[1:])
    name, found, value = word.partition("=")
    readers = {"status": int, "retry-after": str, "seconds": float, "nth": int, "times": int}
    if not found or name not in readers:
        raise ValueError(f"{text!r}: {word!r} is not a valid option: xTIMES, #NTH, {', '.join(readers)}, body")
    try:
        return name.replace("-", "_"), readers[name](value)
    except ValueError:
        raise ValueError(f"{text!r}: {value!r} is not a valid value for {name}") from None
