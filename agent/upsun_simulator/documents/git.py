"""Objects of the project's Git repository."""

from __future__ import annotations

import base64
import difflib
from typing import TYPE_CHECKING, Any

from upsun_simulator import activity as kinds
from upsun_simulator.documents import links
from upsun_simulator.documents.timestamp import written
from upsun_simulator.environment import Commit
from upsun_simulator.ids import commit_hash
from upsun_simulator.user import OWNER

if TYPE_CHECKING:
    from datetime import datetime

    from upsun_simulator.repository import Entry, Objects
    from upsun_simulator.state import PlatformState
    from upsun_simulator.user import User

MESSAGES = {
    kinds.SOURCE_OPERATION: "Auto dependency updates via source operation",
    kinds.MERGE: "Merge branch '{source}'",
    kinds.SYNCHRONIZE: "Merge branch '{source}'",
}


def ref(state: PlatformState, environment: str) -> dict[str, Any]:
    """Return the branch of an environment."""
    name, sha = f"refs/heads/{environment}", state.environments[environment].head
    return {
        "id": links.segment(name),
        "ref": name,
        "object": {"type": "commit", "sha": sha},
        "sha": commit_hash("ref", name, sha),
        "_links": {"self": _self(state, "refs", f"heads/{environment}", "Ref")},
    }


def commit(state: PlatformState, objects: Objects, sha: str) -> dict[str, Any]:
    """Return a commit; its author and committer are who asked for what made it (observed for source operations).

    Args:
        state: what the platform has: environments, activities, users, the clock.
        objects: the Git objects of the repository.
        sha: the hash of the commit.
    """
    at, who, message = origin(state, sha)
    signature = {"date": written(at), "name": f"{who.first_name} {who.last_name}", "email": who.email}
    return {
        "id": sha,
        "sha": sha,
        "author": signature,
        "committer": signature,
        "message": message,
        "tree": objects.roots[sha],
        "parents": list(state.history.parents(sha)),
        "_links": {"self": _self(state, "commits", sha, "Commit")},
    }


def origin(state: PlatformState, sha: str) -> tuple[datetime, User, str]:
    """Return when, by whom and why a commit was made: by the environment that had it first, and its activity."""
    seen = [one for place in state.environments.values() for one in place.commits if one.sha == sha]
    first = min(seen, key=lambda one: one.at, default=Commit(sha, state.born, ""))
    if first.by == "initial":
        return first.at, OWNER, "Initial commit\n"
    pushed = next((one for one in state.activities if one.type == kinds.PUSH and one.commit == sha), None)
    made = state.by_id.get(first.by, pushed)
    if made is None or made.type not in MESSAGES:
        return first.at, OWNER if made is None else made.user, f"Simulated commit {sha[:7]}\n"
    message = MESSAGES[made.type].format(source=made.parameters.get("environment", "main"))
    return first.at, made.user, f"{message}\n"


def tree(state: PlatformState, entries: list[Entry], sha: str) -> dict[str, Any]:
    """Return a folder.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        entries: what is in the folder.
        sha: the hash of the folder.
    """
    return {
        "id": sha,
        "sha": sha,
        "tree": [{"path": one.name, "mode": one.mode, "type": one.kind, "sha": one.sha} for one in entries],
        "_links": {"self": _self(state, "trees", sha, "Tree")},
    }


def blob(state: PlatformState, data: bytes, sha: str) -> dict[str, Any]:
    """Return the content of a file.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        data: the content.
        sha: the hash of the content.
    """
    return {
        "id": sha,
        "sha": sha,
        "size": len(data),
        "encoding": "base64",
        "content": base64.b64encode(data).decode(),
        "_links": {"self": _self(state, "blobs", sha, "Blob")},
    }


def diffs(objects: Objects, base: str, target: str) -> list[dict[str, Any]]:
    """Return what is different between two commits, file by file.

    Args:
        objects: the Git objects of the repository.
        base: the hash of the commit to compare with.
        target: the hash of the commit that is compared.
    """
    old, new = (dict(objects.paths(objects.roots[sha])) for sha in (base, target))
    return [
        {
            "id": commit_hash("diff", path, old.get(path), new.get(path)),
            "diff": _unified(objects, path, old.get(path), new.get(path)),
            "new_path": path if path in new else None,
            "new_id": new.get(path),
            "old_path": path if path in old else None,
            "old_id": old.get(path),
        }
        for path in sorted({*old, *new})
        if old.get(path) != new.get(path)
    ]


def _unified(objects: Objects, path: str, old: str | None, new: str | None) -> str:
    before, after = (
        [] if sha is None else objects.blobs[sha].decode("utf-8", "replace").splitlines(keepends=True)
        for sha in (old, new)
    )
    return "".join(difflib.unified_diff(before, after, f"a/{path}", f"b/{path}"))


def _self(state: PlatformState, kind: str, name: str, schema: str) -> dict[str, Any]:
    path = f"{links.project_path(state.scenario)}/git/{kind}/{links.segment(name)}"
    return links.resource(state.scenario, path, schema)
