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
from tests.harness.doc_blocks import PAGES
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


def test_the_readme_is_short() -> None:
    assert len(README.encode()) <= 6200


def test_no_long_sentence_stands_twice_in_what_people_wrote() -> None:
    """But for the two tutorials, of which a reader follows one, and generated pages."""
    written = [
        page for page in PAGES if not page.is_relative_to(REPOSITORY / "docs" / "reference") and page.name != "node.md"
    ]
    assert len(written) > 30
    found: dict[str, str] = {}
    for page in written:
        for sentence in sentences(page.read_text(encoding="utf-8")):
            assert sentence not in found, f"{page.name} and {found[sentence]} both say: {sentence}"
            found[sentence] = page.name


def sentences(text: str) -> set[str]:
    """The sentences of a page's prose that have eight words or more."""
    prose = re.sub(r"^ *```.*?^ *```|^\|.*?$|^#.*?$", "", text, flags=re.DOTALL | re.MULTILINE)
    split = re.split(r"(?<=[.:?])\s+|\n\n", prose)
    return {" ".join(each.split()) for each in split if len(each.split()) >= 8}


def test_the_reference_has_a_section_for_every_command_and_none_else() -> None:
    page = (REPOSITORY / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    outside = re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)
    assert set(re.findall(r"^## (\S+)", outside, re.MULTILINE)) >= set(
        build()._subparsers._group_actions[0].choices or ()
    )
    assert set(re.findall(r"^## (.+)$", outside, re.MULTILINE)) == set(commands())


def test_every_command_takes_the_shared_options() -> None:
    shared = {"--json", "--config", "--project", "--environment", "--api-url", "--auth-url", "--log-level"}
    for command in commands().values():
        assert shared <= set(command._option_string_actions)


def test_exit_codes_of_the_help_are_those_of_the_errors() -> None:
    codes = {error.exit_code for error in documented()} | {0}
    assert {int(code) for code in re.findall(r"\b(\d+) [a-zA-Z]", EPILOG)} == codes


def test_links_in_the_documents_lead_somewhere() -> None:
    for page in [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_a_wrong_option_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="unrecognized"):
        build().parse_args(["tick", "--wrong"])
