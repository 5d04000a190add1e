"""The journal where nothing has run yet, for readers: every list is empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upsun_agent.journal import Copied, Cursor, RunRow, Tally
    from upsun_agent.model.events import Event


class EmptyJournal:
    """A ``JournalReader`` without runs, events or notes."""

    def events(self, run: str) -> list[Event]:  # noqa: ARG002  the protocol's, here and below
        """Return no event."""
        return []

    def written(self, run: str) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return no event."""
        return []

    def rows(self, *, open_only: bool = False, job: str | None = None, most: int = 50) -> Sequence[RunRow]:  # noqa: ARG002
        """Return no run.

        Args:
            open_only: whether only runs that are not closed are returned.
            job: the name of the job whose runs are returned; None: all jobs.
            most: how many are returned at most.
        """
        return ()

    def latest(self, kind: str, *, job: str | None = None, most: int = 50) -> Sequence[tuple[str, Event]]:  # noqa: ARG002
        """Return no event.

        Args:
            kind: the kind of the events.
            job: the name of the job whose runs are returned; None: all jobs.
            most: how many are returned at most.
        """
        return ()

    def tallies(self) -> Sequence[Tally]:
        """Return no count."""
        return ()

    def claimed(self) -> dict[str, str]:
        """Return no activity."""
        return {}

    def cursor(self, job: str) -> Cursor | None:  # noqa: ARG002
        """Return None: no slot has been decided."""
        return None

    def cursors(self) -> list[Cursor]:
        """Return no cursor."""
        return []

    def noted(self, key: str) -> str | None:  # noqa: ARG002
        """Return None: there is no note."""
        return None

    def notes(self, prefix: str) -> dict[str, str]:  # noqa: ARG002
        """Return no note."""
        return {}

    def last_tick(self) -> int | None:
        """Return None: there was no tick."""
        return None

    def ticks(self) -> int:
        """Return 0."""
        return 0

    def copied(self, runs: Sequence[RunRow]) -> list[Copied]:  # noqa: ARG002
        """Return no run."""
        return []

    def last_proofs(self) -> Sequence[tuple[str, str, Event]]:
        """Return no step."""
        return ()
