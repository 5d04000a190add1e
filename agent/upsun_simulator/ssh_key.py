"""SSH public keys of accounts, for those who log in without certificates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class SshKey:
    """A public key that somebody added to their account; `user` is an id, `fingerprint` an MD5 in hexadecimal."""

    id: int
    user: str
    title: str
    value: str
    fingerprint: str
    changed: datetime
