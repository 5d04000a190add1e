"""The kinds of steps a job can have, by their name in the job file. Each is pure, and imported when a run has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from upsun_agent.engine.step import StepKind

#: Where each is: its module below this one, and the class or the object in it.
_PLACES = {
    "backup": "backup.BackupStep",
    "source-operation": "source_operation.SourceOperationStep",
    "sync": "sync.SyncStep",
    "merge": "merge.MergeStep",
    "branch": "branch.BranchStep",
    "activate": "switch.ACTIVATE",
    "pause": "switch.PAUSE",
    "resume": "switch.RESUME",
    "redeploy": "deploy.RedeployStep",
    "deploy": "deploy.DeployStep",
    "restore": "restore.RestoreStep",
    "runtime-operation": "operation.RuntimeOperationStep",
    "task": "operation.TaskStep",
    "command": "command.CommandStep",
    "http-check": "http_check.HttpCheckStep",
    "wait": "wait.WaitStep",
    "approval": "wait.ApprovalStep",
}


class _Kinds(Mapping[str, StepKind]):
    def __init__(self) -> None:
        self._known: dict[str, StepKind] = {}

    def __getitem__(self, name: str) -> StepKind:
        if name not in self._known:
            module, _, word = _PLACES[name].partition(".")
            found = getattr(import_module(f"{__name__}.{module}"), word)
            self._known[name] = found() if isinstance(found, type) else found
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


KINDS: Mapping[str, StepKind] = _Kinds()
