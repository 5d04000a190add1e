"""The command ``upsun-agent simulate``: serve a simulated platform on a socket of this machine."""

from __future__ import annotations

import dataclasses
import json
import threading
from typing import Any

from upsun_agent.cli.context import Context
from upsun_agent.errors import EXIT_OK, StateNotWritable, UsageError
from upsun_agent.report.document import View
from upsun_agent.runtime.context import Terminated

from upsun_simulator import Scenario, Simulator, serve
from upsun_simulator.faults import DOCS
from upsun_simulator.proof import ProofInvalid, Proved, read_proof

PROOF_MOST_BYTES = 1_000_000


class SimulatorView(View, frozen=True, kw_only=True):
    """The addresses of the simulator."""

    #: Its address.
    url: str
    #: The variables with which the agent uses it.
    variables: dict[str, str]
    #: The token of the owner of the project.
    owner_token: str
    #: The public key that signs SSH certificates.
    ssh_authority: str
    #: The secret of requests that change the simulator while it runs.
    control_secret: str


def listed() -> dict[str, str]:
    """Return the kinds of faults with their explanations, for the help."""
    return DOCS


def run(context: Context) -> int:
    """Serve a simulated platform until SIGINT or SIGTERM; return the exit code."""
    options = context.options
    proved = _proof(options.proof)
    settings = {**proved.settings, **dict(_setting(text) for text in options.set)}
    named = {"project": options.project, "environment": options.environment}
    settings.update({name: value for name, value in named.items() if value})
    known = sorted(field.name for field in dataclasses.fields(Scenario))
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise UsageError(f"no behaviour is called '{unknown[0]}'", remedy=f"there are: {', '.join(known)}")
    try:
        simulator = Simulator(Scenario(**settings))
        for text in (*proved.faults, *options.fault):
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
            _write(options.request_log, json.dumps(simulator.request_log(), indent=2))
    return EXIT_OK


def _proof(path: str | None) -> Proved:
    """Return the scenario settings from a proof; empty without one."""
    if path is None:
        return Proved()
    try:
        with open(path, "rb") as file:
            return read_proof(json.loads(file.read(PROOF_MOST_BYTES)))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, ProofInvalid) else "it is not JSON"
        raise UsageError(
            f"{path}: {reason}", remedy="write one: upsun-agent check --prove ENVIRONMENT --to FILE"
        ) from error


def _setting(text: str) -> tuple[str, Any]:
    """Parse ``name=value``; the value is JSON if it is valid (numbers, true, null), else text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set takes NAME=VALUE, not {text!r}")
    try:
        return name.replace("-", "_"), json.loads(value)
    except ValueError:
        return name.replace("-", "_"), value


def _announce(context: Context, url: str, simulator: Any) -> None:
    """Print the address and how to use it; as JSON, one line with the address."""
    scenario, authority = simulator.scenario, simulator.ssh_authority.strip()
    token = "PLATFORMSH_CLI_TOKEN" if scenario.is_fixed else "UPSUN_CLI_TOKEN"
    variables = {
        "UPSUN_CLI_API_URL": url,
        "UPSUN_CLI_AUTH_URL": url,
        token: scenario.token,
        "PLATFORM_PROJECT": scenario.project,
        "PLATFORM_BRANCH": scenario.environment,
        "PLATFORM_ENVIRONMENT_TYPE": "production",
    }
    if context.terminal.json_wanted:
        view = SimulatorView(
            url=url,
            variables=variables,
            owner_token=scenario.owner_token,
            ssh_authority=authority,
            control_secret=simulator.control_secret,
        )
        context.terminal.document(view)
        return
    context.terminal.say(f"Simulated Upsun API on {url} (Ctrl-C ends it). In another shell:")
    context.terminal.say("  export " + " ".join(f"{name}={value}" for name, value in variables.items()))
    context.terminal.say("To give roles and invite, as the owner of the project:")
    context.terminal.say(f"  export {token}={scenario.owner_token}")
    context.terminal.say("To change it while it runs (header Simulator-Secret of requests below /_simulator/):")
    # Made by this start, and worth something on this machine only: `say` would hide it as what looks like a secret.
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
