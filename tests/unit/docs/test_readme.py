"""What README and examples say is true: commands exist, exit codes are the code's. Their blocks: test_blocks.py."""

from __future__ import annotations

import re

import jsonschema
import pytest
import yaml
from upsun_agent.cli.main import EPILOG, build, commands
from upsun_agent.config import parse
from upsun_agent.errors import UsageError, documented

from tests.harness.config_schema import schema
from tests.harness.sources import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.mark.reference
def test_the_example_app_is_valid_for_the_platform() -> None:
    text = (REPOSITORY / ".upsun" / "config.yaml").read_text(encoding="utf-8")
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
