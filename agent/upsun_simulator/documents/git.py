"""Objects of the project's Git repository."""

from __future__ import annotations

import base64
import difflib
from typing import TYPE_CHECKING, Any

from upsun_simulator.documents import links
from upsun_simulator.documents.timestamp import written
from upsun_simulator.ids import commit_hash

if TYPE_CHECKING:
    from upsun_simulator.history import History
    from upsun_simulator.repository import Entry, Objects
    from upsun_simulator.state import PlatformState


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


def commit(state: PlatformState, sha: str) -> dict[str, Any]:
    """Return a commit; its author and committer are who asked for what made it (observed for source operations)."""
    version = state.history[sha]
    origin = version.origin
    name = f"{origin.user.first_name} {origin.user.last_name}"
    signature = {"date": written(origin.at.replace(microsecond=0)), "name": name, "email": origin.user.email}
    return {
        "id": sha,
        "sha": sha,
        "author": signature,
        "committer": signature,
        "message": origin.message,
        "tree": version.tree,
        "parents": list(version.parents),
        "_links": {"self": _self(state, "commits", sha, "Commit")},
    }


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
    encoding = state.scenario.blob_encoding if _is_text(data) else "base64"
    return {
        "id": sha,
        "sha": sha,
        "size": len(data),
        "encoding": encoding,
        "content": data.decode() if encoding == "utf-8" else base64.b64encode(data).decode(),
        "_links": {"self": _self(state, "blobs", sha, "Blob")},
    }


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False


def diffs(history: History, base: str, target: str) -> list[dict[str, Any]]:
    """Return what is different between two commits, file by file.

    Args:
        history: the commits of the repository.
        base: the hash of the commit to compare with.
        target: the hash of the commit that is compared.
    """
    objects = history.objects
    old, new = (dict(objects.paths(history[sha].tree)) for sha in (base, target))
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
