"""The kinds of steps: what they ask for, what they take for theirs, and when a backup is proved."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest
from upsun_agent.config.definitions import STEP
from upsun_agent.engine.fold import fold
from upsun_agent.engine.run import Run
from upsun_agent.engine.step import Done, Failed, Need, Pending, Verdict
from upsun_agent.model.answers import (
    Absent,
    Activity,
    Answer,
    Backup,
    BackupList,
    Environment,
    LookAtBackup,
    LookAtBackups,
    Question,
    Trouble,
)
from upsun_agent.model.events import StepOutcome, Trigger
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import StepPlan
from upsun_agent.steps import KINDS
from upsun_agent.validators import Table

from tests.harness.builders import (
    BACKUP,
    BACKUP_TYPE,
    LIVE_BACKUP,
    PROVED,
    REUSING_BACKUP,
    RUN,
    SLOT,
    UNPROVED_UPDATE,
    UPDATE,
    UPDATE_TYPE,
    accepted,
    activity,
    adopted,
    at,
    backup,
    case_of,
    ended,
    environment,
    intended,
    job,
    opened,
    refused,
    run,
    running,
    seen,
)

BACKUPS, UPDATES = KINDS["backup"], KINDS["source-operation"]

# --- requests --------------------------------------------------------------------------------------------------


def test_the_kinds_are_known_by_the_names_of_the_job_file() -> None:
    assert all(kind.name == name for name, kind in KINDS.items())
    assert set(KINDS) == set(STEP.fields)
    assert len(KINDS) == len(STEP.fields)
    assert all(KINDS[name] is KINDS[name] for name in KINDS)
    assert KINDS.get("no-such-kind") is None
    for odd in (
        "",
        "common",
        "common.kind",
        "__init__",
        "../backup",
        "wait\0",
        "Backup",
        "http_check",
        "é",
        "x" * 5000,
    ):
        assert odd not in KINDS


def test_a_snapshot_of_another_version_is_read_with_defaults_and_without_keys_that_are_not_known() -> None:
    plan = StepPlan("backup", {"reuse-within": 60, "timeout": None, "of-a-later-version": [1]})
    settings = KINDS["backup"].settings(plan)
    assert (settings.reuse_within, settings.live, settings.retries, settings.timeout) == (60, False, 1, None)
    assert KINDS["wait"].settings(StepPlan("wait", {"for": 5, "days": ["mon"]})).days == ("mon",)
    with pytest.raises(TypeError):  # such a run is closed with the failure "journal"
        KINDS["merge"].settings(StepPlan("merge", {}))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_keys_of_a_kind_are_the_fields_of_its_settings(kind: str) -> None:
    shape = STEP.fields[kind].shape
    assert isinstance(shape, Table)
    required = {key: "x" for key, entry in shape.fields.items() if entry.required}
    read = {**{key: entry.default for key, entry in shape.fields.items()}, **required}
    assert KINDS[kind].settings(StepPlan(kind, read)) == KINDS[kind].settings(StepPlan(kind, required))
    assert all(entry.doc for entry in shape.fields.values())


@pytest.mark.parametrize(("plan", "safe"), [(BACKUP, True), (StepPlan("backup", {}), True), (LIVE_BACKUP, False)])
def test_a_backup_is_safe_unless_the_job_wants_it_live(plan: StepPlan, *, safe: bool) -> None:
    assert BACKUPS.body(plan, RUN) == {"safe": safe}
    assert BACKUPS.describe(plan) == ("backup" if safe else "live backup")
    assert not BACKUPS.needs_proof(plan)


def test_a_source_operation_carries_its_name_its_variables_and_the_runs_mark() -> None:
    groups = {"env": {"CHANNEL": "stable", "UPSUN_AGENT_RUN": "forged"}, "php": {"a": "b"}}
    plan = StepPlan("source-operation", {"name": "update", "variables": groups})
    assert UPDATES.body(plan, RUN) == {
        "operation": "update",
        "variables": {"env": {"CHANNEL": "stable", "UPSUN_AGENT_RUN": RUN}, "php": {"a": "b"}},
    }
    assert groups["env"]["UPSUN_AGENT_RUN"] == "forged", "the plan itself is left alone"
    assert UPDATES.body(UNPROVED_UPDATE, RUN)["variables"] == {"env": {"UPSUN_AGENT_RUN": RUN}}
    assert UPDATES.describe(plan) == "source operation update"


@pytest.mark.parametrize(
    ("settings", "needed"),
    [({}, True), ({"backup": "required"}, True), ({"backup": "odd"}, True), ({"backup": "not-needed"}, False)],
)
def test_a_source_operation_needs_a_proved_backup_unless_the_job_says_otherwise(
    settings: dict[str, str], *, needed: bool
) -> None:
    assert UPDATES.needs_proof(StepPlan("source-operation", {"name": "update", **settings})) is needed


def test_there_is_no_way_round_running_a_source_operation() -> None:
    assert UPDATES.shortcut(case_of(run(*PROVED), seen()), environment()) is None


@pytest.mark.parametrize(
    ("parameters", "recognised"),
    [
        ({}, "maybe"),
        ({"safe": True}, "maybe"),
        ({"safe": "yes"}, "maybe"),  # not a boolean says nothing
        ({"safe": False}, "no"),
    ],
)
def test_a_backup_activity_may_be_ours_unless_it_is_of_the_other_kind(
    parameters: dict[str, Any], recognised: str
) -> None:
    assert BACKUPS.recognises(BACKUP, RUN, activity(parameters=parameters)) == recognised


@pytest.mark.parametrize(
    ("parameters", "recognised"),
    [
        ({"variables": {"env": {"UPSUN_AGENT_RUN": RUN}}}, "sure"),
        ({"variables": {"env:UPSUN_AGENT_RUN": RUN}}, "sure"),
        ({"variables": {"env": {"UPSUN_AGENT_RUN": "other"}}}, "no"),
        ({"operation": "update"}, "maybe"),
        ({"operation": "cleanup"}, "no"),
        ({}, "maybe"),
        ({"variables": {"env": {"UPSUN_AGENT_RUN": 7}}}, "maybe"),
        ({"variables": {"env": "text"}}, "maybe"),
        ({"variables": ["text"]}, "maybe"),
    ],
)
def test_an_operation_is_surely_ours_with_our_mark_and_surely_not_with_anothers(
    parameters: dict[str, Any], recognised: str
) -> None:
    assert UPDATES.recognises(UPDATE, RUN, activity(UPDATE_TYPE, parameters=parameters)) == recognised


@pytest.mark.parametrize(
    ("plan", "began", "parameters", "serves"),
    [
        (BACKUP, at(0), {"safe": True}, True),
        (BACKUP, at(5), {"safe": True}, True),
        (BACKUP, at(0, -1), {"safe": True}, False),  # before the slot
        (BACKUP, None, {"safe": True}, False),
        (BACKUP, at(5), {"safe": False}, False),  # live
        (BACKUP, at(5), {}, False),  # not said to be safe
        (LIVE_BACKUP, at(5), {"safe": False}, True),
        (LIVE_BACKUP, at(5), {"safe": True}, True),
        (LIVE_BACKUP, at(5), {}, True),
        (LIVE_BACKUP, at(0, -1), {"safe": False}, False),
    ],
)
def test_a_running_backup_serves_if_it_is_younger_than_the_slot_and_as_safe_as_wanted(
    plan: StepPlan, began: datetime | None, parameters: dict[str, Any], *, serves: bool
) -> None:
    case = case_of(run(of=job(plan)), seen())
    assert BACKUPS.adopts(case, running(created_at=began, parameters=parameters)) is serves


@pytest.mark.parametrize(("mark", "serves"), [(RUN, True), ("other", False), (None, False)])
def test_a_running_operation_serves_only_if_it_carries_this_runs_mark(mark: str | None, *, serves: bool) -> None:
    variables = {"env": {"UPSUN_AGENT_RUN": mark}} if mark else {}
    case = case_of(run(*PROVED), seen())
    found = running(UPDATE_TYPE, parameters={"operation": "update", "variables": variables})
    assert UPDATES.adopts(case, found) is serves


# --- the proof of a backup -------------------------------------------------------------------------------------

INTENT_AT = at(10)
ASKED = run(intended(0, INTENT_AT), accepted(0), ended(0))
GOOD: dict[str, Any] = {"created_at": at(10, 20)}


def proof(of: Run, *answers: tuple[Question, Answer], act: Activity | None = None, now: datetime = SLOT) -> Verdict:
    return BACKUPS.judge(case_of(of, seen(*answers), now), act or activity(created_at=INTENT_AT))


def test_a_backup_is_proved_by_its_status_restorability_place_and_age() -> None:
    verdict = proof(ASKED, (LookAtBackup("bak1"), backup(**GOOD)))
    created = "2026-03-10T02:10:20+00:00"
    detail = {"backup": "bak1", "environment": "main", "created_at": created, "safe": True, "reused": False}
    assert verdict == Done(StepOutcome.DONE, "backup bak1 proved restorable", detail)


@pytest.mark.parametrize(
    ("changes", "flaw"),
    [
        ({"status": "DELETING"}, "its status is DELETING, not CREATED"),
        ({"status": "created"}, "its status is created, not CREATED"),
        ({"restorable": False}, "it is not restorable"),
        ({"environment": "staging"}, "it belongs to staging, not to main"),
        ({"created_at": None}, "it has no creation date"),
        ({"created_at": at(9, 49.9)}, "it was created 2026-03-10 02:09:49 UTC, before the request"),
    ],
)
def test_each_flaw_keeps_a_backup_from_being_proved_and_is_named(changes: dict[str, Any], flaw: str) -> None:
    verdict = proof(ASKED, (LookAtBackup("bak1"), backup(**{**GOOD, **changes})))
    assert isinstance(verdict, Failed)
    assert verdict.failure == "proof-failed"
    assert verdict.message == f"backup bak1 is not proved: {flaw}"
    assert "backup:list" in verdict.helps


def test_all_flaws_are_named_at_once() -> None:
    verdict = proof(ASKED, (LookAtBackup("bak1"), backup(status="DELETING", restorable=False, environment="x")))
    assert isinstance(verdict, Failed)
    assert verdict.message.count("; ") == 3


@pytest.mark.parametrize(("seconds", "proved"), [(-10.1, False), (-10, True), (0, True)])
def test_a_backup_must_be_newer_than_its_request_but_for_clocks_ten_seconds_apart(
    seconds: float, *, proved: bool
) -> None:
    verdict = proof(ASKED, (LookAtBackup("bak1"), backup(created_at=at(10, seconds))))
    assert isinstance(verdict, Done) is proved


ADOPTED = run(adopted(0, backup="bak1"), ended(0))
REFUSED_THEN_ADOPTED = run(intended(0, INTENT_AT), refused(0, again_at=at(12)), adopted(0), ended(0))


@pytest.mark.parametrize("of", [ADOPTED, REFUSED_THEN_ADOPTED], ids=["adopted", "after a refused request"])
@pytest.mark.parametrize(("seconds", "proved"), [(-1, False), (0, True), (60, True)])
def test_an_adopted_backup_must_be_newer_than_the_slot(of: Run, seconds: float, *, proved: bool) -> None:
    verdict = proof(of, (LookAtBackup("bak1"), backup(created_at=at(0, seconds))))
    assert isinstance(verdict, Done) is proved


def test_the_backup_is_looked_at_before_it_is_judged() -> None:
    assert proof(ASKED) == Need(LookAtBackup("bak1"))
    assert proof(ASKED, (LookAtBackup("bak1"), Trouble(FailureKind.BAD_REPLY, "odd"))) == Need(LookAtBackup("bak1"))


def test_a_backup_that_is_not_there_is_no_proof() -> None:
    early = proof(ASKED, (LookAtBackup("bak1"), Absent()))
    assert early == Pending("settling", "backup bak1 is not listed yet")
    assert proof(ASKED, (LookAtBackup("bak1"), Absent()), now=at(1.99)) == early
    verdict = proof(ASKED, (LookAtBackup("bak1"), Absent()), now=at(2))
    assert isinstance(verdict, Failed)
    assert verdict.message == "activity act1 succeeded but backup bak1 does not exist"


@pytest.mark.parametrize("payload", [{}, {"backup_name": None}, {"backup_name": ""}, {"backup_name": 5}])
def test_an_activity_that_names_no_backup_is_no_proof(payload: dict[str, Any]) -> None:
    verdict = proof(ASKED, act=activity(payload=payload))
    assert isinstance(verdict, Failed)
    assert verdict.failure == "backup-unnamed"
    assert verdict.message == "activity act1 succeeded but names no backup, so there is none to prove"
    assert verdict.failure not in KINDS["backup"].retryable, "that backup may be good: no second one beside it"


def test_the_name_from_the_answer_to_the_request_serves_where_the_activity_drops_it() -> None:
    of = run(intended(0, INTENT_AT), accepted(0, backup="bak9"), ended(0))
    assert proof(of, act=activity(payload={})) == Need(LookAtBackup("bak9"))
    assert proof(of, act=activity()) == Need(LookAtBackup("bak1")), "the activity's own word comes first"


# --- the reuse of a backup -------------------------------------------------------------------------------------

NOW = environment(at(30))


def reuse(plan: StepPlan, *backups: Backup, of: Environment = NOW) -> Verdict | None:
    answers = [(LookAtBackups(), BackupList(backups))] if backups else []
    return BACKUPS.shortcut(case_of(run(of=job(plan)), seen(*answers)), of)


@pytest.mark.parametrize("plan", [BACKUP, StepPlan("backup", {}), StepPlan("backup", {"reuse-within": -5})])
def test_without_a_window_nothing_is_reused_or_looked_at(plan: StepPlan) -> None:
    assert reuse(plan, backup()) is None
    assert reuse(plan) is None


def test_with_a_window_the_backups_are_looked_at_first() -> None:
    assert reuse(REUSING_BACKUP) == Need(LookAtBackups())


@pytest.mark.parametrize(("minutes", "young"), [(-30.1, False), (-30, True), (29, True)])
def test_a_backup_is_reused_within_the_window_by_the_servers_clock(minutes: float, *, young: bool) -> None:
    # the window is 60 min, the server's clock stands at +30 min
    verdict = reuse(REUSING_BACKUP, backup(created_at=at(minutes)))
    assert isinstance(verdict, Done) is young
    if young:
        assert verdict.message == "backup bak1 is proved and younger than 1 h: reused"
        assert verdict.detail["backup"] == "bak1"
        assert verdict.detail["reused"] is True


@pytest.mark.parametrize(
    "changes",
    [{"status": "DELETING"}, {"restorable": False}, {"environment": "staging"}, {"created_at": None}, {"safe": False}],
)
def test_a_backup_with_a_flaw_is_not_reused(changes: dict[str, Any]) -> None:
    assert reuse(REUSING_BACKUP, backup(**changes)) is None


def test_a_live_backup_is_reused_where_a_live_one_will_do() -> None:
    plan = StepPlan("backup", {"live": True, "reuse-within": 3600})
    assert isinstance(reuse(plan, backup(safe=False)), Done)
    assert isinstance(reuse(plan, backup(safe=True)), Done)


def test_the_newest_good_backup_is_reused() -> None:
    listed_backups = [
        backup("old", created_at=at(1)),
        backup("new", created_at=at(9)),
        backup("broken", created_at=at(20), restorable=False),
    ]
    verdict = reuse(REUSING_BACKUP, *listed_backups)
    assert isinstance(verdict, Done)
    assert verdict.detail["backup"] == "new"


def test_a_live_backup_of_a_job_by_hand_is_judged_by_the_moment_it_was_asked_for() -> None:
    by_hand = fold([opened(job(LIVE_BACKUP), due_at=at(5), slot=None, trigger=Trigger.MANUAL), adopted(0), ended(0)])
    answers = seen((LookAtBackup("bak1"), backup(created_at=at(4), safe=False)))
    assert isinstance(BACKUPS.judge(case_of(by_hand, answers), activity(BACKUP_TYPE)), Failed)


def test_a_kind_is_imported_when_it_is_asked_for() -> None:
    code = (
        "import sys, upsun_agent.steps as steps; steps.KINDS['merge']; "
        "print(sorted(name.partition('upsun_agent.steps.')[2] "
        "for name in sys.modules if name in "
        "{'upsun_agent.steps.merge', 'upsun_agent.steps.sync', 'upsun_agent.steps.backup'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['merge']\n"
