"""The files that a code forge reads: issue forms, owners, updates, hooks before a commit."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from typing import Any

import pytest
import yaml
from upsun_setup.published import page, repository

from tests.harness.doc_blocks import blocks_in
from tests.harness.sources import REPOSITORY

FORGE = REPOSITORY / ".github"
FORMS = sorted(path for path in (FORGE / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
#: What an element of a form may be, and what it has to have.
NEEDED = {"markdown": {"value"}, "input": {"label"}, "textarea": {"label"}, "dropdown": {"label", "options"}}


def loaded(path: str) -> Any:
    return yaml.safe_load((REPOSITORY / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_an_issue_form_has_what_the_forge_asks_for(form: Any) -> None:
    data = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(data) <= {"name", "description", "title", "labels", "body"}
    questions = [each for each in data["body"] if each["type"] != "markdown"]
    assert questions
    identities = [each["id"] for each in questions]
    assert len(identities) == len(set(identities))
    for element in data["body"]:
        assert set(element) <= {"type", "id", "attributes", "validations"}
        assert NEEDED[element["type"]] <= set(element["attributes"])


def test_there_is_a_form_for_a_bug_and_one_for_an_idea() -> None:
    assert [form.stem for form in FORMS] == ["bug", "idea"]
    assert loaded(".github/ISSUE_TEMPLATE/config.yml")["blank_issues_enabled"] is False


def test_owners_are_of_paths_that_are_there() -> None:
    lines = [line.split() for line in (FORGE / "CODEOWNERS").read_text().splitlines() if line[:1] not in {"", "#"}]
    assert lines[0][0] == "*"
    for path, *owners in lines:
        assert owners
        assert all(owner.startswith("@") for owner in owners)
        assert path == "*" or (REPOSITORY / path.strip("/")).exists(), path


def test_updates_of_actions_and_packages_are_proposed() -> None:
    updates = {each["package-ecosystem"]: each for each in loaded(".github/dependabot.yml")["updates"]}
    assert set(updates) == {"github-actions", "pip"}
    for each in updates.values():
        assert (REPOSITORY / each["directory"].strip("/")).is_dir()


def test_hooks_of_other_repositories_are_pinned_by_revision() -> None:
    repositories = loaded(".pre-commit-config.yaml")["repos"]
    hooks = {hook["id"] for each in repositories for hook in each["hooks"]}
    assert {"ruff-check", "ruff-format", "codespell", "validate-pyproject"} <= hooks
    for each in repositories:
        assert each["repo"] == "local" or re.fullmatch(r"[0-9a-f]{40}", each["rev"]), each["repo"]
        for hook in each["hooks"]:
            assert all("==" in package for package in hook.get("additional_dependencies", []))


def test_only_the_setting_says_where_the_repository_is() -> None:
    """No file names a repository of the agent on a forge, but the one that the setting names."""
    place = repository()
    files = subprocess.run(
        [shutil.which("git") or "git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    for name in files.splitlines():
        content = (REPOSITORY / name).read_bytes() if (REPOSITORY / name).is_file() else b""
        for found in re.findall(rb"https://git(?:hub|lab)\.com/[\w.-]+/upsun-agent\b", content):
            assert found.decode() in {place, "https://github.com/example/upsun-agent"}, name


def test_what_a_maintainer_adds_when_the_setting_is_made_is_complete() -> None:
    text = (REPOSITORY / "RELEASE.md").read_text(encoding="utf-8")
    block = next(each for each in blocks_in(text, "RELEASE.md") if each.language == "toml")
    urls = tomllib.loads(block.text)["project"]["urls"]
    assert set(urls) == {"Documentation", "Source", "Changelog", "Issues"}
    place = repository("https://github.com/OWNER/NAME/releases/download")
    assert place == urls["Source"]
    assert all(url.startswith(place) for url in urls.values())
    assert urls["Documentation"] == page("docs/index.md", "https://github.com/OWNER/NAME/releases/download")
