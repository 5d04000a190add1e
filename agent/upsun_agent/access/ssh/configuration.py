"""The configuration with which ssh, git, rsync and scp use the certificate: files for ssh, variables for others."""

from __future__ import annotations

import errno
import os
import pwd
import re
import shlex
import stat
from collections.abc import Mapping
from glob import glob
from pathlib import Path

from upsun_agent.access.ssh.keyring import KEY, VARIABLE, Keyring
from upsun_agent.errors import ConfigInvalid
from upsun_agent.platform.private_directory import write_whole

HOSTS = ("*.platform.sh", "*.upsun.com")
WILDCARD = "UPSUN_CLI_SSH_DOMAIN_WILDCARD"
PINNED = "UPSUN_AGENT_KNOWN_HOSTS"
BEGIN, END = "# BEGIN: upsun-agent", "# END: upsun-agent"
CONFIG_MOST = 1024 * 1024  # bytes of the user's own configuration; a larger one is not changed


def hosts(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the platform's host patterns, or the one in the official CLI's variable.

    Raises:
        ConfigInvalid: the variable is not one host pattern (PATTERNS in ssh_config(5)): ``!`` would negate it, a
            quote or space would end it.
    """
    named = environ.get(WILDCARD)
    if not named:
        return HOSTS
    if not re.fullmatch(r"[A-Za-z0-9*?_:][A-Za-z0-9*?_:.-]{0,252}", named):
        text = f"{WILDCARD} is not a valid host pattern: {named[:40]!r}"
        raise ConfigInvalid(text, remedy="set it to a pattern such as *.example.com, or unset it")
    return (named,)


def fault_of(path: str) -> str | None:
    """Return why ssh_config(5) cannot hold the path (nothing escapes ``${``), or None if it can."""
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", path):
        return "holds a line break or another control character"
    if re.search("[\ud800-\udfff]", path):
        return "is not UTF-8"
    return "holds ${, which ssh reads as a variable" if "${" in path else None


def _quoted(path: str, variable: str = VARIABLE) -> str:
    """Return a path as one argument of ssh_config; raise ConfigInvalid if it cannot be quoted."""
    fault = fault_of(path)
    if fault is not None:
        raise ConfigInvalid(f"the path {path!r} {fault}", remedy=f"choose another one with {variable}")
    if re.fullmatch(r"[A-Za-z0-9/._~@%:+,=-]+", path):
        return path
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _file(path: str, variable: str = VARIABLE) -> str:
    """Return the value of a keyword that takes a file, in which ``%`` begins a token (TOKENS in ssh_config(5))."""
    return _quoted(path.replace("%", "%%"), variable)


def _included(path: str) -> str | None:
    """Return the value of ``Include``, a pattern (glob(7)) for exactly this file; None if there is none.

    ``%`` begins a token here from OpenSSH 9.9 on, but not before: a range of characters matches it in both.
    """
    if fault_of(path) is not None or ("%" in path and "\\" in path):
        return None
    pattern = re.sub(r"[*?\[]", r"[\g<0>]", path.replace("\\", "\\\\")).replace("%", "[$-&]")
    return None if "%" in path and glob(pattern) != [path] else _quoted(pattern)


def _pins(path: str) -> str:
    """Return the file of pinned keys as an absolute path: ssh reads a relative one from where it is started."""
    return path if path.startswith("~/") else os.path.abspath(path)


def write_configuration(keyring: Keyring, environ: Mapping[str, str]) -> str:
    """Write the files that ssh reads, and return the path of the one for ``ssh -F``.

    ``config`` is meant for ``Include``. ``whole`` also includes the user's and the system's configuration, which
    ``ssh -F`` does not read. The first host key of a host is stored in a file of the agent's own, and a changed key is
    refused; ``UPSUN_AGENT_KNOWN_HOSTS`` names a file with pinned keys instead. Raise ConfigInvalid if a path
    cannot be written into ssh_config.
    """
    directory, pinned = keyring.directory, environ.get(PINNED)
    known = _file(_pins(pinned), PINNED) if pinned else _file(f"{directory}/known_hosts")
    block = [
        f"Host {' '.join(hosts(environ))}",
        f"  IdentityFile {_file(f'{directory}/{KEY}')}",
        f"  CertificateFile {_file(f'{directory}/{KEY}-cert.pub')}",
        "  IdentitiesOnly yes",
        f"  UserKnownHostsFile {known}",
        f"  StrictHostKeyChecking {'yes' if pinned else 'accept-new'}",
    ]
    if not pinned:
        keyring.provide("known_hosts")  # else ssh would create it readable for others
    keyring.write("config", "\n".join([*block, "Host *", ""]))
    home = environ.get("HOME")
    own = [f"{home}/.ssh/config"] if home and os.path.isabs(home) else []
    others = [_included(path) for path in [*own, "/etc/ssh/ssh_config"]]
    keyring.write("whole", "\n".join([*block, *(f"Match all\nInclude {each}" for each in others if each), ""]))
    return f"{directory}/whole"


def variables(whole: str) -> dict[str, str]:
    """Return the variables with which git and rsync use this configuration."""
    plain = shlex.quote(whole) == whole
    rsync = whole if plain else "'" + whole.replace("'", "''") + "'"  # rsync has quotes of its own (-e in rsync(1))
    return {"GIT_SSH_COMMAND": f"ssh -F {shlex.quote(whole)}", "GIT_SSH_VARIANT": "ssh", "RSYNC_RSH": f"ssh -F {rsync}"}


def with_configuration(command: list[str], whole: str) -> list[str]:
    """Return the command with ``-F whole`` if it is ssh, scp or sftp, else unchanged."""
    if os.path.basename(command[0]) in {"ssh", "scp", "sftp"}:
        return [command[0], "-F", whole, *command[1:]]
    return command


def home_of_ssh() -> str | None:
    """Return the home directory that ssh uses, from the password file instead of HOME; None without an entry."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return None


def _own(path: Path) -> str:
    """Return the user's own configuration, "" without one; raise OSError if it is not a file or too large."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        data = file.read(CONFIG_MOST + 1)
    if len(data) > CONFIG_MOST:
        raise OSError(errno.EFBIG, "it is too large")
    return data.decode("utf-8")


def _without_block(text: str) -> str:
    """Return the text without the agent's blocks; a block without an end stays, with all after it."""
    kept: list[str] = []
    held: list[str] = []  # the lines of a block that has not ended yet
    *whole, last = text.split("\n")
    for line in [*(f"{each}\n" for each in whole), last]:
        if held or line.rstrip("\n") == BEGIN:
            held.append(line)
            if line.rstrip("\n") == END:
                held.clear()
        else:
            kept.append(line)
    return "".join([*kept, *held])


def include(keyring: Keyring, environ: Mapping[str, str]) -> tuple[str, bool] | None:
    """Include the agent's configuration in the user's, and return the file and whether it was changed.

    Return None if it cannot be written. The block comes first, between markers, since ssh uses the first value that
    it finds. The rest of the file stays as it is.
    """
    home, read = environ.get("HOME"), home_of_ssh()
    if not home or read is None or os.path.realpath(home) != os.path.realpath(read):
        return None
    if not os.access(home, os.W_OK | os.X_OK):
        return None
    path, ours = Path(home, ".ssh", "config"), _included(f"{keyring.directory}/config")
    if ours is None or "%" in keyring.directory:  # OpenSSH versions disagree about % in a path
        return None
    block = f"{BEGIN}\nMatch all\nInclude {ours}\nMatch all\n{END}\n"
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        before = _own(path)
        after = block + _without_block(before)
        if after == before:
            return str(path), False
        write_whole(str(path.resolve()), after)  # a symbolic link is kept
    except (OSError, UnicodeDecodeError):
        return None
    return str(path), True
