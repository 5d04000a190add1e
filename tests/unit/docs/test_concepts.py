"""The pages on recipes, promises, the walk through the code, the words and the decisions are complete and true."""

from __future__ import annotations

import re

import pytest
from upsun_agent.config import parse

from tests.harness.doc_blocks import BLOCKS
from tests.harness.sources import REPOSITORY

DOCS = REPOSITORY / "docs"
STOPS_MOST = 12
WORDS = [
    "slot",
    "tick",
    "run",
    "step",
    "proved",
    "journal",
    "intent",
    "settled",
    "adopt",
    "link",
    "misfire",
    "suspended",
    "rollback",
    "finally",
    "heartbeat",
]


def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_there_are_twelve_recipes_each_a_whole_job_file() -> None:
    recipes = [block for block in BLOCKS if block.page == "docs/how-to/recipes.md" and block.language == "toml"]
    assert len(recipes) == 12 == len(re.findall(r"^## \d+\. ", text_of("how-to/recipes.md"), re.MULTILINE))
    for recipe in recipes:
        job_file = parse(recipe.text, recipe.place)
        assert job_file.jobs
        assert job_file.state == "/app/var/agent"


def test_every_promise_names_tests_that_are_there() -> None:
    parts = re.split(r"^## (P\d+): .*$", text_of("promises.md"), flags=re.MULTILINE)
    promises = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert list(promises) == [f"P{number}" for number in range(1, 11)]
    there = {path.name for path in (REPOSITORY / "tests").rglob("*.py")}
    for promise, text in promises.items():
        named = re.findall(r"`(\w+\.py)`", text)
        assert named, f"{promise} names no test"
        assert set(named) <= there, f"{promise} names tests that are not there: {set(named) - there}"


def test_the_walk_has_at_most_twelve_stops_at_files_that_are_there_each_named_once() -> None:
    text = text_of("concepts/walk.md")
    stops = re.findall(r"^(\d+)\. `([\w/]+\.py)`", text, re.MULTILINE)
    assert [int(number) for number, _ in stops] == list(range(1, len(stops) + 1))
    assert 8 <= len(stops) <= STOPS_MOST
    named = re.findall(r"`([\w/]+\.py)`", text)
    assert sorted(named) == sorted({file for _, file in stops})
    for _, file in stops:
        assert (REPOSITORY / "agent" / "upsun_agent" / file).is_file(), file


@pytest.mark.parametrize("word", sorted(WORDS))
def test_the_glossary_has_the_word(word: str) -> None:
    assert re.search(rf"^## {word}\n\n[A-Z]", text_of("glossary.md"), re.MULTILINE)


def test_every_decision_has_context_decision_and_consequences() -> None:
    records = sorted((DOCS / "adr").glob("[0-9]*.md"))
    assert len(records) >= 10
    for number, record in enumerate(records, 1):
        text = record.read_text(encoding="utf-8")
        assert record.name.startswith(f"{number:04d}-")
        assert text.startswith(f"# {number}. ")
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]


def test_pages_of_the_platform_are_named_by_their_address() -> None:
    notation = re.compile(r"(?<![\w/.-])(?:dev-)?(?:docs|devcenter):[a-z]")
    files = [file for folder in ("agent", "docs", "hooks") for file in (REPOSITORY / folder).rglob("*.*")]
    texts = [file for file in files if file.suffix in {".py", ".md", ".sh"}]
    assert len(texts) > 300
    assert [str(file) for file in texts if notation.search(file.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("word", ["slot", "tick", "journal", "proved"])
def test_a_guide_that_uses_a_word_links_to_its_entry(word: str) -> None:
    other = re.compile(r"^```.*?^```|^\|.*?$|^#.*?$|`[^`]*`|\*\*[^*]*\*\*", re.DOTALL | re.MULTILINE)
    for page in sorted((DOCS / "how-to").glob("*.md")):
        text = other.sub("", page.read_text(encoding="utf-8"))
        if re.search(rf"(?<![\w/#-]){word}(?![\w/-])", text):
            assert f"glossary.md#{word}" in text, page.name
