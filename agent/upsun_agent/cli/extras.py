"""Commands of optional packages, and the message if a package is not installed."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from upsun_agent.errors import UsageError

if TYPE_CHECKING:
    from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context

#: How to install an extra. The agent is not on a package index: someone else could own its name there.
CHECKOUT = "in a checkout of the agent's repository: pip install '.[{}]'"
BUILD = "in an app: UPSUN_AGENT_EXTRA={} in the build hook"


class Package:
    """A package of this repository that may be absent: its commands are imported by name when they are called.

    Nothing in ``upsun_agent`` imports it, so a container does not need it.
    """

    def __init__(self, modules: frozenset[str], extra: str, remedy: str) -> None:
        """Set the names and the remedy.

        Args:
            modules: top-level modules, one of which is missing if the extra is not installed.
            extra: the name of the extra in pyproject.toml.
            remedy: how to install it.

        """
        self._modules = modules
        self._missing = f"this command needs the extra '{extra}', which is not installed"
        self._remedy = remedy

    def command(self, module: str) -> Callable[[Context], Answer | int]:
        """Return the module's function ``run`` as a function that imports the module when it is called.

        Raises:
            UsageError: the returned function is called and the extra is not installed.

        """

        def run(context: Context) -> Answer | int:
            try:
                work = import_module(module)
            except ModuleNotFoundError as error:
                if (error.name or "").partition(".")[0] not in self._modules:
                    raise
                raise UsageError(self._missing, remedy=self._remedy) from error
            answer: Answer | int = work.run(context)
            return answer

        return run

    def listed(self, module: str) -> str:
        """Return the entries of the module's ``listed``, a line each, for the help of a command."""
        try:
            found: dict[str, str] = import_module(module).listed()
        except ModuleNotFoundError:
            return "  (install the extra to see them)"
        return "\n".join(f"  {name:<22}{explained}" for name, explained in found.items())

    def formatter(self, place: str, module: str) -> type[RawDescriptionHelpFormatter]:
        """Return a formatter that puts ``listed`` where a help text holds ``place``.

        The module is imported when the help is shown: the simulator takes 0.3 s.
        """
        listed = self.listed

        class Formatter(RawDescriptionHelpFormatter):
            def add_text(self, text: str | None) -> None:
                super().add_text(text.replace(place, listed(module)) if text and place in text else text)

        return Formatter


SIMULATOR = Package(
    frozenset({"upsun_simulator", "werkzeug"}),
    "simulator",
    f"{CHECKOUT.format('init,simulator')}; {BUILD.format('simulator')}",
)
SETUP = Package(
    frozenset({"upsun_setup", "ruamel"}), "init", f"on your own machine, {CHECKOUT.format('init,simulator')}"
)


def otel_missing(error: ModuleNotFoundError) -> Exception:
    """Return the error for a missing extra ``otel``; any other error is returned unchanged."""
    if (error.name or "").partition(".")[0] not in {"opentelemetry", "requests"}:
        return error
    remedy = f"{CHECKOUT.format('otel')}; {BUILD.format('otel')}"
    return UsageError("--otlp needs the extra 'otel', which is not installed", remedy=remedy)
