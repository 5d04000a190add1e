"""Play every probe in its order, then delete what was made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from upsun_agent.errors import AgentError
from upsun_agent.prove.backups import NAMES, play_backups
from upsun_agent.prove.cleanup import Cleanup
from upsun_agent.prove.container import lock_row, outside, play_python
from upsun_agent.prove.deployments import OPERATION, play_operation, play_redeploy
from upsun_agent.prove.place import Place
from upsun_agent.prove.reads import play_history, play_reads
from upsun_agent.prove.rows import Row, in_order, not_tried

HISTORIC = ("cron-backup", "cron-deploy")  # rows that earlier activities may tell


class Container(Struct, frozen=True):
    """The container of the environment, if the command runs in it."""

    #: The PATH.
    path: str
    #: The type of the app, such as ``php:8.4``; empty if it is not known.
    kind: str
    #: The state directory; None if the state is not in a directory that exists.
    directory: str | None


class Proof(Struct, frozen=True):
    """The result of a proof."""

    #: One row for each assumption.
    rows: list[Row]
    #: What could not be deleted, in words.
    left: list[str]


def prove(place: Place, container: Container | None, operation: str | None, tell: Callable[[str], object]) -> Proof:
    """Play every probe; delete what was made even if a signal ends the command.

    Args:
        place: the environment.
        container: its container; None if the command runs elsewhere.
        operation: the source operation to run; None for none.
        tell: is told what is tried now.

    Raises:
        ConfigInvalid: the environment is production.
    """
    seen, rows, cleanup = place.look(), dict[str, Row](), Cleanup(place)

    def play(names: tuple[str, ...], what: str, probe: Callable[[], Iterable[Row]]) -> None:
        tell(what)
        try:
            for each in probe():
                rows[each.name] = each
        except AgentError as error:
            rows.update({name: not_tried(name, f"it cannot be read: {error}") for name in names if name not in rows})

    reads = ("page-size", "rate-limit", "operation-role", "cron-overlap")
    play(reads, "reading activities and roles", lambda: play_reads(place, seen))
    if container is None:
        rows.update({each.name: each for each in outside()})
    else:
        rows["python"] = play_python(container.path, container.kind)
    try:
        if container is not None and container.directory is not None:
            tell("trying locks")
            with lock_row(container.directory) as locks:
                rows["locks"] = locks
                _change(play, place, cleanup, operation)
        else:
            rows.setdefault("locks", not_tried("locks", "the state is not in a directory that exists"))
            _change(play, place, cleanup, operation)
    except BaseException as end:  # a signal too
        left = _clean(cleanup)
        if left:
            raise type(end)(f"left behind: {'; '.join(left)}") from end
        raise
    tell("deleting what was made")
    left = _clean(cleanup)
    if any(rows[name].outcome == "not tried" for name in HISTORIC if name in rows):
        play((), "reading earlier activities", lambda: _told_before(place, rows))
    return Proof(in_order(rows), left)


def _told_before(place: Place, rows: Mapping[str, Row]) -> Iterable[Row]:
    """Return the rows of the past for what was not tried now."""
    return [each for each in play_history(place) if rows[each.name].outcome == "not tried"]


def _change(play: Callable[..., None], place: Place, cleanup: Cleanup, operation: str | None) -> None:
    """Play the probes that change something."""
    play(NAMES, "taking two backups, one while a cron runs", lambda: play_backups(place, cleanup))
    play(("cron-deploy",), "redeploying while a cron runs", lambda: [play_redeploy(place)])
    play(OPERATION, "running the source operation", lambda: play_operation(place, operation))


def _clean(cleanup: Cleanup) -> list[str]:
    """Return what is left behind; a signal that arrives meanwhile says what that is."""
    try:
        return cleanup.run()
    except BaseException as end:
        left = ", ".join(cleanup.pending())
        raise type(end)(f"not deleted yet: {left or 'nothing'}; see upsun backup:list") from end
