"""Roles: what options and permissions mean, what jobs need, what is missing and what is too much; exhaustively."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upsun_agent.access.roles import (
    ON_TYPE,
    TYPES,
    Roles,
    excess_roles,
    missing_roles,
    needed,
    needed_by,
    parse_roles,
    targets,
)
from upsun_agent.errors import UsageError
from upsun_agent.model.job import Job, StepPlan

#: Every combination of a role on the project and one on each type, or none given.
EVERY = [
    Roles(project, {kind: role for kind, role in zip(TYPES, roles, strict=True) if role})
    for project, *roles in product(("admin", "viewer"), *[(*ON_TYPE, "")] * 3)
]
#: Every set of environment types, as one job each.
JOBS = [
    [Job("job", (), environment_types=tuple(kind for kind, wanted in zip(TYPES, mask, strict=True) if wanted))]
    for mask in product((True, False), repeat=3)
]


@pytest.mark.parametrize("jobs", JOBS, ids=lambda jobs: "-".join(jobs[0].environment_types) or "nowhere")
def test_what_is_lacking_is_what_makes_up_the_difference(jobs: list[Job]) -> None:
    for roles in EVERY:
        missing = missing_roles(roles, jobs)
        assert all(roles.may_act(kind) for kind in needed(jobs)) is (not missing)
        mended = Roles(roles.project, {**roles.types, **dict(each.split(":") for each in missing)})
        assert missing_roles(mended, jobs) == []
        for each in missing:
            assert each.endswith(":admin")
            assert each.partition(":")[0] in jobs[0].environment_types


@pytest.mark.parametrize("jobs", JOBS, ids=lambda jobs: "-".join(jobs[0].environment_types) or "nowhere")
def test_roles_are_as_narrow_as_can_be_when_nothing_is_lacking_and_nothing_too_much(jobs: list[Job]) -> None:
    for roles in EVERY:
        exact = roles.project == "viewer" and {k for k, r in roles.types.items() if r == "admin"} == set(needed(jobs))
        assert (not missing_roles(roles, jobs) and not excess_roles(roles, jobs)) is exact


def test_permissions_are_read_back_as_the_same_roles() -> None:
    for roles in EVERY:
        again = Roles.of(roles.permissions())
        assert again.permissions() == roles.permissions()
        assert all(again.may_act(kind) == roles.may_act(kind) for kind in TYPES)
        assert str(again) == str(roles)
        assert "none" not in "".join(roles.permissions())


def test_options_are_read_as_the_permissions_they_name() -> None:
    for roles in EVERY:
        words = [roles.project, *(f"{kind}:{role}" for kind, role in roles.types.items())]
        if roles.project == "viewer" and not roles.on_types():
            with pytest.raises(UsageError):
                parse_roles(words)
        else:
            assert parse_roles(words).permissions() == roles.permissions()
            assert parse_roles(reversed(words)).permissions() == roles.permissions()


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.text(max_size=20), st.sampled_from(["viewer", "admin", "production:admin", "staging:none"])))
)
def test_any_words_are_roles_or_a_usage_error_with_its_remedy(words: list[str]) -> None:
    known = {"viewer", "admin", *(f"{kind}:{role}" for kind in TYPES for role in ON_TYPE)}
    try:
        roles = parse_roles(words)
    except UsageError as refused:
        error = refused
    else:
        assert set(words) <= known
        assert roles.permissions()
        return
    assert error.remedy


@settings(deadline=None)
@given(st.lists(st.text(max_size=30)))
def test_unknown_permissions_of_the_api_give_nothing(words: list[str]) -> None:
    roles = Roles.of(words)
    assert roles.project == ("admin" if "admin" in words else "viewer")
    assert set(roles.types) <= set(TYPES)


def test_jobs_are_named_where_they_need_the_role() -> None:
    one = Job("one", (), environment_types=("staging", "production"))
    two = Job("two", (), environment_types=("production",))
    assert needed_by([one, two]) == {"production": ["one", "two"], "staging": ["one"]}
    assert list(needed_by([one, two])) == ["production", "staging"]
    assert needed_by([]) == {}
    assert needed_by(each for each in [one]) == {"production": ["one"], "staging": ["one"]}


def test_jobs_that_work_on_other_environments_need_roles_on_their_types() -> None:
    sync = StepPlan("sync", {"environment": "stage", "data": True})
    merge = StepPlan("merge", {"environment": "stage", "into": "."})
    pipeline = Job("promote", (sync, merge), on_failure=(StepPlan("redeploy", {"environment": "trial"}),))
    types = {"stage": "staging", "trial": "development"}
    assert targets([pipeline]) == ["stage", "trial"]
    assert needed_by([pipeline], types) == {
        "production": ["promote"],
        "staging": ["promote"],
        "development": ["promote"],
    }
    narrow = Roles("viewer", {"production": "admin", "staging": "admin"})
    assert missing_roles(narrow, [pipeline], types) == ["development:admin"]
    assert missing_roles(narrow, [pipeline]) == []
    assert excess_roles(narrow, [pipeline], types) == []
