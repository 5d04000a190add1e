"""The API tokens of a user.

An API token cannot be used to create another one
(https://developer.upsun.com/posts/how-it-works/using-the-upsun-api); that it cannot delete one
either is assumed. `Scenario.tokens_manage_tokens` plays a platform that allows both.
"""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from upsun_simulator.answers import Refusal, document
from upsun_simulator.documents.api_token import api_token

if TYPE_CHECKING:
    from upsun_simulator.call import Call
    from upsun_simulator.tokens import ApiToken
    from upsun_simulator.user import User

SECRET_BYTES = 32


def _own(call: Call) -> User:
    asking = call.bearer().user
    if call.values["user"] != asking.id:
        raise Refusal(HTTPStatus.FORBIDDEN, "You may only read your own API tokens.")
    return asking


def _manager(call: Call) -> User:
    """Return the user of the request if their login allows changes of tokens."""
    asking = _own(call)
    if not call.state.scenario.tokens_manage_tokens:
        raise Refusal(HTTPStatus.FORBIDDEN, "API tokens cannot be changed with an API token: log in to do that.")
    return asking


def _named(call: Call, user: User) -> ApiToken:
    for one in call.platform.tokens.of(user):
        if one.id == call.values["token"]:
            return one
    raise Refusal(HTTPStatus.NOT_FOUND, "There is no such API token.")


def api_tokens(call: Call) -> Response:
    """Answer with the user's API tokens."""
    return document([api_token(one) for one in call.platform.tokens.of(_own(call))])


def one_api_token(call: Call) -> Response:
    """Answer with one API token."""
    return document(api_token(_named(call, _own(call))))


def create(call: Call) -> Response:
    """Make an API token; only this answer ever shows the secret."""
    asking = _manager(call)
    name = call.json_body().get("name")
    if not isinstance(name, str) or not name:
        raise Refusal(HTTPStatus.BAD_REQUEST, "The field name is required.")
    tokens = call.platform.tokens
    if any(one.name == name for one in tokens.of(asking)):
        raise Refusal(HTTPStatus.CONFLICT, "There is an API token of this name already.")
    secret = secrets.token_urlsafe(SECRET_BYTES)
    made = tokens.add(secret, call.now, user=asking, name=name, mfa=call.bearer().has_mfa)
    return document({**api_token(made), "token": secret}, HTTPStatus.CREATED)


def delete(call: Call) -> Response:
    """Revoke an API token."""
    call.platform.tokens.revoke(_named(call, _manager(call)).secret)
    return Response(status=HTTPStatus.NO_CONTENT)
