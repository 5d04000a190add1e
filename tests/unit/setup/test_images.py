"""What init says of the Python of an image: no more than is known, and that no image has to change."""

from __future__ import annotations

import pytest
from upsun_setup.image import told_python
from upsun_setup.plan_record import Plan

from tests.harness.checkouts import CASES, Case

#: The images of 33 public apps, and how many had each; those of the first group have a Python that is too old.
TOO_OLD = {"php:8.2": 5, "php:8.1": 2, "php:8.0": 1, "nodejs:20": 5, "nodejs:18": 2}
FIT = {"php:8.5": 1, "php:8.4": 4, "php:8.3": 2, "nodejs:24": 2, "nodejs:22": 1, "python:3.12": 6, "golang:1.22": 1}


def plan_for(kind: str) -> Plan:
    files = {".upsun/config.yaml": f'applications:\n  app:\n    type: "{kind}"\n'}
    return Case("image", files, None).plan()


def told(plan: Plan) -> list[str]:
    """Everything that the plan says."""
    return [*plan.done, *(text for remark in plan.remarks for text in remark)]


def test_the_sample_is_the_one_that_was_counted() -> None:
    assert (sum(TOO_OLD.values()), sum(FIT.values())) == (15, 17)  # and one composable app


@pytest.mark.parametrize("kind", TOO_OLD)
def test_an_app_whose_image_is_too_old_is_set_up_and_told_nothing_to_do_about_it(kind: str) -> None:
    plan = plan_for(kind)
    assert {change.path for change in plan.changes} == {".upsun/config.yaml", ".upsun/agent.toml", ".environment"}
    (said,) = [text for text in told(plan) if "Python" in text]
    assert said in plan.done, "it is no remark: nobody has to do anything"
    assert said.endswith("the agent brings its own")


@pytest.mark.parametrize("kind", [*TOO_OLD, *FIT, "python:3.9", "java:21", "cobol:1"])
def test_no_other_image_is_proposed(kind: str) -> None:
    assert not [text for text in told(plan_for(kind)) if "type:" in text or "python:3.13" in text or "raise" in text]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("php:8.1", "the image php:8.1 is known to be too old for the agent (Python 3.7): the agent brings its own"),
        (
            "php:8.2",
            (
                "the image php:8.2 seems to be too old for the agent (Python 3.9, inferred): "
                "if so, the agent brings its own"
            ),
        ),
        ("php:8.4", "the image php:8.4 is known to have Python 3.11: the agent runs with it"),
        (
            "nodejs:22",
            "the image nodejs:22 seems to have Python 3.11 (inferred): the agent runs with it, or else brings its own",
        ),
        (
            "java:21",
            (
                "which python3 the image java:21 has is not known: where it has none, or an older one than 3.11, "
                "the agent brings its own"
            ),
        ),
    ],
)
def test_known_inferred_and_unknown_are_told_apart(kind: str, said: str) -> None:
    assert told_python(kind) == said
    assert said in plan_for(kind).done


@pytest.mark.parametrize("kind", ["python:3.9", "python:2.7"])
def test_a_python_app_that_is_too_old_gets_the_agents_own(kind: str) -> None:
    assert f"{kind} is known to be too old for the agent, which needs Python 3.11: the agent brings its own" in (
        plan_for(kind).done
    )


def test_a_composable_image_that_lists_an_old_python_gets_the_agents_own() -> None:
    plan = CASES["composable-python-too-old"].plan()
    assert [text for text in plan.done if text.endswith("the agent brings its own")]
