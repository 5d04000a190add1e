"""A page for each kind of step in docs/reference/steps/: what it does, an example, its keys, when it is done.

All of it comes from the kinds themselves.
"""

from __future__ import annotations

from upsun_agent.steps import KINDS
from upsun_agent.steps.common.keys import table
from upsun_agent.validators import Table


def example(kind: str) -> str:
    """Return a whole job file with one job that has the step."""
    docs = KINDS[kind].docs
    parts = ['[jobs.example]\nschedule = "H 3 * * *"\n']
    parts += [f"[[jobs.example.steps]]\n{step}\n" for step in docs.example]
    parts += [f"[[jobs.example.on-failure]]\n{step}\n" for step in docs.rollback]
    return "\n".join(parts)


def page(kind: str, keys: str) -> str:
    """Return the page of one kind; ``keys`` is the table of its keys."""
    described = KINDS[kind]
    docs = described.docs
    parts = [f"# `{kind}`", "", docs.about, "", *([docs.notes, ""] if docs.notes else [])]
    parts += ["```toml", example(kind).rstrip(), "```", "", "## When it is done", "", docs.done, ""]
    if described.way == "request":
        told = f"The link `{described.link}` of the environment tells" if described.link else "No link tells"
        parts += [f"Its activity is of the type `{described.activity_type}`. {told} whether it is allowed.", ""]
    if docs.failures or described.retryable:
        parts += ["## What can go wrong", "", "| failure | what it means |", "| --- | --- |"]
        parts += [f"| `{name}` | {text} |" for name, text in docs.failures.items()]
        if described.way == "request":
            parts += ["| `activity-failed`, `activity-cancelled` | Its activity ended so. |"]
        again = ", ".join(f"`{name}`" for name in sorted(described.retryable)) or "nothing"
        parts += ["", f"Tried again, where `retries` allows it, after: {again}. The rest is in"]
        parts += ["[When something fails](../../concepts/failure.md).", ""]
    return "\n".join([*parts, "## Keys", "", keys])


def index() -> str:
    """Return the page that lists them."""
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
    parts += [f"| [`{name}`](steps/{name}.md) | {kind.docs.about} |" for name, kind in KINDS.items()]
    parts += ["", "A whole pipeline: [Update on staging, then promote](../how-to/pipelines.md).", ""]
    return "\n".join(parts)


def table_of(kind: str) -> Table:
    """Return the keys of a kind."""
    return table(KINDS[kind].settings_type)
