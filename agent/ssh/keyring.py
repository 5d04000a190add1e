"""The private directory that holds the key, its certificate and what belongs to them; nothing in it leaves it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from agent.errors import BadReply, Busy, StateNotWritable
from agent.limits import CERTIFICATE_MOST
from agent.records import dataclass
from agent.ssh.certificate import Certificate, missing, read_certificate

KEY = "id_ed25519"
COMMENT = "upsun-agent"
LOCK_PATIENCE = 60.0  # seconds: the holder makes one request, with its retries


def places(environ: Mapping[str, str]) -> list[str]:
    """Where the directory may be, best first: named, the session's own, in the home, in the temporary directory."""
    named = environ.get("UPSUN_AGENT_SSH")
    if named:
        return [named]
    runtime, home = environ.get("XDG_RUNTIME_DIR"), environ.get("HOME")
    found = [f"{runtime}/upsun-agent/ssh"] if runtime and os.path.isdir(runtime) else []
    found += [f"{home}/.local/state/upsun-agent/ssh"] if home and os.path.isdir(home) else []
    return [*found, f"{tempfile.gettempdir()}/upsun-agent-ssh-{os.geteuid()}"]


@dataclass(frozen=True, slots=True)
class Held:
    """The credentials at hand, and whether they were made just now."""

    certificate: Certificate
    renewed: bool


class Keyring:
    """The key and certificate in one directory, which nobody else may enter.

    Raises:
        StateNotWritable: none of the places can be made private.
    """

    def __init__(self, candidates: list[str]) -> None:
        reasons = []
        for candidate in candidates:
            reason = _made_private(candidate)
            if reason is None:
                self.directory = candidate
                return
            reasons.append(f"{candidate} {reason}")
        raise StateNotWritable("; ".join(reasons), remedy="name a private directory with UPSUN_AGENT_SSH")

    @property
    def key(self) -> str:
        """The private key's file."""
        return f"{self.directory}/{KEY}"

    @property
    def certificate(self) -> str:
        """The certificate's file, where ssh looks for it beside the key."""
        return f"{self.directory}/{KEY}-cert.pub"

    def hold(self, certify: Callable[[str], str], owner: str, now: datetime, *, anew: bool = False) -> Held:
        """A key and certificate that will do, made now where needed.

        Args:
            certify: gives the certificate for a public key line.
            owner: whose they are; those of another owner are not used.
            now: the present, UTC.
            anew: make both anew in any case.
        """
        with self._locked():
            public, made_at, held = self._found(owner)
            need = "key" if anew else missing(public, made_at, held, now)
            if need is None and held is not None:
                return Held(held, renewed=False)
            if need == "key" or public is None:
                public = self._new_key(owner, now)
            certificate = read_certificate(certify(f"{public.decode()} {COMMENT}\n"))
            if certificate.public_key != public:
                raise BadReply("the certificate is for another key than was sent")
            if not certificate.is_usable(public, now):
                span = f"{certificate.valid_after:%Y-%m-%d %H:%M:%S} to {certificate.valid_before:%H:%M:%S} UTC"
                raise BadReply(f"the certificate holds from {span}, which is not now", remedy="check this clock")
            self.write(f"{KEY}-cert.pub", certificate.text)
            return Held(certificate, renewed=True)

    def _found(self, owner: str) -> tuple[bytes | None, datetime | None, Certificate | None]:
        """The public key, when it was made, and the certificate, as far as they are there, whole and the owner's."""
        try:
            whose, _, since = self._read("owner").strip().partition(" ")
            if whose != owner:
                return None, None, None
            private = load_ssh_private_key(self._read(KEY).encode(), password=None)
            made_at = datetime.fromtimestamp(int(since), UTC)
        except (OSError, ValueError, OverflowError):
            return None, None, None
        public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        try:
            return public, made_at, read_certificate(self._read(f"{KEY}-cert.pub"))
        except (OSError, ValueError, BadReply):
            return public, made_at, None

    def _new_key(self, owner: str, now: datetime) -> bytes:
        """A new key pair. The certificate goes first: one that does not fit its key must never be seen."""
        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.certificate)
        self.write(KEY, private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode())
        self.write(f"{KEY}.pub", f"{public.decode()} {COMMENT}\n")
        self.write("owner", f"{owner} {int(now.timestamp())}\n")
        return public

    def _read(self, name: str) -> str:
        with open(f"{self.directory}/{name}", encoding="ascii") as file:
            return file.read(CERTIFICATE_MOST)

    def write(self, name: str, text: str) -> None:
        """Put a file there, whole or not at all, for our eyes only; raises StateNotWritable."""
        path = f"{self.directory}/{name}"
        try:
            handle, new = tempfile.mkstemp(prefix=f".{name}-", dir=self.directory)  # 0600 from the first moment
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                os.replace(new, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(new)
                raise
        except OSError as error:
            raise StateNotWritable(f"{path} cannot be written: {error.strerror}", remedy="free its disk") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time; raises Busy where another does not finish."""
        with open(f"{self.directory}/lock", "a", encoding="ascii") as file:
            until = time.monotonic() + LOCK_PATIENCE
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    if time.monotonic() > until:
                        raise Busy(f"another process holds {self.directory}/lock", remedy="try again") from None
                    time.sleep(0.05)
            yield


def _made_private(directory: str) -> str | None:
    """Make the directory, private; why it cannot be used, or None. What lies in /tmp may have been laid by others."""
    try:
        os.makedirs(os.path.dirname(directory) or ".", mode=0o700, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, 0o700)
        found = os.lstat(directory)
        if not stat.S_ISDIR(found.st_mode):
            return "is no directory"
        if found.st_uid != os.geteuid():
            return "belongs to somebody else"
        if stat.S_IMODE(found.st_mode) & 0o077:
            return f"can be entered by others (mode {stat.S_IMODE(found.st_mode):o})"
        if not os.access(directory, os.W_OK | os.X_OK):
            return "is not writable"
    except OSError as error:
        return f"cannot be made: {error.strerror}"
    return None
