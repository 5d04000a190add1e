"""What holds for every configuration: each byte that init does not mean to change stays, and nothing is guessed at."""

from __future__ import annotations

import difflib
import json
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from upsun_agent.errors import ConfigInvalid, UsageError
from upsun_setup.yaml_tree import read_yaml, walk

from tests.harness.checkouts import CASES, Case

WORDS = st.sampled_from(
    ["a", "web", "x y", "größe", "0 3 * * *", "yes", "1.0", "it's", 'say "x"', "#no", "a: b", "~", "😀"]
)
COMMENTS = st.sampled_from(["", "", "", "# c", "  # deep", "# it's: a {trap}", "", "\t"])


@st.composite
def scalars(draw: st.DrawFn) -> str:
    """A text in one of the ways to write it on one line."""
    word = draw(WORDS)
    how = draw(st.sampled_from(["double", "single", "plain"]))
    if how == "plain" and word not in {"x y", "yes", "#no", "a: b", "~"} and "*" not in word and '"' not in word:
        return word
    return "'" + word.replace("'", "''") + "'" if how == "single" else json.dumps(word, ensure_ascii=False)


@st.composite
def hooks(draw: st.DrawFn, indent: int) -> list[str]:
    """A build hook as a literal block; what it says is not the point."""
    lines = draw(
        st.lists(st.sampled_from(["set -e", "make", "", "  indented", "# comment", "a: b", "| x"]), max_size=5)
    )
    if not any(line.strip() for line in lines):
        return [f"{' ' * indent}build: make"]
    start = draw(st.sampled_from(["|", "|-", "|+"]))
    first = next(line for line in lines if line)
    if first.startswith(" "):
        lines = ["true", *lines]
    body = [" " * (indent + 2) + line if line else "" for line in lines]
    return [f"{' ' * indent}build: {start}", *body]


@st.composite
def configurations(draw: st.DrawFn) -> str:
    """A configuration with one app, written in many ways."""
    step = draw(st.integers(1, 5))
    margin = " " * (2 * step)
    sections: list[list[str]] = [
        [f"{margin}type: {draw(st.sampled_from(['php:8.3', chr(34) + 'python:3.13' + chr(34)]))}"]
    ]
    if draw(st.booleans()):
        sections.append([f"{margin}hooks:", *draw(hooks(3 * step))])
    if draw(st.booleans()):
        names = draw(st.lists(st.sampled_from(["cache", "/media", "'var'"]), unique=True, min_size=1))
        sections.append([f"{margin}mounts:", *(f"{' ' * (3 * step)}{name}: {{source: storage}}" for name in names)])
    if draw(st.booleans()):
        name, start = draw(st.sampled_from(["agent", "a", "'b c'"])), draw(scalars())
        inner = " " * (3 * step)
        cron = [
            f"{inner}{name}:",
            f"{inner}{' ' * step}spec: '0 1 * * *'",
            f"{inner}{' ' * step}commands: {{start: {start}}}",
        ]
        sections.append([f"{margin}crons:", *cron])
    if draw(st.booleans()):
        sections.append([f"{margin}variables:", f"{' ' * (3 * step)}env: {{A: {draw(scalars())}}}"])
    if draw(st.booleans()):
        sections.append([f"{margin}source: {{root: '/'}}"])
    lines = [draw(COMMENTS).strip("\t"), "applications:", f"{' ' * step}app:"]
    for section in draw(st.permutations(sections)):
        lines += section
        comment = draw(COMMENTS)
        if section[0].strip() != "hooks:" and comment != "\t":
            lines.append(margin + comment if comment.startswith("#") else comment)
    lines += draw(
        st.sampled_from([[], ["routes: {}"], ["", "# end"], ["services:", "  db:", "    type: postgresql:16"]])
    )
    newline = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    return newline.join(lines) + draw(st.sampled_from(["", newline, newline * 3]))


def planned(text: str) -> tuple[Case, str, str]:
    """The case, the old text and the new one."""
    case = Case("any", {".upsun/config.yaml": text, "composer.lock": "{}"}, None)
    change = next(change for change in case.plan().changes if change.path.endswith("config.yaml"))
    return case, change.old or "", change.new


def without(whole: Any, part: Any) -> Any:
    """What is left of ``whole`` without what is equal in ``part``, deeply; the part has to be there unchanged."""
    if not isinstance(part, dict):
        return None if whole == part else pytest.fail(f"{part!r} became {whole!r}")
    return {key: value for key, value in whole.items() if key not in part} | {
        key: left for key, value in part.items() if (left := without(whole[key], value)) not in (None, {})
    }


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(configurations())
def test_every_byte_stays_but_for_what_is_added(text: str) -> None:
    yaml.safe_load(text)  # a generator that writes no YAML proves nothing
    case, old, new = planned(text)
    assert old == text
    before, after = yaml.safe_load(old), yaml.safe_load(new)
    hook = (before["applications"]["app"].get("hooks") or {}).pop("build", "")
    build = after["applications"]["app"]["hooks"].pop("build")
    said = [line for line in hook.split("\n") if line.strip()]
    assert [line for line in build.split("\n") if line in said][-1:] == said[-1:]
    left = without(after, before)
    assert set(left) == {"applications"}
    assert set(left["applications"]["app"]) <= {"hooks", "mounts", "crons", "source"}
    gone = [line[2:] for line in difflib.ndiff(old.splitlines(True), new.splitlines(True)) if line.startswith("- ")]
    rewritten = [line for line in gone if "build: make" not in line and "source: {root" not in line]
    # The last line of a file without a line break gets one where something is added behind it.
    assert [line for line in rewritten if line != old.splitlines(True)[-1] or line.endswith("\n")] == []
    assert case.plan({**case.files, **{each.path: each.new for each in case.plan().changes}}).changes == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(CASES)), st.data())
def test_a_damaged_file_is_refused_or_read_and_never_more(name: str, data: st.DataObject) -> None:
    case = CASES[name]
    path = data.draw(st.sampled_from(sorted(file for file in case.files if file.endswith((".yaml", ".toml", ".yml")))))
    text = case.files[path]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 12))
        piece = data.draw(
            st.sampled_from([*"\t:{}[]&*!|>%@`'\"#-\n ~?,", "<<: *x", "&x ", "\r", "\x85", "\ufeff", "null", "- "])
        )
        text = text[:at] + piece + text[at + cut :]
    try:
        plan = case.plan({**case.files, path: text})
    except (ConfigInvalid, UsageError):
        return
    for change in plan.changes:
        if change.path.endswith((".yaml", ".yml")):
            read_yaml(change.new, change.path)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300) | st.text(alphabet="ab:-[]{}&*!|> \n\t#'\"?,%", max_size=120))
def test_any_text_is_a_tree_or_a_mistake_with_its_line(text: str) -> None:
    try:
        document = read_yaml(text, "any.yaml")
    except ConfigInvalid as refused:
        if not str(refused).startswith("any.yaml:"):
            raise
        return
    for node in walk(document):
        assert 0 <= node.start <= len(text) + 1
        assert 0 <= document.content_end(node) <= len(text) + 1


@given(st.text(alphabet="ab#\n\r :", max_size=60), st.integers(0, 60))
def test_lines_are_found_as_other_readers_find_them(text: str, at: int) -> None:
    assume(at <= len(text))
    assume("\r" not in text[at - 1 : at + 1])
    document = read_yaml("", "x")
    document.text = text
    before = text[:at].replace("\r\n", "\n").replace("\r", "\n")
    assert document.line(at) == before.count("\n") + 1
    assert document.column(at) == len(before.split("\n")[-1])
    assert document.next_line(at) > document.line_end(at) or document.next_line(at) == len(text)
