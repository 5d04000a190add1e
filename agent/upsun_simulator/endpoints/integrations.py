"""Integrations of the project, for its admins (https://developer.upsun.com/docs/administration/users)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from upsun_simulator.answers import Refusal, document
from upsun_simulator.documents.activity import activity as activity_document
from upsun_simulator.documents.integration import integration as integration_document
from upsun_simulator.endpoints.environments import accepted
from upsun_simulator.ids import identifier
from upsun_simulator.integration import KINDS, Integration
from upsun_simulator.permissions import check_admin

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from upsun_simulator.activity import Activity
    from upsun_simulator.call import Call

# What a request may hold besides the fields that are shown: secrets, and what is fixed by the kind.
UNSHOWN = ("type", "token", "role")
REQUIRED = {"github": ("token", "repository"), "webhook": ("url",), "health.email": ("recipients",)}


def _named(call: Call) -> Integration:
    check_admin(call)
    one = call.state.integrations.named(call.values["integration"])
    if one is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such integration.")
    return one


def _fields(kind: str, wishes: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a request to store, checked against the types of the kind."""
    known = KINDS[kind][1]
    found = {name: value for name, value in wishes.items() if name not in UNSHOWN}
    for name, value in found.items():
        default = known.get(name)
        right = isinstance(value, str | None) if default is None else isinstance(value, type(default))
        if name not in known or not right:
            reason = "It is unknown here or of the wrong type."
            raise Refusal(HTTPStatus.BAD_REQUEST, f"The field {name} is invalid: {reason}", detail={name: reason})
    return found


def integrations(call: Call) -> Response:
    """Answer with the project's integrations."""
    check_admin(call)
    return document([integration_document(call.state, one) for one in call.state.integrations])


def integration(call: Call) -> Response:
    """Answer with one integration."""
    return document(integration_document(call.state, _named(call)))


def create(call: Call) -> Response:
    """Add an integration; one with a code host manages the branches from then on."""
    check_admin(call)
    wishes, state = call.json_body(), call.state
    kind = wishes.get("type")
    if kind not in KINDS:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"Integrations of the type {kind!r} are not available.")
    missing = [name for name in REQUIRED[kind] if not wishes.get(name)]
    if missing:
        detail = dict.fromkeys(missing, "This field is required.")
        raise Refusal(HTTPStatus.BAD_REQUEST, f"The field {missing[0]} is required.", detail=detail)
    role, fields = KINDS[kind]
    if role == "source" and state.integrations.source is not None:
        raise Refusal(HTTPStatus.CONFLICT, "The project has a source integration already.")
    made = Integration(
        id=identifier(state.scenario.project, "integration", state.count()),
        type=kind,
        created_at=call.now,
        updated_at=call.now,
        fields={**fields, **_fields(kind, wishes)},
    )
    state.integrations.put(made)
    _follow(call)
    return accepted(call, entity=integration_document(state, made))


def update(call: Call) -> Response:
    """Change an integration."""
    one = _named(call)
    one.fields = {**one.fields, **_fields(one.type, call.json_body())}
    one.updated_at = call.now
    return accepted(call, entity=integration_document(call.state, one))


def delete(call: Call) -> Response:
    """Remove an integration; without a code host, the platform manages the branches again."""
    call.state.integrations.remove(_named(call))
    _follow(call)
    return accepted(call)


def _follow(call: Call) -> None:
    """Set in the scenario whether there is a source integration, since other code reads it there."""
    state = call.state
    state.scenario = state.scenario.changed(source_integration=state.integrations.source is not None)


def validate(call: Call) -> Response:
    """Check whether the external service answers: here it always does."""
    _named(call)
    return document({})


def activities(call: Call) -> Response:
    """Answer with the integration's own activities, newest first."""
    one = _named(call)
    found = [each for each in reversed(call.state.activities) if _is_of(each, one)]
    return document([activity_document(call.state, each) for each in found])


def activity(call: Call) -> Response:
    """Answer with one of the integration's own activities."""
    one, found = _named(call), call.state.by_id.get(call.values["activity"])
    if found is None or not _is_of(found, one):
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such activity.")
    return document(activity_document(call.state, found))


def _is_of(activity: Activity, one: Integration) -> bool:
    return activity.type.startswith("integration.") and activity.parameters.get("integration") == one.id
