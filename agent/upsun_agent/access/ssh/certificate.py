"""Parse SSH certificates and check their validity. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.hazmat.primitives.serialization.ssh import (
    SSHCertificate,
    SSHCertificateType,
    load_ssh_public_identity,
)
from msgspec import Struct

from upsun_agent.errors import BadReply
from upsun_agent.limits import CERTIFICATE_MOST
from upsun_agent.log.foreign_text import one_line

#: A certificate with less left than this is renewed, as the official CLI does.
RENEWED_BEFORE = timedelta(seconds=120)
#: A key older than this is replaced, as the official CLI does.
KEY_AGE_MOST = timedelta(seconds=86_400)
#: A certificate that becomes valid later than this from now means that one of two clocks is wrong.
CLOCKS_APART = timedelta(seconds=60)
FOREVER = 2**64 - 1

Missing = Literal["key", "certificate"]


class Certificate(Struct, frozen=True):
    """A parsed user certificate."""

    #: The certificate as text.
    text: str
    #: The key id that the platform gave it.
    key_id: str
    #: The serial number.
    serial: int
    #: The names that it is valid for.
    principals: tuple[str, ...]
    #: From when on it is valid (UTC).
    valid_after: datetime
    #: Until when it is valid (UTC).
    valid_before: datetime
    #: The public key that it certifies.
    public_key: bytes

    def is_usable(self, public_key: bytes, now: datetime) -> bool:
        """Return whether the certificate belongs to the key and is valid long enough from now."""
        return self.public_key == public_key and self.valid_after <= now + CLOCKS_APART and self.lasts(now)

    def lasts(self, now: datetime) -> bool:
        """Return whether the certificate is valid now and for a while yet."""
        return now + RENEWED_BEFORE < self.valid_before


def read_certificate(text: str) -> Certificate:
    """Return the certificate in one line of text; its own ``text`` has no comment.

    Raises:
        BadReply: it is not one line, not an ed25519 user certificate, not signed, or names no principal: then it
            would be valid for every principal.
    """
    if len(text) > CERTIFICATE_MOST:
        raise BadReply(f"the certificate is longer than {CERTIFICATE_MOST} characters")
    line = text.strip(" \t\r\n")
    if any(char < " " and char != "\t" for char in line):
        raise BadReply("the certificate has more than one line, or control characters")
    try:
        words = line.encode("ascii").split()[:2]  # the rest is a comment
        found = load_ssh_public_identity(b" ".join(words))
        if not isinstance(found, SSHCertificate) or found.type is not SSHCertificateType.USER:
            raise BadReply("the answer is not an SSH user certificate")
        found.verify_cert_signature()
        public = found.public_key()
    except (ValueError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise BadReply(f"the certificate cannot be parsed: {one_line(str(error)) or type(error).__name__}") from None
    if not isinstance(public, Ed25519PublicKey):
        raise BadReply("the certificate is not for an ed25519 key")
    if not found.valid_principals or not all(found.valid_principals):
        raise BadReply("the certificate names no principal: it would be valid for every user")
    return Certificate(
        text=b" ".join(words).decode("ascii") + "\n",
        key_id=one_line(found.key_id.decode("utf-8", "replace")),
        serial=found.serial,
        principals=tuple(one_line(each.decode("utf-8", "replace")) for each in found.valid_principals),
        valid_after=_moment(found.valid_after),
        valid_before=_moment(found.valid_before),
        public_key=public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
    )


def _moment(seconds: int) -> datetime:
    """Return a time of a certificate as datetime; times out of range become the latest one."""
    return (
        datetime.fromtimestamp(min(seconds, 253_402_300_799), UTC)
        if seconds < FOREVER
        else datetime.max.replace(tzinfo=UTC)
    )


def missing(
    public_key: bytes | None, made_at: datetime | None, held: Certificate | None, now: datetime
) -> Missing | None:
    """Return what must be renewed before ssh can be used: the key and its certificate, the certificate, or nothing.

    Args:
        public_key: the present key in OpenSSH format without comment; None without one.
        made_at: when the key was made; None without one.
        held: the present certificate; None without one.
        now: the present, UTC.
    """
    if public_key is None or made_at is None or not timedelta(0) <= now - made_at + CLOCKS_APART:
        return "key"
    if now - made_at > KEY_AGE_MOST:
        return "key"
    return None if held is not None and held.is_usable(public_key, now) else "certificate"
