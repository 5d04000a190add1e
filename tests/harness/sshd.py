"""A real sshd on loopback that trusts the simulator's authority."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from upsun_simulator import Simulator

CONFIGURATION = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host
TrustedUserCAKeys {directory}/authority.pub
AuthorizedPrincipalsFile {directory}/principals
RevokedKeys {directory}/revoked
AuthorizedKeysFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PermitRootLogin yes
PidFile none
Subsystem sftp internal-sftp
LogLevel VERBOSE
"""


@dataclass
class Server:
    """sshd in a directory of its own; it lets the simulator's machine user in as whoever runs the tests."""

    directory: Path
    simulator: Simulator
    program: str
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def login(self) -> str:
        """Where to go."""
        return f"{getpass.getuser()}@127.0.0.1"

    def start(self) -> None:
        """Have it listen."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = self.port or free.getsockname()[1]
        if not (self.directory / "host").exists():
            self.new_host_key()
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        self.trust()
        (self.directory / "revoked").touch()
        configuration = self.directory / "sshd_config"
        configuration.write_text(CONFIGURATION.format(port=self.port, directory=self.directory))
        with (self.directory / "sshd.log").open("ab") as log:
            command = [self.program, "-D", "-e", "-f", str(configuration)]
            self._process = subprocess.Popen(command, stderr=log, stdout=log, stdin=subprocess.DEVNULL)
        for _ in range(200):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(self.log())

    def stop(self) -> None:
        """Let it end."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)

    def trust(self) -> None:
        """Trust the authority as it is now, for the machine user's name."""
        (self.directory / "authority.pub").write_text(self.simulator.ssh_authority)
        (self.directory / "principals").write_text("upsun-agent-test\n")

    def revoke(self, serials: str) -> None:
        """Refuse the certificates with these serials (in the words of ssh-keygen -k)."""
        listed, revoked = self.directory / "serials", self.directory / "revoked"
        listed.write_text(serials)
        command = [
            "ssh-keygen",
            "-q",
            "-k",
            "-f",
            str(revoked),
            "-s",
            str(self.directory / "authority.pub"),
            str(listed),
        ]
        subprocess.run(command, check=True)

    def new_host_key(self) -> None:
        """Be another host, as it looks from outside."""
        (self.directory / "host").unlink(missing_ok=True)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.directory / "host")]
        subprocess.run(command, check=True)

    def log(self) -> str:
        """What it said."""
        return (self.directory / "sshd.log").read_text(errors="replace")
