"""Page and picture show the numbers of one run, and say which targets are missed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from bench.counts import Counts
from bench.figures import Aside, Figure, figures
from bench.page import page
from bench.picture import FULL, MOST, picture
from bench.processes import Cost
from bench.result import Result
from tests.harness.sources import REPOSITORY

DOCS = REPOSITORY / "docs"
SVG = "{http://www.w3.org/2000/svg}"

ROUND = {
    "unit": Cost(0.010, 0.010, 8.0),
    "idle": Cost(0.021, 0.020, 11.0),
    "loaded": Cost(0.022, 0.020, 12.0),
    "own": Cost(0.023, 0.021, 11.0),
    "postgres": Cost(0.048, 0.040, 20.0),
    "mariadb": Cost(0.097, 0.080, 25.0),
    "run": Cost(0.200, 0.150, 30.0, 5),
    "status": Cost(0.600, 0.500, 60.0),
    "status-json": Cost(1.200, 0.900, 90.0),
    "page": Cost(0.600, 0.500, 60.0),
    "metrics": Cost(0.900, 0.800, 60.0),
    "all": Cost(0.300, 0.250, 40.0),
    "changes": Cost(0.300, 0.250, 40.0),
    "whole": Cost(0.400, 0.300, 31.0, 18),
    "update": Cost(0.600, 0.450, 40.0, 18),
    "daily": Cost(0.500, 0.300, 60.0, 9),
    "warm": Cost(0.400, 0.200, 50.0, 3),
}
ASIDE = Aside(30_000_000, 73_000_000, 100.0, Cost(1.0, 1.0, 60.0, 6))
COUNTS = Counts(["a"], ["a", "b"], 5, 8, 65536, 20_000_000, 900, 40, 0, 2000, 3000, 1)


def result(found: list[Figure]) -> Result:
    return Result("Python 3.11.2", "2026-03-02", 2, 8, found, COUNTS, [])


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314  our own picture


def by_key(found: list[Figure]) -> dict[str, Figure]:
    return {figure.key: figure for figure in found}


def test_figures_are_ratios_within_a_round() -> None:
    slow = {name: Cost(cost.wall * 3, cost.cpu * 3, cost.memory, cost.requests) for name, cost in ROUND.items()}
    found = by_key(figures([ROUND, slow, ROUND], ASIDE))
    assert found["idle.wall"].value == pytest.approx(2.1)
    assert found["run.wall"].value == pytest.approx(20.0)
    assert found["loaded.wall"].value == pytest.approx(22 / 21)
    assert found["daily.wall"].value == pytest.approx(0.4)
    assert found["status-json.cpu"].value == pytest.approx(90)
    assert found["daily.requests"].value == pytest.approx(5 / 9)
    assert found["update.cpu"].value == pytest.approx(1.5)
    assert found["official.memory"].value == pytest.approx(0.3)
    assert found["official.one-cron"].value == pytest.approx(5 / 6)


def test_a_verdict_agrees_with_the_number_that_is_shown() -> None:
    found = by_key(figures([ROUND], ASIDE))
    assert found["run.wall"].verdict == "MISSED"
    assert found["warm.memory"].verdict == "MISSED"
    assert found["daily.wall"].verdict == "ok"
    assert found["official.one-cron"].verdict == "told"
    assert Figure("key", "label", 2.2499, "x", 2.2).verdict == "ok"
    assert Figure("key", "label", 2.2501, "x", 2.2).verdict == "MISSED"
    assert Figure("key", "label", 0.404, "x", 0.4).verdict == "ok"
    assert [each.key for each in result(list(found.values())).missed()] == [
        key for key, figure in found.items() if figure.verdict == "MISSED"
    ]


def test_without_the_official_cli_its_figures_are_not_measured() -> None:
    alone = {name: cost for name, cost in ROUND.items() if name not in {"daily", "warm"}}
    found = by_key(figures([alone], Aside(30_000_000)))
    assert found["daily.wall"].verdict == found["official.size"].verdict == "not measured"
    assert "not measured" in found["warm.cpu"].line()
    assert parsed(picture(list(found.values()), "today")) is not None
    assert result(list(found.values())).missed() == [found["run.wall"]]


def test_every_figure_is_a_line_and_a_row() -> None:
    made = result(figures([ROUND], ASIDE))
    text, written = made.text(), page(made)
    for figure in made.figures:
        assert figure.line() in text
        assert f"| {figure.label} | {figure.shown()} | {figure.promise()} |" in written
    assert re.search(r"^idle tick +2\.1x +\(target 2\.2x, aim 2x\) +ok$", text, re.MULTILINE)
    assert "2 cores" in written


def test_the_bars_are_the_numbers() -> None:
    found = figures([ROUND], ASIDE)
    root = parsed(picture(found, "today & here"))
    bars = [each for each in root.iter(f"{SVG}rect") if each.get("class") in {"ok", "missed"}]
    drawn = [figure for figure in found if figure.target is not None]
    assert len(bars) == len(drawn)
    for figure, bar in zip(drawn, bars, strict=True):
        share = min(float(figure.amount()) / (figure.target or 1), MOST)
        assert float(bar.get("width", "0")) == pytest.approx(FULL * share, abs=0.1)
        assert bar.get("class") == ("ok" if figure.verdict == "ok" else "missed")


def test_the_picture_can_be_heard_and_read_in_the_dark() -> None:
    text = picture(figures([ROUND], ASIDE), "today")
    root = parsed(text)
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "title description"
    spoken = root.find(f"{SVG}desc")
    assert spoken is not None
    assert "idle tick: 2.1x, target 2.2x" in (spoken.text or "")
    assert "prefers-color-scheme: dark" in text


def test_the_checked_in_picture_shows_the_numbers_of_the_checked_in_page() -> None:
    written = (DOCS / "reference" / "speed.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| ([\d.]+(?:x| MiB)) \| ([^|]+?) \| (ok|MISSED) \|$", written, re.MULTILINE)
    assert len(rows) >= 5
    root = parsed((DOCS / "reference" / "speed.svg").read_text(encoding="utf-8"))
    spoken = root.findtext(f"{SVG}desc") or ""
    assert (
        spoken == "; ".join(f"{label}: {value}, target {goal}, {verdict}" for label, value, goal, verdict in rows) + "."
    )
    shown = [each.text or "" for each in root.iter(f"{SVG}text")]
    for _, value, goal, _ in rows:
        assert any(text.startswith(f"{value} of {goal.partition(',')[0]} ") for text in shown)
