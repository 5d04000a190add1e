"""The project's Git objects, read through the API: commits, trees, blobs.

Each is bounded: a tree by the limits of every JSON document, a blob by the largest lock file that is read.
"""

from __future__ import annotations

import binascii
import re
from typing import Any

from msgspec import MsgspecError, Raw, Struct
from msgspec import json as fast_json

from upsun_agent.api.client import Client, OutOfTime
from upsun_agent.api.models import read_list
from upsun_agent.api.replies import Fields
from upsun_agent.errors import BadReply
from upsun_agent.limits import LOCK_FILE_MOST_BYTES, PATH_PART_MOST, REQUEST_DEADLINE
from upsun_agent.log.foreign_text import reveals
from upsun_agent.model.resource_paths import project_path, segment

#: Bytes of the answer with the largest file: in Base64 it has four for three, and there are some around it.
_ANSWER_MOST = LOCK_FILE_MOST_BYTES * 4 // 3 + 4096
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class Entry(Struct, frozen=True):
    """One name in a folder of the repository."""

    #: The name.
    name: str
    #: The id of the object that it stands for.
    sha: str
    #: Whether it is a folder.
    is_folder: bool


class _Blob(Struct):
    #: How the content is written: ``base64`` or ``utf-8``.
    encoding: str
    #: The content as it is in the answer: a text of JSON, which is not decoded before it is known what it holds.
    content: Raw
    #: How many bytes it has, decoded.
    size: int


class GitObjects:
    """The objects of one project's repository."""

    def __init__(self, client: Client, project: str) -> None:
        self._client = client
        self._project = project

    def _path(self, kind: str, sha: str) -> str:
        return project_path(self._project, f"/git/{kind}/{segment(sha)}")

    def tree_of(self, commit: str) -> str:
        """Return the id of a commit's tree; raise NotFound if there is no such commit."""
        what = f"commit {commit[:8]}"
        return _sha(Fields.of(self._client.read(self._path("commits", commit), what), what).text("tree"), what)

    def entries(self, tree: str) -> list[Entry]:
        """Return the folders and files of a tree, without links, submodules and names that no lock file has."""
        what = f"tree {tree[:8]}"
        found = Fields.of(self._client.read(self._path("trees", tree), what), what)
        if "tree" not in found.data:
            raise BadReply(f"{what}: the answer has no tree")
        items = read_list(found.data["tree"], what)
        return [entry for each in items if (entry := _entry(Fields.of(each, f"{what}: an item"), what)) is not None]

    def blob(self, sha: str) -> bytes:
        """Return the content of a file.

        Raises:
            OutOfTime: no time is left.
            BadReply: it is larger than any lock file that is read, or not written as it should be.
        """
        what = f"blob {sha[:8]}"
        if self._client.left <= 1:
            raise OutOfTime("the time for reading what changed is used up", remedy="the next tick continues")
        reply = self._client.some(self._path("blobs", sha), what, _ANSWER_MOST, REQUEST_DEADLINE)
        if reply.fault:
            raise BadReply(f"{what}: {reply.fault}")
        if not reply.whole:
            raise BadReply(f"{what}: the file is larger than {LOCK_FILE_MOST_BYTES} bytes")
        try:
            found = fast_json.decode(reply.body, type=_Blob)
            data = _decoded(found)
        except (MsgspecError, UnicodeError, binascii.Error, RecursionError) as error:
            raise BadReply(f"{what}: the answer is not a file ({type(error).__name__})") from None
        if len(data) != found.size:
            raise BadReply(f"{what}: the answer holds {len(data)} bytes of {found.size}")
        if len(data) > LOCK_FILE_MOST_BYTES:
            raise BadReply(f"{what}: the file is larger than {LOCK_FILE_MOST_BYTES} bytes")
        return data


def _decoded(blob: _Blob) -> bytes:
    """Return the decoded content; large Base64 is decoded directly from the body, without a copy as text."""
    if blob.encoding == "base64" and re.search(rb"\\", blob.content) is None:
        with memoryview(blob.content) as view:
            return binascii.a2b_base64(view[1:-1], strict_mode=True)
    text = fast_json.decode(blob.content, type=str)
    if blob.encoding == "base64":
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    if blob.encoding == "utf-8":
        return text.encode()
    raise UnicodeError(blob.encoding)


def _entry(found: Fields, what: str) -> Entry | None:
    name, mode, sha = (found.data.get(key) for key in ("path", "mode", "sha"))
    if not isinstance(name, str) or not isinstance(mode, str) or not isinstance(sha, str | None):
        raise BadReply(f"{what}: an item is not a file or a folder")
    # The names come from the repository: one that is odd cannot be that of a lock file.
    odd = not name or len(name) > PATH_PART_MOST or not name.isprintable() or "/" in name or name in {".", ".."}
    if odd or sha is None or mode not in {"040000", "40000", "100644", "100755"} or reveals(name):
        return None
    return Entry(name, _sha(sha, what), mode.endswith("40000"))


def _sha(text: Any, what: str) -> str:
    if not isinstance(text, str) or _SHA.fullmatch(text) is None:
        raise BadReply(f"{what}: the answer names an object that has no id of Git's")
    return text
