"""The private directory that holds the key and its certificate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)
from msgspec import Struct

from upsun_agent.access.ssh.certificate import Certificate, missing, read_certificate
from upsun_agent.errors import BadReply
from upsun_agent.limits import CERTIFICATE_MOST
from upsun_agent.platform.private_directory import PrivateDirectory

KEY = "id_ed25519"
COMMENT = "upsun-agent"
VARIABLE = "UPSUN_AGENT_SSH"


class Held(Struct, frozen=True):
    """A valid key and certificate."""

    #: The certificate.
    certificate: Certificate
    #: Whether it was requested just now.
    renewed: bool


class Keyring:
    """The key and certificate in a directory that no other user may enter."""

    def __init__(self, directory: PrivateDirectory) -> None:
        self._private = directory
        self.directory = directory.path

    @property
    def key(self) -> str:
        """The private key's file."""
        return f"{self.directory}/{KEY}"

    @property
    def certificate(self) -> str:
        """The certificate's file, where ssh looks for it beside the key."""
        return f"{self.directory}/{KEY}-cert.pub"

    def hold(self, certify: Callable[[str], str], owner: str, now: datetime, *, anew: bool = False) -> Held:
        """Return a valid key and certificate; make new ones if needed.

        Args:
            certify: returns the certificate for a line with a public key.
            owner: an id of the token; credentials of another owner are not used.
            now: the present, UTC.
            anew: always make both.
        """
        with self._private.locked():
            public, made_at, held = self._found(owner)
            need = "key" if anew else missing(public, made_at, held, now)
            if need is None and held is not None:
                return Held(held, renewed=False)
            if need == "key" or public is None:
                public = self._new_key(owner, now)
            certificate = read_certificate(certify(f"{public.decode()} {COMMENT}\n"))
            if certificate.public_key != public:
                raise BadReply("the certificate is not for the key that was sent")
            if not certificate.is_usable(public, now):
                span = f"{certificate.valid_after:%Y-%m-%d %H:%M:%S} to {certificate.valid_before:%H:%M:%S} UTC"
                raise BadReply(f"the certificate is valid from {span}, not now", remedy="check this clock")
            self.write(f"{KEY}-cert.pub", certificate.text)
            return Held(certificate, renewed=True)

    def _found(self, owner: str) -> tuple[bytes | None, datetime | None, Certificate | None]:
        """Return the public key, when it was made, and the certificate.

        Each is None if it is missing, damaged or owned by someone else.
        """
        try:
            whose, _, since = self._private.read("owner", CERTIFICATE_MOST).strip().partition(" ")
            if whose != owner:
                return None, None, None
            private = load_ssh_private_key(self._private.read(KEY, CERTIFICATE_MOST).encode(), password=None)
            made_at = datetime.fromtimestamp(int(since), UTC)
        except (OSError, ValueError, OverflowError):
            return None, None, None
        public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        try:
            return public, made_at, read_certificate(self._private.read(f"{KEY}-cert.pub", CERTIFICATE_MOST))
        except (OSError, ValueError, BadReply):
            return public, made_at, None

    def _new_key(self, owner: str, now: datetime) -> bytes:
        """Make a key pair and return its public key.

        The old certificate, which would not match it, is removed first.
        """
        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        self._private.remove(f"{KEY}-cert.pub")
        self.write(KEY, private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode())
        self.write(f"{KEY}.pub", f"{public.decode()} {COMMENT}\n")
        self.write("owner", f"{owner} {int(now.timestamp())}\n")
        return public

    def provide(self, name: str) -> None:
        """Create an empty file (mode 0600) that ssh adds to, such as known_hosts.

        Raise StateNotWritable if that fails.
        """
        self._private.provide(name)

    def write(self, name: str, text: str) -> None:
        """Write a file (mode 0600) beside the key; raise StateNotWritable if that fails."""
        self._private.write(name, text)
