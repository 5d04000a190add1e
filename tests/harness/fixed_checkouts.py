"""The configurations of the corpus for Upsun Fixed: those written for it, and those of Flex, translated.

A translation keeps the text as it is written, moved into other files: comments, quotes and indentation stay.
"""

from __future__ import annotations

import dataclasses
import posixpath
import re
from typing import Any

import jsonschema
import yaml

from tests.harness.checkouts import CASES, Case
from tests.harness.config_schema import Include, loaded, reference_schema, whole

APP, APPS = ".platform.app.yaml", ".platform/applications.yaml"


def schema() -> dict[str, Any]:
    """The schema of an app of Fixed."""
    return reference_schema("platformsh.application.schema.json")


def apps(files: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The apps of a project of Upsun Fixed as another reader of YAML sees them, with their names, by name."""
    found: dict[str, dict[str, Any]] = {}
    for name, text in files.items():
        if posixpath.basename(name) == APP:
            app = loaded(text)
            root = str((app.get("source") or {}).get("root", posixpath.dirname(name))).strip("/")
            found[app["name"]] = whole(app, files, root)
        elif name == APPS:
            said = loaded(text) or {}
            listed = said if isinstance(said, list) else [each(files, key, value) for key, value in said.items()]
            for app in listed:
                known = whole(app, files) if isinstance(app, Include) else app
                root = str((known.get("source") or {}).get("root", "")).strip("/")
                found[known["name"]] = whole(known, files, root)
    return found


def each(files: dict[str, str], name: str, value: Any) -> dict[str, Any]:
    """An app of the mapping form, with its name."""
    known = whole(value, files) if isinstance(value, Include) else value
    return {"name": name, **(known or {})}


def faults(files: dict[str, str]) -> set[tuple[str, str]]:
    """What the schema of the platform has against the apps: the app and the place of each fault, with its reason."""
    validator = jsonschema.Draft7Validator(schema())
    return {
        (name, f"{'.'.join(map(str, error.absolute_path))}: {_reason(error)}")
        for name, app in apps(files).items()
        for error in validator.iter_errors(app)
    }


def _reason(error: jsonschema.ValidationError) -> str:
    """Why a value does not fit; of alternatives only that none or several of them fit, since the text quotes it all."""
    return error.validator if error.validator == "oneOf" else error.message


def translated(case: Case, form: str) -> Case | None:
    """A configuration of Flex in a form of Fixed: ``mapping``, ``list`` or ``single``; None where it has none.

    What spans both, such as an anchor outside of the apps, and files in braces have no translation by moving lines.
    """
    configurations = [name for name in case.files if re.fullmatch(r"\.upsun/[^/]+\.ya?ml", name)]
    lines = "".join(section(case.files[name]) for name in configurations)
    names = re.findall(r"^([^\s#'\"].*?|\"[^\"]+\"|'[^']+'):", lines, re.MULTILINE)
    if not names or case.product or (form == "single" and len(names) > 1):
        return None
    lines = re.sub(r"(source: *['\"]?)storage\b", r"\1local", lines)
    files = {name: text for name, text in case.files.items() if not name.startswith((".upsun/", ".platform"))}
    if ".upsun/agent.toml" in case.files:
        files["upsun-agent.toml"] = case.files[".upsun/agent.toml"]
    files[".platform/routes.yaml"] = "{}\n"
    if form == "mapping":
        files[APPS] = lines
    elif form == "list":
        files[APPS] = re.sub(r"^([^\s#].*?): *(#.*)?$", _item, lines, flags=re.MULTILINE)
    else:
        head, _, body = lines.partition(f"{names[0]}:")
        files[APP] = f"{head}name: {names[0]}\n{outdented(body.partition(chr(10))[2])}"
    try:
        before = apps(files)
    except (yaml.YAMLError, TypeError, AttributeError, KeyError):
        return None
    if not all("type" in app or "stack" in app for app in before.values()):
        return None
    return dataclasses.replace(case, name=f"{case.name}-{form}", files=files)


def _item(found: re.Match[str]) -> str:
    return f"- name: {found[1]}"


def section(text: str) -> str:
    """The lines below ``applications:``, outdented to the margin."""
    below = re.search(r"^applications:[^\S\n]*(?:#.*)?\n((?:[ \t]+.*\n?|#.*\n|[^\S\n]*\n)*)", text, re.MULTILINE)
    return outdented(below[1]) if below else ""


def outdented(text: str) -> str:
    """The text without the indentation of its first line."""
    first = next((line for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")), "")
    margin = first[: len(first) - len(first.lstrip())]
    return "\n".join(line.removeprefix(margin) for line in text.split("\n"))


FIXED = {name: case for name, case in CASES.items() if case.is_fixed}
for _case in [case for name, case in CASES.items() if name not in FIXED]:
    for _form in ("mapping", "list", "single"):
        _made = translated(_case, _form)
        if _made is not None:
            FIXED[_made.name] = _made
