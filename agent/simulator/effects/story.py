"""The one-line story of an activity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.simulator import activity as kinds

if TYPE_CHECKING:
    from agent.simulator.user import User

DEEDS = {
    kinds.BACKUP: "created a backup of",
    kinds.BACKUP_DELETE: "deleted a backup of",
    kinds.RESTORE: "restored a backup to",
    kinds.SOURCE_OPERATION: "ran a source operation on",
    kinds.PUSH: "pushed to",
    kinds.REDEPLOY: "redeployed",
    kinds.DEPLOY: "deployed the staged changes of",
    kinds.SYNCHRONIZE: "synchronized with its parent",
    kinds.MERGE: "merged a child into",
    kinds.BRANCH: "branched off",
    kinds.ACTIVATE: "activated",
    kinds.PAUSE: "paused",
    kinds.RESUME: "resumed",
    kinds.OPERATION: "ran a runtime operation on",
    kinds.TASK: "ran a task on",
    kinds.VARIABLE_CREATE: "created a variable of",
    kinds.VARIABLE_UPDATE: "changed a variable of",
    kinds.VARIABLE_DELETE: "deleted a variable of",
}


def sentence(kind: str, who: User, title: str, *, html: bool) -> str:
    """The one-line story of an activity, as its `text` (plain) and its `description` (HTML)."""
    name = f"{who.first_name} {who.last_name}"
    deed = DEEDS.get(kind, f"triggered {kind} on")
    if html:
        return f"<user>{name}</user> {deed} environment <environment>{title}</environment>"
    return f"{name} {deed} environment {title}"
