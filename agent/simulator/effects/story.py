"""The one-line story of an activity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.simulator import activity as kinds

if TYPE_CHECKING:
    from agent.simulator.user import User

# `{here}` is the environment that the activity belongs to, `{other}` the one that it takes from.
DEEDS = {
    kinds.BACKUP: "created a backup of {here}",
    kinds.BACKUP_DELETE: "deleted a backup of {here}",
    kinds.RESTORE: "restored a backup to {here}",
    kinds.SOURCE_OPERATION: "ran a source operation on {here}",
    kinds.PUSH: "pushed to {here}",
    kinds.REDEPLOY: "redeployed {here}",
    kinds.DEPLOY: "deployed the staged changes of {here}",
    kinds.SYNCHRONIZE: "synchronized {here} from {other}",
    kinds.MERGE: "merged {other} into {here}",
    kinds.BRANCH: "branched {here} from {other}",
    kinds.ACTIVATE: "activated {here}",
    kinds.PAUSE: "paused {here}",
    kinds.RESUME: "resumed {here}",
    kinds.OPERATION: "ran a runtime operation on {here}",
    kinds.TASK: "ran a task on {here}",
    kinds.VARIABLE_CREATE: "created a variable of {here}",
    kinds.VARIABLE_UPDATE: "changed a variable of {here}",
    kinds.VARIABLE_DELETE: "deleted a variable of {here}",
}


def sentence(kind: str, who: User, title: str, other: str | None, *, html: bool) -> str:
    """The one-line story of an activity, as its `text` (plain) and its `description` (HTML)."""
    name = f"{who.first_name} {who.last_name}"
    deed = DEEDS.get(kind, "triggered {kind} on {here}")
    form = "environment <environment>{}</environment>" if html else "environment {}"
    taken = "another environment" if other is None else form.format(other)
    told = deed.format(kind=kind, here=form.format(title), other=taken)
    return f"<user>{name}</user> {told}" if html else f"{name} {told}"
