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
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

OWNER = "upsun_agent_owner"
DATABASE = "main"
START_MOST = 60.0  # seconds until a server answers


class ServerFailed(Exception):
    """A database server did not start; the message holds its log."""


def programs(name: str) -> str | None:
    """Return where the program is, also where Debian puts what only servers need."""
    places = ["/usr/sbin", "/sbin", *sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)]
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(places))


def _unprivileged() -> list[str]:
    """Return what goes before a command so that it does not run as root."""
    if os.geteuid():
        return []
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
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
        self.password = "canary-database-password-1!@/#%"  # noqa: S105  made up: it has to survive every quoting  # nosec B105
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
        """Return the programs that this machine lacks."""
        return [name for name in cls.needs if programs(name) is None]

    # --- life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it, on the same port as before if there was one, and wait until it answers."""
        fresh = not self.port
        for again in (fresh, fresh, False):
            self.port = free_port() if fresh else self.port
            try:
                self._begin()
            except ServerFailed:  # somebody else may have taken the port meanwhile
                if not again:
                    raise
            else:
                return

    def _begin(self) -> None:
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
            if self._answers():
                return
            if self._process.poll() is not None or time.monotonic() > end:
                raise ServerFailed(self.log.read_text(errors="replace")[-4000:])
            time.sleep(0.05)

    def _answers(self) -> bool:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", self.port)):
                return False
        try:
            self.execute("SELECT 1")
        except Exception as error:
            if type(error).__name__ == "OperationalError":
                return False
            raise
        return True

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
        """Return the process id of the server's first process."""
        assert self._process is not None  # noqa: S101  a mistake of the caller  # nosec B101
        return self._process.pid

    # --- use --------------------------------------------------------------------------------------------------

    def url(self, *, database: str = DATABASE, user: str = OWNER, port: int | None = None, query: str = "") -> str:
        """Return what the agent connects to, password and all."""
        from urllib.parse import quote  # noqa: PLC0415  here only

        where = f"127.0.0.1:{port or self.port}/{database}"
        return f"{self.scheme}://{user}:{quote(self.password, safe='')}@{where}{'?' + query if query else ''}"

    def execute(self, *statements: str, database: str = "") -> str:
        """Carry out statements as the administrator; the rows that they give, one a line."""
        lines: list[str] = []
        with closing(self._administrator(database)) as connection, closing(connection.cursor()) as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = cursor.fetchall() if cursor.description else ()
                lines += ["|".join(_shown(value) for value in row) for row in rows]
        return "\n".join(lines)

    def rows(self, database: str = DATABASE) -> str:
        """Return all rows of all tables of the database, one a line."""
        tables = self.execute(self.tables, database=database).splitlines()
        return self.execute(*(f"SELECT * FROM {name}" for name in tables), database=database)  # noqa: S608  its own names  # nosec B608

    #: The statement that gives the names of all tables.
    tables = "SHOW TABLES"

    @abstractmethod
    def _administrator(self, database: str) -> Any: ...

    @abstractmethod
    def fresh_database(self, name: str) -> None:
        """Make an empty database that the owner may do everything in."""

    @abstractmethod
    def copy_database(self, source: str, target: str) -> None:
        """Let the target be what the source is now, as a backup or its restore does. Nobody may be connected."""

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
            env={
                **os.environ,
                "HOME": str(self.directory),
                "TMPDIR": str(self.directory),
                "LC_ALL": "C.UTF-8",
                **variables,
            },
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
        """Write a self-signed certificate for 127.0.0.1."""
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


def _shown(value: object) -> str:
    return "" if value is None else str(int(value)) if isinstance(value, bool) else str(value)


class Postgres(Server):
    """PostgreSQL, as the platform's service of that name."""

    scheme = "postgresql"
    tables = "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('public', 'upsun_agent')"
    needs = ("postgres", "initdb")
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

    def _administrator(self, database: str) -> Any:
        import psycopg  # noqa: PLC0415  here only

        return psycopg.connect(
            host=str(self.directory),
            port=self.port,
            user="postgres",
            dbname=database or "postgres",
            autocommit=True,
            connect_timeout=5,
        )

    def fresh_database(self, name: str) -> None:
        """Make an empty database that the owner may do everything in."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name} OWNER {OWNER}")

    def copy_database(self, source: str, target: str) -> None:
        """Let the target be what the source is now, as a backup or its restore does."""
        end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{source}'"  # noqa: S608  ours  # nosec B608
        drop = f"DROP DATABASE IF EXISTS {target} WITH (FORCE)"
        self.execute(end, drop, f"CREATE DATABASE {target} TEMPLATE {source} OWNER {OWNER}")


class MariaDb(Server):
    """MariaDB, as the platform's service of that name."""

    scheme = "mysql"
    needs = ("mariadbd", "mariadb-install-db")

    def _make(self) -> None:
        install = programs("mariadb-install-db") or "mariadb-install-db"
        flags = ["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        self._run([install, *flags, f"--datadir={self.directory / 'data'}", "--innodb-flush-log-at-trx-commit=0"])

    def _command(self) -> list[str]:
        return [
            programs("mariadbd") or "mariadbd",
            "--no-defaults",
            f"--datadir={self.directory / 'data'}",
            f"--tmpdir={self.directory}",  # servers that share one take away what the others keep there
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

    def _administrator(self, database: str) -> Any:
        import pymysql  # noqa: PLC0415  here only

        inside = str(self.directory / "socket")
        return pymysql.connect(unix_socket=inside, user="root", database=database or None, autocommit=True)

    def fresh_database(self, name: str) -> None:
        """Make an empty database that the owner may do everything in."""
        self.execute(
            f"DROP DATABASE IF EXISTS {name}",
            f"CREATE DATABASE {name}",
            f"GRANT ALL ON {name}.* TO {OWNER}@'127.0.0.1'",
        )

    def copy_database(self, source: str, target: str) -> None:
        """Let the target be what the source is now, as a backup or its restore does."""
        self.fresh_database(target)
        tables = self.execute("SHOW TABLES", database=source).splitlines()
        for table in tables:
            copy = f"INSERT INTO {target}.{table} SELECT * FROM {source}.{table}"  # noqa: S608  names of ours  # nosec B608
            self.execute(f"CREATE TABLE {target}.{table} LIKE {source}.{table}", copy)


@contextmanager
def running(kind: type[Server], *, durable: bool = False) -> Iterator[Server]:
    """Run a server for as long as the block lasts."""
    server = kind(durable=durable)
    try:
        yield server
    finally:
        server.remove()
