"""Where a token stands: which listed token it is, how old, what it may do; and what a variable may hold instead."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from upsun_agent.access.roles import Roles, missing_roles, parse_roles
from upsun_agent.access.token_source import NAMES, token_of
from upsun_agent.access.token_status import Standing
from upsun_agent.api.people import ApiToken, User
from upsun_agent.doctor import Finding, Level, code_of, worst
from upsun_agent.errors import (
    AgentError,
    BadReply,
    NotFound,
    NotPermitted,
    SecondFactorNeeded,
    TokenMissing,
    TokenRefused,
)
from upsun_agent.model.job import Job

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
DAY = timedelta(days=1)
JOB = Job("nightly", ())
GOOD = Standing(User("1", "bot@example.com"), 900, Roles("viewer", {"production": "admin"}), [], NOW, "project")


def token(name: str, age: float | None, used: float | None, *, with_mfa: bool | None = None) -> ApiToken:
    made = None if age is None else NOW - age * DAY
    return ApiToken(name, name, made, None if used is None else NOW - used * DAY, with_mfa)


@pytest.mark.parametrize(
    ("tokens", "likely"),
    [
        ([], None),
        ([token("only", 1, None)], "only"),
        ([token("a", 1, None), token("b", 1, None)], None),
        ([token("a", 1, 5), token("b", 1, None)], "a"),
        ([token("a", 1, 5), token("b", 1, 0)], "b"),
        ([token("a", 1, 0), token("b", 1, 0)], None),
        (None, None),
    ],
)
def test_the_one_used_last_is_the_one(tokens: list[ApiToken] | None, likely: str | None) -> None:
    found = replace(GOOD, tokens=tokens).likely
    assert (found.name if found else None) == likely


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ([token("a", 180, 0)], "'a' is 180 days old"),
        ([token("a", 179.9, 0)], None),
        ([token("a", None, 0)], None),
        ([], None),
        ([token("a", 300, 0), token("b", 200, 0)], "the user's youngest token is 200 days old"),
        ([token("a", 300, 0), token("b", 2, 0)], None),
        ([token("a", 300, 0), token("b", None, 0)], None),
        ([token("a", -3, 0)], None),
        (None, "the token's age cannot be read"),
    ],
)
def test_only_what_is_surely_too_old_is_to_be_rotated(tokens: list[ApiToken] | None, words: str | None) -> None:
    found = replace(GOOD, tokens=tokens).of_age(180 * DAY)
    assert len(found) == (words is not None)
    assert all(words in text and remedy for text, remedy in found if words)


@pytest.mark.parametrize("user", [True, False, None])
@pytest.mark.parametrize("with_mfa", [True, False, None])
def test_a_second_factor_that_came_later_is_named(*, user: bool | None, with_mfa: bool | None) -> None:
    standing = replace(GOOD, user=User("1", "", mfa=user), tokens=[token("a", 1, 0, with_mfa=with_mfa)])
    assert bool(standing.of_age(DAY * 99)) is (user is True and with_mfa is False)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (None, "has no access to the project"),
        (NotPermitted("user access: not permitted"), "cannot be read"),
        (NotFound("no roles of the user are listed"), "cannot be read"),
        (SecondFactorNeeded("user access: a second factor is required"), "requires a second factor"),
        (TokenRefused("the API refuses the bearer"), "cannot be read"),
        (BadReply("no JSON"), "cannot be read"),
    ],
)
def test_why_there_are_no_roles_is_said_with_what_helps(error: AgentError | None, words: str) -> None:
    standing = replace(GOOD, roles=None, roles_unread=error)
    ((text, remedy),) = standing.without_access()
    assert words in text
    assert remedy
    assert standing.of_roles([JOB]) == standing.of_breadth([JOB]) == []
    assert replace(standing, project=None).without_access() == []


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["production", "staging", "development"]), st.sampled_from(["admin", "viewer"])))
def test_the_command_that_grants_keeps_what_there_is_and_adds_what_is_missing(types: dict[str, str]) -> None:
    jobs = [Job("a", (), environment_types=("production", "staging"))]
    standing = replace(GOOD, roles=Roles("viewer", types))
    for _, remedy in standing.of_roles(jobs):
        words = remedy.split("--role ")[1:]
        roles = parse_roles([each.strip() for each in words])
        assert missing_roles(roles, jobs) == []
        assert roles.types.get("development") == types.get("development")


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_the_variables_hold_it_is_a_token_or_a_refusal_that_does_not_repeat_it(value: str, other: str) -> None:
    try:
        assert token_of({"UPSUN_CLI_TOKEN": value, "PLATFORM_VARIABLES": other}, "UPSUN_CLI_TOKEN") == value.strip()
    except (TokenMissing, TokenRefused) as refused:
        said = f"{refused} {refused.remedy}"
    else:
        return
    assert "setup token" in said or "store it" in said
    assert len(value) < 12 or not value.strip() or value not in said


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_token_in_the_wrong_variable_is_named_by_the_variable(name: str) -> None:
    with pytest.raises(TokenMissing, match=name):
        token_of({name: "secret-value"}, "UPSUN_CLI_TOKEN")
    assert token_of({name: "secret-value"}, name) == "secret-value"


@pytest.mark.parametrize("text", [b"[]", b"7", b'{"OTHER": 1}', b"[" * 100_000, b"\xff"])
def test_odd_platform_variables_are_no_token(text: bytes) -> None:
    with pytest.raises(TokenMissing, match=r"is not set$"):
        token_of({"PLATFORM_VARIABLES": base64.b64encode(text).decode()}, "UPSUN_CLI_TOKEN")


def test_the_worst_finding_counts() -> None:
    fine, warn = Finding("a", Level.OK, ""), Finding("b", Level.WARN, "", exit_code=99)
    fail, worse = Finding("c", Level.FAIL, "", exit_code=73), Finding("d", Level.FAIL, "", exit_code=77)
    assert (worst([]), code_of([])) == ("ok", 0)
    assert (worst([fine]), code_of([fine])) == ("ok", 0)
    assert (worst([warn, fine]), code_of([warn, fine])) == ("warn", 0)
    assert (worst([fine, fail, worse, warn]), code_of([fine, fail, worse, warn])) == ("fail", 77)
