"""SSH public keys of accounts, for those who log in without certificates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class SshKey:
    """A public key that somebody added to their account; `user` is an id, `fingerprint` an MD5 in hexadecimal."""

    #: The number of the key.
    id: int
    #: The id of its owner.
    user: str
    #: The name that its owner gave it.
    title: str
    #: The public key.
    value: str
    #: The MD5 of the key in hexadecimal.
    fingerprint: str
    #: When it was added.
    changed: datetime
