"""The words in which documents are described: JSON Schema with a few names, and what they are called in a table."""

from __future__ import annotations

import json
from typing import Any

Schema = dict[str, Any]

BOOLEAN: Schema = {"type": "boolean"}
INTEGER: Schema = {"type": "integer", "minimum": 0}
MOMENT: Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT[0-9:.]{8,15}(Z|[+-]\d\d:\d\d)$",
}
SECONDS: Schema = {"type": "number", "minimum": 0, "description": "Seconds."}
TEXT: Schema = {"type": "string"}
SLOT_NAME: Schema = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d([+-]\d\d:\d\d)?$",
    "description": "A slot by its local wall-clock time, in the job's zone. One whose time the job also had in another "
    "zone has its offset from UTC behind it.",
}


def maybe(schema: Schema) -> Schema:
    """Return the same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def many(schema: Schema, doc: str = "") -> Schema:
    """Return a list of these."""
    return _said({"type": "array", "items": schema}, doc)


def named(schema: Schema, doc: str = "") -> Schema:
    """Return an object whose keys are names."""
    return _said({"type": "object", "additionalProperties": schema}, doc)


def shape(doc: str, _optional: tuple[str, ...] = (), /, **keys: Schema) -> Schema:
    """Return an object with these keys, no others, and all of them but the optional ones."""
    required = [key for key in keys if key not in _optional]
    return _said({"type": "object", "properties": keys, "required": required, "additionalProperties": False}, doc)


def _said(schema: Schema, doc: str) -> Schema:
    return {**schema, "description": doc} if doc else schema


def told(schema: Schema, doc: str) -> Schema:
    """Return the same with a word on what it means here."""
    return {**schema, "description": doc}


def part(name: str) -> Schema:
    """Return one of the parts below."""
    return {"$ref": f"#/$defs/{name}"}


def keys_of(found: Schema) -> list[str]:
    """Return the keys of a document as lines of Markdown."""
    if "$ref" in found:
        return [f"{kind(found)}.", ""]
    said = [found["description"], ""] if found.get("description") else []
    if "properties" not in found:
        return said
    rows = [
        f"| `{key}` | {kind(value)} | {value.get('description', '')} |" for key, value in found["properties"].items()
    ]
    return [*said, "| key | value | |", "| --- | --- | --- |", *rows, ""]


def kind(value: Schema) -> str:  # one line for each shape, nothing else
    """Return a schema in a few words."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name})"
    if "anyOf" in value:
        return " or ".join(kind(each) for each in value["anyOf"])
    if "enum" in value:
        return ", ".join(f"`{word}`" for word in value["enum"])
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if value["type"] == "array":
        return f"list of {kind(value['items'])}"
    if "properties" in value:
        return "object: " + ", ".join(f"`{key}`" for key in value["properties"])
    if isinstance(value.get("additionalProperties"), dict):
        return f"by name: {kind(value['additionalProperties'])}"
    return str({"string": "text", "null": "null"}.get(value["type"], value["type"]))
