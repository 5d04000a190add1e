"""Check why a request cannot be made on an environment: status, a missing link, other activities, quota."""

from __future__ import annotations

from collections.abc import Mapping

from upsun_agent.engine.decision import Background, Decision, Record, Wait
from upsun_agent.engine.policy import spares_the_newest
from upsun_agent.engine.run import Run
from upsun_agent.engine.step import Failed, RequestKind, StepContext, StepKind
from upsun_agent.engine.verdict import act_on, fail, no_answer
from upsun_agent.model import events as ev
from upsun_agent.model.answers import Activity, ActivityList, Environment, Fate, Rights, Trouble
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.links import is_within

#: An operation in one of these makes the environment's data or existence uncertain: nothing is asked meanwhile.
UPHEAVALS = frozenset(
    {
        "environment.restore",
        "environment.synchronize",
        "environment.delete",
        "environment.deactivate",
        "environment.activate",
        "environment.pause",
        "environment.resume",
    }
)

#: Links that only an admin of the environment's type sees: one of them shows that a missing one is not for the role.
ADMIN_LINKS = frozenset(
    {"#backup", "#source-operation", "#redeploy", "#synchronize", "#merge", "#deactivate", "#pause"}
)
#: The remedy if there are no source operations
#: (https://developer.upsun.com/docs/configure-apps/source-operations).
PLAN = (
    "source operations are part of some plans only (on Fixed: Enterprise and Elite); "
    "without them, leave the step out of the job"
)

#: The remedy if a link points to another resource.
LINK_ELSEWHERE = "the next tick reads the environment again; if it stays, find out who answers for the API"

#: What makes an environment active again, by its status; one that is being deleted does not come back.
REVIVALS = {
    "inactive": "activate it (upsun environment:activate)",
    "paused": "resume it (upsun environment:resume)",
}


# --- before anything is begun --------------------------------------------------------------------------------


def preflight(case: StepContext, kinds: Mapping[str, StepKind]) -> Decision | None:
    """Return why the run cannot succeed: the type of its environment, a missing target, a missing role.

    Every environment that a step names is looked at before the first step, so that a run does not stop half-way for
    what could have been known.
    """
    run = case.run
    home = case.seen.get(case.look_at_environment(run.environment))
    if not isinstance(home, Environment):
        return no_answer(case, case.look_at_environment(run.environment), home)
    if not run.job.runs_on(home.type):
        types = ", ".join(run.job.environment_types)
        text = f"{home.id} is of type {home.type}, the job runs on {types} only"
        return Record(
            ev.RunClosed(at=case.now, outcome=ev.RunOutcome.SKIPPED, failure=FailureKind.ENVIRONMENT_TYPE, message=text)
        )
    for environment in _targets(run, kinds):
        question = case.look_at_environment(environment)
        answer = case.seen.get(question)
        if not isinstance(answer, Environment):
            return no_answer(case, question, answer)
        missing = _missing_step(run, kinds, answer)
        if missing is not None:
            return fail(case.step, case.now, missing)
    return None


def _targets(run: Run, kinds: Mapping[str, StepKind]) -> list[str]:
    """Return the environments that steps make requests on, in order, without those that a step creates."""
    found: list[str] = []
    made: set[str] = set()
    for step in run.steps:
        kind = kinds.get(step.plan.kind)
        if kind is None or kind.way != "request":
            continue
        about = [step.plan.environment(run.environment), kind.changes(step.plan, run.environment)]
        found += [each for each in about if each is not None and each not in (*found, *made)]
        if step.plan.kind == "branch":
            made.add(str(step.plan.settings.get("name", "")))
    return found


def _missing_step(run: Run, kinds: Mapping[str, StepKind], environment: Environment) -> Failed | None:
    """Return the failure for a role that a later step lacks, as far as the links of an idle environment show."""
    if environment.status != "active" or environment.is_dirty:
        return None  # absent links say nothing then
    for step in run.steps:
        kind = kinds.get(step.plan.kind)
        if kind is None or kind.way != "request" or step.plan.environment(run.environment) != environment.id:
            continue
        if kind.permission_link and kind.permission_link not in environment.links:
            if step is run.current:
                return None  # its own guard says so in a moment
            return unoffered(environment, kind, f"step {step.index + 1} ({kind.name}) will need it: ")
    return None


# --- before one request ---------------------------------------------------------------------------------------


def guard(case: StepContext, kind: RequestKind, environment: Environment) -> Decision | None:
    """Return why the step must not begin on this environment, or None.

    Args:
        case: the step, with its run, the present, and what this pass has seen.
        kind: the kind of the step.
        environment: the environment as this pass saw it.
    """
    run, step, now = case.run, case.step, case.now
    if environment.id == run.environment and not run.job.runs_on(environment.type):
        types = ", ".join(run.job.environment_types)
        text = f"{environment.id} is of type {environment.type}, the job runs on {types} only"
        return fail(step, now, Failed(FailureKind.ENVIRONMENT_TYPE, text))
    if environment.status == "dirty":
        return Wait("environment-busy", f"{environment.id} is being changed (status dirty)")
    if environment.status not in kind.statuses:
        wanted = " or ".join(sorted(kind.statuses))
        text = f"environment {environment.id} is {environment.status}, the {kind.name} needs an {wanted} one"
        if wanted != "active":
            text = f"environment {environment.id} is {environment.status}, the {kind.name} needs one that is {wanted}"
        return fail(step, now, Failed(FailureKind.ENVIRONMENT_INACTIVE, text, REVIVALS.get(environment.status, "")))
    if not _leads_there(environment, kind.link):
        text = f"the link {kind.link} in the answer about environment {environment.id} does not lead to it"
        question = case.look_at_environment(environment.id)
        return no_answer(case, question, Trouble(FailureKind.BAD_REPLY, text, LINK_ELSEWHERE))
    if kind.link and kind.link not in environment.links and kind.already_satisfied(environment) is None:
        busy = _busy(case, kind) if environment.is_dirty else None
        return busy if busy is not None else fail(step, now, unoffered(environment, kind))
    return None


def _leads_there(environment: Environment, link: str) -> bool:
    """Return whether a link is missing or points to its own environment."""
    found = environment.links.get(link)
    return found is None or not environment.path or is_within(found, environment.path)


def unoffered(environment: Environment, kind: RequestKind, before: str = "") -> Failed:
    """Return why the platform does not offer the operation; blame the role only if nothing else explains it.

    Args:
        environment: the environment as this pass saw it.
        kind: the kind of the step.
        before: what stands before the sentence.
    """
    text = f"{before}the platform does not offer {kind.permission_link or kind.link} on {environment.id}"
    other = _other_reason(environment, kind)
    if other is not None:
        return Failed(FailureKind.NOT_OFFERED, f"{text}: {other[0]}", other[1])
    role = f"{environment.type}:admin"
    remedy = f"grant the user {role} (upsun user:update -r {role})"
    return Failed(FailureKind.PERMISSION, f"{text}: the token's user lacks the role", remedy)


def _other_reason(environment: Environment, kind: RequestKind) -> tuple[str, str] | None:
    """Return a reason other than the role for a missing link, with its remedy; None if the role is the reason."""
    source, rights = kind.name == "source-operation", environment.rights or Rights()
    if source and environment.is_pr:
        text = "it is a pull request's environment, where the platform runs no source operations"
        return text, "run the job on other environments ('environment-types', 'environment')"
    if source and rights.source_operations is False:
        return "the project has no source operations", PLAN
    if kind.name in {"sync", "merge"} and environment.parent is None:
        return "it has no parent environment", "name an environment that has a parent"
    # Merging is the parent's admins' too, so what is offered on this environment says nothing about it.
    if kind.name != "merge" and (rights.admin or ADMIN_LINKS & environment.links.keys()):
        text = "the token's user is an admin there, so the role is not the reason"
        helps = (
            "look at what the Console offers there: the plan, a suspended project or an integration may be the reason"
        )
        return text, PLAN if source else helps
    if environment.status != "active" and rights.admin is None:
        text = f"it is {environment.status}, and what the token's user may do there is not known"
        return text, "look at the environment in the Console: its state, its plan, and the user's role"
    return None


def _busy(case: StepContext, kind: RequestKind) -> Decision | None:
    """Return the running activities that may explain a missing link, or None if only crons run (ours always does)."""
    question = case.look_at_activities(incomplete=True)
    listed = case.seen.get(question)
    if not isinstance(listed, ActivityList):
        return no_answer(case, question, listed)
    others = [each for each in listed.items if each.fate == Fate.RUNNING and each.type != "environment.cron"]
    if not others:
        return None
    return Wait("environment-busy", f"{kind.link} is not offered while {others[0].type} {others[0].id} runs")


def others_at_work(case: StepContext, kind: RequestKind, environment: Environment) -> Decision | None:
    """Adopt or wait for activities that run on the environment; return None if none is in the way.

    Args:
        case: the step, with its run, the present, and what this pass has seen.
        kind: the kind of the step.
        environment: the environment as this pass saw it.
    """
    question = case.look_at_activities(incomplete=True)
    listed = case.seen.get(question)
    if not isinstance(listed, ActivityList):
        return no_answer(case, question, listed)
    for activity in listed.items:
        if activity.fate != Fate.RUNNING:
            continue
        ours = activity.id in case.claimed  # another step's or run's: not adopted, but waited for
        if activity.type == kind.activity_type and not ours and kind.adopts(case, activity):
            return Record(
                ev.ActivityAdopted(
                    at=case.now,
                    step=case.step.index,
                    activity=activity.id,
                    how="it was already running when the step began",
                    backup=_backup_name(activity),
                    head=environment.head_commit,
                )
            )
        if activity.type in UPHEAVALS | kind.waits_for | {kind.activity_type}:
            return Wait("environment-busy", f"{activity.type} {activity.id} is {activity.state}")
    return None


def _backup_name(activity: Activity) -> str | None:
    name = activity.payload.get("backup_name")
    return name if isinstance(name, str) else None


# --- the quota of manual backups ------------------------------------------------------------------------------


def quota(case: StepContext, kind: RequestKind, background: Background) -> Decision | None:
    """Warn before a request that would replace the newest good backup; do not retry such a request.

    Args:
        case: the step, with its run, the present, and what this pass has seen.
        kind: the kind of the step.
        background: what is known beside the run: its past, and other runs.
    """
    if case.step.retries:
        spared = spares_the_newest(case)
        if spared is not None:
            return act_on(case, kind, spared)
    if too_few(background.manual_limit) and not case.run.warnings:
        return Record(ev.Warned(at=case.now, message=quota_warning(background.manual_limit)))
    return None


def too_few(manual_limit: int | None) -> bool:
    """Return whether a new manual backup replaces the only one."""
    return manual_limit is not None and manual_limit <= 1


def quota_warning(manual_limit: int | None) -> str:
    """Return the warning about the quota."""
    return (
        f"the project keeps {manual_limit} manual backup(s): a new one replaces the newest proved one. "
        "Keep at least two (project settings, backup retention)"
    )
