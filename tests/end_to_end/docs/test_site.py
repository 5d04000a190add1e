"""The site of the pages: it builds without a warning, every page is on it, its links lead somewhere, it asks nobody."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.harness.needs import missing, program
from tests.harness.sources import REPOSITORY, SOURCES

DOCS = REPOSITORY / "docs"
UNCHECKED = "the site on a phone"
#: Attributes whose address a browser fetches by itself.
FETCHED = {
    "link": "href",
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "object": "data",
}


class Page(HTMLParser):
    """What a page fetches, links to, and offers as anchors."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag in FETCHED and FETCHED[tag] in values:
            self.fetched.append(values[FETCHED[tag]])
        elif tag == "a" and "href" in values:
            self.links.append(values["href"])


def build(source: Path, place: Path) -> subprocess.CompletedProcess[str]:
    """As ``make site`` builds it."""
    makefile = (REPOSITORY / "Makefile").read_text()
    recipe = re.search(r"^\t@PYTHONPATH=\. \$\(BIN\)/sphinx-build (.*) docs build/site$", makefile, re.MULTILINE)
    assert recipe is not None
    command = [
        sys.executable,
        "-m",
        "sphinx",
        *recipe[1].split(),
        "-d",
        str(place / "trees"),
        str(source),
        str(place / "site"),
    ]
    own = {**os.environ, "PYTHONPATH": SOURCES}
    return subprocess.run(command, cwd=REPOSITORY, env=own, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    done = build(DOCS, place)
    assert done.returncode == 0, done.stderr
    return place / "site"


@pytest.fixture(scope="module")
def html(site: Path) -> dict[Path, Page]:
    return {file: Page(file) for file in sorted(site.rglob("*.html"))}


def test_every_page_is_listed_once_with_what_it_is_about() -> None:
    listed = re.findall(r"^- \[[^\]]+\]\(([^)]+)\): \S", (DOCS / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    steps = re.findall(
        r"^\| \[[^\]]+\]\(([^)]+)\) \| \S", (DOCS / "reference" / "steps.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    decisions = re.findall(
        r"^- \[\d+\. [^\]]+\]\(([^)]+)\)", (DOCS / "adr" / "index.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    listed += [*(f"reference/{each}" for each in steps), *(f"adr/{each}" for each in decisions)]
    there = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")} - {"index.md"}
    assert sorted(listed) == sorted(there)


def test_every_page_is_in_the_navigation(site: Path, html: dict[Path, Page]) -> None:
    links = set(html[site / "index.html"].links)
    for page in DOCS.rglob("*.md"):
        name = str(page.relative_to(DOCS).with_suffix(".html"))
        assert name in links or name == "index.html"
        assert (site / name).is_file()


def test_a_browser_fetches_nothing_from_elsewhere(site: Path, html: dict[Path, Page]) -> None:
    assert len(html) > 10
    for file, page in html.items():
        assert page.fetched
        for address in page.fetched:
            parts = urlsplit(address)
            assert (parts.scheme, parts.netloc) in {("", ""), ("data", "")}, f"{file.name} fetches {address}"
            assert parts.scheme or (file.parent / unquote(parts.path)).exists(), f"{file.name}: {address} is not there"
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import\s+(url\()?['\"]?(https?:)?//", text), sheet


def test_links_lead_to_pages_and_headings_that_are_there(html: dict[Path, Page]) -> None:
    for file, page in html.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                assert parts.scheme == "https", f"{file.name}: {link}"
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            assert target.exists(), f"{file.name}: {link}"
            if parts.fragment and target in html:
                assert unquote(parts.fragment) in html[target].anchors, f"{file.name}: {link}"


def test_no_page_is_wider_than_a_phone(site: Path) -> None:
    """Tables scroll in a box of their own: in Chromium, on a screen of 390 pixels, nothing else hangs over the side."""
    node, chromium, modules = program("node", UNCHECKED), program("chromium", UNCHECKED), node_modules()
    files = [str(file) for file in sorted(site.rglob("*.html"))]
    done = subprocess.run(
        [node, str(Path(__file__).with_name("phone.cjs")), chromium, *files],
        env={"PATH": os.environ["PATH"], "HOME": str(site.parent), "NODE_PATH": modules, "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)
    assert len(seen) == len(files)
    assert sum(each["tables"] for each in seen.values()) > 20
    assert {file: each for file, each in seen.items() if each["wider"] > 0 or each["over"]} == {}


def node_modules() -> str:
    """Where playwright-core is."""
    place = Path(os.environ.get("UPSUN_NODE_MODULES") or REPOSITORY / "node_modules")
    if not (place / "playwright-core" / "package.json").exists():
        missing(f"the npm package playwright-core is missing in {place}", UNCHECKED)
    return str(place)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("\n[nowhere](nothing-here.md)\n", "nothing-here"),
        ("\n[no heading](ssh.md#no-such-heading)\n", "no-such-heading"),
        ("\n```nolanguage\nx\n```\n", "nolanguage"),
        ("\n| a row | of no table |\n", "a table row is rendered as text: | a row | of no table |"),
    ],
)
def test_a_mistake_in_a_page_stops_the_build(tmp_path: Path, text: str, complaint: str) -> None:
    shutil.copytree(DOCS, tmp_path / "docs")
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(REPOSITORY / name, tmp_path)
    page = tmp_path / "docs" / "how-to" / "ssh.md"
    page.write_text(page.read_text(encoding="utf-8") + text, encoding="utf-8")
    done = build(tmp_path / "docs", tmp_path)
    assert done.returncode == 1
    assert complaint in done.stderr


def test_a_link_out_of_the_site_leads_to_the_repository_where_one_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    conf: dict[str, Any] = {"__file__": str(DOCS / "conf.py"), "__name__": "conf"}
    exec(compile((DOCS / "conf.py").read_text(encoding="utf-8"), "conf.py", "exec"), conf)  # noqa: S102  Sphinx does it
    text = "See the [changelog](../../CHANGELOG.md) and [tokens](tokens.md#5-rotation)."
    monkeypatch.setitem(conf, "REPOSITORY", "")
    assert conf["linked"](text, DOCS / "how-to") == "See the changelog and [tokens](/how-to/tokens.md#5-rotation)."
    monkeypatch.setitem(conf, "REPOSITORY", "https://github.com/o/n")
    assert "[changelog](https://github.com/o/n/blob/main/CHANGELOG.md)" in conf["linked"](text, DOCS / "how-to")
