"""The how-to pages on a shared database and on scale are true. Their grants are in tests/integration/journal."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import pytest
import yaml
from upsun_agent.cli.main import build
from upsun_agent.config import parse

from tests.harness.sources import REPOSITORY

PAGE = (REPOSITORY / "docs" / "how-to" / "shared-database.md").read_text(encoding="utf-8")
SCALE = (REPOSITORY / "docs" / "how-to" / "scale.md").read_text(encoding="utf-8")
REFERENCE = Path(os.environ.get("UPSUN_REFERENCE_DIR") or REPOSITORY.parent / "shared" / "reference")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_its_job_file_is_valid_and_names_the_relationship_of_its_app() -> None:
    (text,) = blocks("toml")
    (app,) = yaml.safe_load(blocks("yaml")[0])["applications"].values()
    assert parse(text).state == "relationship:" + next(iter(app["relationships"]))
    assert "UPSUN_AGENT_EXTRA=shared" in app["hooks"]["build"]


@pytest.mark.reference
def test_its_configuration_is_valid_for_the_platform() -> None:
    import jsonschema

    path = REFERENCE / "config-schema.json"
    if not path.exists():
        pytest.skip(f"NOT CHECKED: {path} is missing (set UPSUN_REFERENCE_DIR)")
    jsonschema.validate(yaml.safe_load(blocks("yaml")[0]), json.loads(path.read_text(encoding="utf-8")))


def test_its_command_lines_parse() -> None:
    lines = [line for text in blocks("sh") for line in text.splitlines()]
    assert len(lines) >= 4
    for line in lines:
        build().parse_args(shlex.split(line)[1:])


def test_the_figures_are_those_of_a_run_with_ten_thousand_environments() -> None:
    assert SCALE.count("<!-- figures: begin -->\n10,000 environments") == 1
    assert "python -m bench.fleet --environments 10000" in SCALE
    assert "| ticks that could not be had | 0 | 0 |" in SCALE
