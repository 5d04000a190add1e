"""What every command prints with ``--json``, said once: output.schema.json and json.md in docs/reference/ come from it.

Tests hold every document that a command prints in them against these schemas. A key that is not here fails them.
"""

from __future__ import annotations

from typing import get_args

from upsun_agent.doctor import Level

from tools.document_parts import EXIT_CODE, OUTCOME, PARTS, ROW_KEYS, RUN_KEYS
from tools.schema_words import (
    BOOLEAN,
    INTEGER,
    MOMENT,
    SLOT_NAME,
    TEXT,
    Schema,
    keys_of,
    many,
    maybe,
    named,
    part,
    shape,
    told,
)

DOCUMENTS: dict[str, Schema] = {
    "tick": shape(
        "What the tick did.",
        runs=many(part("run"), "The runs that it touched."),
        elsewhere=many(TEXT, "Jobs that do not run on this type of environment."),
        trouble=many(shape("", kind=TEXT, message=TEXT, remedy=TEXT), "What stands in the way."),
        next_due=told(maybe(MOMENT), "When a tick must look closer; null for the next one."),
        exit_code=EXIT_CODE,
    ),
    "run": {
        "anyOf": [
            shape("The run as it stands.", **RUN_KEYS, exit_code=EXIT_CODE),
            shape("The journal of the run makes no sense.", run=TEXT, exit_code=EXIT_CODE),
            shape(
                "The job does not run on this type of environment.",
                run={"type": "null"},
                outcome={"const": "skipped"},
                failure={"const": "environment-type"},
            ),
        ]
    },
    "show": shape("A run and its events.", **RUN_KEYS, events=many(part("event"))),
    "status": {
        "anyOf": [
            shape(
                "How everything stands.",
                project=maybe(TEXT),
                environment=maybe(TEXT),
                environment_type=maybe(TEXT),
                state=told(TEXT, "Where the state is: a directory, or the name of a database."),
                unused=told(maybe(TEXT), "Why nothing acts on it, where it was moved."),
                at=told(MOMENT, "When this was seen."),
                last_tick=maybe(MOMENT),
                unsure_since=told(maybe(MOMENT), "Since when no tick could ask whether a restore put the state back."),
                ahead=told(many(TEXT), "What is later than now in the state, by a clock that was ahead."),
                ticks=told(INTEGER, "How many ticks there were on this state."),
                jobs=many(
                    shape(
                        "A job of the job file.",
                        job=TEXT,
                        paused=told(maybe(TEXT), "Why and since when it is paused by a person."),
                        suspended=told(maybe(TEXT), "Why and since when it is suspended by failures."),
                        here=told(BOOLEAN, "Whether it runs on this type of environment."),
                        schedule=maybe(TEXT),
                        timezone=TEXT,
                        next=maybe(part("slot")),
                        proved_backup=maybe(part("proof")),
                        runs=many(part("row"), "The newest, at most ten."),
                    )
                ),
                in_flight=many(part("run")),
                proved_backups=many(part("proof"), "The last one of each environment."),
            ),
            shape(
                "With --all: every journal in the same place.",
                state=TEXT,
                overdue=told(INTEGER, "How many have had no tick for too long."),
                journals=many(
                    shape(
                        "How one environment's app stands.",
                        project=TEXT,
                        environment=TEXT,
                        app=TEXT,
                        last_tick=maybe(MOMENT),
                        overdue=told(BOOLEAN, "Whether the environment's ticks have stopped."),
                        next_due=told(maybe(MOMENT), "When its next tick must look closer."),
                        in_flight=told(INTEGER, "Runs in flight."),
                        last_run=maybe(shape("", job=TEXT, opened_at=MOMENT, outcome=maybe(OUTCOME))),
                        proved_backup=maybe(shape("", backup=TEXT, at=told(MOMENT, "When it was proved."))),
                    )
                ),
            ),
        ]
    },
    "history": shape(
        "Runs of the past, newest first.",
        at=told(MOMENT, "When this was seen."),
        found=told(INTEGER, "How many there are; `runs` holds at most --limit of them."),
        runs=many(
            shape(
                "A run, why it ended so, and its steps.",
                **ROW_KEYS,
                **{key: RUN_KEYS[key] for key in ("failure", "message", "remedy", "steps")},
            )
        ),
    ),
    "next": shape(
        "Next slots by job.",
        timezones=named(TEXT),
        here=named(BOOLEAN, "Whether the job runs on this type of environment."),
        suspended=named(maybe(TEXT), "Why the job is paused or suspended: its slots will be skipped."),
        slots=named(many(part("slot"))),
    ),
    "why": shape(
        "Why a slot ran, waits, was skipped or missed.",
        job=TEXT,
        slot=SLOT_NAME,
        due_at=MOMENT,
        run=maybe(part("run")),
        explanation=TEXT,
    ),
    "report": shape(
        "What was written where.",
        at=told(MOMENT, "When the journal was read."),
        written=many(
            shape(
                "",
                kind={"enum": ["html", "prometheus", "otlp"]},
                to=told(TEXT, "The file, or the host of the collector."),
                bytes=told(maybe(INTEGER), "The size of the file."),
                items=told(INTEGER, "Runs (with --all: environments) on the page, or samples of metrics."),
            )
        ),
    ),
    "approve": part("run"),
    "cancel": part("run"),
    "logs": shape(
        "The log of a run.",
        run=TEXT,
        lines=many({"type": "object"}, "Its own log lines; their keys are in logs.md."),
        activities=many(
            shape(
                "With --platform: the platform's log of an activity.",
                step=INTEGER,
                activity=TEXT,
                sealed=told(BOOLEAN, "Whether that is all of it."),
                lines=many(TEXT),
                error=maybe(shape("", kind=TEXT, message=TEXT)),
            )
        ),
    ),
    "notify test": shape(
        "What came of a message now.",
        channels=many(shape("", channel=TEXT, kind=TEXT, outcome=TEXT, message=TEXT)),
        exit_code=EXIT_CODE,
    ),
    "notify list": shape(
        "Channels, and messages that wait.",
        channels=many(shape("", channel=TEXT, kind=TEXT)),
        waiting=many(
            shape(
                "",
                id=TEXT,
                channel=TEXT,
                event=TEXT,
                job=TEXT,
                run=maybe(TEXT),
                at=MOMENT,
                attempts=INTEGER,
                again_at=maybe(MOMENT),
                reason=TEXT,
            )
        ),
        lost=many(shape("Messages that were given up.", channel=TEXT, count=INTEGER, reason=TEXT)),
        heartbeat=told(maybe(TEXT), "When the dead-man's switch was pinged last."),
    ),
    "init": shape(
        "What setting the app up changes.",
        directory=TEXT,
        app=TEXT,
        changes=many(shape("", path=TEXT, action={"enum": ["create", "change"]}, content=TEXT, diff=TEXT)),
        done=many(TEXT, "What is as it should be already."),
        remarks=many(part("remark")),
        next=many(TEXT, "What is left to do by hand."),
        written=BOOLEAN,
        exit_code=EXIT_CODE,
    ),
    "completion": shape("", shell=TEXT, script=TEXT),  # no process is started  # nosec B604
    "pause": shape("", job=TEXT, paused=maybe(TEXT), suspended=maybe(TEXT)),
    "resume": shape("", job=TEXT, paused={"type": "null"}, suspended={"type": "null"}),
    "validate": {
        "anyOf": [
            shape(
                "What is wrong with the job file, or its jobs.",
                ("jobs",),
                file=TEXT,
                valid=BOOLEAN,
                mistakes=many(shape("", line=INTEGER, key=TEXT, message=TEXT, remedy=TEXT)),
                jobs=many(TEXT),
            ),
            {"type": "object", "required": ["$schema"], "description": "With --schema: agent.schema.json."},
        ]
    },
    "check": shape(
        "What stands in the agent's way.",
        phase={"enum": ["build", "runtime"]},
        worst={"enum": list(get_args(Level))},
        findings=many(shape("", name=TEXT, level={"enum": list(get_args(Level))}, message=TEXT, remedy=TEXT)),
        exit_code=EXIT_CODE,
    ),
    "setup machine-user": shape(
        "What was done with the user.",
        email=TEXT,
        roles=many(TEXT),
        before=maybe(many(TEXT)),
        needed=named(many(TEXT), "Jobs by the role that they need."),
        action=TEXT,
        changed=BOOLEAN,
        message=TEXT,
        warnings=many(part("remark")),
    ),
    "setup token": shape(
        "What was done with the variable; never the token.",
        variable=TEXT,
        environment=maybe(TEXT),
        action=TEXT,
        changed=BOOLEAN,
        flags=named(BOOLEAN),
        flags_before=named(maybe(BOOLEAN)),
        apps=maybe(many(TEXT)),
        user=TEXT,
        follows=maybe(TEXT),
        read_back=maybe(BOOLEAN),
        rebuilds=BOOLEAN,
        revocable_tokens=many(shape("", id=TEXT, name=TEXT)),
        warnings=many(part("remark")),
    ),
    "token check": shape(
        "Whose the API token is.",
        valid={"const": True},
        source=TEXT,
        user=shape("", id=TEXT, email=maybe(TEXT), username=maybe(TEXT), mfa=maybe(BOOLEAN)),
        bearer_seconds={"type": "number"},
        project=maybe(TEXT),
        roles=maybe(shape("", project=maybe(TEXT), types=named(TEXT))),
        token=maybe(part("token")),
        warnings=many(part("remark")),
    ),
    "token list": shape("", tokens=many(part("token"))),
    "ssh load": shape(
        "The certificate and what uses it.",
        certificate=shape(
            "", key_id=TEXT, serial=INTEGER, principals=many(TEXT), valid_after=MOMENT, valid_before=MOMENT
        ),
        renewed=BOOLEAN,
        directory=TEXT,
        configuration=TEXT,
        included_in=maybe(TEXT),
    ),
    "ssh env": named(TEXT, "Variables for ssh, git and rsync."),
    "rehearse": {
        "anyOf": [
            shape(
                "One slot, played.",
                run=maybe(part("run")),
                ticks=INTEGER,
                requests=many(part("request")),
                without_effect=many(TEXT, "Faults that this run never met."),
                exit_code=EXIT_CODE,
            ),
            shape(
                "With --days: months, played.",
                **dict.fromkeys(("slots", "judged", "missed_slots", "ticks", "idle_ticks", "requests"), INTEGER),
                outcomes=named(INTEGER),
                failures=named(INTEGER),
                tick_exit_codes=named(INTEGER),
                backups=INTEGER,
                updates=INTEGER,
                incidents=many(shape("", at=MOMENT, text=TEXT)),
                broken=many(TEXT, "Promises that were broken; none, hopefully."),
                days=INTEGER,
                seed={"type": "integer"},
                exit_code=EXIT_CODE,
            ),
        ]
    },
    "state move": shape(
        "What was moved, and compared; with --dry-run what would be.",
        **{"from": TEXT, "to": TEXT},
        dry_run=BOOLEAN,
        runs=INTEGER,
        events=INTEGER,
        cursors=told(INTEGER, "Jobs of which it is known how far slots were judged."),
        notes=told(INTEGER, "Facts beside the events."),
    ),
    "simulate": shape(
        "Where the simulator is.",
        url=TEXT,
        variables=named(TEXT),
        owner_token=TEXT,
        ssh_authority=TEXT,
        control_secret=TEXT,
    ),
}

#: Commands that print no document of their own.
SILENT = {"ssh exec"}


def schema() -> Schema:
    """Return all documents, by command under ``$defs``; the file itself allows any of them."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What upsun-agent prints with --json",
        "anyOf": [part(name.replace(" ", "-") + "-document") for name in (*DOCUMENTS, "error")],
        "$defs": {
            **PARTS,
            **{f"{name.replace(' ', '-')}-document": found for name, found in DOCUMENTS.items()},
            "error-document": PARTS["error"],
        },
    }


def schema_of(command: str) -> Schema:
    """Return what one command prints, its failure included."""
    return {"anyOf": [DOCUMENTS[command], PARTS["error"]], "$defs": PARTS}


def page() -> str:
    """Return the keys of every document, as tables."""
    lines = [
        "# What commands print with `--json`",
        "",
        "Every command prints one JSON document on standard output, in ASCII. Its keys are listed here and in",
        "[the JSON Schema](output.schema.json), under `$defs`. A release adds keys and never takes one away or changes",
        "its meaning without a new major version. Moments are ISO 8601 with an offset, lengths are seconds (`_s`).",
        "A command that fails prints [an error](#error) instead, with its [exit code](exit-codes.md).",
        "",
    ]
    for name, found in DOCUMENTS.items():
        lines += [f"## {name}", ""]
        for variant in found.get("anyOf", [found]):
            lines += keys_of(variant)
    lines += ["## Parts", ""]
    for name, found in PARTS.items():
        lines += [f"### {name}", "", *keys_of(found)]
    return "\n".join(lines).rstrip() + "\n"
