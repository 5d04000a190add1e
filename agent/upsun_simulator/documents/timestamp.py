"""Times in the platform's notation."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from datetime import datetime


@overload
def written(moment: datetime) -> str: ...
@overload
def written(moment: datetime | None) -> str | None: ...
def written(moment: datetime | None) -> str | None:
    """Return the time as ISO 8601 with microseconds and a numeric offset; None stays None."""
    return None if moment is None else moment.isoformat(timespec="microseconds")
