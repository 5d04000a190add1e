"""Source operations, merging and synchronizing."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from upsun_simulator import body
from upsun_simulator.answers import Refusal, document
from upsun_simulator.endpoints.environments import accepted, named_environment
from upsun_simulator.operations import code, guard

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from upsun_simulator.call import Call
    from upsun_simulator.environment import Environment


def source_operations(call: Call) -> Response:
    """Answer with the source operations that the app defines."""
    named_environment(call)
    return document(
        [
            {"id": f"{app}:{name}", "app": app, "operation": name, "command": f"./update.sh {name}"}
            for app, name in code.defined(call.state.scenario.source_operations)
        ]
    )


def run_source_operation(call: Call) -> Response:
    """Ask for a source operation."""
    one, user = named_environment(call), call.bearer().user
    wishes = call.fields({"operation": body.text}, {"variables": body.groups})
    guard.check(call.state, one, user, "source-operation")
    name = wishes["operation"]
    if name not in [each for _, each in code.defined(call.state.scenario.source_operations)]:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"The source operation {name!r} is not defined.")
    variables = dict(wishes.get("variables", {}))
    return accepted(call, code.run_source_operation(call.state, one, user, operation=name, variables=variables))


def merge(call: Call) -> Response:
    """Ask for an environment to be merged into its parent."""
    one, user = named_environment(call), call.bearer().user
    call.fields({}, {"resources": body.resources("child", "default", "manual", "minimum")})
    guard.check(call.state, one, user, "merge")
    return accepted(call, code.merge(call.state, one, user))


def synchronize(call: Call) -> Response:
    """Ask for an environment to be synchronized from its parent."""
    one, user = named_environment(call), call.bearer().user
    things = ("synchronize_code", "synchronize_data", "synchronize_resources")
    wishes = call.fields({}, dict.fromkeys((*things, "rebase"), body.flag))
    guard.check(call.state, one, user, "synchronize")
    if not any(wishes.get(name) for name in things):
        raise Refusal(HTTPStatus.BAD_REQUEST, "There is nothing to synchronize.")
    if wishes.get("synchronize_code"):
        _check_code(call, one, rebase=wishes.get("rebase", False))
    return accepted(call, code.synchronize(call.state, one, user, wishes))


def _check_code(call: Call, one: Environment, *, rebase: bool) -> None:
    """Refuse to bring code where it cannot go; the official CLI reads the reason in `detail.error`."""
    state = call.state
    parent = state.parent_of(one)
    if state.scenario.source_integration:
        reason = "The project's code is managed by its source integration."
        raise Refusal(HTTPStatus.BAD_REQUEST, reason, detail={"error": reason})
    unmerged = parent is not None and state.history.ahead(one.head, parent.head)
    if unmerged and not rebase and state.scenario.unmerged_sync == "refuse":
        reason = f"The environment has {unmerged} unmerged commit(s) and cannot be fast-forwarded."
        raise Refusal(HTTPStatus.BAD_REQUEST, reason, detail={"error": reason})
