"""A PyMySQL connection that limits every answer and never sends the password in clear text.

Only ``upsun_agent.database.connect`` imports this, lazily, since it imports PyMySQL.
"""

from __future__ import annotations

import io
import socket
from typing import Any

from pymysql import connections

from upsun_agent.database.errors import ClearText
from upsun_agent.database.meter import LONG, Meter, TooMuch
from upsun_agent.limits import DATABASE_PACKETS

DRIVER: Any = connections  # it has no types
#: Ways to log in that prove to know the password and do not show it.
PROOFS = frozenset({"", "mysql_native_password", "caching_sha2_password", "client_ed25519"})
SWITCH, MORE, FAST = 0xFE, 0x01, b"\x01\x03"
AUTHENTICATION_MOST = 20  # packets of a server until a user is let in: the longest way takes four


class Bounded(io.RawIOBase):
    """The data from a connection's socket, counted."""

    def __init__(self, opened: socket.socket, meter: Meter) -> None:
        self._socket = opened
        self._meter = meter

    def readable(self) -> bool:
        """Return True: it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read available data into the buffer; raise TooMuch if the answer is too long."""
        count = self._socket.recv_into(buffer)
        self._meter.read(count)
        return count


class Connection(DRIVER.Connection):  # type: ignore[misc]  # PyMySQL has no types
    """A PyMySQL connection. With ``clear``, the password may be sent in clear text."""

    def __init__(self, *, clear: bool, **settings: Any) -> None:
        self._clear = clear
        self._meter = Meter()
        self._packets, self._most = 0, DATABASE_PACKETS
        self._lets_in = False
        self._bounded: Any = None
        self._auth_plugin_name = ""
        super().__init__(**settings)

    def _execute_command(self, command: int, sql: Any) -> None:
        super()._execute_command(command, sql)
        self._meter.begin()
        self._packets = 0

    def _read_bytes(self, num_bytes: int) -> Any:
        if self._bounded is not self._sock:  # it is another once TLS has begun
            self._bounded = self._sock
            self._rfile = io.BufferedReader(Bounded(self._sock, self._meter))
        return super()._read_bytes(num_bytes)

    def _read_packet(self, packet_type: Any = DRIVER.MysqlPacket) -> Any:
        self._packets += 1
        if self._packets > self._most:
            self._force_close()
            raise TooMuch(LONG)
        packet = super()._read_packet(packet_type)
        if self._lets_in and not self._clear:
            _refuse_clear(packet.get_all_data())
        return packet

    def _request_authentication(self) -> None:
        if not self._clear and self._auth_plugin_name not in PROOFS:
            self._auth_plugin_name = "mysql_native_password"  # the server asks for another if it wants that
        self._lets_in, self._most = True, AUTHENTICATION_MOST
        try:
            super()._request_authentication()
        finally:
            self._lets_in, self._most = False, DATABASE_PACKETS


def _refuse_clear(data: bytes) -> None:
    """Raise ClearText if the server's packet asks for the password, plain or encrypted with the server's key."""
    if data[:1] == bytes([SWITCH]):
        name, ended, _ = data[1:].partition(b"\0")
        if not ended or not name or name.decode("latin-1") not in PROOFS:
            raise ClearText
    elif data[:1] == bytes([MORE]) and data != FAST:
        raise ClearText
