"""reconcile: what became of a request without an answer, read from the activity list and never guessed."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from upsun_agent.engine.reconcile import Found, reconcile
from upsun_agent.engine.run import Run
from upsun_agent.engine.step import Failed, Need, Pending
from upsun_agent.model.answers import (
    Activity,
    Answer,
    Backup,
    BackupList,
    LookAtActivities,
    LookAtBackups,
    LookAtEnvironment,
    LookAtOwner,
    Owner,
    Question,
    Trouble,
)
from upsun_agent.model.events import ActivityAdopted, IntentVoid
from upsun_agent.model.failures import FailureKind
from upsun_agent.steps.common.request import MOVING

from tests.harness.builders import (
    BACKUP_TYPE,
    PROVED,
    UPDATE_TYPE,
    activity,
    at,
    backup,
    case_of,
    environment,
    intended,
    listed,
    request_kind,
    run,
    running,
    seen,
    unanswered,
)

INTENT_AT = at(10)
BACKUPS = LookAtActivities(types=(BACKUP_TYPE,), since=INTENT_AT)
UPDATES = LookAtActivities(types=(UPDATE_TYPE,), since=INTENT_AT)
OURS = Owner("user-1")
BACKING_UP = run(intended(0, INTENT_AT), unanswered(0))
UPDATING = run(*PROVED, intended(1, INTENT_AT), unanswered(1))


#: The environment shows no effect of the request.
NO_EFFECT = ((LookAtBackups(), BackupList(())), (LookAtEnvironment(), environment()))


def found(
    of: Run,
    *answers: tuple[Question, Answer],
    minutes: float = 11,
    claimed: tuple[str, ...] = ("act0",),
    effects: tuple[tuple[Question, Answer], ...] = NO_EFFECT,
) -> Found:
    case = case_of(of, seen(*answers, *effects), at(minutes), claimed)
    return reconcile(case, request_kind(case.step.plan.kind))


def backups(*items: Activity, minutes: float = 11, complete: bool = True) -> tuple[Question, Answer]:
    return BACKUPS, listed(*items, when=at(minutes), complete=complete)


def updates(*items: Activity, minutes: float = 11) -> tuple[Question, Answer]:
    return UPDATES, listed(*items, when=at(minutes))


def candidate(name: str = "mine", seconds: float = 3, **changes: Any) -> Activity:
    """A backup that began that long after the intent."""
    return running(BACKUP_TYPE, name, **{"created_at": at(10, seconds), **changes})


def update(name: str = "mine", mark: str | None = None, seconds: float = 3, **changes: Any) -> Activity:
    """A source operation that carries this run's mark, another's, or none ("-")."""
    if mark is None:
        return running(UPDATE_TYPE, name, **{"created_at": at(10, seconds), **changes})
    variables = {} if mark == "-" else {"env": {"UPSUN_AGENT_RUN": mark}}
    parameters = {"operation": "update", "variables": variables}
    return running(UPDATE_TYPE, name, **{"created_at": at(10, seconds), "parameters": parameters, **changes})


def test_the_list_since_the_intent_by_the_servers_clock_is_asked_for_first() -> None:
    assert found(BACKING_UP) == Need(BACKUPS)
    assert found(UPDATING) == Need(UPDATES)


def test_a_list_that_could_not_be_had_is_asked_for() -> None:
    assert found(BACKING_UP, (BACKUPS, Trouble(FailureKind.UNREACHABLE, "no route"))) == Need(BACKUPS)


def test_an_answer_to_another_question_is_not_taken_for_the_list() -> None:
    other = LookAtActivities(types=(BACKUP_TYPE,), since=at(9))
    assert found(BACKING_UP, (other, listed(candidate()))) == Need(BACKUPS)


# --- one, several, none ----------------------------------------------------------------------------------------


def test_one_activity_that_fits_is_adopted_with_its_backup() -> None:
    event = found(BACKING_UP, backups(candidate()))
    assert isinstance(event, ActivityAdopted)
    assert (event.step, event.activity, event.backup) == (0, "mine", "bak1")
    assert event.how == "type, parameters, user and time fit the request"
    assert event.head is None  # the head of the intent stays


def test_an_activity_that_has_ended_is_adopted_like_one_that_runs() -> None:
    event = found(BACKING_UP, backups(activity(name="mine", created_at=at(10, 2), state="complete", result="failure")))
    assert isinstance(event, ActivityAdopted)


@pytest.mark.parametrize("payload", [{}, {"backup_name": None}, {"backup_name": 7}])
def test_an_adopted_activity_that_names_no_backup_yet_is_adopted_without_one(payload: dict[str, object]) -> None:
    event = found(BACKING_UP, backups(candidate(payload=payload)))
    assert isinstance(event, ActivityAdopted)
    assert event.backup is None


def test_the_oldest_of_several_that_fit_is_adopted_whatever_their_order() -> None:
    several = [candidate("late", 9), candidate("first", 2), candidate("middle", 5)]
    for items in (several, several[::-1]):
        event = found(BACKING_UP, backups(*items))
        assert isinstance(event, ActivityAdopted)
        assert event.activity == "first"
        assert event.how.endswith(", the first of 3")


def test_of_two_at_the_same_moment_always_the_same_one_is_adopted() -> None:
    twins = [candidate("b"), candidate("a")]
    names = {getattr(found(BACKING_UP, backups(*items)), "activity", None) for items in (twins, twins[::-1])}
    assert names == {"a"}


def test_no_trace_in_a_settled_list_means_that_the_request_had_no_effect() -> None:
    event = found(BACKING_UP, backups(minutes=12))
    assert isinstance(event, IntentVoid)
    assert (event.step, event.at) == (0, at(11))
    assert event.message == "no environment.backup since 02:10:00 UTC: the request had no effect"


@pytest.mark.parametrize(("seconds", "settled"), [(0, False), (119.9, False), (120, True), (9999, True)])
def test_a_list_is_settled_two_minutes_after_the_intent_by_the_servers_clock(seconds: float, *, settled: bool) -> None:
    # The agent's own clock, an hour ahead here, has no say.
    result = found(BACKING_UP, (BACKUPS, listed(when=at(10, seconds))), minutes=70)
    assert isinstance(result, IntentVoid) is settled
    if not settled:
        assert isinstance(result, Pending)
        assert result.on == "answer"


@pytest.mark.parametrize("of", [BACKING_UP, UPDATING], ids=["backup", "update"])
def test_before_a_request_counts_as_lost_the_environment_is_read_after_the_list(of: Run) -> None:
    empty = backups(minutes=12) if of is BACKING_UP else updates(minutes=12)
    question = LookAtBackups() if of is BACKING_UP else LookAtEnvironment()
    assert found(of, empty, effects=()) == Need(question)
    early = case_of(of, seen(*NO_EFFECT, empty), at(12), ("act0",))
    assert reconcile(early, request_kind(early.step.plan.kind)) == Need(question)


@pytest.mark.parametrize(
    ("held", "changes", "words"),
    [
        ([backup("bak7", created_at=at(10, 30))], {}, "backup bak7 was made since"),
        ([backup("bak7", created_at=at(9, 55))], {}, "backup bak7 was made since"),  # two clocks of the platform
        ([], {"last_backup_at": at(10, 30)}, "the environment says that it was backed up at 02:10:30 UTC"),
        ([backup(created_at=at(3))], {"last_backup_at": at(10, 30)}, "backed up at 02:10:30 UTC"),
    ],
)
def test_a_backup_that_appeared_although_no_activity_is_listed_is_never_asked_for_again(
    held: list[Backup], changes: dict[str, Any], words: str
) -> None:
    effects = ((LookAtBackups(), BackupList(tuple(held))), (LookAtEnvironment(), environment(**changes)))
    verdict = found(BACKING_UP, backups(minutes=30), effects=effects)
    assert isinstance(verdict, Failed)
    assert (verdict.failure, verdict.doubtful) == ("unknown", True)
    assert words in verdict.message


@pytest.mark.parametrize(
    "held",
    [
        [backup("bak1", created_at=at(10, 30), automated=True)],
        [backup("bak1", created_at=at(9))],
        [backup("bak1", created_at=None)],
        [backup("theirs", created_at=at(10, 30))],
    ],
    ids=["automated", "older", "without a date", "of a listed activity"],
)
def test_a_backup_that_explains_itself_is_no_trace_of_the_request(held: list[Backup]) -> None:
    theirs = candidate("other", user="somebody", payload={"backup_name": "theirs"})
    last = max((each.created_at for each in held if each.created_at), default=None)
    effects = (
        (LookAtOwner(), OURS),
        (LookAtBackups(), BackupList(tuple(held))),
        (LookAtEnvironment(), environment(last_backup_at=last)),
    )
    assert isinstance(found(BACKING_UP, backups(theirs, minutes=30), effects=effects), IntentVoid)


def test_a_head_that_moved_although_no_activity_is_listed_is_a_trace_of_the_update() -> None:
    moved = (LookAtEnvironment(), environment(head_commit="bbbbbbbb2"))
    moving = LookAtActivities(types=MOVING, since=INTENT_AT)
    assert found(UPDATING, updates(minutes=30), effects=(moved,)) == Need(moving)
    push = running("environment.push", "p", user="user-1", created_at=at(11))
    hers = running("environment.push", "p", user="user-2", created_at=at(11))
    for items in ((), (push,)):
        effects = (moved, (moving, listed(*items)), (LookAtOwner(), OURS))
        verdict = found(UPDATING, updates(minutes=30), effects=effects)
        assert isinstance(verdict, Failed)
        assert "the head of main moved to bbbbbbbb" in verdict.message
    theirs = (moved, (moving, listed(hers)), (LookAtOwner(), OURS))
    assert isinstance(found(UPDATING, updates(minutes=30), effects=theirs), IntentVoid)
    other = update(mark="another")
    assert isinstance(found(UPDATING, updates(other, minutes=30), effects=(moved,)), IntentVoid)
    for unmoved in ("aaaaaaaa1", None):
        same = ((LookAtEnvironment(), environment(head_commit=unmoved)),)
        assert isinstance(found(UPDATING, updates(minutes=30), effects=same), IntentVoid)


def test_a_list_that_was_cut_at_its_bound_never_proves_that_there_was_no_effect() -> None:
    assert isinstance(found(BACKING_UP, backups(minutes=600, complete=False)), Pending)


# --- what does not count ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(candidate(), type="environment.push"), id="another type"),
        pytest.param(candidate(seconds=-10.01), id="before the intent"),
        pytest.param(candidate(parameters={"safe": False}), id="a live one where a safe one was asked for"),
        pytest.param(candidate("act0"), id="another step's"),
    ],
)
def test_what_cannot_be_the_requests_is_passed_over(other: Activity) -> None:
    assert isinstance(found(BACKING_UP, backups(other, minutes=12)), IntentVoid)
    event = found(BACKING_UP, backups(other, candidate()))
    assert isinstance(event, ActivityAdopted)
    assert event.activity == "mine"


@pytest.mark.parametrize(("seconds", "counts"), [(-10.001, False), (-10.0, True), (-0.5, True), (0, True)])
def test_two_clocks_of_the_platform_may_be_ten_seconds_apart(seconds: float, *, counts: bool) -> None:
    result = found(BACKING_UP, backups(candidate(seconds=seconds), minutes=12))
    assert isinstance(result, ActivityAdopted) is counts


def test_an_activity_that_another_run_claimed_is_passed_over() -> None:
    assert isinstance(found(BACKING_UP, backups(candidate(), minutes=12), claimed=("mine",)), IntentVoid)


def test_an_activity_without_a_date_is_not_adopted_but_forbids_asking_again() -> None:
    undated = candidate(created_at=None)
    assert isinstance(found(BACKING_UP, backups(undated, minutes=600)), Pending)
    event = found(BACKING_UP, backups(undated, candidate("dated")))
    assert isinstance(event, ActivityAdopted)
    assert event.activity == "dated"
    assert event.how == "type, parameters, user and time fit the request"


# --- whose it is -----------------------------------------------------------------------------------------------


def test_the_owner_of_the_token_is_asked_for_only_where_an_activity_names_a_user() -> None:
    assert found(BACKING_UP, backups(candidate(user="user-1"))) == Need(LookAtOwner())
    assert isinstance(found(BACKING_UP, backups(candidate(user=None))), ActivityAdopted)


def test_no_owner_no_verdict() -> None:
    named = backups(candidate(user="user-1"), minutes=600)
    assert found(BACKING_UP, named, (LookAtOwner(), Trouble(FailureKind.UNREACHABLE, "no route"))) == Need(
        LookAtOwner()
    )


def test_an_activity_of_the_tokens_user_is_adopted_and_another_users_is_not() -> None:
    theirs, mine = candidate("theirs", 1, user="user-2"), candidate("mine", 5, user="user-1")
    event = found(BACKING_UP, backups(theirs, mine), (LookAtOwner(), OURS))
    assert isinstance(event, ActivityAdopted)
    assert event.activity == "mine"
    assert isinstance(found(BACKING_UP, backups(theirs, minutes=12), (LookAtOwner(), OURS)), IntentVoid)
    assert isinstance(found(BACKING_UP, backups(theirs, minutes=11), (LookAtOwner(), OURS)), Pending)


def test_another_users_activity_without_a_date_does_not_forbid_asking_again() -> None:
    theirs = candidate(created_at=None, user="user-2")
    assert isinstance(found(BACKING_UP, backups(theirs, minutes=12), (LookAtOwner(), OURS)), IntentVoid)


def test_where_the_api_does_not_say_whose_the_token_is_the_user_has_no_say() -> None:
    event = found(BACKING_UP, backups(candidate(user="user-2")), (LookAtOwner(), Owner(None)))
    assert isinstance(event, ActivityAdopted)


def test_an_activity_without_a_user_counts_beside_others_that_name_theirs() -> None:
    items = (candidate("theirs", 1, user="user-2"), candidate("unsaid", 5))
    event = found(BACKING_UP, backups(*items), (LookAtOwner(), OURS))
    assert isinstance(event, ActivityAdopted)
    assert event.activity == "unsaid"


# --- the mark of a run -----------------------------------------------------------------------------------------


def test_our_mark_wins_over_an_older_activity_that_fits_and_over_the_user() -> None:
    items = (update("older", "-", 1), update("marked", seconds=9, user="somebody-else"))
    event = found(UPDATING, updates(*items))
    assert isinstance(event, ActivityAdopted)
    assert (event.activity, event.how) == ("marked", "it carries this run's mark")


def test_the_first_of_several_with_our_mark_is_adopted() -> None:
    event = found(UPDATING, updates(update("second", seconds=9), update("first", seconds=2)))
    assert isinstance(event, ActivityAdopted)
    assert event.activity == "first"


def test_our_mark_is_enough_where_the_date_is_missing() -> None:
    event = found(UPDATING, updates(update("undated", created_at=None)))
    assert isinstance(event, ActivityAdopted)
    assert event.activity == "undated"


def test_another_runs_mark_is_surely_not_ours() -> None:
    assert isinstance(found(UPDATING, updates(update("theirs", "other@run"), minutes=12)), IntentVoid)


def test_an_operation_without_a_mark_may_be_ours() -> None:
    event = found(UPDATING, updates(update("unmarked", "-")))
    assert isinstance(event, ActivityAdopted)
    assert event.how == "type, parameters, user and time fit the request"


@pytest.mark.parametrize("place", ["parameters", "payload"])
def test_another_operations_activity_is_surely_not_ours(place: str) -> None:
    other = update("cleanup", "-", **dict[str, Any]({"parameters": {}, place: {"operation": "cleanup"}}))
    assert isinstance(found(UPDATING, updates(other, minutes=12)), IntentVoid)


def test_our_mark_does_not_help_an_activity_that_is_older_than_the_intent_or_claimed() -> None:
    assert isinstance(found(UPDATING, updates(update(seconds=-11), minutes=12)), IntentVoid)
    assert isinstance(found(UPDATING, updates(update(), minutes=12), claimed=("mine",)), IntentVoid)


def test_a_step_without_an_intent_cannot_be_reconciled() -> None:
    with pytest.raises(ValueError, match="has no intent"):
        found(run())
