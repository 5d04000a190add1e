"""Probes with backups: one that is requested while a cron runs, and a second one, which is cancelled."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from upsun_agent.api.errors import Meaning, classify
from upsun_agent.api.http import NoAnswer, Reply
from upsun_agent.api.models import read_backup, read_list
from upsun_agent.engine.evidence import unusable
from upsun_agent.errors import AgentError, NotFound
from upsun_agent.model.answers import Activity, Backup, Fate
from upsun_agent.model.resource_paths import segment
from upsun_agent.prove.cleanup import Cleanup
from upsun_agent.prove.order import beside_cron
from upsun_agent.prove.place import Place, Timed, embedded
from upsun_agent.prove.rows import Row, not_tried, row

KIND = "environment.backup"
BOTH = 2  # backups that are requested
KEPT_LEAST = 2  # manual backups that the smallest plan keeps, where the settings name no limit
NAMES = ("backup-activity", "second-backup", "cron-backup", "backup-proof", "failed-backup")


def play_backups(place: Place, cleanup: Cleanup) -> Iterable[Row]:
    """Yield the rows about backups; every backup that is made is handed to the clean-up."""
    seen = place.look()
    limit = place.client.manual_backup_limits(place.project).get(seen.type)
    manual = [each for each in place.client.backups(place.project, place.environment) if not each.automated]
    keeps = KEPT_LEAST if limit is None else limit
    if len(manual) + BOTH > keeps:
        why = f"the environment has {len(manual)} manual backups and keeps {keeps}: new ones would push them out"
        yield from (not_tried(name, why) for name in NAMES)
        return
    cron = place.running_cron()
    first = _requested(place, cleanup)
    if first is None or isinstance(first, str):
        yield from (not_tried(name, first or "#backup is not offered to the token's user") for name in NAMES)
        return
    yield backup_activity(first)
    taken = embedded(first, KIND)
    if taken is None:
        yield from (not_tried(name, "the first backup is not known by an activity") for name in NAMES[1:])
        return
    yield from _second(place, cleanup, taken)
    yield from _first(place, taken, cron)


def _requested(place: Place, cleanup: Cleanup) -> Reply | str | None:
    """Request a backup that holds no requests; return why there is no answer as text, None without the link."""
    cleanup.expect("a backup whose request was not answered may have been made: look at upsun backup:list")
    try:
        reply = place.request("#backup", {"safe": False})
    except NoAnswer as error:
        if error.sent:
            return f"the request was not answered: {error}"
        cleanup.forget()
        return f"the request could not be sent: {error}"
    cleanup.forget()
    taken = None if reply is None else embedded(reply, KIND)
    if taken is not None:
        cleanup.backup(taken.activity.id, _name(taken.activity))
    return reply


def _name(activity: Activity) -> str | None:
    name = activity.payload.get("backup_name")
    return name if isinstance(name, str) and name else None


def _second(place: Place, cleanup: Cleanup, first: Timed) -> Iterable[Row]:
    """Request a second backup while the first one runs, then cancel it."""
    answer = _requested(place, cleanup)
    second = embedded(answer, KIND) if isinstance(answer, Reply) else None
    if not isinstance(answer, Reply):
        yield not_tried("second-backup", answer or "#backup is not offered while an activity runs")
    elif second is None:
        yield second_backup(classify(answer), answer.status, None, first_runs=True)
    else:
        later, before = place.activity(second.activity.id), place.activity(first.activity.id)
        runs = before.activity.fate == Fate.RUNNING
        yield second_backup(classify(answer), answer.status, later, first_runs=runs)
    if second is None:
        yield not_tried("failed-backup", "there was no second backup to cancel")
        return
    with contextlib.suppress(AgentError):  # it may have ended; the row tells
        place.client.cancel_activity(place.project, second.activity.id)
    ended = place.ended(second.activity.id)
    backups = place.read(place.path("/backups"), "backups")
    yield failed_backup(
        None if ended is None else ended.activity, _name(second.activity), read_list(backups, "backups")
    )


def _first(place: Place, taken: Timed, cron: Timed | None) -> Iterable[Row]:
    """Wait for the first backup, and compare it with the cron and with what a proof asks for."""
    ended = place.ended(taken.activity.id)
    if cron is None:
        yield not_tried("cron-backup", "no cron ran on the environment within some minutes")
    elif ended is not None:
        yield beside_cron("cron-backup", place.activity(cron.activity.id), ended)
    if ended is None:
        yield not_tried("backup-proof", "the backup did not end within half an hour")
        return
    name, backup = _name(ended.activity), None
    if name is not None:
        with contextlib.suppress(NotFound):
            backup = read_backup(place.read(place.path(f"/backups/{segment(name)}"), "backup"))
    yield backup_proof(ended, backup, place.environment)


def backup_activity(reply: Reply) -> Row:
    """Return the row about the answer to a request for a backup."""
    meaning = classify(reply)
    if meaning is not Meaning.DONE:
        return not_tried("backup-activity", f"the request was answered with {reply.status}")
    found = embedded(reply, KIND)
    if found is None:
        text = f"the answer ({reply.status}) embeds no readable activity {KIND}"
        return row("backup-activity", text, same=False, status=reply.status, embedded=False, named=False)
    named = _name(found.activity) is not None
    text = (
        f"it embeds one in the state {found.activity.state}, which {'names' if named else 'does not name'} the backup"
    )
    return row("backup-activity", text, same=named, status=reply.status, embedded=True, named=named)


def second_backup(meaning: Meaning, status: int, second: Timed | None, *, first_runs: bool) -> Row:
    """Return the row about a second request.

    Args:
        meaning: what the answer means.
        status: its HTTP status.
        second: the activity of the second backup; None if there is none.
        first_runs: whether the first one still ran when the second was looked at.
    """
    if second is None:
        refused = meaning is not Meaning.DONE
        text = f"it is {'refused' if refused else 'answered'} with {status}, without an activity"
        return row("second-backup", text, same=False, second="refused" if refused else "unknown", status=status)
    if second.started_at is None:
        return row("second-backup", "it is queued", same=True, second="queued", status=status)
    if not first_runs:
        return not_tried("second-backup", "the first backup had ended already")
    return row("second-backup", "both run at the same time", same=False, second="parallel", status=status)


def failed_backup(ended: Activity | None, name: str | None, listed: Iterable[Any]) -> Row:
    """Return the row about the traces of a backup that was cancelled.

    Args:
        ended: its activity; None if it has not ended.
        name: the name of the backup; None if the activity does not say.
        listed: the list of backups as the API gives it.
    """
    if ended is None or ended.fate != Fate.FAILED or name is None:
        return not_tried("failed-backup", "the second backup could not be cancelled in time, or has no name")
    traces = [each for each in listed if isinstance(each, Mapping) and name in {each.get("id"), each.get("name")}]
    if not traces:
        return row("failed-backup", "it is not in the list of backups", same=True, listed=False)
    sound = traces[0].get("status") == "CREATED" and traces[0].get("restorable") is True
    text = f"it is in the list of backups{', as one that can be restored' if sound else ', not as restorable'}"
    return row("failed-backup", text, same=False, listed=True, restorable=sound)


def backup_proof(ended: Timed, backup: Backup | None, environment: str) -> Row:
    """Return the row about the backup of an activity that ended.

    Args:
        ended: the activity, read after its end.
        backup: the backup that it names; None if there is none.
        environment: the id of the environment.
    """
    begun, over = ended.started_at, ended.ended_at
    seconds = None if begun is None or over is None else round((over - begun).total_seconds(), 1)
    if ended.activity.fate != Fate.SUCCEEDED:
        return not_tried("backup-proof", "the activity of the backup did not succeed")
    if backup is None:
        return row("backup-proof", "there is no such backup", same=False, found=False, seconds=seconds)
    flaws = [*unusable(backup, environment), *(["it counts as automated"] if backup.automated else [])]
    facts = {"restorable": backup.restorable, "created": backup.status == "CREATED", "automated": backup.automated}
    text = "; ".join(flaws).replace(environment, "this environment") or "it is listed and can be restored"
    return row("backup-proof", text, same=not flaws, found=True, seconds=seconds, **facts)
