"""How a release gets into an app's build: in its repository, as a submodule, or from a URL. Pure.

Each way is a few lines at the beginning of the build hook, and perhaps files in the app's folder.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from upsun_setup.release import Release, sha256

Way = Literal["vendor", "submodule", "url"]
#: The folder of the release, or of the submodule, in the app's folder.
FOLDER = ".upsun-agent-release"
#: Git stores these files as they are: no other line ends, no LFS, and no diff of two megabytes.
ATTRIBUTES = "* -text -filter -diff\n"
#: curl tries again after a timeout and after answers such as 429 and 503, not after a 404.
FETCH = "curl -q -fsSL --retry 5 --retry-connrefused -m 60"


class Delivery(Struct, frozen=True):
    """One way to get a release into the build."""

    #: The way.
    way: Way
    #: The lines for the build hook, without ``set -e``.
    lines: list[str]
    #: The files for the app's folder, by their path in it.
    files: dict[str, bytes] = {}

    @property
    def told(self) -> str:
        """Return the way in words, to stand behind "the release"."""
        return {"vendor": f"in {FOLDER}", "submodule": f"of the submodule {FOLDER}", "url": "from a URL"}[self.way]


def vendored(release: Release) -> Delivery:
    """Return the delivery with the release in the app's repository."""
    contents = {".gitattributes": ATTRIBUTES.encode(), "install.sh": release.installer, release.name: release.archive}
    lines = [f"sh {FOLDER}/install.sh"]
    return Delivery("vendor", lines, {f"{FOLDER}/{name}": content for name, content in contents.items()})


def submodule() -> Delivery:
    """Return the delivery with a clone of the agent's repository as a submodule, whose commit is the pin."""
    return Delivery("submodule", [f"sh {FOLDER}/hooks/build.sh"])


def fetched(release: Release, releases: str, *, own: str = "") -> Delivery:
    """Return the delivery from a URL.

    Nobody else can write into the directory of ``mktemp -d``, so that what is checked is what runs; and no file can
    become larger than 200 blocks of 512 bytes, whatever is served.

    Args:
        release: the release.
        releases: the URL below which each release has a folder of its version.
        own: the URL that ``install.sh`` takes the archive from by itself.
    """
    place = f"{releases.rstrip('/')}/v{release.version}"
    source = "" if releases == own else f'UPSUN_AGENT_SOURCE="${{UPSUN_AGENT_SOURCE:-{place}}}" '
    remedy = "is this version there? `upsun-agent-setup upgrade` moves to another version or another way"
    return Delivery(
        "url",
        [
            f'upsun_agent=$(mktemp -d); (ulimit -f 200; {FETCH} -o "$upsun_agent/install.sh" {place}/install.sh) ||',
            f"  {{ echo 'upsun-agent: {place}/install.sh cannot be fetched: {remedy}' >&2; exit 1; }}",
            f'echo "{sha256(release.installer)}  $upsun_agent/install.sh" | sha256sum -c -',
            f'{source}sh "$upsun_agent/install.sh"',
        ],
    )
