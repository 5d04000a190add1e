"""What a job file may hold, said once: validation, JSON Schema and the reference page all come from here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from upsun_agent.config.state_location import API_HOSTS, STATE
from upsun_agent.cron_expression import expression_fault
from upsun_agent.engine.windows import dates_fault
from upsun_agent.limits import EXPRESSION_MOST, ID_MOST, REPORT_DAYS, REPORT_DAYS_MOST
from upsun_agent.model.events import EventType
from upsun_agent.schedule import zone_fault
from upsun_agent.steps import KINDS
from upsun_agent.steps.common.keys import table
from upsun_agent.validators import (
    DAYS_OF_WEEK,
    SECRET_VARIABLE,
    WINDOW,
    Boolean,
    Choice,
    Duration,
    Either,
    Field,
    ListOf,
    MapOf,
    Number,
    Table,
    Text,
)

NAME = Text(r"[a-z][a-z0-9-]{0,62}", "a name of lower-case letters, digits and hyphens that begins with a letter", 63)
TYPES = ("production", "staging", "development")

DATES = Text(
    r"\d{4}-\d\d-\d\d(/\d{4}-\d\d-\d\d)?", "a date such as 2026-12-24, or two with / between", 21, rule=dates_fault
)


class _Steps(Mapping[str, Field]):
    """The kinds of steps as the keys of a table. A kind is imported when somebody asks for it."""

    def __init__(self) -> None:
        self._known: dict[str, Field] = {}

    def __getitem__(self, name: str) -> Field:
        if name not in self._known:
            kind = KINDS[name]
            self._known[name] = Field(table(kind.settings_type), kind.docs.about)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(KINDS)

    def __len__(self) -> int:
        return len(KINDS)


STEP = Table(_Steps(), one_of=True)

WHEN = Table(
    {
        "branches": Field(
            ListOf(Text(r"[^\s\x00-\x1f\x7f]+", "a branch's name or a pattern", ID_MOST)),
            "Only on these branches; * and ? are wildcards.",
            (),
        ),
        "window": Field(WINDOW, "Only slots within this window of the day, in the job's zone."),
        "days": Field(DAYS_OF_WEEK, "Only on these days of the week.", ()),
        "not-on": Field(ListOf(DATES), "Not on these dates, or from one to another: 2026-12-20/2027-01-03.", ()),
        "once-a-day": Field(Boolean(), "Not on a day on which the job has already succeeded.", default=False),
    }
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
        "secret-variable": Field(
            SECRET_VARIABLE, "The variable that holds the signing secret. Without it messages are not signed."
        ),
    }
)
SLACK = Table({"url-variable": URL_VARIABLE})
EMAIL = Table(
    {
        "to": Field(ListOf(ADDRESS, most=20), "The recipients.", None, True),
        "from": Field(ADDRESS, "The sender: an address of a domain of yours.", None, True),
    }
)
CHANNEL = Table(
    {
        "healthchecks": Field(
            HEALTHCHECKS, "Ping at the start and the end of every run, as healthchecks.io expects it."
        ),
        "webhook": Field(WEBHOOK, "Post JSON, signed as Standard Webhooks."),
        "slack": Field(SLACK, "Post to an incoming webhook of Slack, or of a compatible service."),
        "email": Field(EMAIL, "Send mail through PLATFORM_SMTP_HOST."),
    },
    one_of=True,
    noun="channel",
)
MOMENTS = (
    EventType.FAILED,
    EventType.MISSED,
    EventType.RECOVERED,
    EventType.SUCCEEDED,
    EventType.SUSPENDED,
)
NOTICES = Table(
    {
        "on": Field(
            ListOf(Choice(MOMENTS), least=0),
            "The events to send messages about; [] for none. healthchecks is pinged at every start and end.",
            None,
        ),
        "to": Field(ListOf(NAME, least=0), "The channels to notify, by name. Default: all of them."),
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
            "Five cron fields, or an alias such as @daily; H stands for a value of this job's own. "
            "Without a schedule the job only runs manually.",
        ),
        "timezone": Field(
            Text(what="a time zone", most=64, rule=zone_fault),
            "The time zone of the schedule, such as Europe/Paris.",
            "UTC",
        ),
        "environment-types": Field(
            ListOf(Choice(TYPES)),
            "The environment types on which the job runs; elsewhere it does nothing.",
            ("production",),
        ),
        "catch-up": Field(
            Choice(("latest", "none")),
            "After downtime: run the latest missed slot that is within the grace period, or none.",
            "latest",
        ),
        "misfire-grace": Field(Duration(60), "How late a run may begin.", 6 * 3600),
        "overlap": Field(
            Choice(("skip", "wait")),
            "A slot that falls due while the previous run is in flight: skip it, or let it wait.",
            "skip",
        ),
        "timeout": Field(Duration(600), "A run that takes longer is marked failed.", 12 * 3600),
        "suspend-after": Field(
            Number(0, 100),
            "Suspend the job after this many failed runs in a row, until `upsun-agent resume`; 0 never does.",
            0,
        ),
        "when": Field(WHEN, "Conditions; a slot that does not meet them is skipped. Manual runs ignore them.", {}),
        "notify": Field(
            NOTICES, "Who is notified about this job, and of which events; see docs/how-to/notifications.md."
        ),
        "steps": Field(ListOf(STEP, most=20, distinct=False), "The steps, in this order.", None, True),
        "on-failure": Field(
            ListOf(STEP, most=10, distinct=False),
            "The rollback steps. They run once, after a failure, on environments that the run changed.",
            (),
        ),
    }
)

AGENT = Table(
    {
        "state": Field(
            STATE,
            "A writable directory on a persistent mount; or relationship:NAME, the project's PostgreSQL or MariaDB.",
        ),
        "token-variable": Field(
            SECRET_VARIABLE,
            "The variable that holds the API token; without it `UPSUN_CLI_TOKEN`, else `PLATFORMSH_CLI_TOKEN`.",
        ),
        "api-hosts": Field(
            API_HOSTS,
            "Hosts besides the platform's that may get the token; http:// allows a connection without TLS.",
            (),
        ),
        "keep-bearers": Field(
            Boolean(), "Keep the bearer between ticks, encrypted with a key derived from the API token.", False
        ),
        "max-token-age": Field(
            Duration(86400, 3650 * 86400), "`token check` and `check` warn about an older API token.", 180 * 86400
        ),
        "notify": Field(NOTICES, "Who is notified about every job that does not say otherwise, and of which events."),
        "heartbeat": Field(
            HEARTBEAT, "Ticks ping this URL, so that a monitor notices when they stop (a dead man's switch)."
        ),
        "log-file": Field(
            Either(Boolean(), Text(r"/[^\x00-\x1f\x7f]*", "true, false or an absolute path", 1000)),
            "Also write the log to a file: true for agent.log in the state directory, or an absolute path.",
            default=False,
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
        "notify": Field(MapOf(CHANNEL, NAME, most=20), "The notification channels, by name.", {}),
        "report": Field(REPORT, "A page about the jobs, for a web location to serve.", {}),
        "jobs": Field(MapOf(JOB, NAME, least=1), "The jobs, by name.", None, True),
    }
)


def json_schema() -> dict[str, Any]:
    """Return the job file as JSON Schema; ``docs/reference/agent.schema.json`` is this, checked in."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "upsun-agent job file (.upsun/agent.toml)",
        **JOB_FILE.schema(),
    }
