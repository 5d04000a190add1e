"""What a job file may hold, said once: validation, JSON Schema and the reference page all come from here."""

from __future__ import annotations

from typing import Any

from agent.config.shapes import Boolean, Choice, Duration, Field, ListOf, MapOf, Number, Table, Text
from agent.limits import EXPRESSION_MOST, REPORT_DAYS, REPORT_DAYS_MOST
from agent.schedule import expression_fault, zone_fault

NAME = Text(r"[a-z][a-z0-9-]{0,62}", "a name of lower-case letters, digits and hyphens that begins with a letter", 63)
VARIABLE = Text(r"[A-Za-z_][A-Za-z0-9_]{0,127}", "the name of a variable", 128)
TYPES = ("production", "staging", "development")

RETRIES_MOST = 5


def _policy(retries: int) -> dict[str, Field]:
    """What every step can say of its own failure."""
    return {
        "retries": Field(
            Number(0, RETRIES_MOST),
            "How often it is asked for again after its activity is known to have failed.",
            retries,
        ),
        "retry-after": Field(Duration(60), "The pause before the first retry; it doubles with each.", 900),
        "timeout": Field(Duration(60), "The step has failed when it takes longer. Without it the job's limit holds."),
        "on-failure": Field(
            Choice(("stop", "continue")),
            "stop: the run ends. continue: later steps run all the same, and the run fails at its end.",
            "stop",
        ),
    }


BACKUP = Table(
    {
        "live": Field(Boolean(), "Back up without holding requests; parts may not fit together.", default=False),
        "reuse-within": Field(Duration(), "Take a proved backup that is younger than this instead.", default=0),
        **_policy(retries=1),
    }
)

VARIABLES = MapOf(
    MapOf(Text(r"[^\x00]*", "text", 10_000), VARIABLE, most=100),
    Text(r"[a-z][a-z0-9-]*", "a group such as env", 40),
    most=10,
)

SOURCE_OPERATION = Table(
    {
        "name": Field(
            Text(what="the name of a source operation", most=200),
            "The operation's name in .upsun/config.yaml.",
            None,
            True,
        ),
        "variables": Field(
            VARIABLES, 'Variables for the operation, by group: { env = { NAME = "value" } }.', default={}
        ),
        "backup": Field(
            Choice(("required", "not-needed")),
            "Whether a backup must be proved in the same run before; not-needed suits throw-away environments.",
            default="required",
        ),
        **_policy(retries=0),
    }
)

STEP = Table(
    {
        "backup": Field(BACKUP, "Take a backup and prove it restorable."),
        "source-operation": Field(SOURCE_OPERATION, "Run a source operation and judge what came of it."),
    },
    one_of=True,
)

JOB = Table(
    {
        "schedule": Field(
            Text(what="a cron expression", most=EXPRESSION_MOST, rule=expression_fault),
            "Five cron fields, or @daily and the like; H stands for a value that is this job's own. "
            "Without it the job runs by hand only.",
        ),
        "timezone": Field(
            Text(what="a time zone", most=64, rule=zone_fault), "The zone of the schedule, such as Europe/Paris.", "UTC"
        ),
        "environment-types": Field(
            ListOf(Choice(TYPES)), "Where the job runs; elsewhere it does nothing.", ("production",)
        ),
        "catch-up": Field(
            Choice(("latest", "none")),
            "After downtime: run the latest missed slot within the grace, or none.",
            "latest",
        ),
        "misfire-grace": Field(Duration(60), "How late a run may begin.", 6 * 3600),
        "overlap": Field(
            Choice(("skip", "wait")), "A slot that comes while the previous run is in flight: skip it or wait.", "skip"
        ),
        "timeout": Field(Duration(600), "A run that is not over by then has failed.", 12 * 3600),
        "suspend-after": Field(
            Number(0, 100),
            "Suspend the job after this many failed runs in a row, until `upsun-agent resume`; 0 never does.",
            0,
        ),
        "steps": Field(ListOf(STEP, most=20, distinct=False), "What to do, in this order.", None, True),
    }
)

AGENT = Table(
    {
        "state": Field(
            Text(r"/[^\x00-\x1f\x7f]*", "an absolute path", 1000), "A writable directory on a persistent mount."
        ),
        "token-variable": Field(VARIABLE, "The variable that holds the API token.", "UPSUN_CLI_TOKEN"),
        "keep-bearers": Field(
            Boolean(), "Keep the bearer between ticks, encrypted with a key derived from the API token.", False
        ),
        "max-token-age": Field(
            Duration(86400, 3650 * 86400), "`token check` and `check` warn about an older API token.", 180 * 86400
        ),
    }
)

REPORT = Table(
    {
        "publish": Field(
            Text(r"/[^\x00-\x1f\x7f]*", "an absolute path", 1000),
            "A directory on a mount: a tick that opened or closed a run writes a page there (index.html).",
        ),
        "days": Field(Number(1, REPORT_DAYS_MOST), "How many days that page shows.", REPORT_DAYS),
        "metrics": Field(
            Boolean(), "Write metrics in the format of Prometheus there too (metrics.txt).", default=False
        ),
    }
)

JOB_FILE = Table(
    {
        "agent": Field(AGENT, "Settings of the agent itself.", {}),
        "report": Field(REPORT, "A page about the jobs, for a web location to serve.", {}),
        "jobs": Field(MapOf(JOB, NAME, least=1), "The jobs, by name.", None, True),
    }
)


def json_schema() -> dict[str, Any]:
    """The job file as JSON Schema; ``docs/agent.schema.json`` is this, checked in."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "upsun-agent job file (.upsun/agent.toml)",
        **JOB_FILE.schema(),
    }
