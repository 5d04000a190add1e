"""Cache bearers between processes, encrypted; disabled unless the job file enables it.

The key is derived from the API token and bound to the authentication service, the machine and the user: the file is
useless without the token and on another machine. A changed file cannot be decrypted and is ignored.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from upsun_agent.errors import StateNotWritable
from upsun_agent.limits import TOKEN_MOST
from upsun_agent.platform.private_directory import PrivateDirectory, places

FILE, VERSION, VARIABLE = "bearer", "upsun-agent bearer 1", "UPSUN_AGENT_BEARERS"
SALT, NONCE = 16, 12  # bytes


class Kept(Struct, frozen=True):
    """A cached bearer: its value, expiry (seconds since 1970), user and lifetime."""

    #: The access token. It is a secret.
    value: str
    #: Until when it is valid, in seconds since 1970.
    until: float
    #: The id of its user; None if it does not say.
    user: str | None
    #: How long it lived from its issue, in seconds.
    lifetime: int


class BearerCache:
    """One bearer in a file, for one token at one service on one machine.

    Args:
        directory: where the file is.
        token: the API token that the key is derived from.
        service: the address of the authentication service.
    """

    def __init__(self, directory: PrivateDirectory, token: str, service: str) -> None:
        self._directory = directory
        self._token = token
        self._bound = f"{VERSION}|{service}|{os.uname().nodename}|{os.geteuid()}".encode()

    def get(self, now: datetime) -> Kept | None:
        """Return the cached bearer if it is ours, unchanged and still valid."""
        try:
            raw = base64.b64decode(self._directory.read(FILE, 4 * TOKEN_MOST), validate=True)
            salt, nonce, sealed = raw[:SALT], raw[SALT : SALT + NONCE], raw[SALT + NONCE :]
            data = json.loads(self._cipher(salt).decrypt(nonce, sealed, self._bound))
            kept = Kept(str(data["value"]), float(data["until"]), data["user"], int(data["lifetime"]))
        except (OSError, ValueError, KeyError, TypeError, InvalidTag):
            return None
        return kept if now.timestamp() < kept.until <= now.timestamp() + kept.lifetime else None

    def put(self, kept: Kept) -> None:
        """Store a bearer; a failure is ignored."""
        salt, nonce = os.urandom(SALT), os.urandom(NONCE)
        data = {"value": kept.value, "until": kept.until, "user": kept.user, "lifetime": kept.lifetime}
        sealed = self._cipher(salt).encrypt(nonce, json.dumps(data).encode(), self._bound)
        try:
            self._directory.write(FILE, base64.b64encode(salt + nonce + sealed).decode())
        except StateNotWritable:
            self.drop()

    def drop(self) -> None:
        """Delete the cached bearer."""
        self._directory.remove(FILE)

    def _cipher(self, salt: bytes) -> AESGCM:
        return AESGCM(HKDF(SHA256(), 32, salt, self._bound).derive(self._token.encode()))


def cache_of(environ: Mapping[str, str], token: str, service: str) -> BearerCache | None:
    """Return the cache of the user; None if there is no private directory.

    Args:
        environ: the environment variables of this process.
        token: the API token that the bearers are exchanged for.
        service: the URL of the authentication service.
    """
    try:
        directory = PrivateDirectory(places(environ, "bearers", VARIABLE), VARIABLE)
    except StateNotWritable:
        return None
    return BearerCache(directory, token, service)
