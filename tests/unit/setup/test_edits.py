"""Edits of a YAML text: where they go, and that a wrong one never gets out."""

from __future__ import annotations

import pytest
import yaml
from upsun_agent.errors import ConfigInvalid
from upsun_setup.edits import editor_of

TEXT = "a:\n  b: 1 # one\n  c: |\n    x\n\n# end\n"


def test_an_edit_that_would_change_more_than_was_wanted_is_refused() -> None:
    editor = editor_of(TEXT, "f.yaml")
    editor.add(editor.document.root, ("d",), {"e": "f"})
    editor._edit(5, 11, "b: 2")
    with pytest.raises(ConfigInvalid, match=r"would change a\.b"):
        editor.text()


def test_an_edit_that_would_not_say_what_was_wanted_is_refused() -> None:
    editor = editor_of(TEXT, "f.yaml")
    editor.add(editor.document.root, ("d",), "x")
    editor._wanted[("d",)] = "y"
    with pytest.raises(ConfigInvalid, match="cannot change d there"):
        editor.text()


def test_an_edit_that_would_break_the_file_is_refused() -> None:
    editor = editor_of(TEXT, "f.yaml")
    editor._edit(0, 0, "\t")
    with pytest.raises(ConfigInvalid, match="written in a way"):
        editor.text()


ODD = {
    "explicit keys": "? applications\n: ? app\n  : type: x\n",
    "a document's start": "--- \napplications:\n  app: {type: x}\n...\n",
    "tags": "applications: !!map\n  app: !!map\n    type: !!str x\n",
    "anchors that nobody uses": "applications: &a\n  app: &b\n    type: &c x\n    hooks: &d\n      build: &e make\n",
    "a key with spaces behind it": "applications  :\n  app :\n    type : x\n    hooks   :\n      build  : make   # c\n",
    "a value on the next line": "applications:\n  app:\n    hooks:\n      build:\n        make\n        all\n",
    "a quoted hook of several lines": 'applications:\n  app:\n    hooks:\n      build: "make\n\n        all" # c\n',
    "a hook without anything": "applications:\n  app:\n    hooks:\n      build:\n      deploy: x\n",
    "a hook that is null": "applications:\n  app:\n    hooks:\n      build: ~ # none\n",
    "everything on one line": "{applications: {app: {hooks: {build: make}, crons: {}, mounts: {}}}}\n",
    "flow over several lines": "applications: {\n  app: {\n    type: x,\n    crons: {},\n  },\n}\n",
    "a kept block at the end": "applications:\n  app:\n    hooks:\n      build: |+\n        make\n\n\n",
}


@pytest.mark.parametrize("what", ODD)
def test_odd_ways_to_write_are_changed_rightly(what: str) -> None:
    from tests.harness.checkouts import Case

    case = Case(what, {".upsun/config.yaml": ODD[what], "composer.lock": ""}, None)
    plan = case.plan()
    new = yaml.safe_load(plan.changes[0].new)["applications"]["app"]
    assert new["crons"]["agent"]["spec"] == "*/5 * * * *"
    assert "sh /tmp/install.sh" in new["hooks"]["build"]
    assert ("make" in ODD[what]) == ("make" in new["hooks"]["build"])
    after = {**case.files, **{change.path: change.new for change in plan.changes}}
    assert case.plan(after).changes == []


def test_several_keys_are_added_to_empty_braces() -> None:
    editor = editor_of("a: {}\nb: [ ]\n", "f.yaml")
    root = editor.document.root
    empty = root.own("a")
    assert empty is not None
    for name in ("x", "y", "z"):
        editor.add(empty, ("a", name), "1")
    assert editor.text() == 'a: {"x": "1", "y": "1", "z": "1"}\nb: [ ]\n'


@pytest.mark.parametrize(
    ("names", "left"),
    [
        ("a", "{b: 2, c: 3}"),
        ("b", "{a: 1, c: 3}"),
        ("c", "{a: 1, b: 2}"),
        ("ab", "{c: 3}"),
        ("bc", "{a: 1}"),
        ("ac", "{b: 2}"),
        ("abc", "{}"),
    ],
)
def test_neighbours_are_taken_out_of_braces(names: str, left: str) -> None:
    editor = editor_of("top: {a: 1, b: 2, c: 3}\n", "f.yaml")
    mapping = editor.document.root.own("top")
    assert mapping is not None
    for name in names:
        editor.remove(mapping, ("top", name))
    assert editor.text() == f"top: {left}\n"
