"""The kinds of steps a job can have, by their name in the job file. Each is one module, and pure."""

from __future__ import annotations

from agent.engine.step import StepKind
from agent.steps.backup import BackupStep
from agent.steps.source_operation import SourceOperationStep

KINDS: dict[str, StepKind] = {kind.name: kind for kind in (BackupStep(), SourceOperationStep())}
