"""Check a job file across its keys: what each key allows by itself, but can never work together, or is a trap.

The trap that matters most: the platform's own recipe syncs one environment and then updates another, because the
second command names none
(https://developer.upsun.com/docs/learn/tutorials/dependency-updates). Here a job in which any step names another
environment must say of every step where it works.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os.path import normpath
from typing import Any

from msgspec import Struct

from upsun_agent.config.definitions import STEP
from upsun_agent.model.job import HERE, StepPlan
from upsun_agent.platform.paths import is_state_file, on_server
from upsun_agent.steps import KINDS
from upsun_agent.steps.common.kind import Kind
from upsun_agent.steps.common.settings import StepSettings
from upsun_agent.validators import Path, Problem

NUMBERS = 2**63


class _Step(Struct, frozen=True):
    """A step of a job."""

    #: The path of keys to the step in the job file.
    path: Path
    #: The kind of step.
    kind: Kind[Any]
    #: What the job file says, with the default of each key that it leaves out.
    plan: StepPlan
    #: The same, typed.
    settings: StepSettings

    @property
    def subject(self) -> str:
        """Return the environment that it changes, or else is about; "." is the one that the agent runs on."""
        return self.kind.changes(self.plan, HERE) or self.plan.environment(HERE)


def too_large(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield every number outside the range of TOML; tomllib reads them, and some cannot be converted to text."""
    values: list[tuple[Path, Any]] = [((), data)]
    while values:
        path, value = values.pop()
        if isinstance(value, int) and not -NUMBERS <= value < NUMBERS:
            yield Problem(path, "is a number that does not fit into 64 bits", "write a smaller one")
        elif isinstance(value, dict):
            values += [((*path, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            values += [((*path, index), item) for index, item in enumerate(value)]


def problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield every problem between the keys of a job; only called if each key is valid by itself."""
    yield from _log_file(data.get("agent", {}))
    for name, job in data["jobs"].items():
        main = _steps(("jobs", name, "steps"), job["steps"])
        back = _steps(("jobs", name, "on-failure"), job.get("on-failure", ()))
        for step in (*main, *back):
            for each in step.kind.problems(step.settings):
                path = (*step.path, each.key) if each.key else step.path
                yield Problem(path, each.message, each.remedy)
        yield from _places([*main, *back])
        yield from _proofs(main, back)
        yield from _updates(main)
        yield from _rollback_order(main, back)


def _steps(path: Path, steps: Sequence[Mapping[str, Any]]) -> list[_Step]:
    found = []
    for index, step in enumerate(steps):
        for name, settings in STEP.read(step).items():
            kind, plan = KINDS[name], StepPlan(name, settings)
            found.append(_Step((*path, index, name), kind, plan, kind.settings(plan)))
    return found


def _log_file(agent: Mapping[str, Any]) -> Iterator[Problem]:
    """``log-file = true`` means beside the state, where that is a directory; it must not be a file of the state."""
    path, file, state = ("agent", "log-file"), agent.get("log-file"), str(agent.get("state") or "")
    remedy = 'name a file of its own: log-file = "/app/var/agent/agent.log"'
    if file is True and on_server(state):
        yield Problem(path, "must be a path where the state is in a database", remedy)
    if isinstance(file, str) and is_state_file(file):
        yield Problem(path, "must not be a file of the state: log lines would destroy it", remedy)
    elif isinstance(file, str) and (file.endswith("/") or normpath(file) in {normpath(state or "/"), "/"}):
        yield Problem(path, "must be a file, not a directory", remedy)


def _places(steps: list[_Step]) -> Iterator[Problem]:
    """Once a job names another environment, every step has to say where it works."""
    others = {step.settings.environment or HERE for step in steps} - {HERE}
    if not others:
        return
    listed = ", ".join(sorted(others))
    for step in steps:
        if step.settings.environment is None and step.kind.must_name_environment(step.settings):
            text = f"must name its environment, because the job also works on {listed}"
            remedy = f'environment = "{min(others)}", or "." for the environment that the agent runs on'
            yield Problem(step.path, text, remedy)


def _proofs(main: list[_Step], back: list[_Step]) -> Iterator[Problem]:
    """Yield steps that can never run as written: they need the proof of a backup that no earlier step gives."""
    proved: set[str] = set()
    for step in (*main, *back):
        about = step.subject
        if step.kind.proves_backup:
            proved.add(about)
        elif about not in proved:
            problem = step.kind.unproved(step.settings, "" if about == HERE else f" on {about}")
            if problem is not None:
                yield Problem(step.path, problem.message, problem.remedy)


def _updates(main: list[_Step]) -> Iterator[Problem]:
    """``when = "updated"`` where nothing before it can make a commit."""
    for number, step in enumerate(main):
        if step.settings.when == "updated" and not any(each.kind.makes_commits for each in main[:number]):
            text = "can never run: no step before it makes a commit"
            *most, last = [kind.name for kind in KINDS.values() if kind.makes_commits]
            yield Problem((*step.path, "when"), text, f"put it after a step {', '.join(most)} or {last}")


def _rollback_order(main: list[_Step], back: list[_Step]) -> Iterator[Problem]:
    """Yield steps of the rollback on environments that the job never changes, and ones that are not allowed there."""
    changed = {step.kind.changes(step.plan, HERE) for step in main}
    for step in back:
        if not step.kind.suits_rollback or step.settings.when == "updated":
            word = "when = updated" if step.kind.suits_rollback else f"a step '{step.kind.name}'"
            text = f"{word} is not allowed in on-failure: rollback steps run once, without a pause"
            yield Problem(step.path, text, "leave it out")
        elif step.subject not in changed:
            where = "the environment that the agent runs on" if step.subject == HERE else step.subject
            text = f"can never run: no step of the job changes {where}"
            yield Problem(step.path, text, "leave it out, or name another")
