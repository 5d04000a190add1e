"""A lock file that cannot be read is a warning with its name, whatever is in it; what can be read is read."""

from __future__ import annotations

import gzip

import pytest
from upsun_agent.limits import LOCK_FILE_MOST_BYTES, LOCK_LINE_MOST, LOCKED_MOST
from upsun_agent.packages.compare import compare, read

from tests.harness.locked import SAMPLES, Sample

EACH = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.tool}/{sample.file}")
JSON = frozenset({"composer.lock", "package-lock.json", "Pipfile.lock", "packages.lock.json", "bun.lock"})
#: Formats whose file may be empty, and in which a line or two can be the whole file.
OF_LINES = frozenset({"requirements.txt", "go.sum", "gradle.lockfile", "yarn.lock", "pnpm-lock.yaml", "go.mod"})


def fault(path: str, data: bytes) -> str:
    """Why the file cannot be read; the warning of a comparison names the file."""
    found = read(path, data)
    assert found.fault is not None
    assert found.packages == ()
    for change in (compare(None, found), compare(found, None), compare(found, found)):
        assert change.changes == ()
        assert change.warning == f"{path} cannot be read: {found.fault}"
    return found.fault


@EACH
def test_a_byte_order_mark_and_windows_line_ends_change_nothing(sample: Sample) -> None:
    data = sample.data("old")
    for other in (b"\xef\xbb\xbf" + data, data.replace(b"\n", b"\r\n"), data.rstrip(b"\n")):
        assert read(sample.file, other, sample.manifest("old")) == sample.read("old")


@EACH
def test_a_merge_conflict_is_a_fault(sample: Sample) -> None:
    lines = sample.data("old").splitlines(keepends=True)
    half = len(lines) // 2
    data = b"".join((*lines[:half], b"<<<<<<< HEAD\n", b"=======\n", b">>>>>>> main\n", *lines[half:]))
    assert "merge conflict" in fault(sample.file, data)


@EACH
def test_a_file_that_is_too_large_is_a_fault(sample: Sample) -> None:
    assert "larger than" in fault(sample.file, sample.data("old") + b"\n" * LOCK_FILE_MOST_BYTES)


@EACH
def test_bytes_that_are_not_utf_8_are_a_fault(sample: Sample) -> None:
    data = sample.data("old")
    assert fault(sample.file, data.decode().encode("utf-16")) if sample.file != "pom.xml" else True
    assert fault(sample.file, gzip.compress(data))
    if sample.file not in JSON | {"pom.xml"}:  # XML names its encoding; of JSON only what is used is decoded
        assert fault(sample.file, data.replace(b"1", b"\xe9\xff", 1))


def test_a_name_in_json_that_is_not_utf_8_is_a_fault() -> None:
    assert fault("composer.lock", b'{"packages": [{"name": "\xff/b", "version": "1"}]}')
    assert fault("package-lock.json", b'{"lockfileVersion": 3, "packages": {"node_modules/\xff": {"version": "1"}}}')
    assert fault("packages.lock.json", b'{"version": 1, "dependencies": {"net8.0": {"\xff": {"type": "Direct"}}}}')


@pytest.mark.parametrize(
    "sample", [each for each in SAMPLES if each.file not in OF_LINES], ids=lambda sample: f"{sample.tool}/{sample.file}"
)
def test_a_file_that_ends_too_early_is_a_fault_where_its_format_has_an_end(sample: Sample) -> None:
    data = sample.data("old").rstrip()
    assert fault(sample.file, data[: len(data) * 2 // 3])
    assert fault(sample.file, b"")


@EACH
def test_another_kind_of_file_is_a_fault(sample: Sample) -> None:
    for data in (b"<!DOCTYPE html>\n<html><body>404</body></html>\n", b"\x00" * 100, b"[" * 100_000, b"{" * 100_000):
        found = read(sample.file, data)
        assert found.fault or not found.packages


VERSIONS = {
    "package-lock.json": b'{"lockfileVersion": 4, "packages": {}}',
    "bun.lock": b'{"lockfileVersion": 9, "workspaces": {}, "packages": {}}',
    "pnpm-lock.yaml": b"lockfileVersion: '10.0'\n",
    "yarn.lock": b"__metadata:\n  version: 99\n",
    "Pipfile.lock": b'{"_meta": {"pipfile-spec": 7}}',
    "poetry.lock": b'[metadata]\nlock-version = "3.0"\n',
    "pdm.lock": b'[metadata]\nlock_version = "5.0"\n',
    "uv.lock": b"version = 2\n",
    "Cargo.lock": b"version = 5\n",
    "packages.lock.json": b'{"version": 3, "dependencies": {}}',
}


@pytest.mark.parametrize("path", VERSIONS)
def test_a_version_of_the_format_that_is_not_known_is_a_fault(path: str) -> None:
    assert "is not known" in fault(path, VERSIONS[path])


WRONG: tuple[tuple[str, bytes], ...] = (
    ("composer.lock", b"[]"),
    ("composer.lock", b'{"packages": {}}'),
    ("composer.lock", b'{"packages": [{"name": 1, "version": "1"}]}'),
    ("composer.lock", b'{"packages": [{"name": "a/b"}]}'),
    ("composer.lock", b'{"packages": [{"name": "a/b", "version": "dev-x", "source": {"reference": 1}}]}'),
    ("composer.lock", b'{"packages": [{"name": "", "version": "1"}]}'),
    ("composer.lock", b'{"packages": [{"name": "%s", "version": "1"}]}' % (b"x" * 301)),
    ("package-lock.json", b'{"lockfileVersion": 2}'),
    ("package-lock.json", b'{"lockfileVersion": "3", "packages": {}}'),
    ("package-lock.json", b'{"lockfileVersion": 3, "packages": {"node_modules/a": 1}}'),
    ("package-lock.json", b'{"lockfileVersion": 3, "packages": {"": {"dependencies": []}}}'),
    ("package-lock.json", b'{"dependencies": ' + b'{"a": {"version": "1", "dependencies": ' * 5000),
    ("bun.lock", b'{"lockfileVersion": 1, "workspaces": {}, "packages": {"a": []}}'),
    ("bun.lock", b'{"lockfileVersion": 1, "workspaces": {}, "packages": {"a": ["a"]}}'),
    ("yarn.lock", b"what is this"),
    ("yarn.lock", b"# yarn lockfile v1\n\na@^1:\n  resolved x\n"),
    ("yarn.lock", b"# yarn lockfile v1\n\na@^1\n"),
    ("yarn.lock", b'__metadata:\n  version: 8\n\n"a@npm:1":\n  version: 1\n'),
    ("yarn.lock", "__metadata:\n  version: ²\n".encode()),
    ("pnpm-lock.yaml", b"packages:\n  a@1.0.0:\n    x: y\n"),
    ("pnpm-lock.yaml", b""),
    ("Pipfile.lock", b"{}"),
    ("Pipfile.lock", b'{"_meta": {"pipfile-spec": 6}, "default": []}'),
    ("poetry.lock", b'[package]\nname = "a"\n'),
    ("poetry.lock", b'[[package]]\nname = "a"\nname = "b"\nversion = "1"\n'),
    ("poetry.lock", b'[[package]]\nversion = "1"\n'),
    ("poetry.lock", b'[[package]]\nname = "a"\nversion = 1\n'),
    ("poetry.lock", b"[[package]]\nname = " + b"[" * 10_000),
    ("poetry.lock", b"[[package]]\n" + b"a." * 10_000 + b"b = 1\n"),
    ("poetry.lock", b"[[package]]\na = " + b"9" * 5000),
    ("uv.lock", b'version = 1\n[[package]]\nname = "a"\n'),
    ("Cargo.lock", b'version = "4"\n'),
    ("Gemfile.lock", b""),
    ("Gemfile.lock", b"GEM\n  specs:\n    a (1)\n"),
    ("Gemfile.lock", b"DEPENDENCIES\n  a\nwhat is this\n"),
    ("go.mod", b"requires a v1\n"),
    ("go.mod", b"require a\n"),
    ("go.mod", b"require (\n\ta v1.0.0\n"),
    ("go.sum", b"a v1.0.0\n"),
    ("mix.lock", b"a = 1"),
    ("mix.lock", b'%{\n  "a": {:path, "x"},\n}'),
    ("mix.lock", b'%{\n  "a": {:hex, :a, "1.0.0"},\n'),
    ("packages.lock.json", b'{"version": 1, "dependencies": {"net8.0": {"a": {"resolved": "1"}}}}'),
    ("gradle.lockfile", b"a:b:1\n"),
    ("gradle.lockfile", b"a:b=c\n"),
    ("pom.xml", b"<html></html>"),
    ("pom.xml", b"<project>"),
    ("pom.xml", b"<project>" + b"<a>" * 100),
    ("pom.xml", b'<?xml version="1.0" encoding="what"?><project></project>'),
    ("pom.xml", b'<!DOCTYPE project [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><project>&b;</project>'),
    ("pom.xml", b'<!DOCTYPE project SYSTEM "file:///etc/passwd"><project></project>'),
    ("requirements.txt", b"x" * (LOCK_LINE_MOST + 1)),
)


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_a_file_of_another_form_is_a_fault(number: int) -> None:
    assert len(fault(*WRONG[number])) < 400


def test_more_packages_than_an_application_has_are_a_fault() -> None:
    lines = b"".join(b"example.org/m%d v1.0.0 h1:x=\n" % number for number in range(LOCKED_MOST + 1))
    assert f"more than {LOCKED_MOST}" in fault("go.sum", lines)
    assert len(read("go.sum", lines[: lines.rindex(b"example.org")]).packages) == LOCKED_MOST


def test_of_two_faulty_files_both_faults_are_told() -> None:
    old, new = read("a/composer.lock", b"what"), read("a/composer.lock", b"<<<<<<< HEAD\n")
    warning = compare(old, new).warning or ""
    assert warning.startswith("a/composer.lock cannot be read: it ")
    assert "merge conflict" in warning
    assert "not JSON" in warning


def test_one_faulty_file_means_no_changes() -> None:
    """Else every package of the other one would look added or removed."""
    good = read("composer.lock", b'{"packages": [{"name": "a/b", "version": "1.0"}]}')
    assert len(compare(None, good).changes) == 1
    assert compare(read("composer.lock", b""), good).changes == ()


def test_nothing_at_all_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="no lock file"):
        compare(None, None)
