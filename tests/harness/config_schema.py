"""The platform's schema of a configuration, to hold what init writes against: the reference documents are not ours.

Keys that the platform took on later (``tasks``, ``authorizations``) are allowed.
"""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass
from typing import Any

import jsonschema
import yaml

from tests.harness.needs import missing
from tests.harness.openapi_document import path


def reference_schema(name: str) -> dict[str, Any]:
    """A schema of the reference documents; without it the test is skipped, and on a CI machine fails."""
    place = path().with_name(name)
    if not place.is_file():
        missing(f"{place} is missing; set UPSUN_REFERENCE_DIR to the reference documents", "a configuration")
    found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    return found


def schema() -> dict[str, Any]:
    """The schema of a configuration of Flex."""
    loaded = reference_schema("config-schema.json")
    apps = loaded["properties"]["applications"]["additionalProperties"]["properties"]
    apps.setdefault("authorizations", {})
    return loaded


@dataclass(frozen=True)
class Include:
    """An ``!include`` that is not resolved yet."""

    path: str
    kind: str


def loaded(text: str) -> Any:
    """A configuration as the platform reads it, with its tags; files that it includes are left as ``Include``."""

    class Loader(yaml.SafeLoader):
        """Knows the platform's tags (https://developer.upsun.com/docs/learn/overview/yaml)."""

    def include(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
        said = loader.construct_mapping(node) if isinstance(node, yaml.MappingNode) else {"path": node.value}
        return Include(str(said["path"]), str(said.get("type", "yaml")))

    Loader.add_constructor("!include", include)
    for tag in ("!archive", "!file"):
        Loader.add_constructor(tag, lambda _, node: str(node.value))
    return yaml.load(text, Loader)  # noqa: S506  a SafeLoader


def whole(value: Any, files: dict[str, str], root: str = "") -> Any:
    """The value with the files that it includes: their paths are relative to the app's directory."""
    if isinstance(value, Include):
        text = files[posixpath.normpath(posixpath.join(root, value.path))]
        return whole(loaded(text), files, root) if value.kind == "yaml" else text
    if isinstance(value, dict):
        return {key: whole(each, files, root) for key, each in value.items()}
    return [whole(each, files, root) for each in value] if isinstance(value, list) else value


def merged(files: dict[str, str]) -> dict[str, Any]:
    """All first-level files as one configuration."""
    found: dict[str, Any] = {}
    for name, text in sorted(files.items()):
        if name.startswith(".upsun/") and name.endswith((".yaml", ".yml")):
            for key, value in (loaded(text) or {}).items():
                for each, inner in (value or {}).items():
                    known = whole(inner, files) if isinstance(inner, Include) else inner
                    root = ((known or {}).get("source") or {}).get("root", "") if key == "applications" else ""
                    found.setdefault(key, {})[each] = whole(inner, files, str(root).strip("/"))
                found.setdefault(key, {})
    return found


def check(files: dict[str, str]) -> None:
    """Fail where the schema does not take the configuration."""
    jsonschema.validate(merged(files), schema())
