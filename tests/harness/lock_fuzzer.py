"""Read mutated lock files, and check what holds whatever is in them."""

from __future__ import annotations

import random
from collections import Counter

from upsun_agent.limits import LOCKED_MOST, LOCKED_TEXT_MOST
from upsun_agent.model.packages import ChangeKind, Ecosystem
from upsun_agent.packages.compare import LockFile, compare, read
from upsun_agent.packages.versions import difference

from tests.harness import bounded
from tests.harness.locked import SAMPLES, Sample
from tests.harness.spoiled_locks import spoiled

CPU_MOST = 2  # seconds for one file of a few kilobytes: it takes less than a millisecond


def check(found: LockFile, good: LockFile) -> None:
    """Check a file that was read, and its comparison with the good one."""
    assert len(found.packages) <= LOCKED_MOST
    assert not (found.fault and found.packages)
    assert len({(each.name, each.version, each.revision) for each in found.packages}) == len(found.packages)
    for each in found.packages:
        assert 0 < len(each.name) <= LOCKED_TEXT_MOST
        assert len(each.version) <= LOCKED_TEXT_MOST
    for before, after in ((good, found), (found, good), (None, found), (found, None)):
        change = compare(before, after)
        assert not (found.fault and change.changes)
        assert bool(change.warning) == any(file.fault or file.notes for file in (before, after) if file)
        for one in change.changes:
            assert (one.before is None) == (one.kind is ChangeKind.ADDED)
            assert (one.after is None) == (one.kind is ChangeKind.REMOVED)
            assert not one.downgrade or one.kind is ChangeKind.OTHER
    assert compare(found, found).changes == ()


PARTS = (
    *(
        "0",
        "1",
        "2",
        "10",
        "007",
        "9" * 40,
        "x",
        "*",
        "v",
        "V",
        "=",
        " ",
        "",
        ".",
        ".",
        ".",
        "-",
        "-",
        "+",
        "_",
        "!",
        "~",
        "#",
    ),
    *(
        "dev",
        "-dev",
        "alpha",
        "a",
        "beta",
        "B",
        "RC",
        "rc1",
        "stable",
        "\u017ftable",
        "patch",
        "pl",
        "post",
        "pre",
        "final",
        "ga",
    ),
    *(
        "SNAPSHOT",
        "sp",
        "jre",
        "main",
        "feature/x",
        "20200101",
        "20200101000000-abcdefabcdef",
        "incompatible",
        "\u00b2",
        "\n",
    ),
)


def version_text(dice: random.Random) -> str:
    """Return any text, or three numbers with any text behind them."""
    if dice.randrange(2):
        return "".join(dice.choices(PARTS, k=dice.randint(1, 8)))[:LOCKED_TEXT_MOST]
    numbers = ".".join(str(dice.randrange(3)) for _ in range(3))
    return f"{dice.choice(('', 'v'))}{numbers}{''.join(dice.choices(PARTS, k=dice.randint(0, 3)))}"


def compare_versions(ecosystem: Ecosystem, many: int, seed: int) -> Counter[ChangeKind]:
    """Compare so many pairs of texts as versions; return how often each kind of change came of it."""
    dice = random.Random(f"{seed} {ecosystem}")
    told: Counter[ChangeKind] = Counter()
    for _ in range(many):
        one, other = (version_text(dice) for _ in range(2))
        with bounded.time(CPU_MOST):
            (there, lower), (back, higher) = difference(ecosystem, one, other), difference(ecosystem, other, one)
        assert difference(ecosystem, one, one) == (ChangeKind.OTHER, False)
        assert not (lower and higher)
        assert not lower or there is ChangeKind.OTHER
        assert (there is ChangeKind.OTHER) or (back is ChangeKind.OTHER and higher)
        told[there] += 1
    return told


def fuzz(sample: Sample, many: int, seed: int) -> Counter[str]:
    """Read so many mutations of a sample; return how many could be read, and how many could not.

    Args:
        sample: the good file.
        many: how many mutations.
        seed: of the choices.
    """
    dice = random.Random(f"{seed} {sample.tool} {sample.file}")
    data, manifest, good = sample.data("old"), sample.manifest("old"), sample.read("old")
    others = [each.data("new") for each in SAMPLES]
    told: Counter[str] = Counter()
    for _ in range(many):
        text = spoiled(data, dice.choice(others), dice)
        beside = spoiled(manifest, data, dice) if manifest and dice.randrange(4) == 0 else manifest
        with bounded.time(CPU_MOST):
            found = read(sample.file, text, beside)
            check(found, good)
        told["fault" if found.fault else "read"] += 1
    return told
