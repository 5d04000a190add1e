"""What README and examples say is true: snippets parse, commands exist, exit codes are the code's."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.cli.main import EPILOG, build, commands
from agent.config import parse
from agent.errors import UsageError, documented

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
REFERENCE = Path(os.environ.get("UPSUN_REFERENCE_DIR") or REPOSITORY.parent / "shared" / "reference")


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", README, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, body in found]


def schema() -> dict[str, Any]:
    path = REFERENCE / "config-schema.json"
    if not path.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{path} is missing: set UPSUN_REFERENCE_DIR")
        pytest.skip(f"NOT CHECKED: {path} is missing (set UPSUN_REFERENCE_DIR)")
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def test_every_job_file_in_the_readme_is_valid() -> None:
    found = blocks("toml")
    assert found
    for text in found:
        assert parse(text).jobs


@pytest.mark.reference
def test_every_configuration_is_valid_for_the_platform() -> None:
    import jsonschema

    found = [*blocks("yaml"), (REPOSITORY / ".upsun" / "config.yaml").read_text(encoding="utf-8")]
    assert len(found) >= 2
    for text in found:
        jsonschema.validate(yaml.safe_load(text), schema())


def test_the_example_app_uses_hook_mount_cron_and_source_operation() -> None:
    app = yaml.safe_load((REPOSITORY / ".upsun" / "config.yaml").read_text())["applications"]["app"]
    job_file = parse((REPOSITORY / ".upsun" / "agent.toml").read_text())
    assert "hooks/build.sh" in app["hooks"]["build"]
    assert job_file.state == "/app/" + next(iter(app["mounts"]))
    assert app["crons"]["agent"]["commands"]["start"].endswith("upsun-agent tick")
    named = {
        step.settings["name"]
        for job in job_file.jobs.values()
        for step in (*job.steps, *job.on_failure)
        if "name" in step.settings
    }
    assert named == set(app["source"]["operations"])


def test_every_command_line_of_the_readme_parses() -> None:
    lines = [line.strip() for text in blocks("sh") for line in text.replace("\\\n", " ").splitlines()]
    ours = [shlex.split(line)[1:] for line in lines if line.startswith("upsun-agent ")]
    assert len(ours) >= 7
    for arguments in ours:
        build().parse_args(arguments)


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = re.findall(r"^make ([a-z]+)$", README, re.MULTILINE)
    assert targets == ["demo", "test"]
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_command_table_names_every_command_and_none_else() -> None:
    cells = re.findall(r"^\| (`upsun-agent [^|]*?`) \|", README.replace("\\|", "/"), re.MULTILINE)
    listed = {name for cell in cells for name in re.findall(r"`upsun-agent ([a-z]+)", cell)}
    choices = build()._subparsers._group_actions[0].choices
    assert listed == set(choices)


def test_shared_options_named_in_the_readme_exist_on_every_command() -> None:
    sentence = re.search(r"^All take (.*?);", README, re.MULTILINE | re.DOTALL)
    assert sentence
    options = re.findall(r"`(--[a-z-]+)`", sentence[1])
    assert len(options) == 7
    for command in commands().values():
        assert set(options) <= set(command._option_string_actions)


def test_exit_codes_of_readme_and_help_are_those_of_the_errors() -> None:
    codes = {error.exit_code for error in documented()} | {0}
    sentence = re.search(r"^Exit codes: (.*?)The whole", README, re.MULTILINE | re.DOTALL)
    assert sentence
    assert {int(code) for code in re.findall(r"\b(\d+) [a-zA-Z]", sentence[1])} == codes
    assert {int(code) for code in re.findall(r"\b(\d+) [a-zA-Z]", EPILOG)} == codes


def test_links_in_the_documents_lead_somewhere() -> None:
    for page in [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_a_wrong_option_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="unrecognized"):
        build().parse_args(["tick", "--wrong"])
