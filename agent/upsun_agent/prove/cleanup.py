"""Remove what a proof made: cancel backups that run, and delete them, also after Ctrl-C."""

from __future__ import annotations

from upsun_agent.api.http import NoAnswer
from upsun_agent.errors import AgentError, NotFound
from upsun_agent.model.answers import Fate
from upsun_agent.model.resource_paths import segment
from upsun_agent.prove.place import Place

TRIES = 60  # a backup is not deleted while another activity runs


class Cleanup:
    """Backups to delete, and what stays behind."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._backups: list[tuple[str, str | None]] = []
        self._doubt = ""

    def expect(self, doubt: str) -> None:
        """Remember what is not known if the request that comes now has no answer."""
        self._doubt = doubt

    def forget(self) -> None:
        """Forget the doubt: the request was answered, or not sent."""
        self._doubt = ""

    def backup(self, activity: str, name: str | None) -> None:
        """Remember a backup by its activity, and by its name if that is known."""
        self._backups.append((activity, name))

    def run(self) -> list[str]:
        """Delete everything that was made; return what is left behind, in words."""
        left = [self._doubt] if self._doubt else []
        while self._backups:
            activity, name = self._backups[-1]
            try:
                removed = self._removed(activity, name)
            except (AgentError, NoAnswer) as error:
                left.append(f"the backup {name or 'of activity ' + activity}: {error}")
            else:
                left += [] if removed else [f"the backup {name or 'of activity ' + activity}"]
            self._backups.pop()
        return left

    def pending(self) -> list[str]:
        """Return what was not deleted yet, in words."""
        return [f"the backup {name or 'of activity ' + activity}" for activity, name in self._backups]

    def _removed(self, activity: str, name: str | None) -> bool:
        """Cancel the activity if it runs, then delete the backup if there is one; return whether it is gone."""
        place = self._place
        if place.activity(activity).activity.fate == Fate.RUNNING:
            try:
                place.client.cancel_activity(place.project, activity)
            except AgentError:  # it ended meanwhile
                place.pause()
            place.ended(activity)
        if name is None:
            return place.activity(activity).activity.fate == Fate.FAILED
        for _ in range(TRIES):
            place.look()  # raises on production
            try:
                backup = place.client.backup(place.project, place.environment, name)
                if backup is None or backup.status == "DELETING":
                    return True
                place.client.write("DELETE", place.path(f"/backups/{segment(name)}"), {}, "deletion of the backup")
            except NotFound:
                return True
            except AgentError:
                place.pause()
        return False
