"""Keys that authenticate what the agent keeps: derived from a secret of the container, one for each purpose.

The secret is ``PLATFORM_PROJECT_ENTROPY`` where there is one: it is the same in all containers of a project, is no part
of the state, and does not rotate
(https://developer.upsun.com/docs/development/variables/use-variables). The API token takes its place elsewhere.
"""

from __future__ import annotations

import hmac

#: The variable of the platform with a random value for each project.
ENTROPY = "PLATFORM_PROJECT_ENTROPY"
SECRET_LEAST = 16  # characters: a shorter secret could be found by trying
_HASH = "sha256"
_HASH_BYTES = 32


def usable(secret: str | None) -> str | None:
    """Return the secret without white space around it; None where it is missing or too short for a key."""
    stripped = (secret or "").strip()
    return stripped if len(stripped) >= SECRET_LEAST else None


def derived(secret: str, purpose: str) -> bytes:
    """Return a key of 32 bytes for the purpose: HKDF with SHA-256 and without salt (RFC 5869)."""
    extracted = hmac.digest(bytes(_HASH_BYTES), secret.encode("utf-8", "surrogatepass"), _HASH)
    return hmac.digest(extracted, purpose.encode() + b"\x01", _HASH)


def code(key: bytes, data: bytes) -> str:
    """Return the HMAC-SHA256 of the data under the key, in hexadecimal."""
    return hmac.digest(key, data, _HASH).hex()


def same(one: str, other: str) -> bool:
    """Return whether two codes are equal, in a time that does not tell how far they are."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))
