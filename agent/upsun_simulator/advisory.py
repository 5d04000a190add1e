"""Security advisories of the simulated OSV (https://osv.dev), and the versions that they affect."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest

# The ecosystems that can be had here, by the types of package URLs.
ECOSYSTEMS = {
    "composer": "Packagist",
    "npm": "npm",
    "pypi": "PyPI",
    "gem": "RubyGems",
    "cargo": "crates.io",
    "golang": "Go",
    "hex": "Hex",
    "maven": "Maven",
    "nuget": "NuGet",
}
# A vector of each severity (https://www.first.org/cvss/v3.1/specification-document), with scores of 9.8, 7.5, 6.1, 3.1.
VECTORS = {
    "critical": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
    "high": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H",
    "medium": "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N",
    "low": "CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N",
}
NONE = "none"
_TEXT = re.compile(
    r"(?P<id>[A-Za-z0-9-]+) (?P<type>[a-z]+):(?P<name>\S+) (?P<since>\S+) (?P<fixed>\S+) (?P<severity>\w+)"
)
_PURL = re.compile(r"pkg:(?P<type>[a-z]+)/(?P<name>[^@?#]+)(?:@(?P<version>[^?#]+))?")


@dataclass(frozen=True)
class Advisory:
    """One advisory, about one package."""

    #: The id, such as `GHSA-aaaa-bbbb-cccc`.
    id: str
    #: The ecosystem, as OSV names it.
    ecosystem: str
    #: The name of the package.
    name: str
    #: The first version that has the fault.
    since: str
    #: The first version after it that has it no longer; None: there is none.
    fixed: str | None
    #: How grave it is: `low`, `medium`, `high` or `critical`.
    severity: str

    def is_about(self, ecosystem: str, name: str, version: str) -> bool:
        """Return whether the advisory affects a version of a package.

        Args:
            ecosystem: the ecosystem, as OSV names it.
            name: the name of the package.
            version: the version; empty: any.
        """
        if (ecosystem, name) != (self.ecosystem, self.name):
            return False
        after = not version or _compared(version, self.since) >= 0
        return after and (not version or self.fixed is None or _compared(version, self.fixed) < 0)


def advisory_of(text: str) -> Advisory:
    """Return the advisory in a scenario; raise ValueError if it is not valid."""
    found = _TEXT.fullmatch(text)
    if found is None or found["type"] not in ECOSYSTEMS or found["severity"] not in VECTORS:
        types, words = ", ".join(ECOSYSTEMS), ", ".join(VECTORS)
        raise ValueError(f"the advisory {text!r} is not ID TYPE:NAME SINCE FIXED SEVERITY with {types} and {words}")
    fixed = None if found["fixed"] == NONE else found["fixed"]
    return Advisory(found["id"], ECOSYSTEMS[found["type"]], found["name"], found["since"], fixed, found["severity"])


def check(texts: tuple[str, ...]) -> None:
    """Raise ValueError for advisories that are not valid."""
    for text in texts:
        advisory_of(text)


def package_of(purl: str) -> tuple[str, str, str] | None:
    """Return the ecosystem, name and version (or "") of a package URL; None if it is not valid."""
    found = _PURL.fullmatch(purl)
    if found is None or found["type"] not in ECOSYSTEMS:
        return None
    name = found["name"].replace("%40", "@")
    separated = name.replace("/", ":", 1) if found["type"] == "maven" else name
    return ECOSYSTEMS[found["type"]], separated, found["version"] or ""


def _compared(one: str, other: str) -> int:
    """Return whether a version is lower (-1), the same (0) or higher (1), by its numbers alone."""
    pairs = zip_longest(*(map(int, re.findall(r"\d+", each)) for each in (one, other)), fillvalue=0)
    return next((1 if a > b else -1 for a, b in pairs if a != b), 0)
