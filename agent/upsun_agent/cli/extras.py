"""What to say where an optional part is not installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from upsun_agent.errors import UsageError

if TYPE_CHECKING:
    from upsun_agent.cli.context import Context

#: The ways that work. The agent is on no package index: whoever owned its name there could run code here.
CHECKOUT = "in a checkout of the agent's repository: pip install '.[{}]'"
BUILD = "in an app: UPSUN_AGENT_EXTRA={} in the build hook"


class Package:
    """A package of this repository that need not be installed: its commands are loaded by name when they are called.

    Nothing in ``upsun_agent`` imports it, so that an app's container does without it.
    """

    def __init__(self, modules: frozenset[str], extra: str, remedy: str) -> None:
        """Set the package up.

        Args:
            modules: top-level modules of which one is missing where the extra is not installed.
            extra: the name of the extra in pyproject.toml.
            remedy: how to install it.

        """
        self._modules = modules
        self._missing = f"this command needs the extra '{extra}', which is not installed"
        self._remedy = remedy

    def command(self, module: str) -> Callable[[Context], int]:
        """Return the function that does the work of a command: the module's ``run``, imported when it is called.

        Raises:
            UsageError: when it is called and the extra is not installed.

        """

        def run(context: Context) -> int:
            try:
                work = import_module(module)
            except ModuleNotFoundError as error:
                if (error.name or "").partition(".")[0] not in self._modules:
                    raise
                raise UsageError(self._missing, remedy=self._remedy) from error
            return int(work.run(context))

        return run

    def listed(self, module: str) -> str:
        """Return what the module's ``listed`` names, a line each for a command's help."""
        try:
            found: dict[str, str] = import_module(module).listed()
        except ModuleNotFoundError:
            return "  (install the extra to see them)"
        return "\n".join(f"  {name:<22}{explained}" for name, explained in found.items())


SIMULATOR = Package(
    frozenset({"upsun_simulator", "werkzeug"}),
    "simulator",
    f"{CHECKOUT.format('init,simulator')}; {BUILD.format('simulator')}",
)
SETUP = Package(
    frozenset({"upsun_setup", "ruamel"}), "init", f"on your own machine, {CHECKOUT.format('init,simulator')}"
)


def otel_missing(error: ModuleNotFoundError) -> Exception:
    """The error for a missing extra ``otel``; any other missing module is passed on as it is."""
    if (error.name or "").partition(".")[0] not in {"opentelemetry", "requests"}:
        return error
    remedy = f"{CHECKOUT.format('otel')}; {BUILD.format('otel')}"
    return UsageError("--otlp needs the extra 'otel', which is not installed", remedy=remedy)
