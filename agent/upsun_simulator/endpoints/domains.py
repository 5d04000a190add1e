"""Domains of environments and of the project, the certificates for them, and the routes that they lead to."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cryptography import x509

from upsun_simulator import body
from upsun_simulator.answers import Refusal, document
from upsun_simulator.documents import domain as shapes
from upsun_simulator.documents.route import routes as routes_document
from upsun_simulator.domain import Domain
from upsun_simulator.endpoints.environments import accepted, named_environment
from upsun_simulator.operations import changes
from upsun_simulator.permissions import check_admin, check_allowed

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from upsun_simulator.call import Call
    from upsun_simulator.environment import Environment

NAME = re.compile(r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]+", re.IGNORECASE)


def _new(call: Call, place: Environment, wishes: dict[str, Any]) -> Domain:
    """Return the domain that a request asks for; refuse a name that is taken, or that is not one."""
    name = wishes["name"].lower()
    if not NAME.fullmatch(name):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{name!r} is not a valid domain name.")
    if call.state.domains.named(name) is not None:
        raise Refusal(HTTPStatus.CONFLICT, f"The domain {name} is taken already.")
    replaced = wishes.get("replacement_for")
    if place.type != "production":
        main = call.state.domains.named(replaced or "")
        if main is None or main.environment != call.state.scenario.environment:
            reason = "A domain of a non-production environment must be attached to one of production."
            raise Refusal(HTTPStatus.BAD_REQUEST, reason)
    elif replaced is not None:
        raise Refusal(HTTPStatus.BAD_REQUEST, "A domain of production replaces no other.")
    return Domain(
        name=name,
        environment=place.id,
        created_at=call.now,
        updated_at=call.now,
        is_default=wishes.get("is_default", False) or False,
        replacement_for=replaced,
        attributes=dict(wishes.get("attributes", {})),
        certificate=_certificate(wishes.get("ssl")),
    )


def _certificate(ssl: object) -> x509.Certificate | None:
    """Return the certificate that a request brings; its key is not kept."""
    if not ssl:
        return None
    text = ssl.get("certificate") if isinstance(ssl, dict) else None
    try:
        return x509.load_pem_x509_certificate(str(text).encode())
    except ValueError:
        reason = "The certificate is not valid."
        raise Refusal(HTTPStatus.BAD_REQUEST, reason, detail={"ssl": reason}) from None


def _create(call: Call, place: Environment) -> Response:
    user = call.bearer().user
    optional = {"is_default": body.flag, "replacement_for": body.optional_text, "attributes": body.mapping}
    wishes = call.fields({"name": body.text}, {**optional, "ssl": body.mapping})
    made = _new(call, place, wishes)
    activities = changes.add_domain(call.state, made, user)
    return accepted(call, *activities, entity=shapes.domain(call.state, made, user))


def _named(call: Call, environment: str | None = None) -> Domain:
    one = call.state.domains.named(call.values["domain"])
    if one is None or environment not in (None, one.environment):
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such domain.")
    return one


def _update(call: Call, one: Domain) -> Response:
    user = call.bearer().user
    wishes = call.fields({}, {"is_default": body.flag, "attributes": body.mapping, "ssl": body.mapping})
    one.is_default = wishes.get("is_default", one.is_default)
    one.attributes = dict(wishes.get("attributes", one.attributes))
    one.certificate = _certificate(wishes.get("ssl")) or one.certificate
    activities = changes.change_domain(call.state, one, user)
    return accepted(call, *activities, entity=shapes.domain(call.state, one, user))


def of_environment(call: Call) -> Response:
    """Answer with the domains of an environment."""
    place, user = named_environment(call), call.bearer().user
    return document([shapes.domain(call.state, one, user) for one in call.state.domains.of(place.id)])


def one_of_environment(call: Call) -> Response:
    """Answer with one domain of an environment."""
    place = named_environment(call)
    return document(shapes.domain(call.state, _named(call, place.id), call.bearer().user))


def create_in_environment(call: Call) -> Response:
    """Add a domain to an environment."""
    place = named_environment(call)
    check_allowed(call.state, place, call.bearer().user)
    return _create(call, place)


def update_in_environment(call: Call) -> Response:
    """Change a domain of an environment."""
    place = named_environment(call)
    check_allowed(call.state, place, call.bearer().user)
    return _update(call, _named(call, place.id))


def delete_in_environment(call: Call) -> Response:
    """Remove a domain from an environment."""
    place, user = named_environment(call), call.bearer().user
    check_allowed(call.state, place, user)
    return accepted(call, *changes.remove_domain(call.state, _named(call, place.id), user))


def of_project(call: Call) -> Response:
    """Answer with the domains of production, as the project's."""
    state, user = call.state, call.bearer().user
    found = state.domains.of(state.scenario.environment)
    return document([shapes.domain_of_project(state, one, user) for one in found])


def one_of_project(call: Call) -> Response:
    """Answer with one domain of production, as the project's."""
    one = _named(call, call.state.scenario.environment)
    return document(shapes.domain_of_project(call.state, one, call.bearer().user))


def create_in_project(call: Call) -> Response:
    """Add a domain to production."""
    check_admin(call)
    return _create(call, call.state.environments[call.state.scenario.environment])


def update_in_project(call: Call) -> Response:
    """Change a domain of production."""
    check_admin(call)
    return _update(call, _named(call, call.state.scenario.environment))


def delete_in_project(call: Call) -> Response:
    """Remove a domain from production."""
    user = check_admin(call)
    one = _named(call, call.state.scenario.environment)
    return accepted(call, *changes.remove_domain(call.state, one, user))


def certificates(call: Call) -> Response:
    """Answer with the certificates that the platform has for the domains."""
    return document([shapes.certificate(call.state, one) for one in call.state.domains])


def certificate(call: Call) -> Response:
    """Answer with one certificate."""
    for one in call.state.domains:
        if shapes.certificate_id(one) == call.values["certificate"]:
            return document(shapes.certificate(call.state, one))
    raise Refusal(HTTPStatus.NOT_FOUND, "There is no such certificate.")


def routes(call: Call) -> Response:
    """Answer with the routes of an environment."""
    return document(list(routes_document(call.state, named_environment(call)).values()))


def route(call: Call) -> Response:
    """Answer with one route, named by its id."""
    for one in routes_document(call.state, named_environment(call)).values():
        if one["id"] == call.values["route"]:
            return document(one)
    raise Refusal(HTTPStatus.NOT_FOUND, "There is no such route.")
