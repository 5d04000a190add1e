"""Find the result of a request without an answer in the activity list; never guess it.

The rules: an activity counts only if it is of the right type, was created at or after the intent *by the server's
clock*, fits the request's parameters, belongs to the token's user, and is not another step's already. One that
carries this run's mark is surely ours. None in a list that is settled, and no trace of an effect on the environment,
means that the request did not take effect; with such a trace it is unknown, and nobody asks again.
"""

from __future__ import annotations

from upsun_agent.engine.bounds import CLOCKS_APART, SETTLE
from upsun_agent.engine.evidence import unknown
from upsun_agent.engine.step import Failed, Need, Pending, Recognition, RequestKind, StepContext
from upsun_agent.model import events as ev
from upsun_agent.model.answers import PROJECT, Activity, ActivityList, LookAtOwner, Owner

Found = Need | Pending | Failed | ev.ActivityAdopted | ev.IntentVoid


def reconcile(case: StepContext, kind: RequestKind) -> Found:
    """Return the event that settles an open intent, the question to ask first, or what to wait for."""
    intent = case.step.intent
    if intent is None:  # fold lets no step be intended without one
        raise ValueError("a step is in phase intended, but has no intent")
    question = case.look_at_activities(
        types=(kind.activity_type,),
        since=intent.server_at,
        environment=PROJECT if kind.listed_elsewhere else None,
    )
    listed = case.seen.get(question)
    if not isinstance(listed, ActivityList):
        return Need(question)
    sure, maybe = _candidates(case, kind, listed, intent)
    if not sure and any(activity.user for activity in maybe):
        owner = case.seen.get(LookAtOwner())
        if not isinstance(owner, Owner):
            return Need(LookAtOwner())
        maybe = [each for each in maybe if not (each.user and owner.id and each.user != owner.id)]
    dated = [each for each in maybe if each.created_at is not None]
    if sure:
        return _adopt(case, sure[0], "it carries this run's mark")
    if dated:
        others = f", the first of {len(dated)}" if len(dated) > 1 else ""
        return _adopt(case, dated[0], f"type, parameters, user and time fit the request{others}")
    if listed.complete and not maybe and listed.server_at >= intent.server_at + SETTLE:
        effect = kind.trace(case, intent, listed, case.seen.number(question))
        if isinstance(effect, Need):
            return effect
        if effect is not None:
            return unknown(
                case, f"no {kind.activity_type} since {intent.server_at:%H:%M:%S} UTC is listed, but {effect}"
            )
        return ev.IntentVoid(
            at=case.now,
            step=case.step.index,
            message=f"no {kind.activity_type} since {intent.server_at:%H:%M:%S} UTC: the request had no effect",
        )
    return Pending("answer", f"the {kind.name} request has no answer; its activity may still appear")


def _candidates(
    case: StepContext, kind: RequestKind, listed: ActivityList, intent: ev.IntentRecorded
) -> tuple[list[Activity], list[Activity]]:
    """Return the activities that certainly are this request's, and those that may be, oldest first.

    One without a creation date is among them: it is not adopted for its looks, but it forbids asking again.
    """
    sure: list[Activity] = []
    maybe: list[Activity] = []
    earliest = intent.server_at - CLOCKS_APART
    for activity in sorted(listed.items, key=lambda each: (each.created_at or earliest, each.id)):
        too_old = activity.created_at is not None and activity.created_at < earliest
        if too_old or activity.type != kind.activity_type or activity.id in case.claimed:
            continue
        recognition = kind.recognises(case.step.plan, case.run.id, activity)
        if recognition == Recognition.SURE:
            sure.append(activity)
        elif recognition == Recognition.MAYBE:
            maybe.append(activity)
    return sure, maybe


def _adopt(case: StepContext, activity: Activity, how: str) -> ev.ActivityAdopted:
    name = activity.payload.get("backup_name")
    return ev.ActivityAdopted(
        at=case.now,
        step=case.step.index,
        activity=activity.id,
        how=how,
        backup=name if isinstance(name, str) else None,
    )
