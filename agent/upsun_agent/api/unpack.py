"""Unpack gzip in pieces of limited size, up to the end of its last member."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from upsun_agent.limits import MEMBERS_MOST, PIECE_MOST_BYTES

GZIP_ONLY = 31  # what zlib takes for "a gzip header has to be there"
MAGIC = b"\x1f\x8b"  # the first bytes of a member


class NotUnpackable(Exception):
    """The bytes are not whole gzip members, or too many of them."""


def unpacked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the content of the gzip members; ignore everything after the last one.

    Raises:
        NotUnpackable: they are damaged, end too soon, or are more than ``MEMBERS_MOST``.
    """
    try:
        yield from _members(pieces)
    except zlib.error as error:
        raise NotUnpackable(f"the answer cannot be decompressed: {error}") from error


def _members(pieces: Iterator[bytes]) -> Iterator[bytes]:
    unpacking, members, came = zlib.decompressobj(wbits=GZIP_ONLY), 1, False
    for piece in pieces:
        packed, came = piece, came or bool(piece)
        while packed:
            if unpacking.eof:
                if not packed.startswith(MAGIC[: len(packed)]):
                    return
                unpacking, members = zlib.decompressobj(wbits=GZIP_ONLY), members + 1
                if members > MEMBERS_MOST:
                    raise NotUnpackable(f"the compressed answer has more than {MEMBERS_MOST} members")
            yield unpacking.decompress(packed, PIECE_MOST_BYTES)
            packed = unpacking.unused_data if unpacking.eof else unpacking.unconsumed_tail
    yield unpacking.flush()
    if came and not unpacking.eof:  # an empty body needs no unpacking
        raise NotUnpackable("the compressed answer ends too early")
