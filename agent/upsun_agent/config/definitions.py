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
            "Only on these branches; * and ? stand for anything.",
            (),
        ),
        "window": Field(WINDOW, "Only slots within this window of the day, in the job's zone."),
        "days": Field(DAYS_OF_WEEK, "Only on these days of the week.", ()),
        "not-on": Field(ListOf(DATES), "Not on these dates, or from one to another: 2026-12-20/2027-01-03.", ()),
        "once-a-day": Field(Boolean(), "Not again on a day on which the job succeeded.", default=False),
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
        "when": Field(
            WHEN, "Conditions; a slot that does not fulfil them is skipped. Runs by hand pass them over.", {}
        ),
        "notify": Field(NOTICES, "Who is told of this job, and of what; see docs/how-to/notifications.md."),
        "steps": Field(ListOf(STEP, most=20, distinct=False), "What to do, in this order.", None, True),
        "on-failure": Field(
            ListOf(STEP, most=10, distinct=False),
            "What to do, once, after a step failed that came after a change: each on an environment that was changed.",
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
            API_HOSTS, "Hosts that may get the token besides the platform's; http:// allows no TLS.", ()
        ),
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
        "notify": Field(MapOf(CHANNEL, NAME, most=20), "The channels on which the agent tells, by name.", {}),
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
