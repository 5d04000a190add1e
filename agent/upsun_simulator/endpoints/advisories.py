"""A stand-in for the API of OSV (https://google.github.io/osv.dev/api/), which needs no bearer."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from upsun_simulator.advisory import Advisory, advisory_of, package_of
from upsun_simulator.answers import document
from upsun_simulator.documents import advisory as shapes

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from upsun_simulator.call import Call

#: How many queries one batch has at most (https://google.github.io/osv.dev/post-v1-querybatch/).
QUERIES_MOST = 1000
INVALID, NOT_FOUND = 3, 5  # codes of gRPC, in which OSV says what is wrong


class _Wrong(Exception):
    """A query that OSV does not answer."""


def _refusal(status: int, code: int, message: str) -> Response:
    return document({"code": code, "message": message}, status)


def _all(call: Call) -> list[Advisory]:
    return [advisory_of(text) for text in call.state.scenario.advisories]


def vulnerability(call: Call) -> Response:
    """Answer with one advisory."""
    found = next((one for one in _all(call) if one.id == call.values["vulnerability"]), None)
    if found is None:
        return _refusal(HTTPStatus.NOT_FOUND, NOT_FOUND, "Bug not found.")
    return document(shapes.advisory(found, call.state.born))


def query(call: Call) -> Response:
    """Answer with the whole advisories about one version of a package."""
    try:
        found, token = _page(call, call.body)
    except _Wrong as error:
        return _refusal(HTTPStatus.BAD_REQUEST, INVALID, str(error))
    vulns = [shapes.advisory(one, call.state.born) for one in found]
    return document({**({"vulns": vulns} if vulns else {}), **_next(token)})


def batch(call: Call) -> Response:
    """Answer with the ids of advisories about many versions of packages, in the order of the queries."""
    queries = call.body.get("queries") if isinstance(call.body, dict) else None
    if not isinstance(queries, list):
        return _refusal(HTTPStatus.BAD_REQUEST, INVALID, "Invalid query.")
    if len(queries) > QUERIES_MOST:
        return _refusal(HTTPStatus.BAD_REQUEST, INVALID, "Too many queries.")
    results = []
    try:
        for each in queries:
            found, token = _page(call, each)
            vulns = [shapes.brief(one, call.state.born) for one in found]
            results.append({**({"vulns": vulns} if vulns else {}), **_next(token)})
    except _Wrong as error:
        return _refusal(HTTPStatus.BAD_REQUEST, INVALID, str(error))
    return document({"results": results})


def _next(token: str) -> dict[str, str]:
    return {"next_page_token": token} if token else {}


def _page(call: Call, asked: Any) -> tuple[list[Advisory], str]:
    """Return a page of the advisories that a query is about, and the token of the next page, or ""."""
    ecosystem, name, version = _package(asked)
    found = [one for one in _all(call) if one.is_about(ecosystem, name, version)]
    token = asked.get("page_token", "")
    if not isinstance(token, str) or (token and not (token.isascii() and token.isdigit())):
        raise _Wrong("Invalid page token.")
    begin, size = int(token or 0), max(call.state.scenario.advisories_page_size, 1)
    end = begin + size
    return found[begin:end], str(end) if end < len(found) else ""


def _package(asked: Any) -> tuple[str, str, str]:
    """Return the ecosystem, name and version (or "") that a query is about."""
    package = asked.get("package") if isinstance(asked, dict) else None
    if not isinstance(package, dict):
        raise _Wrong("Invalid query.")
    version, purl = asked.get("version", ""), package.get("purl")
    if isinstance(purl, str):
        found = package_of(purl)
        if found is None:
            raise _Wrong("Invalid Package URL.")
        if found[2] and version:
            raise _Wrong("version specified in params and PURL query.")
        return found[0], found[1], found[2] or str(version)
    name, ecosystem = package.get("name"), package.get("ecosystem")
    if not isinstance(name, str) or not isinstance(ecosystem, str) or not isinstance(version, str):
        raise _Wrong("Invalid query.")
    return ecosystem, name, version
