"""What an answer of the API means: one table for reads, writes, the token exchange and the requests of runs.

Only the API speaks for the API. A gateway, a firewall or a sign-in page answers with the same statuses, so a status
counts as the API's word only where the body is an error document of the API. Sources: the schema ``Error`` of the
OpenAPI document, and the fields that the official client reads (``message``, ``detail``, ``title``, ``error``,
``error_description``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Literal

from agent.errors import (
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
from agent.limits import TEXT_MOST
from agent.upsun.replies import clean, document
from agent.upsun.transport import Reply, SettingsUnusable

#: ``done``: 2xx. ``token``: the API refuses the bearer. ``second-factor``: the API asks for one. ``permission``,
#: ``not-found``, ``busy`` (409, 423) and ``refused`` (any other 4xx): the API did not act. ``limited`` (429): whoever
#: says it did not pass the request on. ``passing``: not now; a request that changes something may have been acted on.
#: ``unusable``: the answer is not the API's, or no answer that it documents; nobody knows whether it acted.
Meaning = Literal[
    "done",
    "token",
    "second-factor",
    "permission",
    "not-found",
    "busy",
    "limited",
    "refused",
    "passing",
    "unusable",
]

#: What a status means where the API itself says it; any other status from 400 to 499 is ``refused``.
OF_THE_API: dict[int, Meaning] = {401: "token", 403: "permission", 404: "not-found", 409: "busy", 423: "busy"}
#: What a status means whoever says it.
OF_ANYBODY: dict[int, Meaning] = {
    429: "limited",
    **dict.fromkeys((408, 425, 500, 502, 503, 504), "passing"),
}
#: Answers after which the same read may be tried again at once.
AGAIN: frozenset[Meaning] = frozenset({"limited", "passing"})
#: Answers after which nobody knows whether a request that changes something was acted on.
UNSURE: frozenset[Meaning] = frozenset({"passing", "unusable"})

#: The error codes with which the authentication service refuses an API token; it uses others for its own troubles.
TOKEN_ERRORS = frozenset({"invalid_grant", "request_unauthorized"})
#: The error code of the challenge for a second factor (RFC 9470), as the official client looks for it.
STEP_UP = "insufficient_user_authentication"
#: Sentences with which common gateways refuse on their own; beside them stands no other field of the API's errors.
OF_GATEWAYS = frozenset(
    {
        "missing authentication token",
        "no route matched with those values",
        "no api key found in request",
        "invalid authentication credentials",
        "access denied",
    }
)
GATEWAY = (
    "a proxy, a firewall or a sign-in page between this machine and the API answers instead of it; "
    "the next tick tries again"
)
SCANNED = 64_000  # characters or bytes of an answer in which words are looked for
TITLE = re.compile(rb"<title[^>]*>(.{1,200}?)</title>", re.IGNORECASE | re.DOTALL)


def classify(reply: Reply) -> Meaning:
    """Return what the answer means, from its status, its challenge and the shape of its body."""
    status = reply.status
    if 200 <= status < 300:  # noqa: PLR2004
        return "done"
    if status in OF_ANYBODY:
        return OF_ANYBODY[status]
    if not 400 <= status < 500:  # noqa: PLR2004
        return "unusable"
    challenge = _challenge(reply) if status == HTTPStatus.UNAUTHORIZED else ""
    if STEP_UP in challenge:
        return "second-factor"
    error = _error_of(reply)
    if error is None:
        of_api = "invalid_token" in challenge and not reply.body.strip()  # RFC 6750 needs no body
        return "token" if of_api else "unusable"
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} and _asks_for_second_factor(error):
        return "second-factor"
    return OF_THE_API.get(status, "refused")


def refusal(reply: Reply, what: str) -> AgentError:
    """Return the error for an answer that is no success; ``what`` names what was asked for."""
    meaning, said = classify(reply), _tail(error_words(reply))
    match meaning:
        case "token":
            return TokenRefused(f"{what}: the API refuses the bearer{said}", remedy="check the token's user")
        case "second-factor":
            return SecondFactorNeeded(f"{what}: a second factor is required{said}", remedy=SECOND_FACTOR)
        case "permission":
            remedy = "grant the token's user a role on the project"
            return NotPermitted(f"{what}: not permitted{said}", remedy=remedy)
        case "not-found":
            return NotFound(f"{what}: not found{said}")
        case "limited" | "passing":
            return Unreachable(f"{what}: the API answers {reply.status}{said}", remedy="the next tick tries again")
        case "unusable":
            return BadReply(f"{what}: {not_the_apis(reply)}", remedy=GATEWAY)
        case "busy" | "refused" | "done":
            return BadReply(f"{what}: unexpected status {reply.status}{said}")


@contextmanager
def settings_named() -> Iterator[None]:
    """Raise SettingsInvalid where a variable of this machine is why nothing can be sent."""
    try:
        yield
    except SettingsUnusable as error:
        raise SettingsInvalid(str(error), remedy=error.remedy) from error


def not_the_apis(reply: Reply) -> str:
    """Return one line that says of an unusable answer what it is, with a few words of it."""
    if 300 <= reply.status < 400:  # noqa: PLR2004
        return f"the answer is a redirect ({reply.status}), which is not followed"
    found = TITLE.search(reply.body[:SCANNED])
    page = _safe(reply, (found.group(1) if found else reply.body[:SCANNED]).decode("utf-8", "replace"))[:80].strip()
    shown = f": '{page}'" if page else ": it is empty"
    return f"the answer {reply.status} is not the API's{shown}"


def token_error(reply: Reply) -> str:
    """Return the OAuth error code of an answer of the authentication service; empty where it has none."""
    value = _mapping(reply).get("error")
    return value if isinstance(value, str) else ""


def error_words(reply: Reply) -> str:
    """Return what an error document says, with its details, in one bounded line of printable characters."""
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
    """Return foreign text on one line, without the secrets that a service may repeat."""
    line = clean(text[:SCANNED], SCANNED)
    secrets = sorted(reply.secrets, key=len, reverse=True)
    if len(text) > SCANNED and secrets:
        line = line[: -len(secrets[0])]  # a secret may have been cut in two
    for secret in secrets:
        line = line.replace(secret, "[hidden]")
    return clean(line)


def _texts(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """Yield the texts in ``detail``: a text, a list, or an object whose keys name the fields that are wrong."""
    if isinstance(value, str) and value.strip():
        yield f"{name}: {value}" if name not in {"", "error", "message", "msg"} else value
    elif isinstance(value, Mapping | list) and depth < 3:  # noqa: PLR2004  deeper is no message
        items = value.items() if isinstance(value, Mapping) else [(name, each) for each in value]
        for key, each in list(items)[:10]:
            yield from _texts(each, key, depth + 1)


def _mapping(reply: Reply) -> Mapping[str, Any]:
    """Return the JSON object of the body; empty where it is something else."""
    try:
        data = document(reply, "error")
    except BadReply:
        return {}
    return data if isinstance(data, dict) else {}


def _error_of(reply: Reply) -> Mapping[str, Any] | None:
    """Return the body where it is an error document of the API, else None.

    The documented error has the text ``error``. What the official client reads has a ``message`` or ``title`` with
    ``code`` or ``status``, ``detail`` or both. A message alone counts where it says more than its status does.
    """
    data = _mapping(reply)
    if any(_is_other_status(data.get(key), reply.status) for key in ("code", "status")):
        return None
    if _is_text(data.get("error")):
        return data
    named = [str(data[key]) for key in ("message", "title") if _is_text(data.get(key))]
    beside = len(named) > 1 or data.get("code") == reply.status or "detail" in data or "status" in data
    if named and (beside or not _is_a_gateways(named[0], reply.status)):
        return data
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_other_status(value: Any, status: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value != status


def _is_a_gateways(message: str, status: int) -> bool:
    """Return whether a message without other fields is one that any server gives with the status."""
    words = message.strip().rstrip(".!").casefold()
    try:
        phrase = HTTPStatus(status).phrase.casefold()
    except ValueError:
        phrase = ""
    return words in OF_GATEWAYS or words in {phrase, f"{status} {phrase}", str(status)}


def _challenge(reply: Reply) -> str:
    """Return the challenge of a 401 where it is one for bearers."""
    value = reply.headers.get("www-authenticate", "")
    return value if re.search(r"\bbearer\b", value, re.IGNORECASE) else ""


def _asks_for_second_factor(error: Mapping[str, Any]) -> bool:
    """Return whether an error document asks for a second factor: by its code, or naming the missing parameter.

    https://developer.upsun.com/docs/administration/security/mfa
    """
    methods = error.get("amr")
    if error.get("error") == STEP_UP or (isinstance(methods, list) and "mfa" in methods):
        return True
    said = " ".join(str(error.get(key) or "") for key in ("message", "detail", "error_description", "title", "error"))
    return re.search(r"\bamr\b|multi-factor|second factor|two-factor", said, re.IGNORECASE) is not None
