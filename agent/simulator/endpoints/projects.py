"""The project and what belongs to it as a whole."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from agent.simulator.answers import Refusal, document
from agent.simulator.documents import project as shapes
from agent.simulator.documents.settings import settings as settings_document
from agent.simulator.permissions import check_admin

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from agent.simulator.call import Call


def project(call: Call) -> Response:
    """The project itself."""
    return document(shapes.project(call.world, call.bearer().user))


def settings(call: Call) -> Response:
    """The project's settings."""
    return document(settings_document(call.world))


def system(call: Call) -> Response:
    """The software that runs the project."""
    return document(shapes.system(call.world))


def capabilities(call: Call) -> Response:
    """What the project's plan allows."""
    return document(shapes.capabilities(call.world))


def integrations(call: Call) -> Response:
    """The project's integrations, for its admins (docs:administration/users)."""
    check_admin(call)
    return document(shapes.integrations(call.world))


def environment_types(call: Call) -> Response:
    """All types of environments."""
    return document([shapes.environment_type(call.world, kind) for kind in shapes.ENVIRONMENT_TYPES])


def environment_type(call: Call) -> Response:
    """One type of environment."""
    if call.values["kind"] not in shapes.ENVIRONMENT_TYPES:
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such environment type.")
    return document(shapes.environment_type(call.world, call.values["kind"]))
