"""A real database server whose answers are spoiled on the way."""

from __future__ import annotations

import itertools
import random
import socket
import threading
from contextlib import suppress

from tests.harness.hostile_databases import Gone, Hostile


class Spoiling:
    """A door to a real server that changes what the server says, by the dice of a seed, once in a conversation."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server = Hostile(self._talk)
        self.port = self._server.port
        self.seed: int | None = None  # None: everything as it is
        self.close = self._server.close

    def _talk(self, client: socket.socket) -> None:
        dice = random.Random(self.seed)
        at = -1 if self.seed is None else dice.randrange(60)
        with socket.create_connection(("127.0.0.1", self._target)) as server:
            threading.Thread(target=self._hear, args=(client, server), daemon=True).start()
            for number in itertools.count():
                data = server.recv(65536)
                if not data:
                    break
                client.sendall(spoiled(data, dice) if number == at else data)

    @staticmethod
    def _hear(client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError, Gone):
            while True:
                server.sendall(client.recv(65536))
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


def spoiled(data: bytes, dice: random.Random) -> bytes:
    """The bytes with something wrong: changed, gone, more, others in between or one of the lengths a huge one."""
    place, rest = dice.randrange(len(data)), dice.randbytes(dice.choice([1, 1, 2, 4, 8, 100]))
    changed = bytearray(data)
    match dice.randrange(6):
        case 0:
            changed[place] ^= 1 << dice.randrange(8)
        case 1:
            changed[place : place + len(rest)] = rest
        case 2:
            del changed[place : place + dice.randrange(1, 20)]
        case 3:
            changed[place:place] = rest
        case 4:
            changed[place : place + 4] = dice.choice(
                [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\xfb\xfb\xfb\xfb"]
            )
        case _:
            changed += data[place:]
    return bytes(changed)
