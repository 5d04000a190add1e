"""What a job file may hold, said once: validation, JSON Schema and the reference page all come from here."""

from __future__ import annotations

from typing import Any

from upsun_agent.config.state_location import API_HOSTS, PAGE, SECRET_VARIABLE, STATE, VARIABLE
from upsun_agent.config.validators import Boolean, Choice, Duration, Either, Field, ListOf, MapOf, Number, Table, Text
from upsun_agent.engine.windows import DAYS, dates_fault
from upsun_agent.limits import COMMAND_MOST, EXPRESSION_MOST, ID_MOST, PAGE_MOST, REPORT_DAYS, REPORT_DAYS_MOST
from upsun_agent.model.ids import id_fault, name_fault, place_fault
from upsun_agent.schedule import expression_fault, zone_fault

NAME = Text(r"[a-z][a-z0-9-]{0,62}", "a name of lower-case letters, digits and hyphens that begins with a letter", 63)
TYPES = ("production", "staging", "development")

RETRIES_MOST = 5

ENVIRONMENT = Text(r"[^\s\x00-\x1f\x7f]+", "the id of an environment", ID_MOST, rule=place_fault)
NEW_ENVIRONMENT = Text(ENVIRONMENT.pattern, ENVIRONMENT.what, ID_MOST, rule=id_fault)
WINDOW = Text(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", "a window of the day such as 22:00-05:00", 11)
DAYS_OF_WEEK = ListOf(Choice(DAYS))
DATES = Text(
    r"\d{4}-\d\d-\d\d(/\d{4}-\d\d-\d\d)?", "a date such as 2026-12-24, or two with / between", 21, rule=dates_fault
)


def _policy(retries: int, retry_after: int = 900) -> dict[str, Field]:
    """What every step can say: where it works, whether it runs, and what its failure leads to."""
    return {
        "environment": Field(
            ENVIRONMENT, 'The environment it works on; "." is the one that the agent runs on, as is leaving it out.'
        ),
        "when": Field(
            Choice(("always", "updated")),
            "updated: leave the step out of a run in which no earlier step made a commit.",
            "always",
        ),
        "retries": Field(
            Number(0, RETRIES_MOST),
            "How often it is asked for again after it is known to have failed.",
            retries,
        ),
        "retry-after": Field(Duration(60), "The pause before the first retry; it doubles with each.", retry_after),
        "timeout": Field(Duration(60), "The step has failed when it takes longer. Without it the job's limit holds."),
        "on-failure": Field(
            Choice(("stop", "continue")),
            "stop: the run ends. continue: later steps run all the same, and the run fails at its end.",
            "stop",
        ),
    }


PROOF = Field(
    Choice(("required", "not-needed")),
    "Whether a backup must be proved in the same run before; not-needed suits throw-away environments.",
    default="required",
)

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
            Text(what="the name of a source operation", most=200, rule=name_fault),
            "The operation's name in .upsun/config.yaml.",
            None,
            True,
        ),
        "variables": Field(
            VARIABLES, 'Variables for the operation, by group: { env = { NAME = "value" } }.', default={}
        ),
        "backup": PROOF,
        **_policy(retries=0),
    }
)

SYNC = Table(
    {
        "code": Field(Boolean(), "Merge the parent's code into the environment.", default=False),
        "data": Field(Boolean(), "Replace the environment's data with the parent's.", default=False),
        "resources": Field(Boolean(), "Set the parent's resources.", default=False),
        "rebase": Field(Boolean(), "Rebase the code instead of merging it.", default=False),
        **_policy(retries=1),
    }
)

MERGE = Table(
    {
        "into": Field(
            ENVIRONMENT, 'The parent that is meant; "." is the environment that the agent runs on.', None, True
        ),
        "backup": PROOF,
        **_policy(retries=0),
    }
)

BRANCH = Table(
    {
        "name": Field(NEW_ENVIRONMENT, "The new environment's id.", None, True),
        "title": Field(Text(most=200), "Its title; without one it is the id."),
        "type": Field(Choice(("development", "staging")), "Its type; without one the platform chooses."),
        "data": Field(Boolean(), "Clone the parent's data into it.", default=True),
        **_policy(retries=0),
    }
)

SWITCH = Table(_policy(retries=1))

DEPLOY = Table(
    {
        "strategy": Field(Choice(("stopstart", "rolling")), "rolling: without downtime, where it can.", "stopstart"),
        "backup": PROOF,
        **_policy(retries=0),
    }
)

RESTORE = Table(
    {
        "allow-restore": Field(
            Boolean(), "Must be true: what was written since the backup is lost.", default=False, required=True
        ),
        "backup": Field(
            Text(most=ID_MOST, rule=name_fault), "The backup's id; without one it is the one that this run proved."
        ),
        "code": Field(Boolean(), "Put back the built app and its variables too, not the data only.", default=True),
        "resources": Field(Boolean(), "Put back the resources too.", default=False),
        **_policy(retries=0),
    }
)

RUNTIME_OPERATION = Table(
    {
        "app": Field(Text(most=200, rule=name_fault), "The app or worker that defines it.", None, True),
        "name": Field(Text(most=200, rule=name_fault), "The operation's name.", None, True),
        "parameters": Field(ListOf(Text(r"[^\x00]*", most=1000), distinct=False), "Its parameters.", ()),
        **_policy(retries=0),
    }
)

TASK = Table(
    {
        "name": Field(Text(most=200, rule=name_fault), "The task's name in .upsun/config.yaml.", None, True),
        "variables": Field(VARIABLES, 'Variables for the task, by group: { env = { NAME = "value" } }.', default={}),
        **_policy(retries=0),
    }
)

COMMAND = Table(
    {
        "run": Field(
            ListOf(Text(r"[^\x00]*", most=10_000), distinct=False),
            'The command and its arguments: ["php", "task.php"].',
        ),
        "shell": Field(Text(r"[^\x00]+", most=10_000), "Or a text for /bin/sh -e."),
        "directory": Field(
            Text(r"/[^\x00-\x1f\x7f]*", "an absolute path", 1000), "Where it runs; else the tick's own."
        ),
        "variables": Field(MapOf(Text(r"[^\x00]*", most=10_000), VARIABLE, most=100), "Variables set for it.", {}),
        "keep-variables": Field(
            ListOf(SECRET_VARIABLE, least=0), "Variables that it gets though they hold the token.", ()
        ),
        "within": Field(Duration(1, COMMAND_MOST), "It is killed after this long.", 30),
        "success": Field(ListOf(Number(0, 255)), "Exit codes that mean success.", (0,)),
        "repeatable": Field(Boolean(), "It may be run again where it is not known how far it came.", default=False),
        "changes": Field(Boolean(), "false: it only looks, so there is nothing of it to take back.", default=True),
        **_policy(retries=0),
    }
)

HTTP_CHECK = Table(
    {
        "url": Field(PAGE, "The page to look at."),
        "path": Field(Text(r"/[^\s\x00-\x1f\x7f]*", "a path", 2000), "Or its path on the environment's primary route."),
        "status": Field(ListOf(Number(100, 599)), "The statuses that are right.", (200,)),
        "contains": Field(Text(r"[^\x00]+", most=1000), "A text that the page must hold."),
        "within": Field(Duration(1, PAGE_MOST), "How long it may take.", 10),
        **_policy(retries=2, retry_after=60),
    }
)

WAIT = Table(
    {
        "window": Field(WINDOW, "Until this window of the day is open, in the job's zone."),
        "days": Field(DAYS_OF_WEEK, "On these days of the week only.", ()),
        "for": Field(Duration(1), "Or for this long."),
        **_policy(retries=0),
    }
)

APPROVAL = Table(
    {
        "within": Field(Duration(60), "The run fails where nobody approves it by then.", 86400),
        "message": Field(Text(most=200), "What is to be approved, for those who are asked."),
        **_policy(retries=0),
    }
)

STEP = Table(
    {
        "backup": Field(BACKUP, "Take a backup and prove it restorable."),
        "source-operation": Field(SOURCE_OPERATION, "Run a source operation and judge what came of it."),
        "sync": Field(SYNC, "Copy code, data or resources of the parent into an environment."),
        "merge": Field(MERGE, "Merge an environment into its parent and judge what came of it."),
        "branch": Field(BRANCH, "Make a new environment from another one."),
        "activate": Field(SWITCH, "Activate an inactive environment."),
        "pause": Field(SWITCH, "Pause an environment."),
        "resume": Field(SWITCH, "Resume a paused environment."),
        "redeploy": Field(SWITCH, "Deploy again what is there."),
        "deploy": Field(DEPLOY, "Deploy what is staged, under the manual deployment type."),
        "restore": Field(RESTORE, "Put an environment back to a backup."),
        "runtime-operation": Field(RUNTIME_OPERATION, "Run a runtime operation of an app."),
        "task": Field(TASK, "Run a task, where the project has it."),
        "command": Field(COMMAND, "Run a command in this container, within the time of a tick."),
        "http-check": Field(HTTP_CHECK, "Look whether a page answers as it should."),
        "wait": Field(WAIT, "Wait for a window of the day, or for a length of time."),
        "approval": Field(APPROVAL, "Wait until somebody approves: upsun-agent approve RUN."),
    },
    one_of=True,
)

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
        "when": Field(
            WHEN, "Conditions; a slot that does not fulfil them is skipped. Runs by hand pass them over.", {}
        ),
        "notify": Field(NOTICES, "Who is told of this job, and of what; see docs/notifications.md."),
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
        "token-variable": Field(SECRET_VARIABLE, "The variable that holds the API token.", "UPSUN_CLI_TOKEN"),
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
    """The job file as JSON Schema; ``docs/agent.schema.json`` is this, checked in."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "upsun-agent job file (.upsun/agent.toml)",
        **JOB_FILE.schema(),
    }
