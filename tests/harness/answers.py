"""Everything that a platform may answer to a question, as far as the answer can make a difference to a decision."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

from upsun_agent.model.answers import (
    Absent,
    Answer,
    BackupList,
    Deployment,
    Environment,
    LookAtActivities,
    LookAtActivity,
    LookAtBackup,
    LookAtBackups,
    LookAtEnvironment,
    LookAtOwner,
    LookAtRetention,
    Owner,
    Question,
    Retention,
    Trouble,
)
from upsun_agent.model.packages import LockFileChange, LookAtChanges, PackageChanges

from tests.harness.builders import (
    BACKUP_TYPE,
    LINKS,
    TROUBLES,
    UPDATE_TYPE,
    activity,
    at,
    backup,
    environment,
    listed,
    running,
)

FAULTS: tuple[Trouble, ...] = tuple(Trouble(kind, f"trouble: {kind}") for kind in TROUBLES)


@cache
def guarded_environments() -> tuple[Environment, ...]:
    """What matters to the guards: type, status, whether it is busy, and which links it offers."""
    statuses = ("active", "dirty", "inactive", "paused", "deleting", "odd")
    offers: tuple[dict[str, str], ...] = ({}, LINKS, {"#backup": "/b"}, {"#source-operation": "/s"})
    combinations = product(("production", "staging"), statuses, (False, True), offers)
    return tuple(environment(type=t, status=s, is_dirty=d, links=links) for t, s, d, links in combinations)


@cache
def judged_environments() -> tuple[Environment, ...]:
    """What matters to the verdict on an update: the head, the deployment, what is staged, and the server's clock."""
    deployments = (None, Deployment(True, None), Deployment(True, at(4)), Deployment(False, at(4)))
    combinations = product(("aaaaaaaa1", "bbbbbbbb2", None), deployments, (False, True), (at(1.5), at(90)))
    return tuple(
        environment(when, head_commit=head, deployment=deployment, has_staged_activities=staged)
        for head, deployment, staged, when in combinations
    )


@cache
def answers(question: Question, phase: str) -> tuple[Answer, ...]:  # noqa: C901  one case for each question
    """Everything that the platform may answer, as far as it can make a difference."""
    match question:
        case LookAtEnvironment():
            return FAULTS + (guarded_environments() if phase == "ready" else judged_environments())
        case LookAtActivity():
            kinds = (BACKUP_TYPE, UPDATE_TYPE)
            states = ("pending", "staged", "odd")
            ends: tuple[dict[str, Any], ...] = (
                {},
                {"result": "failure"},
                {"result": None},
                {"state": "cancelled", "result": None},
            )
            going = [running(kind, question.id, state=state) for kind in kinds for state in states]
            over = [activity(kind, question.id, **end) for kind in kinds for end in ends]
            return (*FAULTS, Absent(), *going, *over)
        case LookAtActivities(incomplete=True):
            upheaval = running("environment.restore", "r")
            mine, theirs = running(BACKUP_TYPE, "b"), running(BACKUP_TYPE, "claimed")
            lists = ((), (upheaval,), (mine,), (theirs,), (upheaval, mine), (running(UPDATE_TYPE, "u"),))
            return FAULTS + tuple(listed(*items) for items in lists)
        case LookAtActivities(types=types) if "environment.push" in types:
            stages = (("complete", "success"), ("complete", "failure"), ("pending", None), ("staged", None))
            pushes = [activity("environment.push", state=s, result=r, created_at=at(4)) for s, r in stages]
            return (*FAULTS, listed(), *(listed(push) for push in pushes))
        case LookAtActivities(types=types, since=since):
            assert since is not None
            fits = [running(types[0], name, created_at=since, **more) for name, more in _CANDIDATES]
            moments = (since, at(30))
            found = [listed(*items, when=when) for items in ((), *((each,) for each in fits)) for when in moments]
            ended = [listed(activity(types[0], result=result)) for result in ("success", "failure", None)]
            return (*FAULTS, *found, *ended, listed(*fits), listed(when=at(30), complete=False))
        case LookAtBackup():
            flawed = [backup(restorable=False), backup(status="DELETING"), backup(environment="x")]
            return (*FAULTS, Absent(), backup(question.id, created_at=at(4)), *flawed)
        case LookAtBackups():
            return (*FAULTS, BackupList(()), BackupList((backup(),)), BackupList((backup(restorable=False),)))
        case LookAtOwner():
            return (*FAULTS, Owner("user-1"), Owner(None))
        case LookAtChanges():
            file = LockFileChange(path="composer.lock", format="composer")
            unread = (PackageChanges((), "time"), PackageChanges((), "absent"), PackageChanges((file,), "time"))
            return (*FAULTS, PackageChanges(()), PackageChanges((file,)), *unread)
        case LookAtRetention():
            return (*FAULTS, Retention({}), Retention({"production": 1}), Retention({"production": 2}))
    raise AssertionError(f"no answers for {question}")


_CANDIDATES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("mine", {"user": "user-1"}),
    ("hers", {"user": "user-2"}),
    ("unmarked", {"parameters": {}}),
    ("other", {"parameters": {"safe": False, "operation": "other"}}),
    ("claimed", {}),
)
