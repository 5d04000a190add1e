"""What to say where an optional part is not installed."""

from __future__ import annotations

from agent.errors import UsageError


def simulator_missing(error: ModuleNotFoundError) -> Exception:
    """The error for a missing extra ``simulator``; any other missing module is passed on as it is."""
    if error.name not in {"werkzeug", "agent.simulator"}:
        return error
    remedy = "install it, for example: pip install 'upsun-agent[simulator]', or UPSUN_AGENT_EXTRA=simulator in the hook"
    return UsageError("this command needs the extra 'simulator', which is not installed", remedy=remedy)


def init_missing(error: ModuleNotFoundError) -> Exception:
    """The error for a missing extra ``init``; any other missing module is passed on as it is."""
    if (error.name or "").partition(".")[0] != "ruamel":
        return error
    remedy = "install it where you have the checkout, for example: pip install 'upsun-agent[init]'"
    return UsageError("this command needs the extra 'init', which is not installed", remedy=remedy)


def otel_missing(error: ModuleNotFoundError) -> Exception:
    """The error for a missing extra ``otel``; any other missing module is passed on as it is."""
    if (error.name or "").partition(".")[0] not in {"opentelemetry", "requests"}:
        return error
    remedy = "install it, for example: pip install 'upsun-agent[otel]', or UPSUN_AGENT_EXTRA=otel in the hook"
    return UsageError("--otlp needs the extra 'otel', which is not installed", remedy=remedy)
