"""The interpreter that the hooks bring along: when, from where, and that nothing of a wrong archive is unpacked.

The archives here are small: their interpreter starts this machine's own. test_interpreter_roots.py has a whole one.
"""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from upsun_setup.release import standalone

from tests.harness.own_interpreter import machine, name, pin
from tests.harness.release_server import Answer, Origin, serving
from tests.harness.releases import CANARY, STUB_VERSION, digest, flip, install, stub, surroundings
from tests.harness.sources import REPOSITORY

#: What an image without Python has, and the hooks start.
TOOLS = (
    *("awk", "cat", "cp", "cut", "dirname", "env", "gzip", "mkdir", "mktemp", "mv", "rm", "sed", "sh", "sha256sum"),
    *("tail", "tar", "timeout", "touch", "tr", "uname", "wc"),
)
#: A python3 that is too old, and one that does not start.
OLD = (
    '#!/bin/sh\ncase "$*" in *%d*) echo 3.9;; *version_info*) exit 1;; *-V*) echo Python 3.9.2;; *) echo "$0";; esac\n'
)
BROKEN = "#!/bin/sh\nexit 127\n"
PATH_OF_PIN = f"/20260301/{name()}".replace("+", "%2B")


def archive(*others: tuple[str, str], interpreter: str = sys.executable) -> bytes:
    """An archive whose interpreter starts that one; ``others`` are more members and what they link to, or hold."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz") as made:
        script = f'#!/bin/sh\nexec {interpreter} "$@"\n'.encode()
        entry = tarfile.TarInfo("python/bin/python3")
        entry.size, entry.mode = len(script), 0o755
        made.addfile(entry, io.BytesIO(script))
        for member, content in others:
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content.encode()))
    return output.getvalue()


@dataclass
class Image:
    """An image with a shell, the tools that are wanted, perhaps a python3; and a server of archives."""

    place: Path
    app: Path
    origin: Origin
    content: bytes
    script: Path

    @property
    def tools(self) -> Path:
        return self.place / "bin"

    @property
    def cached(self) -> Path:
        return self.place / "cache" / "upsun-agent" / f"interpreter-{digest(self.content)}.tar.gz"

    def python(self, text: str) -> None:
        (self.tools / "python3").write_text(text)
        (self.tools / "python3").chmod(0o755)

    def install(self, *options: str, **extra: str) -> CompletedProcess[str]:
        own = {
            "UPSUN_AGENT_VERSION": STUB_VERSION,
            "UPSUN_AGENT_SHA256": digest(stub()),
            "UPSUN_AGENT_SOURCE": str(self.place / "source"),
            "UPSUN_AGENT_INTERPRETER": self.origin.url,
            "PATH": str(self.tools),
            "TMPDIR": str(self.place / "tmp"),
        }
        done = install(self.script, self.app, surroundings(self.app, **{**own, **extra}), *options)
        assert list((self.place / "tmp").iterdir()) == [], "nothing is left behind"
        return done

    def used(self) -> str:
        """The hash of the interpreter that build.sh was given; empty if it is the image's."""
        return " ".join((self.app / "ran").read_text().split()[1:2])

    def ran(self) -> bool:
        return (self.app / "ran").exists()


@pytest.fixture(params=["curl", "wget"])
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Image]:
    """One without python3, and with one of the two tools that fetch."""
    yield from make_image(tmp_path, archive(), request.param)


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Image]:
    """The same with curl, for what does not depend on that tool."""
    yield from make_image(tmp_path, archive(), "curl")


def make_image(place: Path, content: bytes, *tools: str) -> Iterator[Image]:
    for folder in ("app", "bin", "tmp", "source", "tree/requirements"):
        (place / folder).mkdir(parents=True)
    for tool in (*TOOLS, *tools):
        (place / "bin" / tool).symlink_to(shutil.which(tool) or pytest.fail(f"{tool} is missing here"))
    (place / "bin" / "sleep").write_text(f'#!/bin/sh\necho "$1" >>"{place}/slept"\n')
    (place / "bin" / "sleep").chmod(0o755)
    shutil.copytree(REPOSITORY / "hooks", place / "tree" / "hooks")
    pin(content, place / "tree")
    (place / "install.sh").write_text(standalone(place / "tree"))
    (place / "source" / f"upsun-agent-{STUB_VERSION}.tar").write_bytes(stub())
    with serving() as origin:
        origin.files[PATH_OF_PIN] = content
        yield Image(place, place / "app", origin, content, place / "install.sh")


# --- which interpreter ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("", "this image has no python3: using the agent's own 3.13"),
        (OLD, "this image has Python 3.9: using the agent's own 3.13"),
        (BROKEN, "this image has a python3 that does not start: using the agent's own 3.13"),
    ],
)
def test_an_image_without_a_fit_python_gets_the_agents_own(image: Image, python: str, said: str) -> None:
    if python:
        image.python(python)
    done = image.install()
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert "type" not in done.stdout + done.stderr, "no other image is proposed"
    assert image.used() == digest(image.content)
    assert image.origin.request_log == [PATH_OF_PIN]


def test_the_images_own_python_is_used_if_it_is_new_enough(quick: Image) -> None:
    (quick.tools / "python3").symlink_to(sys.executable)
    done = quick.install()
    assert done.returncode == 0, done.stderr
    assert (quick.used(), quick.origin.request_log) == ("", [])


def test_bundled_uses_the_agents_own_whatever_the_image_has(quick: Image) -> None:
    (quick.tools / "python3").symlink_to(sys.executable)
    done = quick.install(UPSUN_AGENT_PYTHON="bundled")
    assert done.returncode == 0, done.stderr
    assert "UPSUN_AGENT_PYTHON is bundled: using the agent's own 3.13" in done.stdout
    assert quick.used() == digest(quick.content)


def test_a_named_interpreter_wins(quick: Image) -> None:
    quick.python(OLD)
    done = quick.install(UPSUN_AGENT_PYTHON=sys.executable)
    assert done.returncode == 0, done.stderr
    assert (quick.used(), quick.origin.request_log) == ("", [])


def test_a_newer_python_than_an_install_serves_is_not_used(quick: Image) -> None:
    quick.python(OLD.replace("3.9", "3.15"))
    done = quick.install()
    assert "this image has Python 3.15: using the agent's own 3.13" in done.stdout
    assert quick.used() == digest(quick.content)


def test_an_architecture_without_a_pin_is_said_with_the_remedy(quick: Image) -> None:
    (quick.tools / "uname").unlink()
    (quick.tools / "uname").write_text("#!/bin/sh\necho riscv64\n")
    (quick.tools / "uname").chmod(0o755)
    done = quick.install()
    assert done.returncode == 1
    assert "this image has no python3, and there is no Python for riscv64 to bring along" in done.stderr
    assert "UPSUN_AGENT_INTERPRETER_SHA256" in done.stderr


@pytest.mark.parametrize("tool", ["sha256sum", "tar", "gzip", "curl"])
def test_a_tool_that_is_missing_is_named(quick: Image, tool: str) -> None:
    (quick.tools / tool).unlink()
    done = quick.install()
    assert done.returncode == 1
    assert tool in done.stderr
    assert not quick.ran()


# --- nothing of a wrong archive is used ----------------------------------------------------------------------


def refused(image: Image, done: CompletedProcess[str], got: str) -> None:
    assert done.returncode == 1
    assert "is not the pinned interpreter: it was not used" in done.stderr
    assert f"wanted {digest(image.content)}" in done.stderr
    assert f"got    {got}" in done.stderr
    assert not image.ran()
    assert not image.cached.exists()


def test_a_flipped_byte_is_refused_from_a_server(image: Image) -> None:
    spoiled = bytearray(image.content)
    spoiled[len(spoiled) // 2] ^= 1
    image.origin.files[PATH_OF_PIN] = bytes(spoiled)
    refused(image, image.install(), digest(bytes(spoiled)))


@pytest.mark.parametrize("where", ["named", "in a folder", "beside the agent", "among the wheels"])
def test_a_flipped_byte_is_refused_from_a_file(quick: Image, where: str) -> None:
    file = quick.place / ("source" if where == "beside the agent" else "tmp/..") / name()
    file.write_bytes(quick.content)
    flip(file)
    given = {
        "named": {"UPSUN_AGENT_INTERPRETER": str(file)},
        "in a folder": {"UPSUN_AGENT_INTERPRETER": str(file.parent)},
        "beside the agent": {"UPSUN_AGENT_INTERPRETER": ""},
        "among the wheels": {"UPSUN_AGENT_INTERPRETER": "", "UPSUN_AGENT_WHEELS": str(file.parent)},
    }[where]
    refused(quick, quick.install(**given), digest(file.read_bytes()))


@pytest.mark.parametrize("where", ["named", "in a folder", "beside the agent", "among the wheels"])
def test_a_file_needs_no_network(quick: Image, where: str) -> None:
    (quick.tools / "curl").unlink()
    file = quick.place / ("source" if where == "beside the agent" else ".") / name()
    file.write_bytes(quick.content)
    given = {
        "named": {"UPSUN_AGENT_INTERPRETER": str(file)},
        "in a folder": {"UPSUN_AGENT_INTERPRETER": str(file.parent)},
        "beside the agent": {"UPSUN_AGENT_INTERPRETER": ""},
        "among the wheels": {"UPSUN_AGENT_INTERPRETER": "", "UPSUN_AGENT_WHEELS": str(file.parent)},
    }[where]
    done = quick.install(**given)
    assert done.returncode == 0, done.stderr
    assert quick.used() == digest(quick.content)


@pytest.mark.parametrize("answer", ["cut", "closed", 403, 429, 503])
def test_what_may_pass_is_tried_again(image: Image, answer: Answer) -> None:
    image.origin.script = [answer, answer]
    done = image.install()
    assert done.returncode == 0, done.stderr
    assert len(image.origin.request_log) == 3
    assert (image.place / "slept").read_text().split() == ["2", "4"]
    assert done.stdout.count("try 2 of 5 in 2 s") == 1


def test_a_download_that_is_cut_every_time_fails_the_build(image: Image) -> None:
    image.origin.script = ["cut"] * 9
    done = image.install()
    assert done.returncode == 1
    assert len(image.origin.request_log) == 5
    assert "cannot be fetched after 5 tries: no complete answer" in done.stderr
    assert "UPSUN_AGENT_INTERPRETER" in done.stderr
    assert not image.ran()


def test_what_is_not_there_is_not_tried_again(image: Image) -> None:
    image.origin.script = [404] * 2
    done = image.install()
    assert done.returncode == 1
    assert len(image.origin.request_log) == 1
    assert f"{image.origin.url}{PATH_OF_PIN} is not there (HTTP 404)" in done.stderr


@pytest.mark.parametrize("member", ["other/file", "python/../../file", "python.txt"])
def test_a_member_outside_of_its_folder_is_refused_whatever_the_hash(tmp_path: Path, member: str) -> None:
    for image in make_image(tmp_path, archive((member, "text")), "curl"):
        done = image.install()
        assert done.returncode == 1
        assert "is not in python/" in done.stderr
        assert not image.ran()


@pytest.mark.parametrize(
    ("interpreter", "message"),
    [("/no/such", "does not start here"), ("/bin/false", "does not start here")],
)
def test_an_interpreter_that_does_not_start_is_said(tmp_path: Path, interpreter: str, message: str) -> None:
    for image in make_image(tmp_path, archive(interpreter=interpreter), "curl"):
        done = image.install()
        assert done.returncode == 1
        assert message in done.stderr
        assert "glibc 2.17" in done.stderr


# --- the build cache -----------------------------------------------------------------------------------------


def test_the_next_build_needs_no_network(image: Image) -> None:
    assert image.install().returncode == 0
    assert image.cached.read_bytes() == image.content
    done = image.install(UPSUN_AGENT_INTERPRETER="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert "the agent's own Python comes from the build cache" in done.stdout
    assert image.used() == digest(image.content)


@pytest.mark.parametrize("kind", ["flipped", "empty", "folder", "link", "dangling"])
def test_what_is_wrong_in_the_cache_is_dropped_and_fetched_again(quick: Image, kind: str) -> None:
    quick.cached.parent.mkdir(parents=True)
    if kind == "folder":
        (quick.cached / "inside").mkdir(parents=True)
    elif kind in {"link", "dangling"}:
        quick.cached.symlink_to("/etc/passwd" if kind == "link" else "/no/such")
    else:
        quick.cached.write_bytes(quick.content if kind == "flipped" else b"")
        if kind == "flipped":
            flip(quick.cached)
    done = quick.install()
    assert done.returncode == 0, done.stderr
    assert "in the build cache is not the pinned one: dropped" in done.stdout
    assert quick.cached.read_bytes() == quick.content
    assert not quick.cached.is_symlink()


# --- from elsewhere ------------------------------------------------------------------------------------------


def test_another_archive_needs_its_hash(image: Image) -> None:
    other = archive(("python/more", "another archive"))
    image.origin.files["/mine.tar.gz"] = other
    url = f"{image.origin.url}/mine.tar.gz"
    refused(image, image.install(UPSUN_AGENT_INTERPRETER=url), digest(other))
    done = image.install(UPSUN_AGENT_INTERPRETER=url, UPSUN_AGENT_INTERPRETER_SHA256=digest(other))
    assert done.returncode == 0, done.stderr
    assert "this image has no python3: using the interpreter of UPSUN_AGENT_INTERPRETER" in done.stdout
    assert image.used() == digest(other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"UPSUN_AGENT_INTERPRETER_SHA256": "abc"}, "is not a SHA-256"),
        ({"UPSUN_AGENT_INTERPRETER_SHA256": "A" * 64}, "is not a SHA-256"),
        ({"UPSUN_AGENT_INTERPRETER_SHA256": "a" * 64, "UPSUN_AGENT_INTERPRETER": ""}, "UPSUN_AGENT_INTERPRETER is not"),
        ({"UPSUN_AGENT_INTERPRETER": "/no/such"}, "neither a URL nor a file: /no/such"),
        ({"UPSUN_AGENT_INTERPRETER": "/usr"}, f"a directory has to hold {name()}"),
        ({"UPSUN_AGENT_INTERPRETER": "ftp://example.org"}, "is not a valid http or https URL"),
        ({"UPSUN_AGENT_INTERPRETER": "https://"}, "is not a valid http or https URL"),
        ({"UPSUN_AGENT_INTERPRETER": 'https://example.org/"\nurl = x'}, "is not a valid http or https URL"),
        ({"UPSUN_AGENT_INTERPRETER": "https://a@b@example.org"}, "is not a valid http or https URL"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_fetched(
    quick: Image, changes: Mapping[str, str], message: str
) -> None:
    done = quick.install(**changes)
    assert done.returncode == 1
    assert message in done.stderr
    assert quick.origin.request_log == []
    assert not quick.ran()


@pytest.mark.parametrize("answers", [[], [404], [500] * 5, ["cut"] * 5])
def test_a_login_and_a_query_reach_the_server_and_nothing_that_is_printed(image: Image, answers: list[Answer]) -> None:
    image.origin.files[f"{PATH_OF_PIN}?token=secret-query"] = image.content
    image.origin.script = [401, *answers] if "wget" in {each.name for each in image.tools.iterdir()} else list(answers)
    image.origin.headers["WWW-Authenticate"] = 'Basic realm="mirror"'
    url = image.origin.url.replace("http://", "http://robot:secret%2Fword@") + "?token=secret-query"
    done = image.install("-x", UPSUN_AGENT_INTERPRETER=url)
    assert done.returncode == (1 if answers else 0), done.stderr
    for secret in ("secret-query", "secret%2Fword", "secret/word", CANARY):
        assert secret not in done.stdout + done.stderr
    assert image.origin.request_log[-1] == f"{PATH_OF_PIN}?token=secret-query"
    if not answers:
        assert image.origin.logins[-1] == "Basic cm9ib3Q6c2VjcmV0L3dvcmQ="
        assert "UPSUN_AGENT_INTERPRETER=" not in (image.app / "variables").read_text()


@pytest.mark.parametrize("kind", ["endless", "endless with a length", "endless chunks"])
def test_an_answer_without_end_is_left(quick: Image, kind: str) -> None:
    script = quick.script.read_text()
    quick.script.write_text(script.replace("own_most=100000000", "own_most=1000000"))
    quick.origin.script = [kind]
    done = quick.install()
    assert done.returncode == 1
    assert "more than 1000000 bytes" in done.stderr
    assert quick.origin.sent < 30_000_000
    assert not quick.ran()


def test_this_machine_is_one_of_those_that_are_pinned() -> None:
    assert machine() in {"x86_64", "aarch64"}
