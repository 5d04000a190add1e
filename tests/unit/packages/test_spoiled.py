"""A small part of the fuzzing of lock files; tests/long/fuzz has the whole."""

from __future__ import annotations

import pytest
from upsun_agent.model.packages import Ecosystem

from tests.harness.lock_fuzzer import compare_versions, fuzz
from tests.harness.locked import SAMPLES, Sample


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.tool}/{sample.file}")
def test_a_spoiled_lock_file_is_read_or_is_a_fault(sample: Sample) -> None:
    told = fuzz(sample, 150, 1)
    assert told["read"] + told["fault"] == 150
    assert told["read"] > 0, "some mutations do not matter"


@pytest.mark.parametrize("ecosystem", list(Ecosystem))
def test_any_two_texts_are_compared_as_versions(ecosystem: Ecosystem) -> None:
    assert sum(compare_versions(ecosystem, 300, 1).values()) == 300
