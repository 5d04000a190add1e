"""Turn a verdict on a step, or a missing verdict, into the decision that follows."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from upsun_agent.engine.decision import Decision, Look, Record, Wait
from upsun_agent.engine.policy import after_failure
from upsun_agent.engine.run import Step
from upsun_agent.engine.step import Done, Failed, Need, Pending, StepContext, StepKind, Verdict
from upsun_agent.model import events as ev
from upsun_agent.model.answers import Answer, Question, Trouble
from upsun_agent.model.failures import FailureKind

#: Troubles that no later tick can solve: a run that has not begun fails with them.
LASTING = frozenset({FailureKind.TOKEN, FailureKind.SECOND_FACTOR, FailureKind.PERMISSION, FailureKind.NOT_FOUND})


def act_on(case: StepContext, kind: StepKind, verdict: Verdict) -> Decision:
    """Return the decision for a verdict: another look, a wait, or an event.

    Args:
        case: the step, with its run, the present, and what this pass has seen.
        kind: the kind of the step.
        verdict: what the step's answers mean.
    """
    match verdict:
        case Need():
            return no_answer(case, verdict.question, case.seen.get(verdict.question))
        case Pending():
            return Wait(verdict.on, verdict.message)
        case Done():
            return Record(
                ev.StepDone(
                    at=case.now,
                    step=case.step.index,
                    outcome=verdict.outcome,
                    message=verdict.message,
                    detail=verdict.detail,
                )
            )
        case Failed():
            return Record(after_failure(case, kind, verdict), verdict.doubtful)
        case _:
            assert_never(verdict)


def no_answer(case: StepContext, question: Question, answer: Answer | None) -> Decision:
    """Return the decision where an answer is missing: ask, wait, or fail the step.

    Args:
        case: the step, with its run, the present, and what this pass has seen.
        question: the question whose answer is needed.
        answer: what there is instead of the answer; None: it was not asked yet.
    """
    if not isinstance(answer, Trouble):
        return Look(question)
    if answer.kind in LASTING and not case.run.begun:
        return fail(case.step, case.now, Failed(answer.kind, answer.message, answer.remedy))
    return Wait(answer.kind, answer.message, answer)


def fail(step: Step, now: datetime, verdict: Failed) -> Record:
    """Return the event that fails the step, without another attempt.

    Args:
        step: the step.
        now: the present, in UTC.
        verdict: how it failed.
    """
    return Record(
        ev.StepFailed(
            at=now,
            step=step.index,
            failure=verdict.failure,
            message=verdict.message,
            remedy=verdict.helps,
        ),
        verdict.doubtful,
    )
