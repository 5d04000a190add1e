"""``make dist``: the files of a release, the same bytes wherever and whenever they are built.

``python -m tools.dist`` builds into ``dist/``; ``--wheelhouse`` adds what an install without a network needs;
``--check FILE`` and ``--write FILE`` compare and replace the lines for the build hook that a document shows, and what
follows from the setting ``releases`` in pyproject.toml. One hash pins a release: install.sh holds the archive's, the
archive those of the dependencies.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from upsun_setup import release as releases
from upsun_setup.delivery import Delivery, fetched, submodule, vendored
from upsun_setup.published import repository
from upsun_setup.release import EPOCH, EXTRAS, PACKAGES, sha256

from tools import interpreter

REPOSITORY = Path(__file__).resolve().parent.parent
#: A document shows the lines of one way to install between two such comments; ``default`` is the one that init takes.
BLOCK = re.compile(
    r"(<!-- install: (default|vendor|submodule|url) -->\n)```yaml\n.*?```\n(<!-- install: end -->)", re.DOTALL
)
#: The documents that have such blocks.
DOCUMENTS = ("README.md", "docs/how-to/install.md")
#: Stands for the URL of the releases in the documents while none are published.
EXAMPLE = "https://releases.example.com/upsun-agent"
#: The module that says where releases are published, and the line in it.
PUBLISHED = "agent/upsun_setup/published.py"
#: What hatchling reads to build the wheel.
PACKAGED = ("LICENSE", "README.md", "agent", "hooks", "pyproject.toml", "requirements")
MINORS = ("3.11", "3.12", "3.13", "3.14")
#: No newer than glibc 2.28: a wheelhouse has to serve images that are older than the machine that fills it.
PLATFORMS = {
    machine: [f"manylinux_2_{minor}_{machine}" for minor in (28, 17)] + [f"manylinux2014_{machine}"]
    for machine in ("x86_64", "aarch64")
}


class DistError(Exception):
    """A release cannot be made; the message says why."""


class Release:
    """The files of one release, made from a source tree."""

    def __init__(self, source: Path) -> None:
        self.source = source
        text = (source / "agent" / "upsun_agent" / "__init__.py").read_text(encoding="utf-8")
        found = re.search(r'^__version__ = "([0-9A-Za-z.]+)"$', text, re.MULTILINE)
        if found is None:
            raise DistError("agent/upsun_agent/__init__.py names no version")
        self.version = found[1]
        self.name = f"upsun-agent-{self.version}"

    def pinned(self) -> releases.Release:
        """Return the archive and ``install.sh``, which pins it.

        Raises:
            DistError: ``install.sh`` has no line for a value.
        """
        packages = {name: self.source / "agent" / name for name in PACKAGES}
        try:
            return releases.release_of(dict(packages), self.source, self.version, self.published)
        except releases.ReleaseError as error:
            raise DistError(str(error)) from error

    @property
    def published(self) -> str:
        """Return where releases are published, as pyproject.toml says it; empty if nowhere."""
        settings = tomllib.loads((self.source / "pyproject.toml").read_text(encoding="utf-8"))
        found = str(settings["tool"]["upsun-agent"]["releases"])
        if found and not releases.URL.fullmatch(found):
            raise DistError(f"pyproject.toml: releases = {found!r} is not the URL of a folder")
        return found

    def check_addresses(self) -> None:
        """Raise DistError unless the addresses of the package are those of the repository that publishes it."""
        project = tomllib.loads((self.source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        place, urls = repository(self.published), project.get("urls", {})
        if bool(urls) != bool(place):
            text = f"releases names {place}: add its addresses" if place else "releases is not on GitHub: take them out"
            raise DistError(f"pyproject.toml, [project.urls]: {text} (see RELEASE.md)")
        for name, url in urls.items():
            if url != place and not url.startswith(f"{place}/"):
                raise DistError(f"pyproject.toml, [project.urls]: {name} is not in {place}, as the releases are")

    def archive(self) -> bytes:
        """Return the single archive."""
        return self.pinned().archive

    def installer(self) -> bytes:
        """Return install.sh with the version and the archive's hash and size in it."""
        return self.pinned().installer

    def bill(self) -> bytes:
        """Return the bill of materials, CycloneDX 1.6: what an app gets with the agent."""
        project = tomllib.loads((self.source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        pins = list(requirements(self.source / "requirements" / "runtime.txt"))
        agent = {
            "type": "application",
            "bom-ref": "upsun-agent",
            "name": "upsun-agent",
            "version": self.version,
            "description": project["description"],
            "licenses": [{"license": {"id": project["license"]}}],
            "hashes": [{"alg": "SHA-256", "content": sha256(self.archive())}],
        }
        components = [
            {
                "type": "library",
                "bom-ref": f"pkg:pypi/{name}@{version}",
                "name": name,
                "version": version,
                "purl": f"pkg:pypi/{name}@{version}",
                "hashes": [{"alg": "SHA-256", "content": each} for each in hashes],
            }
            for name, version, hashes in pins
        ]
        components += [
            {
                "type": "application",
                "bom-ref": f"pkg:generic/cpython@{pin.version}?arch={pin.machine}",
                "name": "cpython",
                "version": pin.version,
                "scope": "optional",
                "description": f"where the image of the app has no Python that runs the agent ({pin.machine})",
                "purl": f"pkg:generic/cpython@{pin.version}?arch={pin.machine}",
                "hashes": [{"alg": "SHA-256", "content": pin.sha256}],
                "externalReferences": [{"type": "distribution", "url": pin.url}],
            }
            for pin in interpreter.read(self.source / interpreter.PINS)
        ]
        direct = {re.split(r"[^A-Za-z0-9-]", each, maxsplit=1)[0] for each in project["dependencies"]}
        uses = [f"pkg:pypi/{name}@{version}" for name, version, _ in pins if name in direct]
        document: dict[str, Any] = {
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {"component": agent},
            "components": components,
            "dependencies": [{"ref": "upsun-agent", "dependsOn": uses}],
        }
        # No time stamp: it would either be made up or change the bytes. The number follows from the content.
        number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True))
        return (json.dumps({**document, "serialNumber": f"urn:uuid:{number}"}, indent=2) + "\n").encode()

    def wheel(self) -> tuple[str, bytes]:
        """Return the wheel's name and bytes, built by hatchling from a copy that holds just what belongs in it."""
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch) / "source"
            for part in PACKAGED:
                for file in _files(self.source / part):
                    place = copy / file.relative_to(self.source)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(file.read_bytes())
                    place.chmod(0o644)
            command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", scratch]
            variables = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH), "PYTHONHASHSEED": "0"}
            done = subprocess.run(command, cwd=copy, env=variables, capture_output=True, text=True, check=False)
            wheels = list(Path(scratch).glob("*.whl"))
            if done.returncode or len(wheels) != 1:
                raise DistError(f"hatchling made no wheel:\n{done.stdout}{done.stderr}")
            return wheels[0].name, wheels[0].read_bytes()

    def files(self) -> dict[str, bytes]:
        """Return every file of the release by name; SHA256SUMS covers all the others."""
        name, wheel = self.wheel()
        files = {
            f"{self.name}.tar": self.archive(),
            "install.sh": self.installer(),
            name: wheel,
            "sbom.cdx.json": self.bill(),
            "verify.sh": (self.source / "hooks" / "verify.sh").read_bytes(),
        }
        sums = "".join(f"{sha256(content)}  {name}\n" for name, content in sorted(files.items()))
        return {**files, "SHA256SUMS": sums.encode()}

    def delivery(self, way: str) -> Delivery:
        """Return one way to install this release, as the documents show it."""
        if way == "default":
            way = "url" if self.published else "vendor"
        if way == "submodule":
            return submodule()
        release = self.pinned()
        if way == "vendor":
            return vendored(release)
        return fetched(release, self.published or EXAMPLE, own=self.published)

    def snippet(self, way: str = "default") -> str:
        """Return what a user adds to .upsun/config.yaml for one way to install this release."""
        lines = "".join(f"        {line}\n" for line in self.delivery(way).lines)
        return f"""\
applications:
  app:
    type: "php:8.4"  # your app's own type stays as it is
    hooks:
      build: |
        set -e
{lines}"""

    def written(self, text: str) -> str:
        """Return the document with this release's lines in each of its blocks."""
        found, count = BLOCK.subn(lambda block: f"{block[1]}```yaml\n{self.snippet(block[2])}```\n{block[3]}", text)
        if not count:
            raise DistError("the document has no <!-- install: default --> and <!-- install: end -->")
        return found

    def module(self, text: str) -> str:
        """Return the text of the module that says where releases are published."""
        return re.sub(r"^RELEASES = .*$", f'RELEASES = "{self.published}"', text, flags=re.MULTILINE)


def requirements(file: Path) -> Iterator[tuple[str, str, list[str]]]:
    """(name, version, hashes) of every pin in a requirements file."""
    text = file.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        pin = re.match(r"([A-Za-z0-9._-]+)==([^ ;]+)", line)
        if pin:
            yield pin[1], pin[2], re.findall(r"--hash=sha256:([0-9a-f]{64})", line)


def wheelhouse(release: Release, output: Path, extras: tuple[str, ...] = ()) -> None:
    """Write what an install needs without a network, but for an interpreter: the archive, all wheels, and pip's own."""
    unknown = [name for name in extras if name not in EXTRAS]
    if unknown:
        raise DistError(f"there is no extra {unknown[0]!r}: {', '.join(EXTRAS)}")
    output.mkdir(parents=True, exist_ok=True)
    pins = release.source / "requirements"
    options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:", "--no-deps"]
    options += ["--dest", str(output)]
    pip = [sys.executable, "-m", "pip", "download", *options]
    _run([*pip, "-r", str(pins / "installer.txt")])
    for platforms in PLATFORMS.values():
        for minor in MINORS:
            for name in ("runtime", *extras):
                command = [*pip, "-r", str(pins / f"{name}.txt"), "--python-version", minor]
                _run([*command, *(word for each in platforms for word in ("--platform", each))])
    (output / f"{release.name}.tar").write_bytes(release.archive())


def interpreters(release: Release, output: Path, source: str = "") -> None:
    """Write the archives of the agent's own interpreter, for every architecture.

    Args:
        release: The release whose pins hold.
        output: The directory.
        source: A directory or a mirror to take them from; empty: their own addresses.
    """
    output.mkdir(parents=True, exist_ok=True)
    try:
        for pin in interpreter.read(release.source / interpreter.PINS):
            interpreter.fetch(pin, output, source)
    except interpreter.PinError as error:
        remedy = "name a mirror or a directory in UPSUN_AGENT_INTERPRETER, or leave them out: --no-interpreter"
        raise DistError(f"{error}\n  {remedy}") from error


def _files(path: Path) -> Iterator[Path]:
    """Yield the file, or those of the folder without caches and what an editor leaves."""
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name != "__pycache__" and not name.startswith("."))
        yield from (Path(folder) / name for name in sorted(names) if not name.startswith(".") and name[-1] != "~")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise DistError(f"{' '.join(command[2:4])} failed:\n{done.stdout}")


def main(arguments: list[str] | None = None) -> int:
    """Do what the options say; 1 where it cannot be done or a document is not up to date."""
    parser = argparse.ArgumentParser(prog="python -m tools.dist", description="Make the files of a release.")
    parser.add_argument("--source", type=Path, default=REPOSITORY, metavar="DIR", help="the checkout to release")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to (default: dist/ in the source)")
    parser.add_argument(
        "--extra", default="", metavar="NAME", help="with --wheelhouse: these extras too, commas between them"
    )
    parser.add_argument(
        "--no-interpreter", action="store_true", help="with --wheelhouse: leave the agent's own Python out"
    )
    parser.add_argument("--tag", metavar="TAG", help="with --check: fail unless this is the tag of the version")
    parser.add_argument("--releases", metavar="URL", help="with --check: fail unless pyproject.toml names this URL")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--wheelhouse", action="store_true", help="fill wheelhouse/ instead: needs the network")
    what.add_argument("--check", type=Path, nargs="+", metavar="FILE", help="fail unless the documents are up to date")
    what.add_argument("--write", type=Path, nargs="+", metavar="FILE", help="bring the documents up to date")
    options = parser.parse_args(arguments)
    output = options.output or options.source / "dist"
    try:
        release = Release(options.source)
        _check_setting(release, options.tag, options.releases)
        release.check_addresses()
        if options.check or options.write:
            return _documents(options.check or options.write, release, write=bool(options.write))
        if options.wheelhouse:
            wheelhouse(release, output / "wheelhouse", tuple(filter(None, options.extra.split(","))))
            if not options.no_interpreter:
                interpreters(release, output / "wheelhouse", os.environ.get("UPSUN_AGENT_INTERPRETER", ""))
            print(f"{output / 'wheelhouse'}: give it as UPSUN_AGENT_SOURCE")
        else:
            _build(release, output)
    except (DistError, OSError) as error:
        print(f"dist: {error}", file=sys.stderr)
        return 1
    return 0


def _check_setting(release: Release, tag: str | None, url: str | None) -> None:
    """Raise DistError if the tag is not that of the version, or releases are published elsewhere."""
    if tag is not None and tag != f"v{release.version}":
        raise DistError(f"the tag is {tag}, and agent/upsun_agent/__init__.py says {release.version}")
    if url is not None and url != release.published:
        raise DistError(f"pyproject.toml: releases = {release.published!r}, and this release goes to {url}")


def _documents(documents: list[Path], release: Release, *, write: bool) -> int:
    code = 0
    for file in (release.source / PUBLISHED, *documents):
        text = file.read_text(encoding="utf-8")
        wanted = release.module(text) if file.name == "published.py" else release.written(text)
        if text != wanted and write:
            file.write_text(wanted, encoding="utf-8")
        elif text != wanted:
            print(f"{file} is not that of this version: make docs", file=sys.stderr)
            code = 1
    return code


def _build(release: Release, output: Path) -> None:
    files = release.files()
    output.mkdir(parents=True, exist_ok=True)
    for old in output.iterdir():  # a file of an earlier build would look like one of this release
        if old.is_file():
            old.unlink()
    for name, content in files.items():
        (output / name).write_bytes(content)
        print(f"{sha256(content)}  {output / name}")


if __name__ == "__main__":
    sys.exit(main())
