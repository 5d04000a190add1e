"""The commands ``ssh load``, ``ssh env`` and ``ssh exec``: get a certificate for ssh, git, rsync and scp."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from argparse import REMAINDER, ArgumentParser, RawDescriptionHelpFormatter
from typing import TYPE_CHECKING, Any

from msgspec import convert

from upsun_agent.access.token_source import token_in
from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.errors import ConfigInvalid, UsageError
from upsun_agent.model.durations import span
from upsun_agent.report.document import Moment, View

if TYPE_CHECKING:
    from upsun_agent.access.ssh.certificate import Certificate
    from upsun_agent.access.ssh.keyring import Held, Keyring

HELP = """\
upsun-agent ssh load                  get a certificate for ssh, git, rsync and scp, unless a valid one exists
eval "$(upsun-agent ssh env)"         let git and rsync in this shell use it, where HOME is read-only
upsun-agent ssh exec -- git pull      run one command with it
"""


class CertificateView(View, frozen=True, kw_only=True):
    """An SSH certificate."""

    #: Its key id.
    key_id: str
    #: Its serial number.
    serial: int
    #: The names that it is valid for.
    principals: list[str]
    #: When it begins to be valid.
    valid_after: Moment
    #: When it stops being valid.
    valid_before: Moment


class SshLoadView(View, frozen=True, kw_only=True):
    """The certificate and what uses it."""

    #: The certificate.
    certificate: CertificateView
    #: Whether it is new.
    renewed: bool
    #: Where the key and the certificate are.
    directory: str
    #: The file with the configuration of ssh.
    configuration: str
    #: The user's configuration that includes it; null if none does.
    included_in: str | None


class SshEnvView(View, frozen=True, kw_only=True, rename="upper"):
    """Variables for ssh, git and rsync."""

    #: The command with which git calls ssh.
    git_ssh_command: str
    #: The options that this command takes.
    git_ssh_variant: str
    #: The command with which rsync calls ssh.
    rsync_rsh: str


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the family's commands."""
    ssh = commands.add_parser(
        "ssh",
        help="get a certificate for ssh, git, rsync, scp",
        description="Get an SSH certificate with the API token. The key stays in one private directory.",
        epilog=HELP,
        formatter_class=RawDescriptionHelpFormatter,
    )
    family = ssh.add_subparsers(title="commands", metavar="COMMAND", dest="ssh_command", required=True, prog=ssh.prog)
    load = family.add_parser(
        "load",
        parents=[shared],
        help="get a certificate unless a valid one exists",
        description="Keep the present certificate if it is valid for two more minutes, else get a new one (about an "
        "hour). The key is replaced every day. If HOME is writable, ~/.ssh/config gets an Include line for it.",
    )
    load.add_argument("--new", action="store_true", help="always make a new key and certificate")
    load.add_argument("--no-include", action="store_true", help="do not change ~/.ssh/config")
    load.add_argument("--quiet", action="store_true", help="print nothing on success")
    load.set_defaults(run=_load)
    env = family.add_parser(
        "env",
        parents=[shared],
        help="print variables for eval",
        description='Print exports for `eval "$(upsun-agent ssh env)"`: GIT_SSH_COMMAND, GIT_SSH_VARIANT, RSYNC_RSH.',
    )
    env.set_defaults(run=_env)
    execute = family.add_parser(
        "exec",
        parents=[shared],
        help="run one command with the certificate",
        description="Run ssh, scp, sftp, git or rsync (or a script that calls git or rsync) with the certificate. "
        "The command gets no variable that holds the API token.",
        usage="upsun-agent ssh exec [options] -- COMMAND ...",
    )
    execute.add_argument("words", nargs=REMAINDER, metavar="-- COMMAND ...", help="the command and its arguments")
    execute.set_defaults(run=_exec)


def _held(context: Context, *, anew: bool = False) -> tuple[Keyring, Held]:
    from upsun_agent.access.ssh.keyring import VARIABLE, Keyring  # noqa: PLC0415  late: cryptography costs five interpreter starts
    from upsun_agent.platform.private_directory import PrivateDirectory, places  # noqa: PLC0415  late, as below

    token = token_in(context.environ, context.token_variable)
    keyring = Keyring(PrivateDirectory(_places(places(context.environ, "ssh", VARIABLE)), VARIABLE))
    client = context.client()
    # The hash names the token without holding it: credentials of another token must not be used.
    owner = hashlib.sha256(f"upsun-agent ssh {token}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    try:
        return keyring, keyring.hold(client.certificate, owner, context.clock.now(), anew=anew)
    finally:
        client.close()


def _places(candidates: list[str]) -> list[str]:
    """Return the directories that an ssh configuration can name, absolute; raise ConfigInvalid if there are none."""
    from upsun_agent.access.ssh.configuration import fault_of  # noqa: PLC0415  late, as below
    from upsun_agent.access.ssh.keyring import VARIABLE  # noqa: PLC0415  same

    usable = [os.path.abspath(each) for each in candidates if fault_of(os.path.abspath(each)) is None]
    if not usable:
        text = f"the directory {candidates[0]!r} {fault_of(os.path.abspath(candidates[0]))}"
        raise ConfigInvalid(text, remedy=f"choose another directory with {VARIABLE}")
    return usable


def _whole(context: Context, keyring: Keyring) -> str:
    from upsun_agent.access.ssh.configuration import write_configuration  # noqa: PLC0415  late, as above

    return write_configuration(keyring, context.environ)


def _load(context: Context) -> Answer:
    from upsun_agent.access.ssh.configuration import include  # noqa: PLC0415  late, as above

    keyring, held = _held(context, anew=context.options.new)
    whole = _whole(context, keyring)
    taken = None if context.options.no_include else include(keyring, context.environ)
    view = SshLoadView(
        certificate=_certificate_view(held.certificate),
        renewed=held.renewed,
        directory=keyring.directory,
        configuration=whole,
        included_in=taken[0] if taken else None,
    )
    return Answer(view, None if context.options.quiet else lambda: _tell(context, keyring, held, whole, taken))


def _certificate_view(certificate: Certificate) -> CertificateView:
    return CertificateView(
        key_id=certificate.key_id,
        serial=certificate.serial,
        principals=list(certificate.principals),
        valid_after=certificate.valid_after,
        valid_before=certificate.valid_before,
    )


def _tell(context: Context, keyring: Keyring, held: Held, whole: str, taken: tuple[str, bool] | None) -> None:
    say, certificate, now = context.terminal.say, held.certificate, context.clock.now()
    left = span(certificate.valid_before - now)
    say(f"{'New certificate' if held.renewed else 'The present certificate is valid'}: it lasts {left} more.", "good")
    say(f"  key id      {certificate.key_id}")
    say(f"  principals  {', '.join(certificate.principals) or 'none'}")
    since = f"{certificate.valid_after:%Y-%m-%d %H:%M:%S}"
    say(f"  valid       {since} to {certificate.valid_before:%Y-%m-%d %H:%M:%S} UTC")
    say(f"  directory   {keyring.directory}")
    if taken is None:
        left_out = "was not changed" if context.options.no_include else "cannot be written here"
        say(f"~/.ssh/config {left_out}. For git and rsync of this shell:")
        say('  eval "$(upsun-agent ssh env)"')
        say(f"For ssh and scp:  ssh -F {shlex.quote(whole)} …  or  upsun-agent ssh exec -- ssh …")
    elif taken[1]:
        say(f"{taken[0]} now includes the agent's configuration: ssh, git, rsync and scp use the certificate.")


def _env(context: Context) -> Answer:
    from upsun_agent.access.ssh.configuration import variables  # noqa: PLC0415  late, as above

    keyring, _ = _held(context)
    found = variables(_whole(context, keyring))
    exports = [f"export {name}={shlex.quote(value)}\n" for name, value in found.items()]
    # exact bytes: a shell reads them
    return Answer(convert(found, SshEnvView), lambda: context.terminal.file("".join(exports)))


def _exec(context: Context) -> int:
    from upsun_agent.access.ssh.configuration import variables, with_configuration  # noqa: PLC0415  late, as above
    from upsun_agent.runtime.child_environment import withheld  # noqa: PLC0415  same

    words = list(context.options.words)
    if words[:1] == ["--"]:
        words = words[1:]
    if not words:
        raise UsageError("no command to run", remedy="for example: upsun-agent ssh exec -- git pull")
    keyring, _ = _held(context)
    whole = _whole(context, keyring)
    left_out = frozenset(withheld(context.environ, context.token_variable))
    kept = {name: value for name, value in context.environ.items() if name not in left_out}
    command = with_configuration(words, whole)
    path = shutil.which(command[0], path=kept.get("PATH"))
    if path is None:
        raise ConfigInvalid(f"there is no command '{command[0]}' here", remedy="install it, or give its path")
    os.execve(path, command, {**kept, **variables(whole)})  # noqa: S606  no shell, that is the point  # nosec B606
