"""The pin of the interpreter that the agent brings along: well formed, renewed by a command, held against its hash."""

from __future__ import annotations

import re
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.harness.releases import copy_source
from tests.harness.sources import REPOSITORY
from tools import dist, interpreter
from tools.interpreter import MACHINES, Pin, PinError, fetch, newest, read

CONTENT = b"an archive"


def archive(version: str, arch: str, ending: str = "install_only_stripped.tar.gz") -> tuple[str, str]:
    """The name and the address of a build."""
    name = f"cpython-{version}+20260301-{arch}-unknown-linux-gnu-{ending}"
    return name, f"{interpreter.PLACE}/20260301/{name.replace('+', '%2B')}"


def pins(**changes: str) -> list[Pin]:
    """A pin for each architecture, of one archive."""
    right = {"version": "3.13.9", "sha256": sha256(CONTENT).hexdigest()}
    return [Pin(**{"machine": each, "url": archive("3.13.9", each)[1], **right, **changes}) for each in MACHINES]


def written(place: Path, lines: list[Pin]) -> Path:
    file = place / "interpreter.txt"
    file.write_text(interpreter.HEAD + "".join(each.line() for each in lines))
    return file


def build(micro: int, series: int = 13, arches: tuple[str, ...] = MACHINES, *, threads: bool = False) -> dict[str, Any]:
    """A build as pbs-installer lists it."""
    version = {"implementation": "cpython", "major": 3, "minor": series, "micro": micro, "freethreaded": threads}
    files = []
    for arch in arches:
        for ending in ("pgo+lto-full.tar.zst", "install_only_stripped.tar.gz"):
            name, url = archive(f"3.{series}.{micro}", arch, ending)
            hashed = sha256(name.encode()).hexdigest()
            files.append({"platform": "linux", "arch": arch, "filename": name, "url": url, "sha256": hashed})
    return {"python_version": version, "files": files}


def test_the_pins_of_this_checkout_are_well_formed_for_both_architectures() -> None:
    found = read(REPOSITORY / interpreter.PINS)
    assert [each.machine for each in found] == ["x86_64", "aarch64"]
    assert found[0].version.startswith(("3.13.", "3.14."))
    assert len({each.sha256 for each in found}) == 2
    for each in found:
        assert each.name == each.url.rpartition("/")[2].replace("%2B", "+")
        assert f"-{each.machine}-unknown-linux-gnu-install_only_stripped.tar.gz" in each.name


def test_a_released_install_sh_holds_the_pins_and_reads_no_other_file() -> None:
    text = dist.Release(REPOSITORY).installer().decode()
    for each in read(REPOSITORY / interpreter.PINS):
        assert f"\n{each.line()}" in text
    assert not re.search(r"^\s*\. ", text, re.MULTILINE), "nothing is sourced"
    assert "source_dir" not in text
    assert len(text) < 100_000, "the hook in the README fetches no larger file"


def test_the_newest_of_the_series_is_taken() -> None:
    builds = [build(2), build(11), build(9), build(12, threads=True), build(13, arches=("x86_64",)), build(40, 14)]
    found = newest(builds, "3.13")
    assert [(each.machine, each.version) for each in found] == [("x86_64", "3.13.11"), ("aarch64", "3.13.11")]
    assert newest(builds, "3.14")[0].version == "3.14.40"


def test_what_is_taken_is_what_is_read(tmp_path: Path) -> None:
    found = newest([build(11)], "3.13")
    assert read(written(tmp_path, found)) == found


def test_a_series_that_is_not_listed_is_said() -> None:
    with pytest.raises(PinError, match=r"lists no Python 3\.13 for x86_64 and aarch64"):
        newest([build(1, 14)], "3.13")


@pytest.mark.parametrize(
    "lines",
    [
        [],
        pins()[:1],
        pins()[::-1],
        pins() + pins()[:1],
        pins(sha256="abc"),
        pins(version="3.13"),
        pins(url="https://example.org/cpython.tar.gz"),
        [pins()[0], pins()[1]._replace(version="3.13.8")],
        pins(url=pins()[0].url),
    ],
    ids=["none", "one", "turned", "three", "hash", "version", "address", "two versions", "one architecture twice"],
)
def test_pins_that_are_not_well_formed_are_refused(tmp_path: Path, lines: list[Pin]) -> None:
    with pytest.raises(PinError, match="is not well formed"):
        read(written(tmp_path, lines))


def test_the_command_writes_the_pins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "requirements").mkdir()
    monkeypatch.setattr(interpreter, "REPOSITORY", tmp_path)
    monkeypatch.setattr(interpreter, "listed", lambda: [build(11), build(4, 14)])
    assert interpreter.main([]) == 0
    assert read(tmp_path / interpreter.PINS)[0].version == "3.13.11"
    assert interpreter.main(["--series", "3.14"]) == 0
    assert read(tmp_path / interpreter.PINS)[0].version == "3.14.4"
    assert "3.14.4" in capsys.readouterr().out
    monkeypatch.setattr(interpreter, "listed", list)
    assert interpreter.main([]) == 1
    assert read(tmp_path / interpreter.PINS)[0].version == "3.14.4", "the old pins stay"


@pytest.mark.parametrize("from_url", [False, True])
def test_an_archive_is_kept_only_if_its_hash_is_right(tmp_path: Path, *, from_url: bool) -> None:
    (pin, _), mirror, output = pins(), tmp_path / "mirror", tmp_path / "out"
    folder = mirror / "20260301" if from_url else mirror
    folder.mkdir(parents=True)
    output.mkdir()
    source = mirror.as_uri() if from_url else str(mirror)
    file = folder / pin.name
    with pytest.raises(PinError, match="cannot be fetched"):
        fetch(pin, output, source)
    file.write_bytes(CONTENT + b"!")
    with pytest.raises(PinError, match="is not the pinned one"):
        fetch(pin, output, source)
    assert list(output.iterdir()) == []
    file.write_bytes(CONTENT)
    fetch(pin, output, source)
    assert (output / pin.name).read_bytes() == CONTENT
    file.unlink()
    fetch(pin, output, source)  # it is there already
    (output / pin.name).write_bytes(b"damaged")
    with pytest.raises(PinError):
        fetch(pin, output, source)


def test_a_wheelhouse_gets_the_interpreters_of_its_release(tmp_path: Path) -> None:
    source, mirror = copy_source(tmp_path / "source"), tmp_path / "mirror"
    mirror.mkdir()
    shutil.copy(written(tmp_path, pins()), source / interpreter.PINS)
    release = dist.Release(source)
    with pytest.raises(dist.DistError, match="--no-interpreter"):
        dist.interpreters(release, tmp_path / "wheelhouse", str(mirror))
    for pin in pins():
        (mirror / pin.name).write_bytes(CONTENT)
    dist.interpreters(release, tmp_path / "wheelhouse", str(mirror))
    assert {file.name for file in (tmp_path / "wheelhouse").iterdir()} == {pin.name for pin in pins()}
