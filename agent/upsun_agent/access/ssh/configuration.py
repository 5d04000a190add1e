"""What makes plain ssh, git, rsync and scp use the certificate: files for ssh to read, variables for the others."""

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
CONFIG_MOST = 1024 * 1024  # bytes of the user's own configuration: a larger one is left alone


def hosts(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the host patterns of the platform, or the one that the official CLI's variable names.

    Raises:
        ConfigInvalid: it is not one pattern of a host (PATTERNS in ssh_config(5)); ``!`` would negate it, and a quote
            or a space would end it.
    """
    named = environ.get(WILDCARD)
    if not named:
        return HOSTS
    if not re.fullmatch(r"[A-Za-z0-9*?_:][A-Za-z0-9*?_:.-]{0,252}", named):
        text = f"{WILDCARD} is not a valid pattern of a host: {named[:40]!r}"
        raise ConfigInvalid(text, remedy="write it like *.example.com, or unset it")
    return (named,)


def fault_of(path: str) -> str | None:
    """Return why ssh_config cannot hold the path (ssh_config(5): nothing escapes ``${``), or None where it can."""
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", path):
        return "holds a line break or another control character"
    if re.search("[\ud800-\udfff]", path):
        return "is not UTF-8"
    return "holds ${, which ssh takes for a variable" if "${" in path else None


def _quoted(path: str, variable: str = VARIABLE) -> str:
    """A path as one argument of ssh_config; raises ConfigInvalid where nothing can quote it."""
    fault = fault_of(path)
    if fault is not None:
        raise ConfigInvalid(f"the path {path!r} {fault}", remedy=f"choose another one with {variable}")
    if re.fullmatch(r"[A-Za-z0-9/._~@%:+,=-]+", path):
        return path
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _file(path: str, variable: str = VARIABLE) -> str:
    """The value of a key that names a file, where ``%`` begins a token (TOKENS in ssh_config(5))."""
    return _quoted(path.replace("%", "%%"), variable)


def _included(path: str) -> str | None:
    """The value of ``Include``, which is a pattern (glob(7)); None where none means this file alone.

    From OpenSSH 9.9 on ``%`` begins a token here too, and before it does not: a range of characters stands for it.
    """
    if fault_of(path) is not None or ("%" in path and "\\" in path):
        return None
    pattern = re.sub(r"[*?\[]", r"[\g<0>]", path.replace("\\", "\\\\")).replace("%", "[$-&]")
    return None if "%" in path and glob(pattern) != [path] else _quoted(pattern)


def _pins(path: str) -> str:
    """The file of pinned keys for ssh, which takes a relative path as one of wherever it is started."""
    return path if path.startswith("~/") else os.path.abspath(path)


def write_configuration(keyring: Keyring, environ: Mapping[str, str]) -> str:
    """Write the files that ssh reads, and return the one for ``ssh -F``.

    ``config`` is for being included; ``whole`` is the same with the user's and the system's configuration after it, for
    ``ssh -F`` leaves both out. Raises ConfigInvalid where ssh cannot be told of a path.
    Host keys are remembered at first sight in a file of our own, and a key that changed is
    refused; ``UPSUN_AGENT_KNOWN_HOSTS`` names a file with the keys that count instead.
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
        keyring.provide("known_hosts")  # or ssh makes it, for others to read
    keyring.write("config", "\n".join([*block, "Host *", ""]))
    home = environ.get("HOME")
    own = [f"{home}/.ssh/config"] if home and os.path.isabs(home) else []
    others = [_included(path) for path in [*own, "/etc/ssh/ssh_config"]]
    keyring.write("whole", "\n".join([*block, *(f"Match all\nInclude {each}" for each in others if each), ""]))
    return f"{directory}/whole"


def variables(whole: str) -> dict[str, str]:
    """The variables by which git and rsync use that configuration."""
    plain = shlex.quote(whole) == whole
    rsync = whole if plain else "'" + whole.replace("'", "''") + "'"  # rsync has quotes of its own (-e in rsync(1))
    return {"GIT_SSH_COMMAND": f"ssh -F {shlex.quote(whole)}", "GIT_SSH_VARIANT": "ssh", "RSYNC_RSH": f"ssh -F {rsync}"}


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


def _own(path: Path) -> str:
    """The user's own configuration, or nothing; raises OSError where it is no file, or larger than any."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        data = file.read(CONFIG_MOST + 1)
    if len(data) > CONFIG_MOST:
        raise OSError(errno.EFBIG, "it is too large")
    return data.decode("utf-8")


def _without_block(text: str) -> str:
    """The text without our blocks; one that does not end stays, with all behind it."""
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
    """Have the user's ssh configuration take ours in; the file, and whether it was changed; None where it cannot be.

    The block stands first, between markers, since the first value that ssh finds counts. Everything else stays.
    """
    home, read = environ.get("HOME"), home_of_ssh()
    if not home or read is None or os.path.realpath(home) != os.path.realpath(read):
        return None
    if not os.access(home, os.W_OK | os.X_OK):
        return None
    path, ours = Path(home, ".ssh", "config"), _included(f"{keyring.directory}/config")
    if ours is None or "%" in keyring.directory:  # what one version reads, the next one ends with
        return None
    block = f"{BEGIN}\nMatch all\nInclude {ours}\nMatch all\n{END}\n"
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        before = _own(path)
        after = block + _without_block(before)
        if after == before:
            return str(path), False
        write_whole(str(path.resolve()), after)  # a link stays a link
    except (OSError, UnicodeDecodeError):
        return None
    return str(path), True
