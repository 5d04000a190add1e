"""A certificate authority of the tests' own, for certificates that the simulator's never gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.hazmat.primitives.serialization.ssh import (
    SSHCertificateBuilder,
    SSHCertificateType,
    load_ssh_public_key,
)

NOW = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)


@dataclass
class Authority:
    """Signs what it is asked to, and remembers for whom."""

    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    asked: list[str] = field(default_factory=list)
    now: datetime = NOW
    seconds: float = 3600

    def certify(self, public_key: str, **changes: Any) -> str:
        """A certificate for the key, from a minute ago on."""
        self.asked.append(public_key)
        settings = {
            "type": SSHCertificateType.USER,
            "after": self.now - timedelta(seconds=60),
            "before": self.now + timedelta(seconds=self.seconds),
            "key": public_key,
            "key_id": b"user-1",
            **changes,
        }
        builder = (
            SSHCertificateBuilder()
            .public_key(load_ssh_public_key(settings["key"].encode()))  # type: ignore[arg-type]  # no DSA key is asked for
            .serial(7)
            .type(settings["type"])
            .key_id(settings["key_id"])
            .valid_after(int(settings["after"].timestamp()))
            .valid_before(settings["until"] if "until" in settings else int(settings["before"].timestamp()))
        )
        principals = settings.get("principals", [b"main-bvxea6i", b"all"])
        builder = builder.valid_principals(principals) if principals else builder.valid_for_all_principals()  # type: ignore[no-untyped-call]  # theirs
        return builder.sign(self.private).public_bytes().decode() + "\n"


def public_line() -> str:
    """The public key line of some key."""
    public = Ed25519PrivateKey.generate().public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
