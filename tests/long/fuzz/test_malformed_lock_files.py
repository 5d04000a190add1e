"""Ten thousand mutations of a lock file of each format: each is read or is a fault, in bounded time and memory."""

from __future__ import annotations

import os
import random

import pytest
from upsun_agent.model.packages import Ecosystem

from tests.harness.lock_fuzzer import compare_versions, fuzz
from tests.harness.locked import SAMPLES, Sample

SOAK = os.environ.get("UPSUN_SOAK") == "1"
SEED = random.SystemRandom().randrange(2**32) if SOAK else 20261128
MANY = 10_000


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.tool}/{sample.file}")
def test_a_spoiled_lock_file_is_read_or_is_a_fault(sample: Sample) -> None:
    told = fuzz(sample, MANY, SEED)
    print(f"{sample.tool}/{sample.file}: {told['read']} read, {told['fault']} faults, seed {SEED}")
    assert told["read"] + told["fault"] == MANY
    assert min(told["read"], told["fault"]) > 0


@pytest.mark.parametrize("ecosystem", list(Ecosystem))
def test_any_two_texts_are_compared_as_versions(ecosystem: Ecosystem) -> None:
    told = compare_versions(ecosystem, MANY, SEED)
    print(f"{ecosystem}: {dict(told)}, seed {SEED}")
    assert len(told) > 1, "some of them are versions"
