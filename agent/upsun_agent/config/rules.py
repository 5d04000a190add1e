"""What a job file says that each key alone allows, and that can never work, or is a trap, as a whole.

The trap that matters most: the platform's own recipe syncs one environment and then updates another, because the
second command names none (docs:learn/tutorials/dependency-updates). Here a job in which any step names another
environment must say of every step where it works.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os.path import normpath
from typing import Any

from upsun_agent.config.validators import Path, Problem
from upsun_agent.platform.paths import is_state_file, on_server

HERE = "."
NUMBERS = 2**63
#: Steps that change code or data of an environment; their key for it is ``environment``, but a merge's is ``into``.
CHANGING = frozenset(
    {"source-operation", "sync", "merge", "deploy", "redeploy", "restore", "runtime-operation", "task", "command"}
)
NEEDS_PROOF = frozenset({"source-operation", "merge", "deploy"})
#: Steps that ask nothing of an environment.
NOWHERE = frozenset({"command", "wait", "approval"})
#: Exactly one of these keys.
EITHER = {"command": ("run", "shell"), "wait": ("window", "for")}
Step = tuple[Path, str, Mapping[str, Any]]


def too_large(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Every number beyond those that TOML has, which tomllib reads all the same: some have no text to be told in."""
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
    """Everything that is wrong with the jobs as wholes; only called where every key alone is right."""
    yield from _log_file(data.get("agent", {}))
    for name, job in data["jobs"].items():
        main = _steps(("jobs", name, "steps"), job["steps"])
        back = _steps(("jobs", name, "on-failure"), job.get("on-failure", ()))
        for path, kind, settings in (*main, *back):
            yield from _alone(path, kind, settings)
        yield from _places([*main, *back])
        yield from _proofs(main, back)
        yield from _updates(main)
        yield from _taking_back(main, back)


def _steps(path: Path, steps: Sequence[Mapping[str, Any]]) -> list[Step]:
    return [((*path, index, kind), kind, step[kind]) for index, step in enumerate(steps) for kind in step]


def _log_file(agent: Mapping[str, Any]) -> Iterator[Problem]:
    """``log-file = true`` means beside the state, where that is a directory; and it is no file of the state itself."""
    path, file, state = ("agent", "log-file"), agent.get("log-file"), str(agent.get("state") or "")
    remedy = 'name a file of its own: log-file = "/app/var/agent/agent.log"'
    if file is True and on_server(state):
        yield Problem(path, "must be a path where the state is in a database", remedy)
    if isinstance(file, str) and is_state_file(file):
        yield Problem(path, "must not be a file of the state: lines of a log would destroy it", remedy)
    elif isinstance(file, str) and (file.endswith("/") or normpath(file) in {normpath(state or "/"), "/"}):
        yield Problem(path, "must be a file, not a directory", remedy)


def _alone(path: Path, kind: str, settings: Mapping[str, Any]) -> Iterator[Problem]:
    """A step whose keys do not go together."""
    keys = EITHER.get(kind)
    if keys is not None and sum(key in settings for key in keys) != 1:
        yield Problem(path, f"needs exactly one of {' and '.join(keys)}")
    if kind == "sync" and not any(settings.get(part) for part in ("code", "data", "resources")):
        yield Problem(path, "syncs nothing", "set code, data or resources to true")
    if kind == "restore" and settings.get("allow-restore") is not True:
        text = "may lose data: what was written since the backup is gone"
        yield Problem((*path, "allow-restore"), text, "allow-restore = true says that this is meant")
    if kind == "http-check" and "url" in settings and "path" in settings:
        yield Problem(path, "has url and path, of which one is enough")
    if kind in NOWHERE and settings.get("environment", HERE) != HERE:
        yield Problem((*path, "environment"), f"a {kind} works where the agent runs", "leave it out")
    if kind == "merge" and settings.get("environment", HERE) == settings["into"]:
        yield Problem(path, "would merge an environment into itself", "name the child with 'environment'")
    if kind == "sync" and settings.get("environment", HERE) == HERE:
        text = "names no environment: a sync writes over one, so it must be said which"
        yield Problem(path, text, 'for example environment = "staging"')


def _places(steps: list[Step]) -> Iterator[Problem]:
    """Once a job names another environment, every step has to say where it works."""
    others = {str(settings["environment"]) for _, _, settings in steps if settings.get("environment", HERE) != HERE}
    if not others:
        return
    listed = ", ".join(sorted(others))
    for path, kind, settings in steps:
        if "environment" not in settings and kind not in NOWHERE and not (kind == "http-check" and "url" in settings):
            text = f"does not say where it works, in a job that also works on {listed}"
            remedy = f'environment = "{min(others)}", or "." for the environment that the agent runs on'
            yield Problem(path, text, remedy)


def _proofs(main: list[Step], back: list[Step]) -> Iterator[Problem]:
    """Steps that can never run as written: they need the proof of a backup that no earlier step gives."""
    proved: set[str] = set()
    for path, kind, settings in (*main, *back):
        about = _subject(kind, settings)
        if kind == "backup":
            proved.add(about)
        needs = kind in NEEDS_PROOF and settings.get("backup", "required") == "required"
        if needs and about not in proved:
            where = "" if about == HERE else f" on {about}"
            remedy = f'put a backup step{where} before it, or set backup = "not-needed" on it'
            yield Problem(path, f"needs a backup step{where} before it", remedy)
        if kind == "restore" and "backup" not in settings and about not in proved:
            yield Problem(
                path, "restores the backup that this run proved, but no step takes one", "take one, or name it"
            )


def _updates(main: list[Step]) -> Iterator[Problem]:
    """``when = "updated"`` where nothing before it can make a commit."""
    for number, (path, _, settings) in enumerate(main):
        if settings.get("when") == "updated" and not any(kind in NEEDS_PROOF for _, kind, _ in main[:number]):
            text = "can never run: no step before it makes a commit"
            yield Problem((*path, "when"), text, "put it after a source-operation, merge or deploy")


def _taking_back(main: list[Step], back: list[Step]) -> Iterator[Problem]:
    """Steps of taking back on environments that the job never changes, and ones that make no sense there."""
    changed = {_subject(kind, settings) for _, kind, settings in main if kind in CHANGING}
    for path, kind, settings in back:
        if kind == "approval" or settings.get("when") == "updated":
            word = "an approval" if kind == "approval" else "when = updated"
            yield Problem(path, f"{word} makes no sense in on-failure: it is to run, once, at once", "leave it out")
        elif _subject(kind, settings) not in changed:
            about = _subject(kind, settings)
            where = "the environment that the agent runs on" if about == HERE else about
            yield Problem(path, f"can never run: no step of the job changes {where}", "leave it out, or name another")


def _subject(kind: str, settings: Mapping[str, Any]) -> str:
    """The environment that the step changes, or else is about."""
    return str(settings["into"] if kind == "merge" else settings.get("environment", HERE))
