"""``changes`` and every other place that says which packages an update changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from upsun_agent.model import events as ev
from upsun_agent.model.events import EventType
from upsun_agent.model.packages import Change, ChangeKind, Ecosystem, LockFileChange
from upsun_agent.notify.channels.slack import words
from upsun_agent.notify.messages import Message
from upsun_agent.notify.render import Notification, document, text
from upsun_agent.report.html_packages import packages
from upsun_agent.text.package_text import change_lines, changes_of, page_of, told

from tests.harness.cli_app import App
from tests.harness.stage import JOB, RUN, SLOT, Stage, build

if TYPE_CHECKING:
    from pathlib import Path

STAGING = 'name = "update", environment = "staging", backup = "not-needed"'
CHANGES = (
    "drupal/core 11.2.3 -> 12.0.0",
    "acme/new none -> 2.0",
    "acme/<b>odd</b> 1.0 -> 1.1",
    "package-lock.json: vite 6.3.4 -> 6.3.5",
)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A night with forty packages, one of them a major."""
    stage = build(tmp_path_factory.mktemp("night"), raised_packages=40, raised_majors=1)
    stage.play()
    return stage


def notification(stage: Stage, moment: EventType = EventType.SUCCEEDED) -> Notification:
    message = Message("1", "chat", moment, "nightly", RUN, SLOT)
    return Notification(message, "abcdefgh1234z", "main", "production", "app", stage.run(), tuple(stage.events()))


class Plain:
    """A sender that hides nothing."""

    def clean(self, value: Any) -> Any:
        return value


# --- the commands ------------------------------------------------------------------------------------------------


def updated(make_app: Callable[..., App]) -> App:
    app = make_app(package_changes=CHANGES)
    app.make_due()
    for _ in range(9):
        assert app.call("tick").code == 0
        app.clock.advance(120)
    return app


def test_the_commands_say_what_changed(make_app: Callable[..., App]) -> None:
    app = updated(make_app)
    said = app.call("changes")
    assert said.code == 0
    lines = said.out.splitlines()
    assert "4 packages: 1 major, 1 minor, 1 patch, 1 added" in lines[1]
    assert [line.strip() for line in lines[2:]] == [
        "drupal/core 11.2.3 → 12.0.0 (major)",
        "acme/<b>odd</b> 1.0 → 1.1",
        "vite 6.3.4 → 6.3.5",
        "acme/new 2.0 added",
    ]
    assert "changed: drupal/core 11.2.3 → 12.0.0, 3 others, 1 major" in app.call("show", "nightly").out
    assert "drupal/core 11.2.3 → 12.0.0 (major)" in app.call("show", "nightly").out
    assert "nightly changed" in app.call("status").out
    (job, _) = app.call("status", "--json").document["jobs"]
    assert job["changed"]["summary"] == "drupal/core 11.2.3 → 12.0.0, 3 others, 1 major"


def test_programs_get_all_of_it(make_app: Callable[..., App]) -> None:
    app = updated(make_app)
    (commit,) = app.call("changes", "nightly", "--json").document["commits"]
    assert commit["commit"] == app.simulator.state.environments["main"].head
    composer, npm = commit["files"]
    assert (composer["path"], composer["format"], npm["path"]) == ("composer.lock", "composer", "package-lock.json")
    assert composer["changes"][0] == {
        "ecosystem": "composer",
        "name": "drupal/core",
        "before": "11.2.3",
        "after": "12.0.0",
        "kind": "major",
        "downgrade": False,
        "direct": True,
        "url": "https://packagist.org/packages/drupal/core",
    }
    (past,) = app.call("history", "--json").document["runs"]
    assert all(step["duration_s"] is not None for step in past["steps"])
    (shown,) = [app.call("show", "nightly", "--json").document]
    assert past["changes"] == shown["changes"] == [commit]


def test_before_the_first_update_there_is_nothing_to_say(app: App) -> None:
    said = app.call("changes")
    assert (said.code, "no update has changed a package yet" in said.err) == (75, True)


def test_a_run_without_a_commit_says_so(make_app: Callable[..., App]) -> None:
    app = make_app(update_outcome="no-commit")
    app.make_due()
    for _ in range(9):
        app.call("tick")
        app.clock.advance(120)
    assert "No commit of this run was read." in app.call("changes", "nightly").out
    assert app.call("changes", "nightly", "--json").document["commits"] == []


# --- messages ----------------------------------------------------------------------------------------------------


def test_a_message_lists_ten_packages_majors_first_and_counts_the_rest(night: Stage) -> None:
    lines = text(notification(night)).splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("changed by commit"))
    assert lines[begin].endswith(": 40 packages: 1 major, 9 minor, 30 patch")
    assert lines[begin + 1] == "  drupal/core 11.2.3 → 12.0.0 (major)"
    assert lines[begin + 11] == "  and 30 more"


def test_a_chat_gets_the_same_lines(night: Stage) -> None:
    said = words(notification(night), Plain())  # type: ignore[arg-type]
    assert "drupal/core 11.2.3 → 12.0.0 (major)" in said
    assert "and 30 more" in said


def test_a_webhook_gets_all_of_them(night: Stage) -> None:
    (commit,) = document(notification(night))["changes"]
    assert sum(len(file["changes"]) for file in commit["files"]) == 40
    assert commit["step"] == 2
    assert json.loads(json.dumps(commit))["files"][0]["changes"]


def test_a_message_that_a_run_began_says_nothing_of_changes(night: Stage) -> None:
    begun = notification(night)
    (opened, *_) = night.events()
    from upsun_agent.engine.fold import fold

    early = Notification(begun.message, begun.project, "main", None, "app", fold([opened]), (opened,))
    assert "changed by commit" not in text(early)


# --- the page ----------------------------------------------------------------------------------------------------


def test_the_page_groups_packages_by_ecosystem_majors_first_with_links(night: Stage) -> None:
    page = "".join(part.text for part in packages(night.run()))
    assert page.index("Composer: ") < page.index("npm: ")
    assert page.index("drupal/core") < page.index("symfony/console")
    assert 'href="https://packagist.org/packages/drupal/core"' in page
    assert 'href="https://www.npmjs.com/package/@babel/core"' in page
    assert "major" in page


def test_foreign_texts_stay_texts_on_the_page(tmp_path: Path) -> None:
    stage = build(tmp_path, package_changes=CHANGES)
    stage.play()
    page = "".join(part.text for part in packages(stage.run()))
    assert "<b>" not in page
    assert "acme/&lt;b&gt;odd&lt;/b&gt;" in page


# --- words -------------------------------------------------------------------------------------------------------


def change(name: str, ecosystem: Ecosystem = Ecosystem.COMPOSER, **more: Any) -> Change:
    known = {"before": "1.0", "after": "1.1", "kind": ChangeKind.PATCH}
    return Change(ecosystem=ecosystem, name=name, **{**known, **more})


@pytest.mark.parametrize(
    ("ecosystem", "name", "page"),
    [
        ("composer", "drupal/core", "https://packagist.org/packages/drupal/core"),
        ("npm", "@babel/core", "https://www.npmjs.com/package/@babel/core"),
        ("pypi", "django", "https://pypi.org/project/django/"),
        ("gem", "rails", "https://rubygems.org/gems/rails"),
        ("golang", "golang.org/x/net", "https://pkg.go.dev/golang.org/x/net"),
        ("cargo", "serde_json", "https://crates.io/crates/serde_json"),
        ("hex", "phoenix", "https://hex.pm/packages/phoenix"),
        ("nuget", "Newtonsoft.Json", "https://www.nuget.org/packages/Newtonsoft.Json"),
        ("maven", "org.slf4j:slf4j-api", "https://central.sonatype.com/artifact/org.slf4j/slf4j-api"),
        ("npm", "../../evil", None),
        ("npm", "a/../../b", None),
        ("npm", "x?y=1#z", None),
        ("npm", "javascript:alert(1)", None),
        ("npm", "javascript:alert", None),
        ("composer", "a b", None),
        ("composer", "", None),
    ],
)
def test_a_package_has_the_page_of_its_index_and_an_odd_name_none(ecosystem: str, name: str, page: str | None) -> None:
    assert page_of(change(name, Ecosystem(ecosystem))) == page


def test_a_lower_version_is_named_as_such() -> None:
    file = LockFileChange(
        path="a", format="npm", changes=(change("a/b", after="0.9", kind=ChangeKind.OTHER, downgrade=True),)
    )
    assert change_lines([file]) == ["a/b 1.0 → 0.9 (lower)"]


def test_a_merge_that_brings_on_the_same_changes_is_told_once(tmp_path: Path) -> None:
    jobs = f"""{JOB.replace("backup = {}", 'backup = { environment = "." }').replace('name = "update"', STAGING)}
[[jobs.nightly.steps]]
merge = {{ environment = "staging", into = "." }}
"""
    stage = build(tmp_path, jobs=jobs)
    run = stage.play()
    assert run.closed is not None
    assert run.closed.outcome == "succeeded", run.closed.message
    assert [event.step for event in run.changes] == [1, 2]
    assert [each.step for each in changes_of(run)] == [1]
    assert sum(line.startswith("changed by commit") for line in told(run)) == 1


def test_what_could_not_be_read_is_told(tmp_path: Path) -> None:
    stage = build(tmp_path)
    stage.simulator.add_fault("GET */git/commits/* 403 x*")
    run = stage.play()
    (line,) = told(run)
    assert line.startswith("  warning: what changed is not known: ")
    assert next(event for event in stage.events() if isinstance(event, ev.ChangesRead)).warnings
