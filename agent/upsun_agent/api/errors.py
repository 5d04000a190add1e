"""Classify the API's answers: one table for reads, writes, the token exchange and the requests of runs.

Only the API speaks for the API. A gateway, a firewall or a sign-in page answers with the same statuses, so a status
counts as the API's word only where the body is an error document of the API. Sources: the schema ``Error`` of the
OpenAPI document, and the fields that the official client reads (``message``, ``detail``, ``title``, ``error``,
``error_description``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, assert_never

from upsun_agent.api.http import Reply, SettingsUnusable
from upsun_agent.api.replies import document
from upsun_agent.api.status import SUCCESS, StatusKind, blames_request, kind_of, phrase
from upsun_agent.errors import (
    SECOND_FACTOR,
    AgentError,
    BadReply,
    NotFound,
    NotPermitted,
    SecondFactorNeeded,
    SettingsInvalid,
    TokenRefused,
    Unreachable,
)
from upsun_agent.limits import TEXT_MOST
from upsun_agent.log.foreign_text import one_line


class Meaning(StrEnum):
    """The meaning of an answer for its request."""

    #: 2xx: the API did it.
    DONE = "done"
    #: The API refuses the bearer; it did not act.
    TOKEN = "token"  # noqa: S105  no secret  # nosec B105
    #: The API asks for a second factor; it did not act.
    SECOND_FACTOR = "second-factor"
    #: The token's user may not do it; the API did not act.
    PERMISSION = "permission"
    #: There is no such thing, or the token's user cannot see it; the API did not act.
    NOT_FOUND = "not-found"
    #: It exists already, or was changed at the same time; the API did not act.
    CONFLICT = "conflict"
    #: The platform works on the same thing; the API did not act.
    BUSY = "busy"
    #: Too many requests: whoever says it did not pass the request on.
    LIMITED = "limited"
    #: The API refuses it for another reason, and did not act.
    REFUSED = "refused"
    #: Not now. A request that changes something may have been acted on.
    PASSING = "passing"
    #: The answer is not the API's, or not one that it documents: nobody knows whether it acted.
    UNUSABLE = "unusable"


#: What a status means where the API itself says it; any other status from 400 to 499 is ``refused``.
OF_THE_API = {
    StatusKind.UNAUTHORIZED: Meaning.TOKEN,
    StatusKind.FORBIDDEN: Meaning.PERMISSION,
    StatusKind.NOT_FOUND: Meaning.NOT_FOUND,
    StatusKind.CONFLICT: Meaning.CONFLICT,
    StatusKind.BUSY: Meaning.BUSY,
}
#: What a status means whoever says it.
OF_ANYBODY = {
    **dict.fromkeys(SUCCESS, Meaning.DONE),
    StatusKind.LIMITED: Meaning.LIMITED,
    StatusKind.UNAVAILABLE: Meaning.PASSING,
}
#: Answers after which the same read may be tried again at once.
AGAIN = frozenset({Meaning.LIMITED, Meaning.PASSING})
#: Answers after which nobody knows whether a request that changes something was acted on.
UNSURE = frozenset({Meaning.PASSING, Meaning.UNUSABLE})

#: The error codes with which the authentication service refuses an API token; it uses others for its own troubles.
TOKEN_ERRORS = frozenset({"invalid_grant", "request_unauthorized"})
#: The error code of the challenge for a second factor (RFC 9470), as the official client looks for it.
STEP_UP = "insufficient_user_authentication"
#: Beginnings of sentences with which common gateways refuse on their own.
OF_GATEWAYS = (
    "missing authentication token",
    "no route matched with those values",
    "no api key found in request",
    "no credentials found for given",
    "invalid authentication credentials",
    "user is not authorized to access this resource",
    "the security token included in the request is",
    "'bearer' not a valid key=value pair",
    "access to this api has been disallowed",
    "authorization field missing",
    "key not authorized",
)
#: Fields of other services' error documents; the API's errors have none of them.
OF_OTHERS = frozenset(
    {
        *("apiVersion", "cloudflare_error", "documentation_url", "errors", "id", "instance", "kind", "path"),
        *("ray_id", "requestId", "request_id", "statusCode", "success", "timestamp", "traceId"),
    }
)
GATEWAY = (
    "a proxy, a firewall or a sign-in page between this machine and the API answers instead of it; "
    "the next tick tries again"
)
NOT_THERE = (
    "check the id, and the address of the API where it is not the platform's; what the token's user may not see "
    "is not found either"
)
NOT_EXPECTED = "the next tick tries again; if it stays, look at what the answer says, or ask the platform's support"
SCANNED = 64_000  # characters or bytes of an answer in which words are looked for
TITLE = re.compile(rb"<title[^>]{0,200}+>(.{1,200}?)</title>", re.IGNORECASE | re.DOTALL)


def classify(reply: Reply) -> Meaning:
    """Return the meaning of the answer, from its status, its challenge and the form of its body."""
    kind = kind_of(reply.status)
    if kind in OF_ANYBODY:
        return OF_ANYBODY[kind]
    if not blames_request(reply.status):
        return Meaning.UNUSABLE
    unproved = kind in {StatusKind.UNAUTHORIZED, StatusKind.FORBIDDEN}
    challenge = _challenge(reply) if unproved else ""
    if STEP_UP in challenge or (unproved and _names_a_second_factor(_mapping(reply))):
        return Meaning.SECOND_FACTOR
    error = _error_of(reply)
    if error is None:
        bare = kind is StatusKind.UNAUTHORIZED and not reply.body.strip()  # RFC 6750 needs no body
        of_api = bare and "invalid_token" in challenge
        return Meaning.TOKEN if of_api else Meaning.UNUSABLE
    if unproved and _asks_for_second_factor(error):
        return Meaning.SECOND_FACTOR
    return OF_THE_API.get(kind, Meaning.REFUSED)


def refusal(reply: Reply, what: str) -> AgentError:
    """Return the error for an unsuccessful answer; ``what`` names what was requested."""
    meaning, said = classify(reply), _tail(error_words(reply))
    match meaning:
        case Meaning.TOKEN:
            return TokenRefused(f"{what}: the API refuses the bearer{said}", remedy="check the token's user")
        case Meaning.SECOND_FACTOR:
            return SecondFactorNeeded(f"{what}: a second factor is required{said}", remedy=SECOND_FACTOR)
        case Meaning.PERMISSION:
            remedy = "grant the token's user a role on the project"
            return NotPermitted(f"{what}: not permitted{said}", remedy=remedy)
        case Meaning.NOT_FOUND:
            return NotFound(f"{what}: not found{said}", remedy=NOT_THERE)
        case Meaning.LIMITED | Meaning.PASSING:
            return Unreachable(f"{what}: the API answers {reply.status}{said}", remedy="the next tick tries again")
        case Meaning.UNUSABLE:
            return BadReply(f"{what}: {not_the_apis(reply)}", remedy=GATEWAY)
        case Meaning.CONFLICT | Meaning.BUSY | Meaning.REFUSED | Meaning.DONE:
            return BadReply(f"{what}: unexpected status {reply.status}{said}", remedy=NOT_EXPECTED)
        case _:
            assert_never(meaning)


@contextmanager
def settings_named() -> Iterator[None]:
    """Raise SettingsInvalid if nothing can be sent because of a variable of this machine."""
    try:
        yield
    except SettingsUnusable as error:
        raise SettingsInvalid(str(error), remedy=error.remedy) from error


def not_the_apis(reply: Reply) -> str:
    """Return one line that describes an unusable answer, with its first words."""
    if kind_of(reply.status) is StatusKind.REDIRECT:
        return f"the answer is a redirect ({reply.status}), which is not followed"
    found = TITLE.search(reply.body[:SCANNED])
    page = _safe(reply, (found.group(1) if found else reply.body[:SCANNED]).decode("utf-8", "replace"))[:80].strip()
    shown = f": '{page}'" if page else ": it is empty"
    return f"the answer {reply.status} is not the API's{shown}"


def token_error(reply: Reply) -> str:
    """Return the OAuth error code in an answer of the authentication service; empty without one."""
    value = _mapping(reply).get("error")
    return value if isinstance(value, str) else ""


def error_words(reply: Reply) -> str:
    """Return the text of an error document with its details, as one printable line of limited length."""
    data = _mapping(reply)
    said: list[str] = []
    for key in ("message", "error_description", "title", "error"):
        if isinstance(data.get(key), str) and data[key].strip():
            said.append(data[key])
            break
    said += [text for key in ("detail", "error_hint") for text in _texts(data.get(key))]
    # A detail often repeats the message.
    words = [_safe(reply, text) for text in said]
    return ": ".join(dict.fromkeys(each for each in words if each))[:TEXT_MOST]


def _tail(said: str) -> str:
    return f": {said}" if said else ""


def _safe(reply: Reply, text: str) -> str:
    """Return text from outside on one line, redacted: a service may repeat secrets."""
    line = one_line(text[:SCANNED], SCANNED)
    secrets = sorted(reply.secrets, key=len, reverse=True)
    if len(text) > SCANNED and secrets:
        line = line[: -len(secrets[0])]  # a secret may have been cut in two
    for secret in secrets:
        line = line.replace(secret, "[hidden]")
    return one_line(line)


def _texts(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """Yield the texts in ``detail``: a text, a list, or an object whose keys name the fields that are wrong."""
    if isinstance(value, str) and value.strip():
        yield f"{name}: {value}" if name not in {"", "error", "message", "msg"} else value
    elif isinstance(value, Mapping | list) and depth < 3:  # noqa: PLR2004  deeper is no message
        items = value.items() if isinstance(value, Mapping) else [(name, each) for each in value]
        for key, each in list(items)[:10]:
            yield from _texts(each, key, depth + 1)


def _mapping(reply: Reply) -> Mapping[str, Any]:
    """Return the JSON object in the body; empty if it is not an object."""
    try:
        data = document(reply, "error")
    except BadReply:
        return {}
    return data if isinstance(data, dict) else {}


def _error_of(reply: Reply) -> Mapping[str, Any] | None:
    """Return the body if it is an error document of the API, else None.

    The documented error has the text ``error``. What the official client reads has a ``message`` or ``title`` with
    ``code``, ``detail`` or both. A message alone counts where it says more than its status does.
    """
    data = _mapping(reply)
    if OF_OTHERS & data.keys() or any(_is_other_status(data.get(key), reply.status) for key in ("code", "status")):
        return None
    if _is_text(data.get("error")):
        alone = data["error"] if data.keys() <= {"error", "status"} else "more than that"
        return None if _is_a_gateways(alone, reply.status, documented=data.keys() == {"error"}) else data
    named = [str(data[key]) for key in ("message", "title") if _is_text(data.get(key))]
    beside = len(named) > 1 or data.get("code") == reply.status or "detail" in data
    if named and (beside or not _is_a_gateways(named[0], reply.status)):
        return data
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_other_status(value: Any, status: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value != status


def _is_a_gateways(message: str, status: int, *, documented: bool = False) -> bool:
    """Return whether a message without other fields is a standard text for the status, as any gateway sends.

    ``documented``: it is all of the documented error, whose text may be no more than the status in words.
    """
    words = message.strip().rstrip(".!").casefold()
    if words.startswith(OF_GATEWAYS):
        return True
    standard = phrase(status).casefold()
    return not documented and words in {"access denied", standard, f"{status} {standard}", str(status)}


def _challenge(reply: Reply) -> str:
    """Return the Bearer challenge of an answer, in lower case, or ""."""
    value = reply.headers.get("www-authenticate", "").lower()
    return value if re.search(r"\bbearer\b", value) else ""


def _names_a_second_factor(data: Mapping[str, Any]) -> bool:
    """Return whether a JSON object has one of the fields by which the official client detects the challenge."""
    methods = data.get("amr")
    return data.get("error") == STEP_UP or (isinstance(methods, list) and "mfa" in methods)


def _asks_for_second_factor(error: Mapping[str, Any]) -> bool:
    """Return whether an error document asks for a second factor: by its code, or naming the missing parameter.

    https://developer.upsun.com/docs/administration/security/mfa
    """
    said = " ".join(str(error.get(key) or "") for key in ("message", "detail", "error_description", "title", "error"))
    return re.search(rf"\bamr\b|{STEP_UP}|multi-factor|second factor|two-factor", said, re.IGNORECASE) is not None
