"""Versions are ordered as each ecosystem's own documents and tools order them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from upsun_agent.model.packages import ChangeKind, Ecosystem
from upsun_agent.packages.versions import difference, parse

ORDERED = Path(__file__).parent / "ordered"
#: What each ecosystem's own documents say: the ecosystem, where it stands, and versions from the lowest to the highest.
DOCUMENTED = tuple(line.split(" | ") for line in (ORDERED / "documented.txt").read_text().splitlines())
SAME: tuple[tuple[Ecosystem, str], ...] = (
    (Ecosystem.NPM, "1.0.0 v1.0.0 1.0.0+build.5"),
    (Ecosystem.PYPI, "1.0 v1.0 1.0.0 1"),
    (Ecosystem.PYPI, "1.1rc1 1.1-RC.1 1.1c1"),
    (Ecosystem.COMPOSER, "1.0 v1.0.0 1.0.0.0 1.0.0-stable"),
    (Ecosystem.COMPOSER, "1.0.0-b2 1.0.0-beta2 1.0.0beta.2 1.0.0_BETA2"),
    (Ecosystem.COMPOSER, "1.x-dev 1.*-dev"),
    (Ecosystem.GEM, "1 1.0 1.0.0"),
    (Ecosystem.GEM, "1.0.a 1.a"),
    (Ecosystem.MAVEN, "1 1.0 1.0.0 1-ga 1.final 1-release 1.0-0.0"),
    (Ecosystem.MAVEN, "1-a1 1-alpha-1 1ALPHA1"),
    (Ecosystem.MAVEN, "1.foo 1-foo 1foo"),
    (Ecosystem.MAVEN, "1.0.0-foo.0.0 1-foo"),
    (Ecosystem.NUGET, "1 1.0 1.00 1.0.0 1.0.0.0 1.0.0+r3456"),
    (Ecosystem.NUGET, "1.0-RC1 1.0-rc1"),
)
NOT_ORDERED: tuple[tuple[Ecosystem, str], ...] = (
    (Ecosystem.GOLANG, "1.2.3"),
    (Ecosystem.PYPI, "french toast"),
    (Ecosystem.COMPOSER, "dev-main"),
    (Ecosystem.COMPOSER, "1.0.0-meh"),
    (Ecosystem.COMPOSER, "1.0.0.0.0"),
    (Ecosystem.GEM, "junk"),
    (Ecosystem.GEM, "1.0..2"),
    (Ecosystem.MAVEN, "Finchley.SR1"),
    (Ecosystem.MAVEN, ""),
    (Ecosystem.NUGET, "1.0.0.0.0"),
    (Ecosystem.NUGET, "1.*"),
)


@pytest.mark.parametrize(("name", "place", "text"), DOCUMENTED)
def test_versions_are_ordered_as_the_ecosystem_documents_it(name: str, place: str, text: str) -> None:
    versions = [(each, parse(Ecosystem(name), each)) for each in text.split()]
    for (one, lower), (other, higher) in pairwise(versions):
        assert lower.key < higher.key, (place, one, other)
        assert not higher.key < lower.key, (place, one, other)
        assert difference(Ecosystem(name), other, one) == (ChangeKind.OTHER, True), "a lower version has no level"


@pytest.mark.parametrize(("ecosystem", "text"), SAME)
def test_spellings_of_a_version_are_the_same(ecosystem: Ecosystem, text: str) -> None:
    for one, other in pairwise(text.split()):
        assert parse(ecosystem, one).key == parse(ecosystem, other).key, (one, other)
        assert difference(ecosystem, one, other) == (ChangeKind.OTHER, False)


@pytest.mark.parametrize(("ecosystem", "text"), NOT_ORDERED)
def test_what_the_ecosystem_does_not_order_is_not_ordered(ecosystem: Ecosystem, text: str) -> None:
    assert parse(ecosystem, text) is None
    assert difference(ecosystem, text, "1.0.0") == (ChangeKind.OTHER, False)


def test_exactly_what_semver_org_calls_valid_is_read() -> None:
    """The lists are those of the regular expression that semver.org suggests."""
    valid, invalid = ((ORDERED / f"{name}_semver.txt").read_text().split() for name in ("valid", "invalid"))
    assert [each for each in valid if parse(Ecosystem.NPM, each) is None] == []
    assert [each for each in invalid if parse(Ecosystem.NPM, each) is not None] == []


@pytest.mark.parametrize("name", ["composer", "gem", "hex", "maven", "npm"])
def test_the_order_is_that_of_the_ecosystems_own_tool(name: str) -> None:
    """Recorded from composer/semver, Gem::Version, Elixir's Version, Maven's ComparableVersion and node-semver."""
    lines = (ORDERED / f"{name}.txt").read_text().splitlines()
    assert len(lines) >= 149
    wrong = []
    for line in lines:
        one, sign, other = line.split(" ")
        left, right = parse(Ecosystem(name), one).key, parse(Ecosystem(name), other).key
        if sign != ("<" if left < right else ">" if right < left else "="):
            wrong.append(line)
    assert wrong == []


KINDS: tuple[tuple[Ecosystem, str, str, ChangeKind], ...] = (
    (Ecosystem.NPM, "1.2.3", "1.2.4", ChangeKind.PATCH),
    (Ecosystem.NPM, "1.2.3", "1.3.0", ChangeKind.MINOR),
    (Ecosystem.NPM, "1.2.3", "2.0.0", ChangeKind.MAJOR),
    (Ecosystem.NPM, "1.0.0-rc.1", "1.0.0", ChangeKind.PATCH),
    # below 1.0.0 the first number that is not zero breaks, for those who use ^
    (Ecosystem.NPM, "0.2.3", "0.3.0", ChangeKind.MAJOR),
    (Ecosystem.NPM, "0.2.3", "0.2.4", ChangeKind.PATCH),
    (Ecosystem.NPM, "0.0.3", "0.0.4", ChangeKind.MAJOR),
    (Ecosystem.NPM, "0.9.9", "1.0.0", ChangeKind.MAJOR),
    (Ecosystem.CARGO, "0.8.5", "0.9.0", ChangeKind.MAJOR),
    (Ecosystem.COMPOSER, "0.8.5", "0.9.0", ChangeKind.MAJOR),
    (Ecosystem.HEX, "0.8.5", "0.9.0", ChangeKind.MINOR),
    (Ecosystem.PYPI, "0.8.5", "0.9.0", ChangeKind.MINOR),
    (Ecosystem.GOLANG, "v0.8.5", "v0.9.0", ChangeKind.MINOR),
    (Ecosystem.COMPOSER, "v6.4.1", "7.0.0", ChangeKind.MAJOR),
    (Ecosystem.COMPOSER, "1.0.0.1", "1.0.0.2", ChangeKind.PATCH),
    (Ecosystem.COMPOSER, "1.x-dev", "2.x-dev", ChangeKind.MAJOR),
    (Ecosystem.COMPOSER, "dev-main", "1.0.0", ChangeKind.OTHER),
    (Ecosystem.PYPI, "23.12", "24.1", ChangeKind.MAJOR),
    (Ecosystem.PYPI, "5.0", "1!0.1", ChangeKind.MAJOR),
    (Ecosystem.PYPI, "1.0", "1.0.post1", ChangeKind.PATCH),
    (Ecosystem.PYPI, "1.0", "1.0.0", ChangeKind.OTHER),
    (Ecosystem.GEM, "7.0.8", "7.0.8.1", ChangeKind.PATCH),
    (Ecosystem.GEM, "7.0", "7.1.0", ChangeKind.MINOR),
    (Ecosystem.MAVEN, "33.0-jre", "33.1-jre", ChangeKind.MINOR),
    (Ecosystem.MAVEN, "6.0.0.Final", "6.0.1.Final", ChangeKind.PATCH),
    (Ecosystem.NUGET, "8.0.0", "8.0.0.1", ChangeKind.PATCH),
    (Ecosystem.GOLANG, "v1.9.0", "v1.10.0", ChangeKind.MINOR),
    (Ecosystem.GOLANG, "v2.0.0+incompatible", "v3.0.0+incompatible", ChangeKind.MAJOR),
    (
        Ecosystem.GOLANG,
        "v0.0.0-20191109021931-daa7c04131f5",
        "v0.0.0-20201109021931-0a7c04131f51",
        ChangeKind.OTHER,
    ),
)


@pytest.mark.parametrize(("ecosystem", "before", "after", "kind"), KINDS)
def test_the_first_number_that_differs_says_how_much_changed(
    ecosystem: Ecosystem, before: str, after: str, kind: ChangeKind
) -> None:
    assert difference(ecosystem, before, after) == (kind, False)


@pytest.mark.parametrize("ecosystem", list(Ecosystem))
def test_any_text_is_read_or_is_no_version(ecosystem: Ecosystem) -> None:
    odd: tuple[str, ...] = (
        "",
        " ",
        "v",
        "1" * 300,
        "1." * 150,
        "-" * 300,
        "a1" * 150,
        "\u0661.\u0662",
        "1.0\n",
        "1!" * 50,
        "0" * 300,
    )
    odd = (
        *odd,
        *("1-p" + "1" * 300 + "x", "1.0-beta" + "1.1" * 100 + "!", "2024" + "01" * 100 + "x", "1." + "0" * 300 + "-"),
        *("1.0-\u017ftable", "1.0-\u017f", "\u00b2", "1.0.0-\u00b2", "1.0-\u212a", "1.\u0130", "1.0-RC\u00b2"),
    )
    for one in odd:
        for other in odd:
            kind, downgrade = difference(ecosystem, one, other)
            assert kind in ChangeKind
            assert isinstance(downgrade, bool)
