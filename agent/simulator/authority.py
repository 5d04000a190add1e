"""The simulator's own SSH certificate authority."""

from __future__ import annotations

import json
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

    from agent.simulator.tokens import Bearer

LIFETIME = timedelta(hours=1)
# Clocks of clients differ a little; a certificate that is not valid yet would be refused.
LEEWAY = timedelta(minutes=1)
PERMITS = ("permit-agent-forwarding", "permit-port-forwarding", "permit-pty")


class Authority:
    """Signs user certificates as the platform's does; its key lives as long as the simulator."""

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.generate()

    @property
    def public_line(self) -> str:
        """The public key, as an sshd's `TrustedUserCAKeys` file wants it."""
        encoding, form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        return self._key.public_key().public_bytes(encoding, form).decode() + " simulator-authority\n"

    def certify(self, public_key: str, bearer: Bearer, now: datetime) -> str:
        """A certificate for the key, valid for an hour; ValueError if it is no ed25519 or RSA key."""
        try:
            key = serialization.load_ssh_public_key(public_key.encode())
        except UnsupportedAlgorithm as error:
            raise ValueError(str(error)) from None
        if not isinstance(key, Ed25519PublicKey | RSAPublicKey):
            raise ValueError(  # noqa: TRY004 - the key's text is wrong, not the caller's type
                "only ed25519 and RSA keys are certified"
            )
        claims = bearer.claims
        # The platform's own extensions hold their text as it is, without the inner length that OpenSSH's have.
        builder = (
            SSHCertificateBuilder()
            .public_key(key)
            .serial(int(now.timestamp() * 1000))
            .type(SSHCertificateType.USER)
            .key_id(bearer.user.id.encode())
            .valid_principals([bearer.user.id.encode(), bearer.user.username.encode()])
            .valid_after(int((now - LEEWAY).timestamp()))
            .valid_before(int((now + LIFETIME).timestamp()))
            .add_extension(b"access-id@platform.sh", claims["access_id"].encode())
            .add_extension(b"token-claims@platform.sh", json.dumps({"amr": claims["amr"]}).encode())
            .add_extension(b"token-id@platform.sh", claims["jti"].encode())
        )
        for permit in PERMITS:
            builder = builder.add_extension(permit.encode(), b"")
        return builder.sign(self._key).public_bytes().decode() + " simulated-certificate\n"
