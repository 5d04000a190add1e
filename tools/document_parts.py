"""The parts that several documents are made of."""

from __future__ import annotations

from typing import get_args

from upsun_agent.cli.history import OUTCOMES
from upsun_agent.engine.fold import Phase
from upsun_agent.model import events as ev

from tools.schema_words import (
    BOOLEAN,
    INTEGER,
    MOMENT,
    SECONDS,
    SLOT_NAME,
    TEXT,
    Schema,
    many,
    maybe,
    part,
    shape,
    told,
)

OUTCOME: Schema = {"enum": [word for word in OUTCOMES if word != "in-flight"]}

RUN_KEYS: dict[str, Schema] = {
    "run": told(TEXT, "The run's id."),
    "job": TEXT,
    "environment": TEXT,
    "slot": maybe(SLOT_NAME),
    "trigger": {"enum": list(get_args(ev.Trigger))},
    "due_at": MOMENT,
    "opened_at": MOMENT,
    "closed_at": maybe(MOMENT),
    "duration_s": told(maybe(SECONDS), "From opening to closing; null in flight, and for a run that never ran."),
    "state": {"enum": ["open", "closed"]},
    "outcome": maybe(OUTCOME),
    "slots": told(INTEGER, "How many slots the run stands for: those missed or left out together are one run."),
    "failure": told(maybe(TEXT), "The stable kind of what went wrong."),
    "message": TEXT,
    "remedy": TEXT,
    "waits_on": maybe(TEXT),
    "warnings": many(TEXT),
    "taking_back": told(BOOLEAN, "Whether a step failed after a change, so that on-failure steps run, or ran."),
    "steps": many(part("step")),
}
ROW_KEYS = {
    key: RUN_KEYS[key]
    for key in ("run", "job", "slot", "due_at", "opened_at", "closed_at", "duration_s", "outcome", "slots")
}
EXIT_CODE = told(INTEGER, "The exit code of the command.")

PARTS: dict[str, Schema] = {
    "remark": shape("What should be put right, and what helps.", message=TEXT, remedy=TEXT),
    "run": shape("A run as it stands.", **RUN_KEYS),
    "row": shape("A run in a few words.", **ROW_KEYS),
    "step": shape(
        "A step of a run. When it began and ended is said where the run's events were read.",
        ("began_at", "ended_at", "duration_s"),
        step=told(INTEGER, "Counted from 1."),
        kind=TEXT,
        environment=told(TEXT, "The environment that it works on."),
        on_failure=told(BOOLEAN, "Whether it is a step of taking back."),
        phase={"enum": list(get_args(Phase))},
        outcome=maybe({"enum": list(get_args(ev.StepOutcome))}),
        failure=maybe(TEXT),
        message=TEXT,
        activity=told(maybe(TEXT), "The id of the platform's activity."),
        attempts=INTEGER,
        detail={"type": "object", "description": "The evidence, by kind of step: a proved backup, a commit."},
        began_at=MOMENT,
        ended_at=maybe(MOMENT),
        duration_s=maybe(SECONDS),
    ),
    "event": {
        "type": "object",
        "description": "An event of a run; its keys by kind are in events.md.",
        "properties": {"kind": {"enum": list(ev.EVENTS)}, "at": MOMENT},
        "required": ["kind", "at"],
    },
    "slot": shape("A coming slot.", slot=SLOT_NAME, due_at=MOMENT, in_s={"type": "number"}),
    "proof": shape(
        "The last backup that a run proved restorable.",
        backup=told(TEXT, "Its name."),
        environment=TEXT,
        run=told(TEXT, "The run that proved it."),
        created_at=MOMENT,
        proved_at=MOMENT,
        age_s=told(SECONDS, "Since it was created."),
    ),
    "token": shape(
        "An API token as listed, without its value.",
        id=TEXT,
        name=TEXT,
        created_at=maybe(MOMENT),
        last_used_at=maybe(MOMENT),
        mfa_on_creation=maybe(BOOLEAN),
    ),
    "request": {"type": "object", "description": "A request that reached the simulator."},
    "error": shape(
        "What every command prints instead where it fails; see exit-codes.md.",
        error=shape(
            "",
            kind=told(TEXT, "The error's stable name."),
            message=TEXT,
            remedy=TEXT,
            exit_code=EXIT_CODE,
        ),
    ),
}
