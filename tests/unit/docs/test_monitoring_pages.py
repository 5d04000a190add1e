"""What the pages on monitoring and the report say is true: commands parse, snippets are valid, metrics exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import jsonschema
import pytest
import yaml
from upsun_agent.cli.main import build
from upsun_agent.config import parse
from upsun_agent.limits import (
    HISTORY_AGE,
    HISTORY_RUNS,
    PUBLISH_BUDGET,
    REPORT_BARS,
    REPORT_DAYS,
    REPORT_JOBS,
    REPORT_RUNS,
)
from upsun_agent.report.metrics import measure

from tests.harness.config_schema import schema
from tests.harness.past_runs import Ledger, months
from tests.harness.sources import REPOSITORY

DOCS = REPOSITORY / "docs" / "how-to"
PAGES = ("monitoring.md", "report.md")


def blocks(name: str, language: str) -> list[str]:
    text = (DOCS / name).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_every_command_line_parses() -> None:
    ours = []
    for name in PAGES:
        text = "\n".join(blocks(name, "sh"))
        ours += re.findall(r"upsun-agent ((?:status|history|show|why|next|report)[^'\n]*)", text)
    assert len(ours) >= 10
    for line in ours:
        build().parse_args(shlex.split(line, comments=True))


def test_every_job_file_is_valid() -> None:
    (text,) = blocks("report.md", "toml")
    job_file = parse(text)
    assert job_file.report == {"publish": "/app/var/report", "days": 30, "metrics": False}
    config = yaml.safe_load(blocks("report.md", "yaml")[0])["applications"]["app"]
    assert {f"/app/{mount}" for mount in config["mounts"]} == {job_file.state, job_file.report["publish"]}
    (location,) = config["web"]["locations"].values()
    assert f"/app/{location['root']}" == job_file.report["publish"]


@pytest.mark.reference
def test_every_configuration_is_valid_for_the_platform() -> None:
    found = [each for name in PAGES for each in blocks(name, "yaml") if each.startswith("applications:")]
    assert len(found) == 2
    for text in found:
        jsonschema.validate(yaml.safe_load(text), schema())


def test_the_metrics_are_those_that_there_are_with_their_labels(tmp_path: Path) -> None:
    ledger = months(Ledger(str(tmp_path)), 5)
    families = measure(ledger.context, ledger.journal).families
    real = {family.name: tuple(name for name, _ in family.samples[0].labels) for family in families}
    rows = re.findall(r"^\| `(upsun_agent_\w+)` \|([^|]*)\|", (DOCS / "monitoring.md").read_text(), re.MULTILINE)
    assert {name: tuple(re.findall(r"`(\w+)`", labels)) for name, labels in rows} == real


def test_alerts_ask_for_metrics_that_there_are() -> None:
    text = (DOCS / "monitoring.md").read_text()
    listed = set(re.findall(r"^\| `(upsun_agent_\w+)`", text, re.MULTILINE))
    rules = yaml.safe_load(blocks("monitoring.md", "yaml")[1])["groups"][0]["rules"]
    asked = {name for rule in rules for name in re.findall(r"upsun_agent_\w+", rule["expr"])}
    assert len(rules) >= 5
    assert asked <= listed


def test_the_bounds_are_those_of_the_code() -> None:
    page = " ".join((DOCS / "report.md").read_text().split())
    assert f"It shows {REPORT_DAYS} days" in page
    assert f"at most {REPORT_JOBS} jobs, {REPORT_BARS} bars in a chart and {REPORT_RUNS} runs told whole" in page
    assert PUBLISH_BUDGET == 5
    assert "at most five" in page
    history = " ".join((DOCS / "monitoring.md").read_text().split())
    assert f"kept for {HISTORY_AGE / 86400:g} days and at most {HISTORY_RUNS:,} runs" in history
