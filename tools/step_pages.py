"""A page for each kind of step under docs/steps/: what it does, an example, its keys, and how it is known to be done.

The keys come from the code; the prose is here. A test holds that every kind has a page and that every example is valid.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from upsun_agent.config.definitions import STEP
from upsun_agent.config.validators import Table
from upsun_agent.steps import KINDS


@dataclass(frozen=True)
class Prose:
    """What is said of one kind: what it is for, an example's steps, how it ends, and its own failures."""

    about: str
    example: str
    done: str
    failures: dict[str, str] = field(default_factory=dict)
    back: str = ""


UPDATED = 'backup = {}\n\n[[jobs.example.steps]]\nsource-operation = { name = "update" }\n\n[[jobs.example.steps]]\n'

PROSE: dict[str, Prose] = {
    "backup": Prose(
        "Takes a backup and proves it. By default it is a safe one, for which the platform holds requests for 15 to 30 "
        "seconds; `live` does not, and its parts may not fit together. A backup that is running already, began after "
        "the slot and is as safe as wanted is taken as this step's own. `reuse-within` takes a proved backup that is "
        "young enough instead.\n\n"
        "**Each backup is a manual one, and the platform keeps only so many of them** for each type of environment. "
        "Where that many are there, a new one replaces the oldest, whoever took it: a job that backs up every night "
        "pushes out within days what your people took by hand. `upsun-agent check` warns where that is about to "
        "happen. Take fewer with `reuse-within`, or let the project keep more (project settings, backup retention); "
        "automated backups do not count.",
        'backup = { reuse-within = "1h" }',
        "Its activity succeeded and names a backup; that backup exists, is restorable, has the status `CREATED`, "
        "belongs to the environment, and is newer than the request.",
        {
            "proof-failed": "The backup is not restorable, of another environment, or too old.",
            "backup-unnamed": "The activity succeeded but names no backup.",
            "would-evict": "Another backup would take the place of the only good manual one.",
        },
    ),
    "source-operation": Prose(
        "Runs a source operation of the app: it works on a checkout of the branch, commits, and the commit "
        "is built and "
        "deployed. The run's id is passed as the variable `UPSUN_AGENT_RUN`. It needs a backup step on the same "
        'environment before it, unless it says `backup = "not-needed"`.',
        'backup = {}\n\n[[jobs.example.steps]]\nsource-operation = { name = "update", variables = { env = { CHANNEL = '
        '"stable" } } }',
        "Its activity succeeded, and either the head did not move and no push came of it (`nothing-to-do`), or the "
        "commit is live, or staged where the project deploys manually.",
        {
            "no-proved-backup": "No backup of the environment was proved in this run.",
            "deployment-failed": "The commit was made, but its deployment failed.",
            "deployment-missing": "The commit was made, but no deployment followed within half an hour.",
        },
    ),
    "sync": Prose(
        "Copies code, data or resources of the parent into an environment, over what is there. It has to name the "
        "environment: a sync replaces data.",
        'sync = { environment = "staging", code = true, data = true }',
        "Its activity, which includes the deployment that it causes, succeeded.",
        {"no-parent": "The environment has no parent."},
    ),
    "merge": Prose(
        "Merges an environment into its parent, which is built and deployed. `environment` is the child, `into` the "
        "parent that is meant: where the platform says that the parent is another one, nothing is merged. It needs a "
        'backup step on the parent before it, unless it says `backup = "not-needed"`. Where an integration fetches '
        "branches, the platform cannot merge.",
        'backup = { environment = "." }\n\n[[jobs.example.steps]]\nmerge = { environment = "staging", into = "." }',
        "Its activity succeeded, and either the parent's head did not move (`nothing-to-do`), or the merge is live on "
        "the parent, or staged.",
        {
            "wrong-parent": "The environment's parent is not the one that is meant.",
            "no-proved-backup": "No backup of the parent was proved in this run.",
        },
    ),
    "branch": Prose(
        "Makes a new environment from another one, with its data or without. One that is there already is left as it "
        "is: `nothing-to-do`.",
        'branch = { environment = ".", name = "update-trial", type = "development" }',
        "Its activity succeeded and the new environment is there.",
    ),
    "activate": Prose(
        "Activates an inactive environment. An active one is left alone: `nothing-to-do`.",
        'activate = { environment = "staging" }',
        "Its activity succeeded and the environment is active.",
        {"wrong-status": "The activity succeeded, but the environment is in another state."},
    ),
    "pause": Prose(
        "Pauses an environment: it uses no resources until it is resumed, and loses nothing.",
        'pause = { environment = "staging" }',
        "Its activity succeeded and the environment is paused.",
        {"wrong-status": "The activity succeeded, but the environment is in another state."},
    ),
    "resume": Prose(
        "Resumes a paused environment. An active one is left alone: `nothing-to-do`.",
        'resume = { environment = "staging" }',
        "Its activity succeeded and the environment is active.",
        {"wrong-status": "The activity succeeded, but the environment is in another state."},
    ),
    "redeploy": Prose(
        "Deploys again what is there: changed variables take effect, paused crons run again. The deploy hook does not "
        "run, the post-deploy hook does.",
        "redeploy = {}",
        "Its activity succeeded, and the environment says that its last deployment did.",
        {"deployment-failed": "The environment says that its last deployment failed."},
    ),
    "deploy": Prose(
        "Deploys what is staged, where the project deploys manually. Where nothing is staged it has `nothing-to-do`. "
        'It needs a backup step on the same environment before it, unless it says `backup = "not-needed"`.',
        f'{UPDATED}deploy = {{ strategy = "rolling" }}',
        "Its activity succeeded and nothing is staged any more.",
        {
            "still-staged": "The activity succeeded, but something is still staged.",
            "deployment-failed": "The environment says that its last deployment failed.",
        },
    ),
    "restore": Prose(
        "Puts an environment back to the backup that this run proved, or to the one that `backup` names. **What was "
        "written since is lost**, so it must say `allow-restore = true`; the window that is lost stands in the run's "
        "message, in the log and in notifications. A restore puts back data, the built app and its variables, but not "
        "Git: a source operation that reverts the commit belongs before it. It is meant for `on-failure`.",
        f"{UPDATED}http-check = {{}}",
        "The backup is there and restorable, and the activity succeeded. A restore of the environment that the agent "
        "runs on puts its state back too: the run is then closed as `rewound` in a new journal.",
        {
            "no-proved-backup": "No backup of the environment was proved in this run, and none is named.",
            "backup-gone": "The backup is not there any more.",
            "backup-unfit": "The backup is not restorable, or of another environment.",
        },
        "restore = { allow-restore = true }",
    ),
    "runtime-operation": Prose(
        "Runs an operation that the app defines under `operations`, in its running container. It suits what takes "
        "longer than a `command` may.",
        'runtime-operation = { app = "app", name = "clear-cache" }',
        "Its activity succeeded: the command ended with exit code 0.",
    ),
    "task": Prose(
        "Runs a task of the project in a container of its own. Tasks are a prerelease of the platform: where the "
        "project has none, the step fails with `not-found`.",
        'task = { name = "migrate", variables = { env = { DRY_RUN = "1" } } }',
        "Its activity succeeded.",
    ),
    "command": Prose(
        "Runs a command in the container that the tick runs in: no shell unless `shell` is used, at most 45 "
        "seconds, in "
        "a session of its own. When it has ended, when its time is up, and when the tick ends in any way, everything "
        "that it started is ended too: background processes, daemons, and what they started. What it has started by "
        "another service (SSH, a cron, a supervisor of services) is not. It gets no variable that holds the API token, "
        "under any name, within a longer value or in base64, unless `keep-variables` names it. The end of its "
        "output (4,000 bytes) is kept in the journal, without secrets. `UPSUN_AGENT_RUN`, `UPSUN_AGENT_JOB` and "
        "`UPSUN_AGENT_BACKUP` tell it about the run.",
        'command = { run = ["php", "bin/console", "app:warm-up"], within = "40s", repeatable = true }',
        "Its exit code is one of `success`.",
        {
            "command-failed": "Another exit code; the message ends with its last words.",
            "command-timeout": "It was killed at its time limit.",
            "interrupted": "The tick was killed meanwhile, so nobody knows how far it came, and it is not "
            "`repeatable`.",
        },
    ),
    "http-check": Prose(
        "Asks for a page: `url`, or `path` on the environment's primary route. The request carries no token, "
        "follows no "
        "redirect, and has one time limit for everything. It is tried again as `retries` and `retry-after` say (twice, "
        "a minute apart).",
        'http-check = { path = "/health", contains = "ok", within = "5s", retries = 3 }',
        "The status is one of `status`, in time, and the body holds the text.",
        {
            "check-failed": "Another status, no answer in time, or the text is missing, after all retries.",
            "no-route": "The environment has no route that leads to an app.",
        },
    ),
    "wait": Prose(
        "Lets time pass: until a window of the day is open in the job's zone, or for a length of time. The run's time "
        "limit does not count it.",
        'wait = { window = "22:00-05:00", days = ["mon", "tue", "wed", "thu"] }\n\n[[jobs.example.steps]]\nbackup = {}',
        "The window is open, or the time has passed.",
    ),
    "approval": Prose(
        "Waits until somebody says yes with `upsun-agent approve RUN`, or no with `--deny`. Who it was is kept.",
        'approval = { within = "8h", message = "promote to production" }\n\n[[jobs.example.steps]]\nbackup = {}',
        "Somebody approved it.",
        {"denied": "Somebody said no.", "not-approved": "Nobody said anything in time."},
    ),
}


def example(kind: str) -> str:
    """A whole job file with one job that has the step."""
    prose = PROSE[kind]
    back = f"\n[[jobs.example.on-failure]]\n{prose.back}\n" if prose.back else ""
    return f'[jobs.example]\nschedule = "H 3 * * *"\n\n[[jobs.example.steps]]\n{prose.example}\n{back}'


def page(kind: str, keys: str) -> str:
    """The page of one kind; ``keys`` is the table of its keys."""
    prose, described = PROSE[kind], KINDS[kind]
    parts = [f"# `{kind}`", "", STEP.fields[kind].doc, "", prose.about, ""]
    parts += ["```toml", example(kind).rstrip(), "```", "", "## When it is done", "", prose.done, ""]
    if described.way == "request":
        link = (
            f"offered as the link `{described.link}`" if described.link and kind != "restore" else "not told by a link"
        )
        parts += [f"Its activity is of the type `{described.activity_type}`; whether it is allowed is {link}.", ""]
    if prose.failures or described.retryable:
        parts += ["## What can go wrong", "", "| failure | what it means |", "| --- | --- |"]
        parts += [f"| `{name}` | {text} |" for name, text in prose.failures.items()]
        if described.way == "request":
            parts += ["| `activity-failed`, `activity-cancelled` | Its activity ended so. |"]
        again = ", ".join(f"`{name}`" for name in sorted(described.retryable)) or "nothing"
        parts += ["", f"Tried again, where `retries` allows it, after: {again}. The rest is in"]
        parts += ["[When something fails](../failure.md).", ""]
    return "\n".join([*parts, "## Keys", "", keys])


def index() -> str:
    """The page that lists them."""
    parts = [
        "# Steps",
        "",
        "A job does its steps in order. Every step works on the environment that the agent runs on, unless",
        "`environment` names another one of the project; once a job names another one, every step has to say which it",
        "means.",
        "",
        "| step | what it does |",
        "| --- | --- |",
    ]
    parts += [f"| [`{kind}`](steps/{kind}.md) | {field.doc} |" for kind, field in STEP.fields.items()]
    parts += ["", "A whole pipeline: [Update where it is safe, then promote](pipelines.md).", ""]
    return "\n".join(parts)


def table_of(kind: str) -> Table:
    """The keys of a kind."""
    shape = STEP.fields[kind].shape
    if not isinstance(shape, Table):
        raise TypeError(f"{kind} is no table")
    return shape
