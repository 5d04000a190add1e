"""The files of a release: the archive and ``install.sh``, made from the files that this copy of the agent consists of.

They are the same byte for byte wherever they are made: by ``make dist``, from a checkout, or from an installed package.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from msgspec import Struct
from upsun_agent import __version__
from upsun_agent.errors import UsageError

from upsun_setup.published import RELEASES

#: Every file in a release has this time: nothing of the machine or the day gets in. The first moment that zip can say.
EPOCH = 315532800
#: What UPSUN_AGENT_EXTRA can be, each with its requirements beside those of the agent itself.
EXTRAS = ("otel", "shared", "simulator", "socks")
#: The packages in the archive. Not ``upsun_setup``: no container runs it.
PACKAGES = ("upsun_agent", "upsun_simulator")
#: What else the archive holds. Not the README: it can hold the hash that this archive leads to.
BESIDE = (
    "LICENSE",
    "hooks/build.sh",
    "hooks/environment.sh",
    "hooks/interpreter.sh",
    *(f"requirements/{name}.txt" for name in ("installer", "interpreter", "runtime", *EXTRAS)),
)
#: The lines of install.sh that read interpreter.sh, and the line of interpreter.sh that reads its pins.
_READS_INTERPRETER = re.compile(r'^source_dir=.*\n\. "\$source_dir/hooks/interpreter\.sh"\n', re.MULTILINE)
_READS_PINS = re.compile(r"^pins\(\) \{.*\n", re.MULTILINE)
#: A URL of a folder that a shell takes as one word as it is: no login, no query.
URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%+-]+)*")
#: Where an installed package has ``hooks``, ``requirements`` and the licence (pyproject.toml puts them there).
PACKED = "release_files"


class ReleaseError(Exception):
    """A release cannot be created; the message says why."""


class Release(Struct, frozen=True):
    """One release: its version, its archive, and the ``install.sh`` that pins it."""

    #: The version, such as ``0.1.0``.
    version: str
    #: The archive that ``install.sh`` fetches or finds beside itself: an uncompressed tar file.
    archive: bytes
    #: ``install.sh``, with the version and the archive's hash and size in it.
    installer: bytes

    @property
    def name(self) -> str:
        """Return the file name of the archive."""
        return f"upsun-agent-{self.version}.tar"


def own_release() -> Release:
    """Return the release that this copy of the agent is.

    Raises:
        UsageError: this copy lacks files that a release is made of.
    """
    packages = {name: files(name) for name in PACKAGES}
    top = Path(__file__).resolve().parents[2]
    beside: Traversable = top if (top / "hooks" / "install.sh").is_file() else files("upsun_setup") / PACKED
    try:
        return release_of(packages, beside, __version__, RELEASES)
    except (OSError, ReleaseError) as error:
        remedy = "run it from a clone of the agent's repository: python3 -m pip install '.[init,simulator]'"
        raise UsageError(f"this copy of the agent cannot make a release: {error}", remedy=remedy) from error


def release_of(packages: dict[str, Traversable], beside: Traversable, version: str, releases: str) -> Release:
    """Return a release.

    Args:
        packages: the folder of each package, by its name.
        beside: the folder that holds ``hooks``, ``requirements`` and the licence.
        version: the version of the release.
        releases: where releases are published; empty if nowhere.

    Raises:
        ReleaseError: ``install.sh`` has no line for a value, or one too many.
    """
    members = {name: _at(beside, name).read_bytes() for name in BESIDE}
    for name, folder in packages.items():
        members |= {f"agent/{name}/{path}": file.read_bytes() for path, file in _walk(folder)}
    archive = _tar(f"upsun-agent-{version}", members)
    text = standalone(beside)
    values = {"version": version, "sha256": sha256(archive), "size": str(len(archive)), "releases": releases}
    for name, value in values.items():
        text, count = re.subn(rf"^{name}=$", f"{name}={value}", text, flags=re.MULTILINE)
        if count != 1:
            raise ReleaseError(f"hooks/install.sh has {count} lines '{name}=' to fill in, not one")
    return Release(version, archive, text.encode())


def standalone(beside: Traversable) -> str:
    """Return install.sh with interpreter.sh and its pins in the place of the lines that read that file."""
    names = ("hooks/install.sh", "hooks/interpreter.sh", "requirements/interpreter.txt")
    text, part, pins = (_at(beside, name).read_bytes().decode() for name in names)
    part, found = _READS_PINS.subn(lambda _: f"pins() {{\n    cat <<'PINS'\n{pins}PINS\n}}\n", part)
    text, reads = _READS_INTERPRETER.subn(lambda _: part, text)
    if (found, reads) != (1, 1):
        raise ReleaseError(f"install.sh reads interpreter.sh {reads} times, and that the pins {found} times, not once")
    return text


def sha256(content: bytes) -> str:
    """Return the SHA-256 of the content, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _at(folder: Traversable, path: str) -> Traversable:
    for part in path.split("/"):
        folder = folder / part
    return folder


def _walk(folder: Traversable, above: str = "") -> Iterator[tuple[str, Traversable]]:
    """Yield the path and the file of everything in a folder, without caches and what an editor leaves."""
    for each in folder.iterdir():
        if each.name.startswith(".") or each.name.endswith("~") or each.name == "__pycache__":
            continue
        if each.is_dir():
            yield from _walk(each, f"{above}{each.name}/")
        else:
            yield f"{above}{each.name}", each


def _tar(top: str, members: dict[str, bytes]) -> bytes:
    """Return an archive of the members, uncompressed: a compressor's next version would change the bytes."""
    contents = {f"{top}/{name}": content for name, content in members.items()}
    folders = {str(parent) for name in contents for parent in PurePosixPath(name).parents} - {"."}
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(folders | contents.keys()):
            entry = tarfile.TarInfo(name)
            entry.mtime = EPOCH
            if name in folders:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
                continue
            entry.size, entry.mode = len(contents[name]), 0o755 if name.endswith(".sh") else 0o644
            archive.addfile(entry, io.BytesIO(contents[name]))
    return output.getvalue()
