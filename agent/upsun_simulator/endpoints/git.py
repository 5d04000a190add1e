"""The project's Git repository, read through the API."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from upsun_simulator.answers import Refusal, document
from upsun_simulator.documents import git as shapes

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from upsun_simulator.call import Call

BEFORE = ("refs/heads/", "heads/")


def _missing(what: str) -> Refusal:
    return Refusal(HTTPStatus.NOT_FOUND, f"There is no such {what}.")


def refs(call: Call) -> Response:
    """Answer with every branch."""
    return document([shapes.ref(call.state, name) for name in call.state.environments])


def ref(call: Call) -> Response:
    """Answer with one branch, named with `heads/` before it."""
    name = call.values["ref"]
    for before in BEFORE:
        found = name.removeprefix(before)
        if found != name and found in call.state.environments:
            return document(shapes.ref(call.state, found))
    raise _missing("ref")


def _commit(call: Call, name: str) -> str:
    """Return the full id of a possibly shortened commit id; a commit that reads do not show yet is not found."""
    shown = call.now - timedelta(seconds=call.state.scenario.commit_lag_seconds)
    history = call.state.history
    found = [sha for sha in history if sha.startswith(name) and history[sha].origin.at <= shown]
    if len(found) != 1:
        raise _missing("commit")
    return found[0]


def commit(call: Call) -> Response:
    """Answer with one commit."""
    sha = _commit(call, call.values["sha"])
    return document(shapes.commit(call.state, sha))


def tree(call: Call) -> Response:
    """Answer with one folder."""
    objects, sha = call.state.history.objects, call.values["tree"]
    if sha not in objects.trees:
        raise _missing("tree")
    return document(shapes.tree(call.state, objects.trees[sha], sha))


def blob(call: Call) -> Response:
    """Answer with the content of one file."""
    objects, sha = call.state.history.objects, call.values["blob"]
    if sha not in objects.blobs:
        raise _missing("blob")
    return document(shapes.blob(call.state, objects.blobs[sha], sha))


def diffs(call: Call) -> Response:
    """Answer with the differences between two commits."""
    base, target = _commit(call, call.values["base"]), _commit(call, call.values["target"])
    return document(shapes.diffs(call.state.history, base, target))
