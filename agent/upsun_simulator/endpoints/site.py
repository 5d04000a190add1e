"""The sites of the environments, which need no bearer."""

from __future__ import annotations

import ipaddress
from http import HTTPStatus
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from upsun_simulator import site
from upsun_simulator.endpoints.environments import named_environment

if TYPE_CHECKING:
    from upsun_simulator.call import Call
    from upsun_simulator.environment import HttpAccess

HTML = "text/html; charset=utf-8"
LOCAL = "127.0.0.1"


def page(call: Call) -> Response:
    """Answer for the environment's app at any path, if the HTTP access control allows the request."""
    place = named_environment(call)
    refused = _refused(call, place.guarded) if place.guarded.is_enabled else None
    if refused is not None:
        answer = Response(f"<!doctype html><title>{refused.phrase}</title>\n", status=refused, content_type=HTML)
        if refused == HTTPStatus.UNAUTHORIZED:
            answer.headers["WWW-Authenticate"] = 'Basic realm="Restricted"'
        return answer
    status, text = site.page(call.state, place)
    return Response(text, status=status, content_type=HTML)


def _refused(call: Call, access: HttpAccess) -> HTTPStatus | None:
    """Return the status that refuses access: by address (the first rule that matches), then by password."""
    address = ipaddress.ip_address(call.request.remote_addr or LOCAL)
    for rule in access.addresses:
        if address in ipaddress.ip_network(rule["address"], strict=False):
            if rule["permission"] == "deny":
                return HTTPStatus.FORBIDDEN
            break
    if not access.basic_auth:
        return None
    given = call.request.authorization
    name, password = (given.username, given.password) if given is not None else (None, None)
    known = name is not None and access.basic_auth.get(name) == password
    return None if known else HTTPStatus.UNAUTHORIZED
