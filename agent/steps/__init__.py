"""The kinds of steps a job can have, by their name in the job file. Each is pure."""

from __future__ import annotations

from agent.engine.step import StepKind
from agent.steps.backup import BackupStep
from agent.steps.branch import BranchStep
from agent.steps.command import CommandStep
from agent.steps.deploy import DeployStep, RedeployStep
from agent.steps.http_check import HttpCheckStep
from agent.steps.merge import MergeStep
from agent.steps.operation import RuntimeOperationStep, TaskStep
from agent.steps.restore import RestoreStep
from agent.steps.source_operation import SourceOperationStep
from agent.steps.switch import ACTIVATE, PAUSE, RESUME
from agent.steps.sync import SyncStep
from agent.steps.wait import ApprovalStep, WaitStep

_ALL: tuple[StepKind, ...] = (
    BackupStep(),
    SourceOperationStep(),
    SyncStep(),
    MergeStep(),
    BranchStep(),
    ACTIVATE,
    PAUSE,
    RESUME,
    RedeployStep(),
    DeployStep(),
    RestoreStep(),
    RuntimeOperationStep(),
    TaskStep(),
    CommandStep(),
    HttpCheckStep(),
    WaitStep(),
    ApprovalStep(),
)

KINDS: dict[str, StepKind] = {kind.name: kind for kind in _ALL}
