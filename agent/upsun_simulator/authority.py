"""The simulator's own SSH certificate authority."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import SSHCertificateBuilder, SSHCertificateType

if TYPE_CHECKING:
    from datetime import datetime

    from upsun_simulator.tokens import Bearer

# Clocks of clients differ a little; a certificate that is not valid yet would be refused.
LEEWAY = timedelta(minutes=1)
PERMITS = ("permit-agent-forwarding", "permit-port-forwarding", "permit-pty")


@dataclass(kw_only=True, eq=False)
class Certificate:
    """A certificate that was issued, without its text."""

    #: The serial number.
    serial: int
    #: The id of the user that it was issued to.
    user: str
    #: The principals that it is valid for.
    principals: tuple[str, ...]
    #: From when on it is valid.
    valid_after: datetime
    #: Until when it is valid.
    valid_before: datetime
    #: Whether it was revoked.
    revoked: bool = False


class Authority:
    """Signs user certificates as the platform's does; its key lives until it is rotated."""

    def __init__(self) -> None:
        self.issued: list[Certificate] = []

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.generate()

    @property
    def public_line(self) -> str:
        """Return the public key, as an sshd's `TrustedUserCAKeys` file wants it."""
        encoding, form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        return self._key.public_key().public_bytes(encoding, form).decode() + " simulator-authority\n"

    @property
    def revocations(self) -> str:
        """Return the serials of revoked certificates, as `ssh-keygen -k` reads them."""
        return "".join(f"serial: {one.serial}\n" for one in self.issued if one.revoked)

    def rotate(self) -> None:
        """Replace the key: servers that trust only the old one refuse certificates issued from now on."""
        self.__dict__.pop("_key", None)

    def revoke(self) -> None:
        """Revoke every certificate issued so far; servers must be told (`revocations`)."""
        for one in self.issued:
            one.revoked = True

    def certify(
        self, public_key: str, bearer: Bearer, now: datetime, *, seconds: float, principals: tuple[str, ...] = ()
    ) -> str:
        """Return a certificate for the key that ends after `seconds`; ValueError if it is not an ed25519 or RSA key.

        Which principals the platform writes is not documented: here they are the user's id and name, and
        more of the scenario's if a server wants them.

        Args:
            public_key: the key in OpenSSH's form.
            bearer: the access token of the request; the certificate is for its user.
            now: from when on it is valid.
            seconds: how long it is valid.
            principals: further principals.
        """
        key = _certifiable(public_key)
        record = self._record(bearer, now, seconds, principals)
        claims = bearer.claims
        extensions = {
            "access-id@platform.sh": claims["access_id"],
            **({"has-mfa@platform.sh": ""} if bearer.has_mfa else {}),
            "token-claims@platform.sh": json.dumps({"amr": claims["amr"]}),
            "token-id@platform.sh": claims["jti"],
            **dict.fromkeys(PERMITS, ""),
        }
        builder = (
            SSHCertificateBuilder()
            .public_key(key)
            .serial(record.serial)
            .type(SSHCertificateType.USER)
            .key_id(bearer.user.id.encode())
            .valid_principals([one.encode() for one in record.principals])
            .valid_after(int(record.valid_after.timestamp()))
            .valid_before(int(record.valid_before.timestamp()))
        )
        for name, value in sorted(extensions.items()):
            builder = builder.add_extension(name.encode(), value.encode())
        return builder.sign(self._key).public_bytes().decode() + " simulated-certificate\n"

    def _record(self, bearer: Bearer, now: datetime, seconds: float, principals: tuple[str, ...]) -> Certificate:
        last = self.issued[-1].serial if self.issued else 0
        record = Certificate(
            serial=max(last + 1, int(now.timestamp() * 1000)),
            user=bearer.user.id,
            principals=(bearer.user.id, bearer.user.username, *principals),
            valid_after=now - LEEWAY,
            valid_before=now + timedelta(seconds=seconds),
        )
        self.issued.append(record)
        return record


def _certifiable(public_key: str) -> Ed25519PublicKey | RSAPublicKey:
    """Return the public key; raise ValueError unless the official CLI can read certificates for its type."""
    try:
        key = serialization.load_ssh_public_key(public_key.encode())
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from None
    if not isinstance(key, Ed25519PublicKey | RSAPublicKey):
        raise ValueError(  # noqa: TRY004 - the key's text is wrong, not the caller's type
            "only ed25519 and RSA keys are certified"
        )
    return key
