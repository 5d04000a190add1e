"""The sites of the environments, which need no bearer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from agent.simulator import site
from agent.simulator.endpoints.environments import named_environment

if TYPE_CHECKING:
    from agent.simulator.call import Call

HTML = "text/html; charset=utf-8"


def page(call: Call) -> Response:
    """What the environment's app answers at any path."""
    status, text = site.page(call.world, named_environment(call))
    return Response(text, status=status, content_type=HTML)
