"""The one-line description of an activity."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from upsun_simulator import activity as kinds

if TYPE_CHECKING:
    from upsun_simulator.environment import Environment
    from upsun_simulator.user import User

# `{here}` is the environment that the activity belongs to, `{other}` the one that it takes from, `{what}` a name.
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
    kinds.DEACTIVATE: "deactivated {here}",
    kinds.DELETE: "deleted {here}",
    kinds.UPDATE_HTTP_ACCESS: "changed the HTTP access of {here}",
    kinds.UPDATE_SMTP: "changed the e-mail settings of {here}",
    kinds.UPDATE_ROBOTS: "changed the robots settings of {here}",
    kinds.UPDATE_RESOURCES: "changed the resources of {here}",
    kinds.DOMAIN_CREATE: "added a domain to {here}",
    kinds.DOMAIN_UPDATE: "changed a domain of {here}",
    kinds.DOMAIN_DELETE: "removed a domain from {here}",
    kinds.OPERATION: "ran a runtime operation on {here}",
    kinds.TASK: "ran a task on {here}",
    kinds.CRON: "ran cron {what}",
    kinds.VARIABLE_CREATE: "created a variable of {here}",
    kinds.VARIABLE_UPDATE: "changed a variable of {here}",
    kinds.VARIABLE_DELETE: "deleted a variable of {here}",
}


def sentence(
    kind: str, who: User, here: Environment, other: Environment | None, what: str | None = None, *, html: bool
) -> str:
    """Return the one-line description of an activity, as its `text` (Markdown) and its `description` (HTML).

    In the form of the documented examples (https://developer.upsun.com/docs/integrations/activity/reference).

    Args:
        kind: the type of the activity.
        who: who asked for it.
        here: the environment that it works on.
        other: the environment that it takes from; None if there is none.
        what: what is run, such as the name of a cron; None if the type says it all.
        html: whether names are marked up in HTML.
    """
    name = f"{who.first_name} {who.last_name}"

    def told(place: Environment) -> str:
        return f'<environment data-id="{escape(place.id)}">{escape(place.title)}</environment>' if html else place.title

    taken = "another environment" if other is None else told(other)
    marked = f"<strong>{escape(what or '')}</strong>" if html else f"**{what}**"
    action = DEEDS.get(kind, "triggered {kind} on {here}").format(kind=kind, here=told(here), other=taken, what=marked)
    return f'<user data-id="{escape(who.id)}">{escape(name)}</user> {action}' if html else f"{name} {action}"
