"""Every field of a record has its line, and the check finds one that has none."""

from __future__ import annotations

import pytest
from upsun_agent.report.run_views import StoryView

from tools.field_docs import docs_of, main, undocumented

RECORDS = """
from msgspec import Struct

class Base(Struct, frozen=True):
    #: What it is.
    known: str
    {field}

class Derived(Base, frozen=True):
    kind: ClassVar[str] = "derived"
    {derived}

class Plain:
    free: int
"""


def found(field: str = "pass", derived: str = "pass", text: str = RECORDS) -> list[str]:
    return undocumented([("records.py", text.format(field=field, derived=derived))])


def test_every_field_of_the_code_has_its_line() -> None:
    assert main() == 0


def test_a_record_whose_fields_have_their_lines_passes() -> None:
    assert found() == []


@pytest.mark.parametrize("field", ["lost: int", "lost: int = 0  # a comment is not the line"])
def test_a_field_without_a_line_is_found(field: str) -> None:
    assert found(field=field) == ["records.py:7: Base.lost"]


def test_a_field_of_a_class_that_derives_from_a_record_is_found() -> None:
    assert found(derived="lost: int") == ["records.py:11: Derived.lost"]


def test_a_dataclass_is_a_record() -> None:
    assert found(text="@dataclasses.dataclass(frozen=True)\nclass One:\n    lost: int") == ["records.py:3: One.lost"]


def test_a_key_of_a_step_says_its_text_in_its_annotation() -> None:
    assert found(field='lost: Annotated[int, Field(Number(0, 5), "How often.")] = 0') == []


def test_the_lines_of_a_record_and_of_those_above_it_are_read_by_field() -> None:
    found = docs_of(StoryView)
    assert set(found) == set(StoryView.__struct_fields__)
    assert found["run"] == "The id of the run."
    assert found["slot"].startswith("The slot by its local time, in the job's zone; null for a run by hand. One whose")
