"""The dates of HTTP headers: the one form that servers write is read as the mail package reads it."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upsun_agent.api.dates import header_date

MOMENTS = st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9999, 12, 31)).map(  # noqa: DTZ001  drawn naive
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
#: The parts of the usual form, and what could stand in their place.
PARTS = st.tuples(
    st.sampled_from(["Tue, ", "Xyz, ", "Tuesday, ", ""]),
    st.sampled_from(["1 ", "01 ", "29 ", "31 ", "00 ", "-1 ", "\u0661\u0661 "]),
    st.sampled_from(["Feb ", "feb ", "Xyz ", "2 "]),
    st.sampled_from(["2026 ", "2028 ", "26 ", "70 ", "0000 ", "0026 ", "9999 ", "12026 ", "\u0662026 "]),
    st.sampled_from(["12:00:00 ", "1:2:3 ", "12:00 ", "24:00:00 ", "23:59:60 ", "23:59:61 ", "1_0:00:00 "]),
    st.sampled_from(["GMT", "UTC", "-0000", "+0100", "", "GMT "]),
).map("".join)


@given(MOMENTS)
def test_every_moment_reads_back(moment: datetime) -> None:
    assert header_date(format_datetime(moment, usegmt=True)) == moment


@given(PARTS)
@settings(max_examples=1000)
def test_anything_else_is_what_the_mail_package_says(text: str) -> None:
    try:
        expected = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        expected = None
    if expected is None:
        with pytest.raises(ValueError):  # noqa: PT011  whatever its words
            header_date(text)
    else:
        found = header_date(text)
        assert found.replace(tzinfo=found.tzinfo or UTC) == expected.replace(tzinfo=expected.tzinfo or UTC)


@pytest.mark.parametrize("text", ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"])
def test_the_older_forms_are_read_too(text: str) -> None:
    assert header_date(text).replace(tzinfo=UTC) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


def test_the_usual_form_needs_no_mail_package() -> None:
    text = format_datetime(datetime(2026, 11, 24, 18, 5, 9, tzinfo=UTC), usegmt=True)
    start = "from upsun_agent.lazy_imports import defer_imports; defer_imports()"  # as every command begins
    code = f"{start}\nimport sys, upsun_agent.api.dates as d\n"
    code += f"print(d.header_date({text!r}), 'email._parseaddr' in sys.modules)"  # what email.utils imports
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2026-11-24 18:05:09+00:00 False\n"
