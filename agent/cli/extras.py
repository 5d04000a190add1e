"""What to say where an optional part is not installed."""

from __future__ import annotations

from agent.errors import UsageError

#: The ways that work. The agent is on no package index: whoever owned its name there could run code here.
CHECKOUT = "in a checkout of the agent's repository: pip install '.[{}]'"
BUILD = "in an app: UPSUN_AGENT_EXTRA={} in the build hook"


def simulator_missing(error: ModuleNotFoundError) -> Exception:
    """The error for a missing extra ``simulator``; any other missing module is passed on as it is."""
    name = error.name or ""
    if name.partition(".")[0] != "werkzeug" and name != "agent.simulator":
        return error
    remedy = f"{CHECKOUT.format('init,simulator')}; {BUILD.format('simulator')}"
    return UsageError("this command needs the extra 'simulator', which is not installed", remedy=remedy)


def init_missing(error: ModuleNotFoundError) -> Exception:
    """The error for a missing extra ``init``; any other missing module is passed on as it is."""
    if (error.name or "").partition(".")[0] != "ruamel":
        return error
    remedy = f"on your own machine, {CHECKOUT.format('init,simulator')}"
    return UsageError("this command needs the extra 'init', which is not installed", remedy=remedy)


def otel_missing(error: ModuleNotFoundError) -> Exception:
    """The error for a missing extra ``otel``; any other missing module is passed on as it is."""
    if (error.name or "").partition(".")[0] not in {"opentelemetry", "requests"}:
        return error
    remedy = f"{CHECKOUT.format('otel')}; {BUILD.format('otel')}"
    return UsageError("--otlp needs the extra 'otel', which is not installed", remedy=remedy)
