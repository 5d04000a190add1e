"""Break connections on a real socket."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

    from upsun_simulator.faults import ConnectionCut

# Close at once, throwing away what is unsent: the peer gets a reset instead of an end.
ABORT = struct.pack("ii", 1, 0)


def head(status: str, headers: list[tuple[str, str]]) -> bytes:
    """Return the head of an answer as bytes."""
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def break_off(connection: socket.socket, cut: ConnectionCut, closing: threading.Event) -> None:
    """Send the part that the fault allows, then end the connection as the fault says.

    Args:
        connection: the connection to the client.
        cut: what the client gets of the answer, and how the connection ends.
        closing: set when the server ends.
    """
    whole_head = head(cut.status, cut.headers)
    with contextlib.suppress(OSError):
        if cut.phase == "half-headers":
            connection.sendall(_half(whole_head))
        elif cut.phase == "half-body":
            connection.sendall(whole_head + cut.body[: len(cut.body) // 2])
        elif cut.phase == "drip":
            _drip(connection, whole_head + cut.body, cut.seconds, closing)
        if cut.phase.startswith("reset"):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            os.close(connection.detach())
            return
    shut(connection)


def _half(whole_head: bytes) -> bytes:
    """Return half of a head, without the body's length: a client must not take it for complete."""
    length = whole_head.lower().find(b"content-length")
    half = len(whole_head) // 2
    return whole_head[: half if length < 0 else min(half, length)]


def _drip(connection: socket.socket, data: bytes, seconds: float, closing: threading.Event) -> None:
    for place in range(len(data)):
        connection.sendall(data[place : place + 1])
        if closing.wait(seconds):
            return


def shut(connection: socket.socket) -> None:
    """End a connection in both directions, if it is not over already."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
