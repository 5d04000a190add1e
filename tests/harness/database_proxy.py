"""A door between agent and database that a test holds: it cuts the connection at a message, or makes all slow."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Literal

How = Literal["before", "after"]


class Proxy:
    """Passes bytes on to a port of 127.0.0.1. What a client sends at once is a message; they are counted."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._epoch = 0
        self.messages = 0
        self.cut_at: int | None = None
        self.how: How = "before"
        self.delay = 0.0
        self.delay_after = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, number: int | None = None, how: How = "before") -> None:
        """Cut at the message of that number, before the server sees it or before its answer is passed on.

        Only connections made from now on count: an older one may still be saying goodbye.
        """
        with self._lock:
            self._epoch += 1
            self.messages, self.cut_at, self.how = 0, number, how

    def slow(self, seconds: float, after: int = 0) -> None:
        """Hold back every message after so many for that long; 0 ends it."""
        with self._lock:
            self.messages, self.delay, self.delay_after = 0, seconds, after

    def drop(self) -> None:
        """End every connection."""
        for pair in list(self._pairs):
            self._end(pair)

    def close(self) -> None:
        """End everything."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.drop()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            pair = (client, server)
            self._pairs.append(pair)
            epoch = self._epoch
            for number in (0, 1):
                threading.Thread(target=self._pass, args=(pair, number, epoch), daemon=True).start()

    def _end(self, pair: tuple[socket.socket, socket.socket]) -> None:
        for each in pair:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        if pair in self._pairs:
            self._pairs.remove(pair)

    def _counted(self, epoch: int) -> tuple[bool, float]:
        """Whether to cut here, and how long to wait before."""
        with self._lock:
            if epoch < self._epoch:
                return False, self.delay
            self.messages += 1
            wait = self.delay if self.messages > self.delay_after else 0.0
            return self.messages == self.cut_at, wait

    def _pass(self, pair: tuple[socket.socket, socket.socket], number: int, epoch: int) -> None:
        source, sink = pair[number], pair[1 - number]
        try:
            while data := source.recv(65536):
                cut, wait = self._counted(epoch) if number == 0 else (False, 0.0)
                if wait:
                    time.sleep(wait)
                if cut and self.how == "before":
                    break
                if cut:
                    pair[0].shutdown(socket.SHUT_RDWR)  # the client hears no more
                sink.sendall(data)
                if cut:
                    time.sleep(0.05)  # the server carries it out
                    break
        except OSError:
            pass
        finally:
            self._end(pair)
            source.close()
