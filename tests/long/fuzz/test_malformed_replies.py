"""Every field of every reply of a whole run, wrong in every way: no promise breaks, nothing gets stuck or out.

All of it, about 40,000 nights, with ``UPSUN_SOAK=1``; else a seeded sample, half of it of fields that the agent reads.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from functools import cache

import pytest

from tests.harness import bounded
from tests.harness.corrupted_replies import FOREVER, MUTATIONS, Path, SpoiledNight, fields, spoiled

SOAK = os.environ.get("UPSUN_SOAK") == "1"
SAMPLE = 8  # nights for each reply outside the soak

#: What happens on the night besides: the faults, and how many replies the agent gets then.
STORIES: dict[str, tuple[tuple[str, ...], int]] = {
    "all well": ((), 21),
    "backup answer lost": (("POST */backup cut-after",), 22),
    "update request lost": (("POST */source-operation cut-before",), 33),
}
#: Nights whose backup is no good: whatever else is wrong, no update may follow.
BAD_BACKUPS = {"backup-unrestorable": 12, "backup-missing": 14, "backup-fails": 5}

#: Fields that decisions rest on, by their last key.
WORDS = """
access_token expires_in id type status is_dirty head_commit _links #backup #source-operation href state result
created_at completed_at payload user backup_name parameters safe operation variables env UPSUN_AGENT_RUN
_embedded activities restorable environment deployment_state last_deployment_successful last_deployment_at
has_staged_activities data_retention production default_config manual_count failure_reason text
tree parents sha path mode encoding size content
"""
READ = frozenset(WORDS.split())

REPLIES = [(story, number) for story, (_, replies) in STORIES.items() for number in range(1, replies + 1)]
BAD_REPLIES = [(story, number) for story, replies in BAD_BACKUPS.items() for number in range(1, replies + 1)]


@cache
def true_replies(*faults: str) -> tuple[tuple[str, str], ...]:
    """What the simulator really answers on such a night: the kind of each request, and the text."""
    night = SpoiledNight(0, (), "", *faults)
    night.check()
    return tuple(night.spoiler.replies)


def cases(text: str, name: str, most: int = SAMPLE) -> list[tuple[Path, str, int]]:
    """The nights to play for a reply: field, mutation, how often."""
    every = list(fields(json.loads(text)))
    read = [path for path in every if not path or path[-1] in READ or path[-1] == 0]
    once = [(path, mutation, 1) for path in every for mutation in MUTATIONS]
    always = [(path, mutation, FOREVER) for path in read for mutation in MUTATIONS]
    if SOAK:
        return once + always
    dice = random.Random(name)
    read_once = [case for case in once if case[0] in set(read)]
    chosen = dice.sample(read_once, min(most // 2, len(read_once)))
    chosen += dice.sample(always, min(most // 8, len(always)))
    return chosen + dice.sample(once, most - len(chosen))


def play(number: int, case: tuple[Path, str, int], *faults: str) -> SpoiledNight:
    path, mutation, times = case
    night = SpoiledNight(number, path, mutation, *faults, times=times)
    try:
        with bounded.time():
            night.check()
    except BaseException as error:
        shown = ".".join(map(str, path))
        raise AssertionError(f"reply {number}, field {shown}: {mutation} (x{times}): {error!r}") from error
    return night


def test_the_nights_have_the_replies_that_are_spoiled_here_and_every_kind_of_request_is_among_them() -> None:
    kinds: Counter[str] = Counter()
    for faults, number in STORIES.values():
        replies = true_replies(*faults)
        assert len(replies) == number
        kinds.update(kind for kind, _ in replies)
    assert kinds.keys() == {
        "POST /oauth2/token",
        "GET /projects/*/environments/*",
        "POST /projects/*/environments/*/backup",
        "GET /projects/*/activities/*",
        "GET /projects/*/environments/*/backups/*",
        "POST /projects/*/environments/*/source-operation",
        "GET /projects/*/environments/*/activities",
        "GET /projects/*/settings",
        "GET /projects/*/git/commits/*",
        "GET /projects/*/git/trees/*",
        "GET /projects/*/git/blobs/*",
    }


def test_every_mutation_changes_what_it_is_applied_to_and_there_are_thousands_of_cases() -> None:
    counted = 0
    for faults, _ in STORIES.values():
        for _, text in true_replies(*faults):
            every = list(fields(json.loads(text)))
            assert every
            counted += len(every) * len(MUTATIONS)
            for mutation in MUTATIONS:
                if mutation not in {"null", "true", "false", "an empty text"}:  # a field may be that already
                    assert all(spoiled(text, path, mutation) != text for path in every), mutation
    assert counted > 30_000


@pytest.mark.parametrize(("story", "number"), REPLIES)
def test_a_spoiled_field_breaks_no_promise_and_ends_no_tick(story: str, number: int) -> None:
    faults, _ = STORIES[story]
    _, text = true_replies(*faults)[number - 1]
    applied = 0
    chosen = cases(text, f"{story} {number}")
    for case in chosen:
        applied += play(number, case, *faults).spoiler.applied > 0
    assert applied >= len(chosen) * 0.8, "null for null and the like change nothing, the rest must reach the agent"


@pytest.mark.parametrize(("story", "number"), BAD_REPLIES)
def test_no_spoiled_field_makes_a_bad_backup_pass_for_a_proof(story: str, number: int) -> None:
    replies = true_replies(story)
    assert len(replies) == BAD_BACKUPS[story]
    for case in cases(replies[number - 1][1], f"{story} {number}", most=6):
        night = play(number, case, story)
        assert night.mine("source-operation") == [], f"reply {number}: {case} let an update through"
