"""``make interpreter``: renew the pin of the interpreter that the agent brings along where an image has none.

The list of the builds of python-build-standalone, with their hashes, is taken from the PyPI package pbs-installer. It
is read as data: nothing of the package is run. ``requirements/interpreter.txt`` has one line for each architecture.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

REPOSITORY = Path(__file__).resolve().parent.parent
PINS = Path("requirements") / "interpreter.txt"
#: The series that is brought along, unless another is asked for.
SERIES = "3.13"
#: Architectures as ``uname -m`` says them.
MACHINES = ("x86_64", "aarch64")
PLACE = "https://github.com/astral-sh/python-build-standalone/releases/download"
HEAD = """\
# The interpreter that the agent brings along: architecture, version, SHA-256, address. `make interpreter` renews it.
"""
_LINE = re.compile(
    r"(?P<machine>x86_64|aarch64) (?P<version>3\.\d+\.\d+) (?P<sha256>[0-9a-f]{64}) "
    rf"(?P<url>{re.escape(PLACE)}/\d{{8}}/"
    r"cpython-(?P=version)%2B\d{8}-(?P=machine)-unknown-linux-gnu-install_only_stripped\.tar\.gz)"
)


class PinError(Exception):
    """The pin cannot be read or renewed; the message says why."""


class Pin(NamedTuple):
    """One build of CPython."""

    #: The architecture, as ``uname -m`` says it.
    machine: str
    #: The version, such as ``3.13.17``.
    version: str
    #: The SHA-256 of the archive.
    sha256: str
    #: Where the archive is.
    url: str

    @property
    def name(self) -> str:
        """The archive's file name."""
        return unquote(self.url.rpartition("/")[2])

    def line(self) -> str:
        """Return it as a line of the file."""
        return f"{self.machine} {self.version} {self.sha256} {self.url}\n"


def read(file: Path) -> list[Pin]:
    """Return the pins of a file, one for each architecture.

    Raises:
        PinError: a line is not well formed, or an architecture is missing.
    """
    lines = [line for line in file.read_text(encoding="ascii").splitlines() if not line.startswith("#")]
    found = [_LINE.fullmatch(line) for line in lines]
    pins = [Pin(**match.groupdict()) for match in found if match is not None]
    if None in found or [pin.machine for pin in pins] != list(MACHINES) or len({pin.version for pin in pins}) != 1:
        raise PinError(f"{file} is not well formed: one line for each of {', '.join(MACHINES)}, of the same version")
    return pins


def newest(builds: list[dict[str, Any]], series: str) -> list[Pin]:
    """Return the pins of the newest version of a series, from the list of pbs-installer.

    Raises:
        PinError: the list has no such builds.
    """
    major, minor = (int(part) for part in series.split("."))
    found = []
    for build in builds:
        version = build["python_version"]
        if (version["implementation"], version["major"], version["minor"]) != ("cpython", major, minor):
            continue
        files = {
            file["arch"]: file
            for file in build["files"]
            if file["filename"].endswith(f"{file['arch']}-unknown-linux-gnu-install_only_stripped.tar.gz")
        }
        if not version["freethreaded"] and all(files.get(machine, {}).get("sha256") for machine in MACHINES):
            found.append((version["micro"], files))
    if not found:
        raise PinError(f"pbs-installer lists no Python {series} for {' and '.join(MACHINES)}")
    micro, files = max(found, key=lambda each: each[0])
    return [Pin(each, f"{series}.{micro}", files[each]["sha256"], files[each]["url"]) for each in MACHINES]


def listed() -> list[dict[str, Any]]:
    """Return the list of builds that the newest pbs-installer holds."""
    with tempfile.TemporaryDirectory() as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command = [*pip, "--only-binary", ":all:", "--dest", scratch, "pbs-installer"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            raise PinError(f"pbs-installer cannot be fetched:\n{done.stdout}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            builds: list[dict[str, Any]] = json.loads(wheel.read("pbs_installer/versions.json"))
    return builds


def fetch(pin: Pin, output: Path, source: str = "") -> None:
    """Put the archive into a directory if its hash is right.

    Args:
        pin: The build.
        output: The directory.
        source: A directory that holds the archive, or the URL of a mirror; empty: the address in the pin.

    Raises:
        PinError: the archive cannot be fetched, or is another one.
    """
    place = output / pin.name
    if place.is_file() and sha256(place.read_bytes()).hexdigest() == pin.sha256:
        return
    try:
        if source and "://" not in source:
            content = (Path(source) / pin.name).read_bytes()
        else:
            url = source.rstrip("/") + pin.url.removeprefix(PLACE) if source else pin.url
            with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310  https, or what the user names  # nosec B310
                content = answer.read()
    except (OSError, ValueError) as error:
        raise PinError(f"{pin.name} cannot be fetched: {error}") from error
    if (got := sha256(content).hexdigest()) != pin.sha256:
        raise PinError(f"{pin.name} is not the pinned one: {got}")
    place.write_bytes(content)


def main(arguments: list[str] | None = None) -> int:
    """Renew the pin; 1 where that cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m tools.interpreter", description="Renew the interpreter's pin.")
    parser.add_argument("--series", default=SERIES, choices=("3.13", "3.14"), help="of CPython (default: %(default)s)")
    options = parser.parse_args(arguments)
    file = REPOSITORY / PINS
    try:
        pins = newest(listed(), options.series)
        text = HEAD + "".join(pin.line() for pin in pins)
        file.write_text(text, encoding="ascii")
        read(file)
    except (PinError, OSError) as error:
        print(f"interpreter: {error}", file=sys.stderr)
        return 1
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
