"""Compress answers with gzip for clients that accept it."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from werkzeug.wrappers import Request, Response

# Bytes of a body. A smaller one gains nothing; a larger one would hold up other requests for too long.
LEAST_BYTES, MOST_BYTES = 256, 32 * 1024 * 1024
FASTEST = 1


def packed(request: Request, answer: Response) -> Response:
    """Return the answer, compressed if the client accepts that; a stream is unchanged."""
    if answer.is_streamed or "Content-Encoding" in answer.headers or not _wanted(request):
        return answer
    body = answer.get_data()
    if LEAST_BYTES <= len(body) <= MOST_BYTES:
        answer.set_data(gzip.compress(body, compresslevel=FASTEST, mtime=0))
        answer.headers["Content-Encoding"] = "gzip"
        answer.vary.add("Accept-Encoding")
    return answer


def _wanted(request: Request) -> bool:
    return request.accept_encodings.quality("gzip") > 0
