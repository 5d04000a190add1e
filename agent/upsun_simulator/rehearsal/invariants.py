"""Check the promises: compare what the runs recorded with the platform's request log.

The request log is the simulator's (``Simulator.request_log``). Of the runs only their spans, slots and job snapshots
are taken on trust, never what they say of a request or a proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from upsun_agent.engine.due import Slot
from upsun_agent.engine.run import Run
from upsun_agent.model.job import StepPlan
from upsun_agent.steps import KINDS
from upsun_agent.steps.source_operation import MARK

RequestLog = Mapping[str, Any]
BACKUP, UPDATE = "environment.backup", "environment.source-operation"
MERGE = "environment.merge"
#: The kind of step that makes each other request, by the type of the request's activity.
KIND_OF = {
    kind.activity_type: name
    for name, kind in KINDS.items()
    if kind.way == "request" and kind.activity_type not in {BACKUP, UPDATE}
}


def broken_promises(
    request_log: RequestLog, runs: Sequence[Run], *, user: str, last_tick: datetime, slots: Sequence[Slot]
) -> Iterator[str]:
    """Return the broken promises in words, from the request log and the runs; empty if there are none.

    Args:
        request_log: what the platform did, for whom.
        runs: all runs of one job, in any order.
        user: who the agent is on the platform.
        last_tick: when a tick ran last; nothing later is expected of the agent.
        slots: the job's slots that a tick has had to judge.
    """
    ordered = sorted(runs, key=lambda run: run.opened_at)
    mine = [each for each in request_log["activities"] if each["user"] == user]
    yield from _backups([each for each in mine if each["type"] == BACKUP], request_log, ordered)
    yield from _updates([each for each in mine if each["type"] == UPDATE], request_log, ordered)
    yield from _others([each for each in mine if each["type"] in KIND_OF], request_log, ordered)
    yield from _stuck(ordered, last_tick)
    yield from _slots(ordered, slots)


# --- P1: nothing is asked for twice --------------------------------------------------------------------------


def _backups(backups: list[dict[str, Any]], request_log: RequestLog, runs: list[Run]) -> Iterator[str]:
    """Return the backups by run. A backup carries no mark: it belongs to the run that was open then."""
    good = {each["id"] for each in _restorable(request_log)}
    of_run: dict[str, list[dict[str, Any]]] = {}
    for each in backups:
        asked = _moment(each["created_at"])
        owners = [run for run in runs if run.opened_at <= asked and (run.closed is None or asked <= run.closed.at)]
        if owners:
            of_run.setdefault(owners[-1].id, []).append(each)
        else:
            yield f"P1: backup {each['id']} was requested while no run was open"
    for run in runs:
        plans = [step.plan for step in run.steps if step.plan.kind == "backup"]
        yield from _repeats(f"backups in run {run.id}", of_run.get(run.id, []), plans, good)


def _others(activities: list[dict[str, Any]], request_log: RequestLog, runs: list[Run]) -> Iterator[str]:
    """Return other activities by run. They carry no mark: each belongs to the run that was open then."""
    of_run: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in activities:
        asked = _moment(each["created_at"])
        owners = [run for run in runs if run.opened_at <= asked and (run.closed is None or asked <= run.closed.at)]
        if not owners:
            yield f"P1: {each['type']} {each['id']} was requested while no run was open"
            continue
        of_run.setdefault((owners[-1].id, each["type"]), []).append(each)
        if each["type"] == MERGE:
            yield from _unproved(each, owners[-1], request_log)
    known = {run.id: run for run in runs}
    for (run, kind), asked_for in of_run.items():
        plans = [step.plan for step in known[run].steps if step.plan.kind == KIND_OF[kind]]
        yield from _repeats(f"{kind} in run {run}", asked_for, plans, None)


def _updates(updates: list[dict[str, Any]], request_log: RequestLog, runs: list[Run]) -> Iterator[str]:
    """Return the updates by run: an update carries its run's mark."""
    known = {run.id: run for run in runs}
    of_run: dict[str, list[dict[str, Any]]] = {}
    for each in updates:
        mark = each["parameters"].get("variables", {}).get("env", {}).get(MARK)
        if mark in known:
            of_run.setdefault(mark, []).append(each)
            yield from _unproved(each, known[mark], request_log)
        else:
            yield f"P1: update {each['id']} was requested in no known run ({mark})"
    for run in runs:
        mine = of_run.get(run.id, [])
        plans = [step.plan for step in run.steps if step.plan.kind == "source-operation"]
        for name in {plan.settings["name"] for plan in plans}:
            same = [each for each in mine if each["parameters"]["operation"] == name]
            yield from _repeats(f"updates '{name}' in run {run.id}", same, _named(plans, name), None)


def _named(plans: list[StepPlan], name: str) -> list[StepPlan]:
    return [plan for plan in plans if plan.settings["name"] == name]


def _repeats(what: str, asked: list[dict[str, Any]], plans: list[StepPlan], good: set[str] | None) -> Iterator[str]:
    """Yield steps with more requests than allowed: one, and one for each retry after a finished failure.

    ``good`` are the backups that came to be and are restorable; None where success is all there is to know.
    """
    most = sum(1 + int(plan.settings.get("retries", 0)) for plan in plans)
    if len(asked) > most:
        yield f"P1: {len(asked)} {what}, {most} at most are allowed"
    fine = [each for each in asked if _is_fine(each, good)]
    if len(fine) > len(plans):
        yield f"P1: {len(fine)} {what} succeeded, {len(plans)} are wanted"
    for earlier, later in pairwise(sorted(asked, key=lambda each: _moment(each["created_at"]))):
        if earlier["completed_at"] is None or _moment(earlier["completed_at"]) > _moment(later["created_at"]):
            yield f"P1: {what}: {later['id']} was requested before {earlier['id']} was over"


def _is_fine(activity: dict[str, Any], good: set[str] | None) -> bool:
    if activity["result"] != "success":
        return False
    return good is None or activity["payload"]["backup_name"] in good


# --- P2: no update without a proved backup -------------------------------------------------------------------


def _unproved(update: dict[str, Any], run: Run, request_log: RequestLog) -> Iterator[str]:
    merged = update["type"] == MERGE
    wanted = ("merge", None) if merged else ("source-operation", update["parameters"]["operation"])
    plans = [step.plan for step in run.steps if (step.plan.kind, step.plan.settings.get("name")) == wanted]
    if plans and all(plan.settings.get("backup") == "not-needed" for plan in plans):
        return
    reuse = max((int(step.plan.settings.get("reuse-within", 0)) for step in run.steps), default=0)
    since, until = run.due_at - timedelta(seconds=reuse), _moment(update["created_at"])
    proofs = [
        each
        for each in _restorable(request_log)
        if each["environment"] in update["environments"] and since <= _moment(each["created_at"]) <= until
    ]
    if not proofs:
        yield f"P2: update {update['id']} in run {run.id} without a good backup since {since:%Y-%m-%d %H:%M} UTC"


def _restorable(request_log: RequestLog) -> Iterable[dict[str, Any]]:
    """Return every backup that could ever be restored, including those evicted since."""
    return [each for each in (*request_log["backups"], *request_log["evicted_backups"]) if each["restorable"]]


# --- P3: nothing stays open, no slot is lost -----------------------------------------------------------------


def _stuck(runs: list[Run], last_tick: datetime) -> Iterator[str]:
    in_flight = [run for run in runs if run.closed is None]
    if len(in_flight) > 1:
        yield f"P3: {len(in_flight)} runs in flight at once: {', '.join(run.id for run in in_flight)}"
    for run in in_flight:
        if last_tick - run.opened_at > timedelta(seconds=run.job.timeout):
            yield f"P3: run {run.id} is open since {run.opened_at:%Y-%m-%d %H:%M} UTC, beyond its time limit"


def _slots(runs: list[Run], slots: Sequence[Slot]) -> Iterator[str]:
    """Yield slots without exactly one run or batch of missed ones, and names that do not ascend like their moments."""
    spans = [_span(run) for run in runs if run.slot is not None]
    for slot in slots:
        count = sum(first <= slot.name <= last for first, last in spans)
        if count == 0 and not _is_waited_for(slot.name, runs):
            yield f"P3: slot {slot.name} has no run and was not recorded as missed"
        if count > 1:
            yield f"P1: slot {slot.name} has {count} runs"


def _span(run: Run) -> tuple[str, str]:
    """Return the slots that the run stands for: its own, or all of its batch."""
    last = run.slot or ""
    first = run.closed.detail.get("first", last) if run.closed is not None else last
    return str(first), last


def _is_waited_for(slot: str, runs: list[Run]) -> bool:
    """Return whether the slot waits for a run in flight, as ``overlap = "wait"`` says."""
    return any(run.closed is None and run.job.overlap == "wait" and (run.slot or "") < slot for run in runs)


def _moment(text: str) -> datetime:
    """Return a moment of the request log."""
    return datetime.fromisoformat(text)
