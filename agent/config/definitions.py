"""What a job file may hold, said once: validation, JSON Schema and the reference page all come from here."""

from __future__ import annotations

from typing import Any

from agent.config.shapes import Boolean, Choice, Duration, Either, Field, ListOf, MapOf, Number, Table, Text
from agent.limits import EXPRESSION_MOST
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

#: A variable that holds a URL or a secret: these never stand in the job file itself (promise P5).
SECRET_VARIABLE = Text(
    VARIABLE.pattern,
    VARIABLE.what,
    VARIABLE.most,
    remedy="store what is secret as a variable of the environment (upsun variable:create) and name that here",
)
ADDRESS = Text(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,8}", "an e-mail address", 254
)
URL_VARIABLE = Field(SECRET_VARIABLE, "The variable that holds the URL, which is a secret.", None, True)

HEALTHCHECKS = Table(
    {
        "url-variable": URL_VARIABLE,
        "per-job": Field(
            Boolean(), "The URL ends with a ping key: each job pings a check of its own name below it.", default=False
        ),
    }
)
WEBHOOK = Table(
    {
        "url-variable": URL_VARIABLE,
        "secret-variable": Field(SECRET_VARIABLE, "The variable that holds the secret which signs; none: unsigned."),
    }
)
SLACK = Table({"url-variable": URL_VARIABLE})
EMAIL = Table(
    {
        "to": Field(ListOf(ADDRESS, most=20), "Who gets the mail.", None, True),
        "from": Field(ADDRESS, "Whose mail it is: an address of a domain that is yours.", None, True),
    }
)
CHANNEL = Table(
    {
        "healthchecks": Field(HEALTHCHECKS, "Ping the start and the end of every run, as healthchecks.io takes it."),
        "webhook": Field(WEBHOOK, "Post JSON, signed as Standard Webhooks."),
        "slack": Field(SLACK, "Post to an incoming webhook of Slack, or of what is compatible."),
        "email": Field(EMAIL, "Send mail through PLATFORM_SMTP_HOST."),
    },
    one_of=True,
    noun="channel",
)
MOMENTS = ("failed", "missed", "recovered", "succeeded", "suspended")
NOTICES = Table(
    {
        "on": Field(
            ListOf(Choice(MOMENTS), least=0),
            "What messages are about; [] for none. Pings of healthchecks tell every start and end.",
            None,
        ),
        "to": Field(ListOf(NAME, least=0), "The channels that are told, by name; without it all of them."),
    }
)
HEARTBEAT = Table(
    {
        "url-variable": URL_VARIABLE,
        "every": Field(Duration(300, 7 * 86400), "How often a tick pings it.", 3600),
    }
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
        "notify": Field(NOTICES, "Who is told of this job, and of what; see docs/notifications.md."),
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
        "notify": Field(NOTICES, "Who is told of every job that does not say otherwise, and of what."),
        "heartbeat": Field(HEARTBEAT, "A dead-man's switch: ticks ping this URL, so that silence is noticed."),
        "log-file": Field(
            Either(Boolean(), Text(r"/[^\x00-\x1f\x7f]*", "true, false or an absolute path", 1000)),
            "Also write the log to a file: true for agent.log in the state directory, or an absolute path.",
            default=False,
        ),
    }
)

JOB_FILE = Table(
    {
        "agent": Field(AGENT, "Settings of the agent itself.", {}),
        "notify": Field(MapOf(CHANNEL, NAME, most=20), "The channels on which the agent tells, by name.", {}),
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
