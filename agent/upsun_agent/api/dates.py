"""Parse dates in HTTP headers."""

from __future__ import annotations

import email.utils
import re
from datetime import UTC, datetime

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_USUAL = r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([1-9][0-9]{3}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"


def header_date(text: str) -> datetime:
    """Return the time in a ``Date`` or ``Retry-After`` header; raise ValueError if it is not valid.

    All servers write the one form ``Tue, 24 Nov 2026 18:05:09 GMT`` (RFC 9110, 5.6.7), which is read here. The older
    forms are left to the mail package, whose import costs more than a request.
    """
    usual = re.fullmatch(_USUAL, text)
    if usual is not None and usual[2] in _MONTHS and usual[6] != "60":  # a leap second is the mail package's as well
        day, year, hour, minute, second = map(int, usual.group(1, 3, 4, 5, 6))
        return datetime(year, _MONTHS.index(usual[2]) + 1, day, hour, minute, second, tzinfo=UTC)
    try:
        return email.utils.parsedate_to_datetime(text)
    except (TypeError, OverflowError) as error:
        raise ValueError(str(error)) from None
