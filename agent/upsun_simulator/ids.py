"""Identifiers that look like the platform's and are the same in every run."""

from __future__ import annotations

import base64
import hashlib
import uuid

IDENTIFIER_LENGTH = 26


def identifier(*parts: object) -> str:
    """Return a short lower-case identifier, as activities and backups have."""
    digest = hashlib.sha256("\0".join(str(part) for part in parts).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:IDENTIFIER_LENGTH]


def commit_hash(*parts: object) -> str:
    """Return forty hexadecimal digits, as a Git commit has."""
    return hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()[:40]


def account_id(*parts: object) -> str:
    """Return a UUID, as users, API tokens and invitations have."""
    digest = hashlib.sha256("\0".join(str(part) for part in parts).encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))
