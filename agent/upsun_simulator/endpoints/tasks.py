"""Tasks, if the project has any."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from upsun_simulator import body
from upsun_simulator.answers import Refusal, document
from upsun_simulator.documents.task import task as task_document
from upsun_simulator.endpoints.environments import accepted, named_environment
from upsun_simulator.operations import guard, runs

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from upsun_simulator.call import Call


def tasks(call: Call) -> Response:
    """Answer with the tasks of an environment; the list may be empty (the official CLI's own tests)."""
    one = named_environment(call)
    return document([task_document(call.state, one, name) for name in call.state.scenario.tasks])


def _named_task(call: Call) -> str:
    name = call.values["task"]
    if name not in call.state.scenario.tasks:
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such task.")
    return name


def task(call: Call) -> Response:
    """Answer with one task."""
    return document(task_document(call.state, named_environment(call), _named_task(call)))


def run(call: Call) -> Response:
    """Ask for a task to run."""
    one, name, user = named_environment(call), _named_task(call), call.bearer().user
    wishes = call.fields({}, {"variables": body.groups})
    guard.check(call.state, one, user)
    variables = dict(wishes.get("variables", {}))
    return accepted(call, runs.run_task(call.state, one, user, task=name, variables=variables))
