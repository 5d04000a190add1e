"""Every kind of step has a page, which the kind itself writes, and the example on it is a valid job that shows it."""

from __future__ import annotations

import pytest
from upsun_agent.config import parse
from upsun_agent.steps import KINDS

from tools.step_pages import example


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_says_all_that_its_page_needs(kind: str) -> None:
    docs = KINDS[kind].docs
    assert all((docs.about, docs.notes, docs.done, docs.example))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_example_is_a_valid_job_with_the_step(kind: str) -> None:
    job = parse(example(kind)).job("example")
    assert kind in {step.kind for step in (*job.steps, *job.on_failure)}
