"""Real database servers for tests and benchmarks: PostgreSQL and MariaDB from Debian's packages.

Each lives in a directory of its own, listens on 127.0.0.1 alone, offers TLS, wants passwords, and runs as a user
without rights: PostgreSQL refuses to run as root. What they keep is for the moment, so nothing is synced unless asked.
"""

from __future__ import annotations

import glob
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

OWNER = "upsun_agent_owner"
DATABASE = "main"
START_MOST = 60.0  # seconds until a server answers


class ServerFailed(Exception):
    """A database server did not start; the message holds its log."""


def programs(name: str) -> str | None:
    """Where the program is, also where Debian puts what only servers need."""
    places = ["/usr/sbin", "/sbin", *sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)]
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(places))


def _unprivileged() -> list[str]:
    """What goes before a command so that it does not run as root."""
    if os.geteuid():
        return []
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server(ABC):
    """One server in a directory of its own."""

    scheme = ""
    needs: tuple[str, ...] = ()

    def __init__(self, *, durable: bool = False) -> None:
        self.durable = durable
        self.directory = Path(tempfile.mkdtemp(prefix="upsun-agent-database-"))
        self.log = self.directory / "log"
        self.password = "canary-database-password-1!@/#%"  # noqa: S105  made up: it has to survive every quoting
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._certificate()
        self._own()
        try:
            self._make()
            self.start()
            self.execute(*self._users())
        except BaseException:
            self.remove()
            raise

    @classmethod
    def missing(cls) -> list[str]:
        """The programs that this machine lacks."""
        return [name for name in cls.needs if programs(name) is None]

    # --- life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it, on the same port as before if there was one, and wait until it answers."""
        self.port = self.port or free_port()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_unprivileged(), *self._command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
            )
        end = time.monotonic() + START_MOST
        while True:
            with suppress(subprocess.CalledProcessError):
                self.execute("SELECT 1")
                return
            if self._process.poll() is not None or time.monotonic() > end:
                raise ServerFailed(self.log.read_text(errors="replace")[-4000:])
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a power cut would: with all its processes, at once."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it the polite way."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT if self.scheme == "postgresql" else signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def remove(self) -> None:
        """End it and take its directory away."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The process id of the server's first process."""
        assert self._process is not None  # noqa: S101  a mistake of the caller
        return self._process.pid

    # --- use --------------------------------------------------------------------------------------------------

    def url(self, *, database: str = DATABASE, user: str = OWNER, port: int | None = None, query: str = "") -> str:
        """What the agent connects to, password and all."""
        from urllib.parse import quote  # noqa: PLC0415  here only

        where = f"127.0.0.1:{port or self.port}/{database}"
        return f"{self.scheme}://{user}:{quote(self.password, safe='')}@{where}{'?' + query if query else ''}"

    @abstractmethod
    def execute(self, *statements: str, database: str = "") -> str:
        """Carry out statements as the administrator; what they print, a row a line."""

    @abstractmethod
    def fresh_database(self, name: str) -> None:
        """Make an empty database that the owner may do everything in."""

    @abstractmethod
    def _make(self) -> None: ...

    @abstractmethod
    def _command(self) -> list[str]: ...

    @abstractmethod
    def _users(self) -> list[str]: ...

    def _run(self, command: list[str], **variables: str) -> str:
        done = subprocess.run(
            [*_unprivileged(), *command],
            cwd=self.directory,
            env={**os.environ, "HOME": str(self.directory), "LC_ALL": "C.UTF-8", **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command[0], done.stdout, done.stderr)
        return done.stdout

    def _own(self) -> None:
        if not os.geteuid():
            for path in (self.directory, *self.directory.iterdir()):
                os.chown(path, 65534, 65534)

    def _certificate(self) -> None:
        """A certificate for 127.0.0.1 that signs itself."""
        from ipaddress import ip_address  # noqa: PLC0415  here only

        from cryptography import x509  # noqa: PLC0415  same
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415  same
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  same

        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=2))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.certificate = self.directory / "server.crt"
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private = self.directory / "server.key"
        private.touch(mode=0o600)
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


class Postgres(Server):
    """PostgreSQL, as the platform's service of that name."""

    scheme = "postgresql"
    needs = ("postgres", "initdb", "psql")
    connections = 200

    def _make(self) -> None:
        initdb = programs("initdb") or "initdb"
        self._run(
            [initdb, "--no-sync", "-D", "data", "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8",
             "--locale=C.UTF-8", "--auth-local=trust", "--no-instructions"]
        )  # fmt: skip

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.directory),
            "max_connections": str(self.connections),
            "fsync": "on" if self.durable else "off",
            "full_page_writes": "on" if self.durable else "off",
            "shared_buffers": "32MB",
            "ssl": "on",
            "ssl_cert_file": str(self.certificate),
            "ssl_key_file": str(self.directory / "server.key"),
        }
        given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [programs("postgres") or "postgres", "-D", str(self.directory / "data"), *given]

    def _users(self) -> list[str]:
        quoted = self.password.replace("'", "''")
        return [
            f"CREATE ROLE {OWNER} LOGIN PASSWORD '{quoted}'",
            f"CREATE DATABASE {DATABASE} OWNER {OWNER}",
        ]

    def execute(self, *statements: str, database: str = "") -> str:
        """Carry out statements as the administrator; what they print, a row a line."""
        psql = programs("psql") or "psql"
        words = [word for each in statements for word in ("-c", each)]
        base = [psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", str(self.directory), "-p", str(self.port)]
        return self._run([*base, "-U", "postgres", "-d", database or "postgres", *words]).strip()

    def fresh_database(self, name: str) -> None:
        """Make an empty database that the owner may do everything in."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name} OWNER {OWNER}")


class MariaDb(Server):
    """MariaDB, as the platform's service of that name."""

    scheme = "mysql"
    needs = ("mariadbd", "mariadb-install-db", "mariadb")

    def _make(self) -> None:
        install = programs("mariadb-install-db") or "mariadb-install-db"
        flags = ["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        self._run([install, *flags, f"--datadir={self.directory / 'data'}", "--innodb-flush-log-at-trx-commit=0"])

    def _command(self) -> list[str]:
        return [
            programs("mariadbd") or "mariadbd",
            "--no-defaults",
            f"--datadir={self.directory / 'data'}",
            f"--socket={self.directory / 'socket'}",
            f"--pid-file={self.directory / 'pid'}",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=32M",
            f"--innodb-flush-log-at-trx-commit={1 if self.durable else 2}",
            f"--ssl-cert={self.certificate}",
            f"--ssl-key={self.directory / 'server.key'}",
        ]

    def _users(self) -> list[str]:
        quoted = self.password.replace("\\", "\\\\").replace("'", "\\'")
        return [
            f"CREATE USER {OWNER}@'127.0.0.1' IDENTIFIED BY '{quoted}'",
            f"CREATE DATABASE {DATABASE}",
            f"GRANT ALL ON {DATABASE}.* TO {OWNER}@'127.0.0.1'",
        ]

    def execute(self, *statements: str, database: str = "") -> str:
        """Carry out statements as the administrator; what they print, a row a line."""
        client = [programs("mariadb") or "mariadb", "--no-defaults", f"--socket={self.directory / 'socket'}"]
        chosen = [database] if database else []
        return self._run([*client, "-u", "root", "-N", "-B", *chosen, "-e", ";\n".join(statements)]).strip()

    def fresh_database(self, name: str) -> None:
        """Make an empty database that the owner may do everything in."""
        self.execute(
            f"DROP DATABASE IF EXISTS {name}",
            f"CREATE DATABASE {name}",
            f"GRANT ALL ON {name}.* TO {OWNER}@'127.0.0.1'",
        )


@contextmanager
def running(kind: type[Server], *, durable: bool = False) -> Iterator[Server]:
    """A server for as long as the block lasts."""
    server = kind(durable=durable)
    try:
        yield server
    finally:
        server.remove()
