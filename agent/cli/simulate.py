"""The command ``simulate``: a stand-in Upsun API on a socket of this machine."""

from __future__ import annotations

import dataclasses
import json
import threading
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from agent.cli.context import Context
from agent.cli.extras import simulator_missing
from agent.cli.numbers import whole_number
from agent.errors import EXIT_OK, StateNotWritable, UsageError
from agent.site import Terminated

DESCRIPTION = """\
Serve a simulated Upsun API on 127.0.0.1 until interrupted, for trying the agent or the official CLI without a
project. Needs the extra 'simulator'. Point a client at it with UPSUN_CLI_API_URL and UPSUN_CLI_AUTH_URL.
It answers programs of this machine only: not pages of other sites, and not under other host names. Requests below
/_simulator/ (books, scenario, faults, clock, act) need the secret that is printed at the start.

--set changes a behaviour, for example: --set backup_seconds=2 --set update_outcome=no-commit --set role=viewer
Activities may come late (--set activity_lag_seconds=5), as large as those of a larger project (--set apps=3
--set services=4 --set routes=20), or with a command that fails (--set 'failing_commands=["push"]').
--fault breaks a request: METHOD PATH KIND [xTIMES] [#NTH], for example: --fault 'POST */backup cut-after'
The kinds:
<kinds>
"""
KINDS = "<kinds>"  # where the help lists the kinds of faults


class Formatter(RawDescriptionHelpFormatter):
    """Puts the kinds in when the help is shown: importing the simulator would cost every other command 0.3 s."""

    def add_text(self, text: str | None) -> None:
        """A text of the help."""
        super().add_text(text.replace(KINDS, _kinds()) if text and KINDS in text else text)


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    simulate = commands.add_parser(
        "simulate",
        parents=[shared],
        help="serve a simulated Upsun API",
        description=DESCRIPTION,
        formatter_class=Formatter,
    )
    simulate.add_argument(
        "--port", type=whole_number(0, 65535), default=8080, metavar="N", help="the port (default: 8080; 0: any)"
    )
    simulate.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a behaviour")
    simulate.add_argument("--fault", action="append", default=[], metavar="FAULT", help="break requests")
    simulate.add_argument(
        "--authority", metavar="FILE", help="write the key that signs SSH certificates there, for a TrustedUserCAKeys"
    )
    simulate.add_argument("--books", metavar="FILE", help="write what happened there at the end, as JSON")
    simulate.set_defaults(run=_simulate)


def _kinds() -> str:
    """The kinds of faults with their explanations; without the extra the command itself will say what is missing."""
    try:
        from agent.simulator.faults import DOCS  # noqa: PLC0415  needs the extra
    except ModuleNotFoundError:
        return "  (install the extra to see them)"
    return "\n".join(f"  {name:<22}{explained}" for name, explained in DOCS.items())


def _simulate(context: Context) -> int:
    try:
        from agent.simulator import Scenario, Simulator, serve  # noqa: PLC0415  needs the extra
    except ModuleNotFoundError as error:
        raise simulator_missing(error) from error
    options = context.options
    settings = dict(_setting(text) for text in options.set)
    named = {"project": options.project, "environment": options.environment}
    settings.update({name: value for name, value in named.items() if value})
    known = sorted(field.name for field in dataclasses.fields(Scenario))
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise UsageError(f"no behaviour is called '{unknown[0]}'", remedy=f"there are: {', '.join(known)}")
    try:
        simulator = Simulator(Scenario(**settings))
        for text in options.fault:
            simulator.add_fault(text)
    except (ValueError, TypeError) as error:
        raise UsageError(str(error), remedy="see: upsun-agent simulate --help") from error
    try:
        server = serve(simulator, port=options.port)
    except (OSError, OverflowError) as error:
        raise UsageError(f"port {options.port} cannot be served: {error}", remedy="choose another --port") from error
    with server:
        _write(options.authority, simulator.ssh_authority)
        _announce(context, server.url, simulator)
        try:
            threading.Event().wait()
        except (KeyboardInterrupt, Terminated):
            return EXIT_OK
        finally:
            _write(options.books, json.dumps(simulator.books(), indent=2))
    return EXIT_OK


def _setting(text: str) -> tuple[str, Any]:
    """``name=value`` with the value read as JSON where it is such (numbers, true, null), else as text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set takes NAME=VALUE, not {text!r}")
    try:
        return name.replace("-", "_"), json.loads(value)
    except ValueError:
        return name.replace("-", "_"), value


def _announce(context: Context, url: str, simulator: Any) -> None:
    """Say where it is and how to use it; as JSON one line with the address."""
    scenario, authority = simulator.scenario, simulator.ssh_authority.strip()
    variables = {
        "UPSUN_CLI_API_URL": url,
        "UPSUN_CLI_AUTH_URL": url,
        "UPSUN_CLI_TOKEN": scenario.token,
        "PLATFORM_PROJECT": scenario.project,
        "PLATFORM_BRANCH": scenario.environment,
        "PLATFORM_ENVIRONMENT_TYPE": "production",
    }
    if context.terminal.json_wanted:
        found = {"url": url, "variables": variables, "owner_token": scenario.owner_token, "ssh_authority": authority}
        found["control_secret"] = simulator.control_secret
        context.terminal.document(found)
        return
    context.terminal.say(f"Simulated Upsun API on {url} (Ctrl-C ends it). In another shell:")
    context.terminal.say("  export " + " ".join(f"{name}={value}" for name, value in variables.items()))
    context.terminal.say("To give roles and invite, as the owner of the project:")
    context.terminal.say(f"  export UPSUN_CLI_TOKEN={scenario.owner_token}")
    context.terminal.say("To change it while it runs (header Simulator-Secret of requests below /_simulator/):")
    # Made by this start, and worth something on this machine only: ``say`` would hide it as what looks like a secret.
    context.terminal.raw(f"  export UPSUN_SIMULATOR_SECRET={simulator.control_secret}\n")
    context.terminal.say("SSH certificates are signed by (for an sshd's TrustedUserCAKeys):")
    context.terminal.say(f"  {authority}")


def _write(path: str | None, text: str) -> None:
    if path is None:
        return
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise StateNotWritable(f"{path} cannot be written: {error.strerror}") from error
