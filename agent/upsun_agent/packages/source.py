"""The text of a lock file: bounded, checked, and read in pieces, so that a large one takes little memory."""

from __future__ import annotations

import io
import re
import tomllib
from collections.abc import Iterator, Mapping, Sized
from typing import Any, TypeVar

from msgspec import MsgspecError, Raw, Struct, ValidationError, field
from msgspec import json as fast_json

from upsun_agent.limits import (
    DOTS_MOST,
    LOCK_BLOCK_MOST,
    LOCK_FILE_MOST_BYTES,
    LOCK_KEYS_MOST,
    LOCK_LINE_MOST,
    LOCKED_MOST,
    MANIFEST_MOST_BYTES,
)
from upsun_agent.packages.records import Unreadable

T = TypeVar("T")
_BOM = b"\xef\xbb\xbf"
_CONFLICT = re.compile(rb"^(?:<{7}|>{7}) ", re.MULTILINE)
_COMMIT = re.compile(r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])")
_COMMIT_SHOWN = 12


class Source(Struct):
    """A lock file to be read."""

    #: The bytes of the file, without a byte order mark.
    data: bytes
    #: The bytes of the manifest beside it; None if there is none, or the caller does not know it.
    manifest: bytes | None = None
    #: What is not read of the file, a sentence each; readers append to it.
    notes: list[str] = field(default_factory=list)


def checked(data: bytes, most: int = LOCK_FILE_MOST_BYTES) -> bytes:
    """Return the bytes of a file without a byte order mark, if it has no more than ``most`` of them.

    Raises:
        Unreadable: the file is too large, or has the marks of a merge conflict.
    """
    if len(data) > most:
        raise Unreadable(f"it is larger than {most} bytes")
    if _CONFLICT.search(data):
        raise Unreadable("it holds an unsolved merge conflict")
    return data.removeprefix(_BOM)


def manifest_of(source: Source) -> bytes | None:
    """Return the bytes of the manifest, checked; None without one.

    Raises:
        Unreadable: it is too large, or has the marks of a merge conflict.
    """
    return None if source.manifest is None else checked(source.manifest, MANIFEST_MOST_BYTES)


def check_count(*collections: Sized) -> None:
    """Check what is kept of a file while it is read.

    Raises:
        Unreadable: one of the collections has more members than a lock file may have packages.
    """
    if max(map(len, collections)) > LOCKED_MOST:
        raise Unreadable(f"it holds more than {LOCKED_MOST} packages")


def check_keys(data: bytes) -> None:
    """Check how many keys a JSON document can have, before each of them takes memory.

    Raises:
        Unreadable: there are too many.
    """
    if data.count(b":") > LOCK_KEYS_MOST:
        raise Unreadable(f"it has more than {LOCK_KEYS_MOST} keys")


def lines_of(data: bytes) -> Iterator[str]:
    """Yield the lines without their ends, decoded piece by piece.

    Raises:
        Unreadable: it is not UTF-8, or a line is too long.
    """
    try:
        with io.TextIOWrapper(io.BytesIO(data), encoding="utf-8") as file:
            while line := file.readline(LOCK_LINE_MOST + 1):
                if len(line) > LOCK_LINE_MOST:
                    raise Unreadable(f"a line is longer than {LOCK_LINE_MOST} characters")
                yield line.removesuffix("\n")
    except UnicodeDecodeError as error:
        raise Unreadable("it is not UTF-8") from error


def json_of(data: bytes | Raw, shape: type[T]) -> T:
    """Return a JSON document, or a part of it, in a shape; keys that the shape does not have are skipped.

    Raises:
        Unreadable: it is not JSON, or does not have the shape.
    """
    try:
        return fast_json.decode(data, type=shape)
    except ValidationError as error:
        raise Unreadable(f"it does not have the form of its format: {error}") from error
    except UnicodeDecodeError as error:
        raise Unreadable("it is not UTF-8") from error
    except (MsgspecError, RecursionError) as error:
        raise Unreadable(f"it is not JSON: {error}") from error


def toml_of(data: bytes | str) -> dict[str, Any]:
    """Return a TOML document.

    Raises:
        Unreadable: it is not TOML.
    """
    try:
        text = data if isinstance(data, str) else data.decode().replace("\r\n", "\n")
        if any(line.count(".") > DOTS_MOST for line in text.split("\n")):
            raise Unreadable(f"a line has more than {DOTS_MOST} dots")
        return tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise Unreadable("it is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"it is not TOML: {error}") from error


class TomlLock:
    """A TOML lock file with a ``[[package]]`` for each version.

    Each package is parsed by itself, since a whole document takes ten times its size in memory. Of the other tables
    only ``[metadata]`` is parsed: the rest are hashes.
    """

    def __init__(self, data: bytes) -> None:
        """Read what stands before the first table.

        Raises:
            Unreadable: it is not TOML.
        """
        self._blocks = _blocks(lines_of(data))
        self.head = toml_of(next(self._blocks))
        self._metadata: dict[str, Any] = {}

    def packages(self) -> Iterator[dict[str, Any]]:
        """Yield each package with its own tables.

        Raises:
            Unreadable: one of them is not TOML, or not a table.
        """
        for block in self._blocks:
            found = toml_of(block)
            if "metadata" in found:
                self._metadata |= table_in(found, "metadata")
                continue
            packages = found.get("package")
            if not isinstance(packages, list) or len(packages) != 1 or not isinstance(packages[0], dict):
                raise Unreadable("a [[package]] does not have the form of its format")
            yield packages[0]

    def check_format(self, key: str, known: frozenset[str]) -> None:
        """Check the version of the format in ``[metadata]``, after all packages were read.

        Args:
            key: the key of the version.
            known: the first numbers that it may have.

        Raises:
            Unreadable: it is missing, or has another number.
        """
        version = self._metadata.get(key)
        if not isinstance(version, str) or version.partition(".")[0] not in known:
            raise Unreadable(f"{key} {str(version)[:20]} is not known" if version else f"it has no {key}")


def _blocks(lines: Iterator[str]) -> Iterator[str]:
    """Yield the text before the first table, then the text of each ``[[package]]`` and of ``[metadata]``."""
    block: list[str] | None = []
    size = 0
    for line in lines:
        if line.startswith("[") and not line.startswith(("[package.", "[[package.")):
            if block is not None:
                yield "\n".join(block)
            size = 0
            block = [] if line.rstrip() in {"[[package]]", "[metadata]"} else None
        if block is not None:
            block.append(line)
            size += len(line)
            if size > LOCK_BLOCK_MOST:
                raise Unreadable(f"one table has more than {LOCK_BLOCK_MOST} characters")
    if block is not None:
        yield "\n".join(block)


def table_in(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the table of a key; an empty one if there is none."""
    found = table.get(key)
    return found if isinstance(found, dict) else {}


def text_in(table: Mapping[str, Any], key: str) -> str:
    """Return the text of a key.

    Raises:
        Unreadable: there is none.
    """
    value = table.get(key)
    if not isinstance(value, str):
        raise Unreadable(f"a package has no {key}")
    return value


def commit_in(text: str) -> str:
    """Return the commit that an address or a reference names, shortened; empty if it names none."""
    found = _COMMIT.search(text)
    return found[0][:_COMMIT_SHOWN] if found else ""
