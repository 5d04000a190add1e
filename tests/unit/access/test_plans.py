"""Plans of the set-up commands: what is done for each state of the platform, and that doing it twice does nothing."""

from __future__ import annotations

from itertools import product

import pytest
from upsun_agent.access.roles import Roles
from upsun_agent.access.setup_plan import FIXED, FLAGS, WANTED, differences, named, plan_user, plan_variable, problems
from upsun_agent.api.people import Invitation, Member, User
from upsun_agent.api.variables import FLAGS as API_FLAGS
from upsun_agent.api.variables import Variable
from upsun_agent.errors import UsageError

BOT = "bot@example.com"
ADMIN = Roles("viewer", {"production": "admin"})
VIEWER = Roles("viewer", {"production": "viewer"})
EVERY = [dict(zip(API_FLAGS, values, strict=True)) for values in product((True, False), repeat=len(API_FLAGS))]


@pytest.mark.parametrize("email", [BOT, BOT.upper()])
@pytest.mark.parametrize(
    ("members", "invitations", "action"),
    [
        ([], [], "invite"),
        ([], [Invitation("1", BOT, ADMIN)], "none"),
        ([], [Invitation("1", "x@example.com", ADMIN)], "invite"),
        ([Member(User("1", BOT), VIEWER)], [], "grant"),
        ([Member(User("1", BOT), ADMIN)], [], "none"),
        ([Member(User("1", BOT), VIEWER)], [Invitation("1", BOT, ADMIN)], "grant"),
        ([Member(User("1", ""), ADMIN)], [], "invite"),
    ],
)
def test_one_action_for_each_state_and_never_a_second_mail(
    email: str, members: list[Member], invitations: list[Invitation], action: str
) -> None:
    plan = plan_user(email, ADMIN, members, invitations, "owner")
    assert (plan.action, plan.warning) == (action, "")
    assert (plan.user is not None) is (named(email, members) is not None)


def test_an_invitation_with_other_roles_is_a_warning() -> None:
    plan = plan_user(BOT, ADMIN, [], [Invitation("1", BOT, VIEWER)])
    assert (plan.action, plan.before) == ("none", VIEWER)
    assert "viewer, production:viewer" in plan.warning


def test_the_owner_keeps_what_the_owner_has() -> None:
    owner = Member(User("1", BOT), Roles("admin"))
    assert plan_user(BOT, Roles("admin"), [owner], [], "1").action == "none"
    with pytest.raises(UsageError, match="owns the project"):
        plan_user(BOT, ADMIN, [owner], [], "1")


def test_every_variable_becomes_one_with_every_set_of_flags_unless_it_was_sensitive() -> None:
    for before, after in product(EVERY, EVERY):
        stored = Variable("env:X", before)
        if before["is_sensitive"] and not after["is_sensitive"]:
            with pytest.raises(UsageError):
                plan_variable(stored, after)
            continue
        plan = plan_variable(stored, after)
        assert plan.action == "change"
        assert plan.rebuilds is (before["visible_build"] or after["visible_build"])
        assert {name for name, (was, now) in plan.changed.items() if was != now} == {
            name for name in API_FLAGS if before[name] != after[name]
        }
        assert bool(differences(stored, after)) is (before != after)


def test_what_is_not_there_or_is_the_parents_is_created() -> None:
    for after in EVERY:
        for existing in (None, Variable("env:X", dict.fromkeys(API_FLAGS, True), inherited=True)):
            plan = plan_variable(existing, after)
            assert (plan.action, plan.rebuilds) == ("create", after["visible_build"])
            assert differences(existing, after)


@pytest.mark.parametrize(
    ("stored", "wanted", "same"),
    [((), None, True), (("a",), None, True), (("a", "b"), ("b", "a"), True), ((), ("a",), False), (("a",), (), False)],
)
def test_apps_are_compared_where_they_were_named(
    stored: tuple[str, ...], wanted: tuple[str, ...] | None, *, same: bool
) -> None:
    assert (differences(Variable("env:X", EVERY[0], scope=stored), EVERY[0], wanted) == []) is same


def test_the_defaults_of_the_options_have_no_flaw_and_each_flag_has_one() -> None:
    assert problems({flag: default for flag, default, _ in FLAGS.values()}) == []
    for each in EVERY:
        assert len(problems(each)) == sum(each[flag] is not good for flag, good, _ in WANTED)
    assert {flag for flag, _, _ in WANTED} == set(API_FLAGS) == {flag for flag, _, _ in FLAGS.values()} | FIXED.keys()
    assert problems(FIXED) == []
    assert problems({"is_json": True}) != []
    assert problems({}) == []
