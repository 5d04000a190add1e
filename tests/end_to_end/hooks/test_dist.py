"""``make dist``: the same bytes wherever it is built, one hash that leads to all others, and a bill of materials."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from upsun_setup.release import EPOCH

from tests.harness.build_hook import SHELL, clean
from tests.harness.releases import copy_source, flip
from tests.harness.sources import REPOSITORY, SOURCES
from tools import dist, interpreter


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_source(tmp_path_factory.mktemp("source") / "checkout")


def make(source: Path, output: Path, umask: int = 0o022, **variables: str) -> dict[str, bytes]:
    command = [sys.executable, "-m", "tools.dist", "--source", str(source), "--output", str(output)]
    own = {**clean(), "PYTHONPATH": SOURCES, **variables}
    subprocess.run(command, env=own, cwd=REPOSITORY, check=True, capture_output=True, umask=umask)
    return {file.name: file.read_bytes() for file in output.iterdir()}


@pytest.fixture(scope="module")
def made(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("dist")
    make(source, output)
    return output


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pinned(installer: Path) -> str:
    found = re.search(r"^sha256=([0-9a-f]{64})$", installer.read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def test_two_builds_are_byte_equal(source: Path, made: Path, tmp_path: Path) -> None:
    other = tmp_path / "another place"
    shutil.copytree(source, other)
    for number, path in enumerate(sorted(other.rglob("*"))):
        path.chmod(0o700 if path.is_dir() else 0o600 if number % 2 else 0o777)
        os.utime(path, (number * 86400, number * 86400))
    (other / "agent" / "__pycache__").mkdir()
    (other / "agent" / "__pycache__" / "x.pyc").touch()
    (other / "agent" / ".editor").touch()
    variables = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "SOURCE_DATE_EPOCH": "1700000000", "PYTHONHASHSEED": "7"}
    second = make(other, tmp_path / "dist", umask=0o077, **variables)
    first = {file.name: file.read_bytes() for file in made.iterdir()}
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []


def test_one_hash_leads_to_everything(made: Path) -> None:
    version = next(made.glob("*.tar")).name.removeprefix("upsun-agent-").removesuffix(".tar")
    archive = made / f"upsun-agent-{version}.tar"
    assert pinned(made / "install.sh") == sha256(archive.read_bytes())
    assert f"\nversion={version}\n" in (made / "install.sh").read_text()
    with tarfile.open(archive) as files:
        names = {name.removeprefix(f"upsun-agent-{version}/") for name in files.getnames()}
        assert all(entry.mtime == EPOCH and entry.uid == entry.gid == 0 for entry in files)
    assert {"LICENSE", "hooks/build.sh", "hooks/environment.sh", "agent/upsun_agent/__main__.py"} <= names
    assert {
        f"requirements/{name}.txt" for name in ("runtime", "simulator", "shared", "otel", "socks", "installer")
    } <= names
    assert {name for name in names if name.endswith((".pyc", ".md")) or name.startswith("tests")} == set()
    assert "README.md" not in names, "its snippet can hold the hash that this archive leads to"
    assert not any(name.startswith("agent/upsun_setup") for name in names), "no container runs it"


def test_every_pin_has_a_hash() -> None:
    for name in ("runtime", "simulator", "shared", "otel", "socks", "installer"):
        pins = list(dist.requirements(REPOSITORY / "requirements" / f"{name}.txt"))
        assert pins
        assert [pin for pin in pins if not pin[2]] == []


def test_sums_cover_every_other_file(made: Path) -> None:
    lines = (made / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert sums == {f.name: sha256(f.read_bytes()) for f in made.iterdir() if f.name != "SHA256SUMS"}


def verify(folder: Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    variables = {**clean(), **({"PATH": path} if path else {})}
    script = str(folder / "verify.sh")
    return subprocess.run([SHELL, script], env=variables, cwd="/", capture_output=True, text=True, check=False)


@pytest.fixture(params=["sha256sum", "python3"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("cut", "dirname", request.param):
        (folder / tool).symlink_to(sys.executable if tool == "python3" else shutil.which(tool) or "")
    return str(folder)


def test_verify_passes_what_was_released_and_names_what_was_not(made: Path, tmp_path: Path, path: str) -> None:
    done = verify(made, path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": ok") == 5
    for file in made.iterdir():
        copy = tmp_path / "copy"
        shutil.copytree(made, copy)
        if file.name == "SHA256SUMS":
            sums = (copy / file.name).read_text()
            (copy / file.name).write_text(sums.replace(sums[0], "f" if sums[0] != "f" else "0", 1))
        elif file.name == "verify.sh":  # what checks is itself changed: it can only be told by its own hash
            (copy / file.name).write_text((copy / file.name).read_text() + "# changed\n")
        else:
            flip(copy / file.name)
        done = verify(copy, path)
        assert done.returncode == 1, f"{file.name} was changed and that was not found"
        assert done.stderr.count("NOT what was released") == 1
        shutil.rmtree(copy)


def test_verify_names_what_is_missing(made: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    (copy / "install.sh").unlink()
    done = verify(copy)
    assert (done.returncode, done.stderr) == (1, "install.sh: missing\n")
    (copy / "SHA256SUMS").unlink()
    assert verify(copy).returncode == 1


# --- the attestation of the build ----------------------------------------------------------------------------

GH = """#!/bin/sh
case "$1 $2" in
    "auth status") exit {login} ;;
    "attestation verify") echo "$3 $4 $5" >>"{log}"; [ "$3" != "{forged}" ] ;;
    *) exit 9 ;;
esac
"""


def attested(
    made: Path, place: Path, *, releases: str = "", login: int = 0, forged: str = "", words: tuple[str, ...] = ()
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run verify.sh with a ``gh`` that notes what it was asked; return what it said and those questions."""
    folder = place / "copy"
    shutil.copytree(made, folder)
    if releases:
        text = (folder / "install.sh").read_text()
        (folder / "install.sh").write_text(text.replace("\nreleases=\n", f"\nreleases={releases}\n"))
        sums = (folder / "SHA256SUMS").read_text()
        old, new = sha256(text.encode()), sha256((folder / "install.sh").read_bytes())
        (folder / "SHA256SUMS").write_text(sums.replace(old, new))
    tools = place / "tools"
    tools.mkdir()
    (tools / "gh").write_text(GH.format(login=login, log=place / "asked", forged=forged))
    (tools / "gh").chmod(0o755)
    done = subprocess.run(
        [SHELL, str(folder / "verify.sh"), *words],
        env={**clean(), "PATH": f"{tools}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    asked = place / "asked"
    return done, asked.read_text().splitlines() if asked.exists() else []


PUBLISHED = "https://github.com/owner/name/releases/download"


def test_verify_checks_the_attestation_of_every_file_where_it_can(made: Path, tmp_path: Path) -> None:
    done, asked = attested(made, tmp_path, releases=PUBLISHED)
    assert done.returncode == 0, done.stderr
    names = [line.split("  ")[1] for line in (made / "SHA256SUMS").read_text().splitlines()]
    assert asked == [f"{name} --repo owner/name" for name in names]
    assert done.stdout.count(": built by owner/name") == len(names)


def test_verify_refuses_a_file_that_is_not_attested(made: Path, tmp_path: Path) -> None:
    done, _ = attested(made, tmp_path, releases=PUBLISHED, forged="install.sh")
    assert done.returncode == 1
    assert "install.sh: NOT attested by owner/name" in done.stderr


def test_verify_takes_the_repository_that_is_expected(made: Path, tmp_path: Path) -> None:
    _, asked = attested(made, tmp_path, releases=PUBLISHED, words=("mine/fork",))
    assert asked
    assert all(line.endswith("--repo mine/fork") for line in asked)


@pytest.mark.parametrize(
    ("releases", "login", "why"),
    [("", 0, "was not published"), ("https://example.org/x", 0, "was not published"), (PUBLISHED, 1, "not logged in")],
)
def test_verify_says_why_it_checks_no_attestation(
    made: Path, tmp_path: Path, releases: str, login: int, why: str
) -> None:
    done, asked = attested(made, tmp_path, releases=releases, login=login)
    assert (done.returncode, asked) == (0, [])
    assert why in done.stdout


# --- the bill of materials -----------------------------------------------------------------------------------


def test_the_bill_of_materials_lists_every_pin_with_its_hashes(made: Path) -> None:
    bill = json.loads((made / "sbom.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(
        r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", bill["serialNumber"]
    )
    agent = bill["metadata"]["component"]
    assert agent["hashes"] == [{"alg": "SHA-256", "content": pinned(made / "install.sh")}]
    told = [(each["name"], each["version"], [one["content"] for one in each["hashes"]]) for each in bill["components"]]
    own = interpreter.read(REPOSITORY / interpreter.PINS)
    assert told[-len(own) :] == [("cpython", pin.version, [pin.sha256]) for pin in own]
    libraries = bill["components"][: -len(own)]
    assert told[: -len(own)] == list(dist.requirements(REPOSITORY / "requirements" / "runtime.txt"))
    assert all(each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}" for each in libraries)
    references = {each["bom-ref"] for each in bill["components"]}
    assert len(references) == len(told)
    (edges,) = bill["dependencies"]
    assert set(edges["dependsOn"]) <= references
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert len(edges["dependsOn"]) == len(project["dependencies"])


def test_the_bill_of_materials_is_valid_by_its_schema(made: Path) -> None:
    """With the schema that its makers publish, where that is installed."""
    validation = pytest.importorskip("cyclonedx.validation.json", reason="cyclonedx-python-lib is not installed")
    from cyclonedx.schema import SchemaVersion

    validator = validation.JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str((made / "sbom.cdx.json").read_text()) is None


# --- the wheel -----------------------------------------------------------------------------------------------


def test_the_wheel_holds_the_package_alone_and_it_runs(source: Path, made: Path) -> None:
    (wheel,) = made.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        names = set(files.namelist())
        (entry_points,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
        for line in ("upsun-agent = upsun_agent.__main__:main", "upsun-agent-setup = upsun_setup.__main__:main"):
            assert line in files.read(entry_points).decode()
    information = entry_points.split("/")[0]
    ours = {str(file.relative_to(source / "agent")) for file in (source / "agent").rglob("*") if file.is_file()}
    packed = [source / "LICENSE", *(source / "hooks").iterdir(), *(source / "requirements").iterdir()]
    ours |= {f"upsun_setup/release_files/{file.relative_to(source)}" for file in packed}
    assert {name for name in names if not name.startswith(f"{information}/")} == ours
    script = f"import sys; sys.path.insert(0, {str(wheel)!r}); from upsun_agent.__main__ import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, "--version"], capture_output=True, text=True, check=True, env=clean()
    )
    assert done.stdout == f"upsun-agent {wheel.name.split('-')[1]}\n"


def test_the_pages_say_how_large_the_release_in_a_repository_is(made: Path) -> None:
    (archive,) = made.glob("upsun-agent-*.tar")
    for page in dist.DOCUMENTS:
        (megabytes,) = re.findall(r"about\s+([\d.]+) MB", (REPOSITORY / page).read_text(encoding="utf-8"))
        assert float(megabytes) * 1e6 == pytest.approx(archive.stat().st_size, rel=0.08), page


# --- the lines for the build hook ----------------------------------------------------------------------------


def published_at(source: Path, place: Path, url: str) -> dist.Release:
    """A copy of the source whose releases are published at the URL."""
    shutil.copytree(source, place)
    file = place / "pyproject.toml"
    text = file.read_text()
    assert '\nreleases = ""\n' in text, "they are published: change this test"
    file.write_text(text.replace('\nreleases = ""\n', f'\nreleases = "{url}"\n'))
    return dist.Release(place)


def test_until_releases_are_published_the_lines_take_the_one_in_the_repository(source: Path) -> None:
    assert dist.Release(source).published == ""
    assert dist.Release(source).snippet() == dist.Release(source).snippet("vendor")
    assert "http" not in dist.Release(source).snippet()


def test_one_setting_says_where_releases_are(source: Path, tmp_path: Path) -> None:
    release = published_at(source, tmp_path / "copy", "https://example.org/o/n/releases/download")
    url = f"https://example.org/o/n/releases/download/v{release.version}"
    assert f"{url}/install.sh" in release.snippet()
    assert release.snippet().count(sha256(release.installer())) == 1
    assert "UPSUN_AGENT_SOURCE" not in release.snippet(), "install.sh knows it"
    assert b"\nreleases=https://example.org/o/n/releases/download\n" in release.installer()
    names = [str(release.source / "README.md")]
    assert dist.main(["--source", str(release.source), "--check", *names]) == 1
    assert dist.main(["--source", str(release.source), "--write", *names]) == 0
    assert dist.main(["--source", str(release.source), "--check", *names]) == 0
    assert f"{url}/install.sh" in (release.source / "README.md").read_text()
    module = (release.source / dist.PUBLISHED).read_text()
    assert 'RELEASES = "https://example.org/o/n/releases/download"' in module


GITHUB = "https://github.com/o/n/releases/download"


@pytest.mark.parametrize(
    ("url", "addresses", "said"),
    [
        ("", ["https://github.com/o/n"], "releases is not on GitHub: take them out"),
        ("https://example.org/releases", ["https://github.com/o/n"], "releases is not on GitHub: take them out"),
        ("https://example.org/releases", [], ""),
        (GITHUB, [], "names https://github.com/o/n: add its addresses"),
        (GITHUB, ["https://github.com/o/n", "https://github.com/o/n/issues"], ""),
        (GITHUB, ["https://github.com/o/n", "https://github.com/o/nn/issues"], "is not in https://github.com/o/n"),
    ],
)
def test_the_addresses_of_the_package_are_those_of_the_repository_that_publishes_it(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str, addresses: list[str], said: str
) -> None:
    release = published_at(source, tmp_path / "copy", url)
    lines = "".join(f'Address{number} = "{each}"\n' for number, each in enumerate(addresses))
    with (release.source / "pyproject.toml").open("a") as file:
        file.write(f"[project.urls]\n{lines}" if addresses else "")
    code = dist.main(["--source", str(release.source), "--write", str(release.source / "README.md")])
    assert (code, said in capsys.readouterr().err) == (1 if said else 0, True)


@pytest.mark.parametrize(
    "url", ["example.org", "https://a:b@example.org", "https://example.org/$(x)", "https://e.org/a/"]
)
def test_a_setting_that_is_no_url_of_a_folder_is_refused(source: Path, tmp_path: Path, url: str) -> None:
    release = published_at(source, tmp_path / "copy", url)
    assert dist.main(["--source", str(release.source), "--check", str(release.source / "README.md")]) == 1


def test_a_document_is_compared_and_brought_up_to_date(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "page.md"
    blocks = "".join(
        f"<!-- install: {way} -->\n```yaml\nold\n```\n<!-- install: end -->\n" for way in ("vendor", "url")
    )
    document.write_text(f"before\n{blocks}after\n")
    options = ["--source", str(source)]
    assert dist.main([*options, "--check", str(document)]) == 1
    assert "make docs" in capsys.readouterr().err
    assert dist.main([*options, "--write", str(document)]) == 0
    assert dist.main([*options, "--check", str(document)]) == 0
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert dist.Release(source).snippet("vendor") in text
    assert dist.Release(source).snippet("url") in text
    document.write_text("no markers")
    assert dist.main([*options, "--check", str(document)]) == 1


def test_the_documents_show_how_to_install_this_version() -> None:
    assert dist.main(["--check", *(str(REPOSITORY / name) for name in dist.DOCUMENTS)]) == 0


def test_an_install_sh_with_other_lines_to_fill_in_is_refused(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(source, copy)
    script = copy / "hooks" / "install.sh"
    script.write_text(script.read_text().replace("\nsha256=\n", "\n"))
    with pytest.raises(dist.DistError, match="0 lines 'sha256='"):
        dist.Release(copy).installer()
