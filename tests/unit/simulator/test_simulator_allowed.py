"""Which operations on environments are allowed and possible: links show it, and requests are held to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from upsun_simulator import ManualClock

    from tests.harness.simulator_client import Talker

BODIES: dict[str, Any] = {
    "backup": {"safe": True},
    "source-operation": {"operation": "update"},
    "synchronize": {"synchronize_data": True},
    "branch": {"title": "New", "name": "new"},
}
OF_ACTIVE = {"backup", "source-operation", "redeploy", "branch"}
OF_CHILDREN = {"synchronize", "merge", "pause"}
EVERY = (*sorted(OF_ACTIVE | OF_CHILDREN), "activate", "deploy", "resume")


def _offered(ask: Talker, path: str) -> set[str]:
    """The operations that the environment has links for, which are just those that are accepted."""
    return {name.removeprefix("#") for name in ask.links(path)} & set(EVERY)


def _refusals(ask: Talker, path: str) -> dict[str, int]:
    """How each operation that has no link is refused."""
    offered = _offered(ask, path)
    answers = {name: ask("POST", f"{path}/{name}", BODIES.get(name)) for name in EVERY if name not in offered}
    assert all(one.content["error"] for one in answers.values())
    return {name: one.status for name, one in answers.items()}


def test_production_and_a_child_offer_different_things(ask: Talker) -> None:
    assert _offered(ask, ask.main) == OF_ACTIVE
    assert _refusals(ask, ask.main) == {
        **dict.fromkeys(("synchronize", "merge", "pause"), 400),
        **dict.fromkeys(("activate", "deploy", "resume"), 409),
    }
    assert _offered(ask, ask.staging) == OF_ACTIVE | OF_CHILDREN
    assert _refusals(ask, ask.staging) == dict.fromkeys(("activate", "deploy", "resume"), 409)
    assert ask.simulator.request_log()["activities"] == []


@pytest.mark.parametrize("name", sorted(OF_ACTIVE | OF_CHILDREN))
def test_what_has_a_link_is_accepted_at_its_href(ask: Talker, name: str) -> None:
    href = ask.get(ask.staging)["_links"][f"#{name}"]["href"]
    assert ask("POST", href, BODIES.get(name)).status == 202


@pytest.mark.parametrize("changes", [{"other_role": "contributor"}, {"other_role": "viewer"}, {"other_role": None}])
def test_without_an_admin_role_nothing_is_offered_and_everything_is_forbidden(
    make: Callable[..., Talker], changes: dict[str, Any]
) -> None:
    ask = make(**changes)
    may_branch = {"branch"} if changes["other_role"] else set()
    assert _offered(ask, ask.staging) == may_branch, "every role may branch"
    refusals = _refusals(ask, ask.staging)
    assert (set(refusals.values()), set(BODIES) & may_branch & set(refusals)) == ({403}, set())


def test_a_merge_needs_an_admin_of_the_parents_type_too(make: Callable[..., Talker]) -> None:
    ask = make(role="contributor")
    assert _offered(ask, ask.staging) == (OF_ACTIVE | OF_CHILDREN) - {"merge"}
    assert _refusals(ask, ask.staging)["merge"] == 403
    # A parent of the same type is no obstacle.
    assert "merge" in _offered(ask, f"{ask.project}/environments/feature%2Flogin")


@pytest.mark.parametrize("status", ["paused", "inactive"])
def test_a_parent_that_is_not_active_gives_nothing_and_takes_nothing(ask: Talker, status: str) -> None:
    ask.simulator.set_status(status)
    assert _offered(ask, ask.staging) == OF_ACTIVE | {"pause"}
    refused = _refusals(ask, ask.staging)
    assert (refused["synchronize"], refused["merge"]) == (409, 409)


def test_links_vanish_while_it_or_its_parent_is_busy_where_the_scenario_says_so(
    make: Callable[..., Talker], clock: ManualClock
) -> None:
    ask = make(links_vanish_when_busy=True)
    ask.simulator.start_activity("main", seconds=10)
    assert _offered(ask, ask.staging) == OF_ACTIVE | {"pause"}
    assert set(_refusals(ask, ask.staging).values()) == {409}
    clock.advance(10)
    ask.simulator.start_activity("staging", seconds=10)
    assert _offered(ask, ask.staging) == set()
    assert set(_refusals(ask, ask.staging).values()) == {409}
    clock.advance(10)
    assert _offered(ask, ask.staging) == OF_ACTIVE | OF_CHILDREN


def test_links_may_be_absent_for_no_reason(make: Callable[..., Talker]) -> None:
    ask = make(absent_links=("#merge",), absent_list_links=("#synchronize",))
    assert _offered(ask, ask.staging) == (OF_ACTIVE | OF_CHILDREN) - {"merge"}
    listed = ask.get(f"{ask.project}/environments")[1]["_links"]
    assert ("#synchronize" in listed, "#pause" in listed) == (False, True)


def test_where_an_integration_manages_branches_the_platform_leaves_them_alone(make: Callable[..., Talker]) -> None:
    ask = make(source_integration=True)
    assert _offered(ask, ask.staging) == (OF_ACTIVE | OF_CHILDREN) - {"merge", "branch"}
    assert _refusals(ask, ask.staging)["merge"] == 400
    assert ask("POST", f"{ask.staging}/synchronize", {"synchronize_code": True}).status == 400
    assert ask("POST", f"{ask.staging}/synchronize", {"synchronize_data": True}).status == 202


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("merge", {"resources": {"init": "parent"}}),
        ("merge", {"resources": "child"}),
        ("merge", {"into": "main"}),
        ("synchronize", {"synchronize_data": "yes"}),
        ("synchronize", {"synchronize_data": True, "extra": 1}),
        ("synchronize", {"synchronize_data": True, "rebase": None}),
        ("pause", {"until": "tomorrow"}),
        ("resume", {"now": True}),
        ("activate", {"resources": {"init": "child"}}),
        ("redeploy", [1]),
    ],
)
def test_a_body_of_the_wrong_shape_is_refused(ask: Talker, operation: str, body: Any) -> None:
    assert ask("POST", f"{ask.staging}/{operation}", body).status == 400
    assert ask.states(ask.staging) == []


def test_an_environment_that_is_not_there_has_no_operations(ask: Talker) -> None:
    for name in EVERY:
        assert ask("POST", f"{ask.project}/environments/nowhere/{name}", BODIES.get(name)).status == 404
