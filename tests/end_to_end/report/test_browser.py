"""The page in a real browser: Chromium, driven by playwright-core, looked over by axe. No network, no scripts.

The packages are looked for in ``UPSUN_NODE_MODULES``, else in ``node_modules`` of the checkout.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.harness.needs import node_modules, program
from tests.harness.past_runs import Ledger, months
from tests.harness.report_pages import hostile, innocent, page_of

HERE = Path(__file__).parent
PACKAGES = ("playwright-core", "axe-core")
UNCHECKED = "the page in a browser"
WHOLE, ATTACKS = 5, 2  # looks at the ordinary page; pages full of attacks


@pytest.fixture(scope="module")
def looks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the browser saw: the ordinary page from all sides, then the others' content."""
    node, chromium, modules = (
        program("node", UNCHECKED),
        program("chromium", UNCHECKED),
        node_modules(UNCHECKED, *PACKAGES),
    )
    base = tmp_path_factory.mktemp("pages")
    pages = {"ordinary": page_of(months(Ledger(str(base / "ordinary"))))}
    pages |= {f"hostile-{turn}": page_of(hostile(str(base / f"h{turn}"), turn)) for turn in range(ATTACKS)}
    pages["innocent"] = page_of(innocent(str(base / "innocent")))
    for name, text in pages.items():
        (base / f"{name}.html").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [
            node,
            str(HERE / "browser.cjs"),
            chromium,
            os.environ.get("UPSUN_SHOTS", ""),
            *(str(base / f"{name}.html") for name in pages),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(base), "NODE_PATH": modules, "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert len(found) == WHOLE + ATTACKS + 1
    return found


def test_nothing_is_fetched_and_nothing_is_complained_about(looks: list[dict[str, Any]]) -> None:
    for seen in looks:
        assert seen["requests"] == []
        assert seen["complaints"] == []


def test_axe_finds_nothing_in_light_and_dark_on_phone_and_desktop(looks: list[dict[str, Any]]) -> None:
    found = {(seen["size"], seen["colorScheme"]): seen for seen in looks[: WHOLE - 1]}
    assert set(found) == {(size, scheme) for size in ("phone", "desktop") for scheme in ("light", "dark")}
    for seen in found.values():
        assert seen["violations"] == []
        assert seen["passes"] > 30, "it looked at something"
        for undecided in seen["undecided"]:  # signs of one character, whose words stand beside them
            assert undecided["id"] == "color-contrast"
            assert all('aria-hidden="true"' in node for node in undecided["nodes"])


def test_the_keyboard_reaches_every_control_in_order_and_shows_where_it_is(looks: list[dict[str, Any]]) -> None:
    for seen in looks[: WHOLE - 1]:
        keys = seen["keys"]
        assert keys["expected"] > 20
        assert keys == {"expected": keys["expected"], "reached": keys["expected"], "inOrder": True, "withoutOutline": 0}


def test_nothing_sticks_out_to_the_side_with_every_box_open(looks: list[dict[str, Any]]) -> None:
    for seen in looks:
        if seen["javaScriptEnabled"]:
            assert (seen["overflow"], seen["overflowOpened"]) == (0, 0), seen["file"]


def test_boxes_open_without_scripts(looks: list[dict[str, Any]]) -> None:
    (seen,) = (seen for seen in looks if not seen["javaScriptEnabled"])
    assert (seen["closed"], seen["opened"]) == (False, True)


def test_on_paper_it_is_dark_on_white_with_every_run_told(looks: list[dict[str, Any]]) -> None:
    for seen in looks[: WHOLE - 1]:
        closed = seen["printed"]["closed"]
        assert closed > 10
        expected = {
            "ink": "rgb(29, 38, 48)",
            "paper": "rgb(255, 255, 255)",
            "closed": closed,
            "told": closed,
            "links": 0,
        }
        assert seen["printed"] == expected, "in dark mode too"


def test_attacks_become_no_element_no_attribute_and_run_nothing(looks: list[dict[str, Any]]) -> None:
    plain = looks[-1]["census"]
    assert plain["elements"]["details"] > 20
    for seen in looks[WHOLE:-1]:
        census = seen["census"]
        for part in ("elements", "attributes", "links"):
            assert census[part] == plain[part], seen["file"]
        assert census["ran"] is None
        assert census["texts"] > plain["texts"] // 2
