"""What makes plain ssh, git, rsync and scp use the certificate: files for ssh to read, variables for the others."""

from __future__ import annotations

import os
import pwd
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from agent.private import write_whole
from agent.ssh.keyring import KEY, Keyring

HOSTS = ("*.platform.sh", "*.upsun.com")
BEGIN, END = "# BEGIN: upsun-agent", "# END: upsun-agent"
_BLOCK = re.compile(rf"^{re.escape(BEGIN)}$.*?^{re.escape(END)}$\n?", re.MULTILINE | re.DOTALL)


def hosts(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The host patterns of the platform; the official CLI's variable replaces them here too."""
    named = environ.get("UPSUN_CLI_SSH_DOMAIN_WILDCARD")
    return (named,) if named and not re.search(r"[\s\"#]", named) else HOSTS


def _quoted(path: str) -> str:
    """A path as ssh_config takes it."""
    return f'"{path}"' if re.search(r"\s", path) else path


def write_configuration(keyring: Keyring, environ: Mapping[str, str]) -> str:
    """Write the files that ssh reads, and return the one for ``ssh -F``.

    ``config`` is for being included; ``whole`` takes in the user's and the system's configuration after it, for
    ``ssh -F`` leaves both out. Host keys are remembered at first sight in a file of our own, and a key that changed is
    refused; ``UPSUN_AGENT_KNOWN_HOSTS`` names a file with the keys that count instead.
    """
    directory, pinned = keyring.directory, environ.get("UPSUN_AGENT_KNOWN_HOSTS")
    block = [
        f"Host {' '.join(hosts(environ))}",
        f"  IdentityFile {_quoted(f'{directory}/{KEY}')}",
        f"  CertificateFile {_quoted(f'{directory}/{KEY}-cert.pub')}",
        "  IdentitiesOnly yes",
        f"  UserKnownHostsFile {_quoted(pinned or f'{directory}/known_hosts')}",
        f"  StrictHostKeyChecking {'yes' if pinned else 'accept-new'}",
    ]
    if not pinned:
        keyring.provide("known_hosts")  # or ssh makes it, for others to read
    keyring.write("config", "\n".join([*block, "Host *", ""]))
    home = environ.get("HOME")
    others = [f"{home}/.ssh/config"] if home and "\n" not in home else []
    lines = [f"Include {_quoted(path)}" for path in [f"{directory}/config", *others, "/etc/ssh/ssh_config"]]
    keyring.write("whole", "\n".join([lines[0], *(f"Match all\n{line}" for line in lines[1:]), ""]))
    return f"{directory}/whole"


def variables(whole: str) -> dict[str, str]:
    """The variables by which git and rsync use that configuration."""
    command = f"ssh -F {shlex.quote(whole)}"
    return {"GIT_SSH_COMMAND": command, "GIT_SSH_VARIANT": "ssh", "RSYNC_RSH": command}


def with_configuration(command: list[str], whole: str) -> list[str]:
    """The command with the option that makes it use the configuration, where it is one of ssh's own."""
    if os.path.basename(command[0]) in {"ssh", "scp", "sftp"}:
        return [command[0], "-F", whole, *command[1:]]
    return command


def home_of_ssh() -> str | None:
    """The home in which ssh looks for its configuration: that of the password file, whatever HOME says."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return None


def include(keyring: Keyring, environ: Mapping[str, str]) -> tuple[str, bool] | None:
    """Have the user's ssh configuration take ours in; the file, and whether it was changed; None where it cannot be.

    The block stands first, between markers, since the first value that ssh finds counts. Everything else stays.
    """
    home, read = environ.get("HOME"), home_of_ssh()
    if not home or read is None or os.path.realpath(home) != os.path.realpath(read):
        return None
    if not os.access(home, os.W_OK | os.X_OK):
        return None
    path = Path(home, ".ssh", "config")
    block = f"{BEGIN}\nMatch all\nInclude {_quoted(f'{keyring.directory}/config')}\nMatch all\n{END}\n"
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        after = block + _BLOCK.sub("", before)
        if after == before:
            return str(path), False
        write_whole(str(path.resolve()), after)  # a link stays a link
    except (OSError, UnicodeDecodeError):
        return None
    return str(path), True
