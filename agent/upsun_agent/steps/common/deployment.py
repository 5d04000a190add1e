"""Shared by the steps ``deploy`` and ``redeploy``: the environment's record of its last deployment."""

from __future__ import annotations

from collections.abc import Callable
from shlex import quote

from upsun_agent.engine.evidence import grave, with_commands, words_of
from upsun_agent.engine.step import Failed, Need, StepContext, Verdict
from upsun_agent.model.answers import Activity, Environment, LookAtActivity
from upsun_agent.model.failures import FailureKind


def judge_deployment(
    case: StepContext, activity: Activity, name: str, verdict: Callable[[Environment, Activity], Verdict]
) -> Verdict:
    """Return the verdict on a successful activity whose purpose is a deployment.

    Args:
        case: the step.
        activity: its activity.
        name: the kind of the step, for messages.
        verdict: what follows where neither the deployment nor a hook of it failed.
    """
    question = case.look_at_environment()
    found = case.seen.get(question)
    looked = case.seen.number(LookAtActivity(activity.id))
    if not isinstance(found, Environment) or case.seen.number(question) < looked:
        return Need(question)
    log = f"read its log: upsun activity:log {quote(activity.id)}"
    if found.deployment is not None and not found.deployment.successful:
        text = f"the {name} of {found.id} ended, but its deployment failed"
        return Failed(FailureKind.DEPLOYMENT_FAILED, text, log)
    commands = found.deployment.commands if found.deployment is not None else ()
    failing = tuple(each for each in commands if each.exit_code)
    if grave(failing):
        text = f"the {name} of {found.id} succeeded with failing commands: {words_of(failing)}"
        return Failed(FailureKind.COMMANDS_FAILED, text, log)
    return with_commands(verdict(found, activity), failing)
