"""The schema and the page of what commands print with ``--json``, generated from the types of their documents."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any

from msgspec import Struct
from msgspec.json import schema_components
from msgspec.structs import fields
from upsun_agent.cli import (
    changes,
    check,
    completion,
    fleet,
    history,
    jobs,
    logs,
    machine_user,
    notify,
    prove,
    report,
    run_changes,
    runs,
    ssh,
    state,
    suspend,
    token,
    token_variable,
    why,
)
from upsun_agent.report.document import ErrorView
from upsun_agent.report.run_views import RunView, StoryView
from upsun_agent.report.status_view import StatusView
from upsun_setup.preview import CheckoutView
from upsun_simulator.command_line.rehearse import RehearsalView, RehearsedDaysView
from upsun_simulator.command_line.simulate import SimulatorView

from tools.field_docs import docs_of

Schema = dict[str, Any]


class JobFileSchemaView(Struct, frozen=True, kw_only=True, rename={"schema": "$schema"}):
    """With ``--schema``: agent.schema.json."""

    #: The version of JSON Schema. The other keys are not listed here.
    schema: str


#: The types of the documents that each command prints.
DOCUMENTS: dict[str, tuple[type[Struct], ...]] = {
    "tick": (runs.TickView,),
    "run": (runs.RunResultView, runs.RunUnreadableView, runs.RunNotHereView),
    "show": (StoryView,),
    "status": (StatusView, fleet.FleetView),
    "history": (history.HistoryView,),
    "next": (jobs.NextView,),
    "why": (why.WhyView,),
    "report": (report.ReportView,),
    "changes": (run_changes.RunChangesView, changes.ChangesView),
    "approve": (RunView,),
    "cancel": (RunView,),
    "logs": (logs.LogsView,),
    "notify test": (notify.NotifyTestView,),
    "notify list": (notify.NotifyListView,),
    "init": (CheckoutView,),
    "upgrade": (CheckoutView,),
    "completion": (completion.CompletionView,),
    "pause": (suspend.PausedView,),
    "resume": (suspend.PausedView,),
    "validate": (jobs.ValidateView, JobFileSchemaView),
    "check": (check.CheckView, prove.ProveView),
    "setup machine-user": (machine_user.MachineUserView,),
    "setup token": (token_variable.SetupTokenView,),
    "token check": (token.TokenCheckView,),
    "token list": (token.TokenListView,),
    "ssh load": (ssh.SshLoadView,),
    "ssh env": (ssh.SshEnvView,),
    "rehearse": (RehearsalView, RehearsedDaysView),
    "state move": (state.StateMoveView,),
    "simulate": (SimulatorView,),
}

#: Commands that print no document of their own.
SILENT = {"ssh exec"}


@cache
def parts() -> dict[str, Schema]:
    """Return the schema of every type by its name, with the descriptions of its fields; nobody changes it."""
    types = {view for views in DOCUMENTS.values() for view in views} | {ErrorView}
    _, found = schema_components(sorted(types, key=lambda view: view.__name__), ref_template="#/$defs/{name}")
    known, words = _by_name(Struct), {f"#/$defs/{each.__name__}": each for each in StrEnum.__subclasses__()}
    found = {name: _written_out(schema, words) for name, schema in found.items() if "enum" not in schema}
    for name, schema in found.items():
        del schema["title"]
        texts = docs_of(known[name])
        for field in fields(known[name]):
            schema["properties"][field.encode_name]["description"] = texts[field.name]
    return dict(sorted(found.items()))


def _written_out(schema: Any, words: Mapping[str, type[StrEnum]]) -> Any:
    """Return the schema with the words of each enum in place of the reference to it."""
    if isinstance(schema, list):
        return [_written_out(each, words) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("$ref") in words:
        return {"enum": [word.value for word in words[schema["$ref"]]]}
    return {key: _written_out(each, words) for key, each in schema.items()}


def _by_name(above: type[Struct]) -> dict[str, type[Struct]]:
    """Return every type of a document, by its name."""
    found: dict[str, type[Struct]] = {}
    for each in above.__subclasses__():
        if each.__name__.endswith("View"):
            found[each.__name__] = each
        found |= _by_name(each)
    return found


def _any_of(views: tuple[type[Struct], ...]) -> Schema:
    return {"anyOf": [{"$ref": f"#/$defs/{view.__name__}"} for view in views]}


def schema() -> Schema:
    """Return all documents, by command under ``$defs``; the file itself allows any of them."""
    documents = {f"{name.replace(' ', '-')}-document": _any_of(views) for name, views in DOCUMENTS.items()}
    documents["error-document"] = _any_of((ErrorView,))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What upsun-agent prints with --json",
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in documents],
        "$defs": {**parts(), **documents},
    }


def schema_of(command: str) -> Schema:
    """Return what one command prints, its failure included."""
    return {**_any_of((*DOCUMENTS[command], ErrorView)), "$defs": parts()}


def page() -> str:
    """Return the keys of every document, as tables."""
    lines = [
        "# What commands print with `--json`",
        "",
        "Every command prints one JSON document on standard output, in ASCII. Its keys are listed here and in",
        "[the JSON Schema](output.schema.json), under `$defs`. A release adds keys and never takes one away or changes",
        "its meaning without a new major version. Times are ISO 8601 with an offset, durations are seconds (`_s`).",
        "A command that fails prints [an error](#error) instead, with its [exit code](exit-codes.md).",
        "",
    ]
    known = parts()
    shown = set()
    for name, views in DOCUMENTS.items():
        lines += [f"## {name}", ""]
        for view in views:
            once = sum(view in others for others in DOCUMENTS.values()) == 1
            lines += _keys(known[view.__name__]) if once else [f"{_kind({'$ref': view.__name__})}.", ""]
            shown |= {view.__name__} if once else set()
    lines += ["## Parts", ""]
    for name, found in known.items():
        if name not in shown:
            lines += [f"### {_word(name)}", "", *_keys(found)]
    return "\n".join(lines).rstrip() + "\n"


def _keys(found: Schema) -> list[str]:
    """Return the keys of an object as lines of Markdown."""
    rows = [f"| `{key}` | {_kind(value)} | {value['description']} |" for key, value in found["properties"].items()]
    return [_code(found["description"]), "", "| key | value | |", "| --- | --- | --- |", *map(_code, rows), ""]


def _code(text: str) -> str:
    """Return the text of a docstring with its code marked as in Markdown."""
    return text.replace("``", "`")


def _word(name: str) -> str:
    """Return the heading of a type: ``RunView`` is "run", ``LastRunView`` is "last-run"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name.removesuffix("View")).lower()


def _kind(value: Mapping[str, Any]) -> str:  # one line for each shape, nothing else
    """Return a schema in a few words."""
    if "$ref" in value:
        word = _word(value["$ref"].rpartition("/")[2])
        return f"[{word}](#{word})"
    if "anyOf" in value:
        return " or ".join(_kind(each) for each in value["anyOf"])
    if "enum" in value:
        return ", ".join(f"`{word if isinstance(word, str) else json.dumps(word)}`" for word in value["enum"])
    if value["type"] == "array":
        return f"list of {_kind(value['items'])}"
    if value.get("additionalProperties"):
        return f"by name: {_kind(value['additionalProperties'])}"
    return str({"string": "text", "null": "null"}.get(value["type"], value["type"]))
