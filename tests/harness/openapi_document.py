"""The platform's official OpenAPI document, to hold requests and answers against.

`require()` finds it (`UPSUN_REFERENCE_DIR`, else `../shared/reference` beside the checkout) or skips the test;
with `CI=true` its absence is a failure. `problems_of_requests(simulator.requests)` is what a test of the agent
calls; `problem_of_answer` is what the tests of the simulator call.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from openapi_core.templating.paths.exceptions import PathError
from werkzeug.datastructures import Headers, ImmutableMultiDict

from tests.harness import needs
from tests.harness.sources import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from upsun_simulator import RecordedRequest

HOST = "https://api.upsun.com"
NAME = "upsun-openapi-extended.json"
FIRST_ERROR = 400
# Used by the official CLI and by us, and not in the document (contract page, section 12).
UNDOCUMENTED = re.compile(
    r"/oauth2/.*|/ssh|/me|/ref/teams|/(organizations|teams)(/.*)?|/users/[^/]+/(organizations|teams)"
    r"|/projects/.*/activities/[^/]+/log|/projects/[^/]+/environments/[^/]+/settings"
    r"|/projects/[^/]+/(certificates|domains|team-access|clear_build_cache)(/.*)?"
    r"|/projects/[^/]+/environment-types/[^/]+/access(/.*)?|/projects/[^/]+/integrations/[^/]+/(validate|activities)"
)
# Paths that are in the document, with methods that are not: what the official CLI changes there.
UNDOCUMENTED_CHANGES = re.compile(
    r"PATCH /projects/[^/]+|(PATCH|DELETE) /projects/[^/]+/environments/[^/]+|PATCH /projects/.*/deployments/next"
)
# What the platform's examples and the official CLI have of a route, and the document forbids.
OF_ROUTES = "original_url"


NAMED = os.environ.get("UPSUN_REFERENCE_DIR")  # now: tests take the variables of this machine away


def path() -> Path:
    """Where the document should be."""
    beside = REPOSITORY.parent / "shared" / "reference"
    return Path(NAMED or beside) / NAME


def require() -> OpenAPI:
    """The document; without it the test is skipped, and on a CI machine fails."""
    if not path().is_file():
        needs.missing(f"{path()} is missing; set UPSUN_REFERENCE_DIR", "requests and answers of the API")
    return _document(path())


@cache
def _document(place: Path) -> OpenAPI:
    # The vendor's document breaks rules of OpenAPI in places that do not matter here.
    content = json.loads(place.read_text(encoding="utf-8"))
    # Bearer tokens are not in the request log, and not what is validated.
    content.pop("security", None)
    _allow_null(content)
    _allow_alike(content)
    return OpenAPI.from_dict(content, config=Config(spec_validator_cls=None))  # type: ignore[arg-type]  # None skips the validation of the document


def _allow_null(content: Any) -> None:
    """Let a nullable choice be null, which the vendor means and a strict reading of `enum` forbids."""
    if isinstance(content, dict):
        if content.get("nullable") is True and "enum" in content:
            content["enum"] = [*content["enum"], None]
        content = list(content.values())
    if isinstance(content, list):
        for value in content:
            _allow_null(value)


def _allow_alike(content: dict[str, Any]) -> None:
    """Let a request fit more than one of the kinds that an operation takes: the smallest of two kinds are the same."""
    kinds = [one for name, one in content["components"]["schemas"].items() if name.endswith(("Input", "Patch"))]
    for schema in kinds:
        if "oneOf" in schema:
            schema["anyOf"] = schema.pop("oneOf")


@dataclass
class _Request:
    """A request in the form that openapi-core reads."""

    method: str
    path: str
    body: bytes | None = None
    content_type: str = "application/json"
    host_url: str = HOST
    parameters: RequestParameters = field(default_factory=RequestParameters)


@dataclass
class _Response:
    """An answer in the form that openapi-core reads."""

    status_code: int
    data: bytes
    content_type: str = "application/json"
    headers: Headers = field(default_factory=Headers)


def problem_of_request(method: str, raw_path: str, body: Any = None) -> str | None:
    """What is wrong with a request by the document; None when nothing is."""
    where, _, query = raw_path.removeprefix("/api").partition("?")
    pairs = [tuple(pair.partition("=")[::2]) for pair in query.split("&") if pair]
    request = _Request(
        method.lower(),
        where,
        None if body is None else json.dumps(body).encode(),
        parameters=RequestParameters(query=ImmutableMultiDict(pairs)),  # type: ignore[arg-type]  # pairs of two, by parse_qsl
    )
    try:
        require().validate_request(request)
    except OpenAPIError as error:
        return f"{method} {raw_path}: {_reasons(error)}"
    return None


def problems_of_requests(requests: Iterable[RecordedRequest]) -> list[str]:
    """What is wrong, by the document, with requests that a simulator recorded.

    Left out is what the document does not have at all: tokens, certificates, logs, environment settings, accounts of
    organizations and teams; and requests to sites, which are not the API's.
    """
    found = []
    for one in requests:
        where = one.raw_path.removeprefix("/api").partition("?")[0]
        undocumented = UNDOCUMENTED.fullmatch(where) or UNDOCUMENTED_CHANGES.fullmatch(f"{one.method} {where}")
        if one.site is not None or undocumented:
            continue
        problem = problem_of_request(one.method, one.raw_path, one.body)
        if problem is not None:
            found.append(problem)
    return found


def problem_of_answer(method: str, raw_path: str, status: int, text: str) -> str | None:
    """What is wrong with an answer by the document; None when nothing is.

    HAL links and embedded resources are taken away first: the document describes them in prose only. So is the
    original URL of a route. An error
    where the document has nothing but a default answer is held against its `Error` schema.
    """
    document = require()
    where = raw_path.removeprefix("/api").partition("?")[0]
    if status >= FIRST_ERROR:
        return None if isinstance(json.loads(text).get("error"), str) else f"{method} {where}: no error in {text}"
    data = json.dumps(_without_hal(json.loads(text))).encode()
    try:
        document.validate_response(_Request(method.lower(), where), _Response(status, data))
    except OpenAPIError as error:
        return f"{method} {where}: {_reasons(error)}"
    return None


def is_documented(method: str, raw_path: str) -> bool:
    """Whether the document has this operation."""
    try:
        require().validate_request(_Request(method.lower(), raw_path.partition("?")[0], b"{}"))
    except PathError:
        return False
    except OpenAPIError:
        return True
    return True


def _without_hal(content: Any) -> Any:
    if isinstance(content, dict):
        hidden = ("_links", "_embedded", *((OF_ROUTES,) if "production_url" in content else ()))
        return {name: _without_hal(value) for name, value in content.items() if name not in hidden}
    if isinstance(content, list):
        return [_without_hal(value) for value in content]
    return content


def _reasons(error: BaseException) -> str:
    """What is wrong, field by field where the schema says so; never the whole value."""
    fields = [*(getattr(error, "schema_errors", None) or ()), *(getattr(error.__cause__, "schema_errors", None) or ())]
    if not fields:
        return str(error)[:300]
    return "; ".join(f"{'/'.join(map(str, one.absolute_path)) or '(top)'}: {one.message[-200:]}" for one in fields)
