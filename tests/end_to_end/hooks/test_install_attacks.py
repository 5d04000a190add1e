"""hooks/install.sh against who serves, names or shares its files: logins, bounds, members of archives, settings."""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from upsun_setup.release import standalone

from tests.end_to_end.hooks import test_install
from tests.end_to_end.hooks.test_install import NAME, SCRIPT, ran, variables
from tests.harness.build_hook import SHELL
from tests.harness.needs import strace
from tests.harness.release_server import ENDLESS, Origin, serving
from tests.harness.releases import STUB_VERSION, digest, install, stub
from tests.harness.sources import REPOSITORY

TOP = f"upsun-agent-{STUB_VERSION}"
#: More than a socket's buffers hold: who has sent less was stopped, not cut off by a time limit.
MOST_SENT = 30_000_000


origin, path = test_install.origin, test_install.path  # its fixtures


def pinned(tmp_path: Path, size: int = len(stub())) -> Path:
    """install.sh as a release has it: with the size of the archive."""
    script = tmp_path / "pinned.sh"
    script.write_text(standalone(REPOSITORY).replace("\nsize=\n", f"\nsize={size}\n"))
    return script


# --- logins --------------------------------------------------------------------------------------------------

#: What stands in a URL, what the server has to get of it, and the secret pieces.
LOGINS = {
    "plain": ("robot:secretword", b"robot:secretword", ["secretword"]),
    "at": ("robot:secret@word", b"robot:secret@word", ["secret", "@word"]),
    "two at": ("robot:se@cret@word", b"robot:se@cret@word", ["se@cret", "@word"]),
    "space": ("robot:secret word", b"robot:secret word", ["secret", "t word"]),
    "percent": ("robot:secret%2Fw%40rd%25", b"robot:secret/w@rd%", ["secret", "w@rd", "w%40rd"]),
    "lone percent": ("robot:secret%word", b"robot:secret%word", ["secret", "%word"]),
    "colons": ("robot:secret:word", b"robot:secret:word", ["secret", ":word"]),
    "quotes": ("robot:secret\"w\\ord'$x`", b"robot:secret\"w\\ord'$x`", ["secret", "ord'$x"]),
    "brackets": ("robot:secret[1-3]{a,b}", b"robot:secret[1-3]{a,b}", ["secret", "{a,b}"]),
    "token alone": ("secret-token", b"secret-token:", ["secret-token"]),
    "letters": ("robot:secr\u00e9tword", "robot:secr\u00e9tword".encode(), ["secr\u00e9t", "tword"]),
    "line break": ("robot:secret%0Aword", b"robot:secret\nword", ["secret", "word"]),
}


@pytest.mark.parametrize("kind", LOGINS)
def test_a_login_of_any_shape_reaches_the_server_and_nothing_that_is_printed(
    app: Path, origin: Origin, path: str, kind: str
) -> None:
    text, wanted, secrets = LOGINS[kind]
    url = origin.url.replace("http://", f"http://{text}@")
    for answers in ([], [404], ["closed"] * 5, ["cut"] * 5, [500] * 5):
        shutil.rmtree(app.parent / "cache", ignore_errors=True)
        origin.script, origin.logins = list(answers), []
        done = install(SCRIPT, app, variables(app, url, PATH=path), "-x")
        assert done.returncode == (1 if answers else 0), done.stderr
        assert set(origin.logins) == {"Basic " + base64.b64encode(wanted).decode()}
        assert [secret for secret in secrets if secret in done.stdout + done.stderr] == []


def test_a_token_in_the_query_reaches_the_server_and_nothing_that_is_printed(
    app: Path, origin: Origin, path: str
) -> None:
    asked = f"/a%20mirror/{NAME}?token=secret-of-the-query&v=1"
    origin.files[asked] = stub()
    url = f"{origin.url}/a mirror/?token=secret-of-the-query&v=1#fragment"
    for answers in ([], [404], ["closed"] * 5, [401]):
        shutil.rmtree(app.parent / "cache", ignore_errors=True)
        origin.script, origin.request_log = list(answers), []
        done = install(SCRIPT, app, variables(app, url, PATH=path), "-x")
        assert done.returncode == (1 if answers else 0), done.stderr
        assert set(origin.request_log) == {asked}
        assert "secret-of-the-query" not in done.stdout + done.stderr
        assert not answers or f"{origin.url}/a%20mirror/{NAME}" in done.stderr, "the rest of the address is named"


@pytest.mark.parametrize(
    "source",
    [
        "http://robot:secret/word@127.0.0.1:9",
        "http://robot:secret#word@127.0.0.1:9",
        "http://robot:secret?word@127.0.0.1:9",
        "http://robot:12/secretword@127.0.0.1:9",
        "HTTP://robot:secret@127.0.0.1:x",
        "ftp://robot:secretword@127.0.0.1/",
        " https://robot:secretword@127.0.0.1/",
        "robot:secretword@127.0.0.1/mirror",
        "//robot:secretword@127.0.0.1/mirror",
        "http://robot:secret%00word@127.0.0.1:9",
        "http://robot:secretword@",
    ],
)
def test_an_address_that_is_not_valid_is_refused_without_being_printed(app: Path, path: str, source: str) -> None:
    done = install(SCRIPT, app, variables(app, source, PATH=path))
    assert done.returncode == 1
    assert "UPSUN_AGENT_SOURCE is n" in done.stderr
    assert "secret" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_no_process_has_a_login_in_its_arguments(app: Path, tmp_path: Path, origin: Origin, path: str) -> None:
    tracer = strace("arguments of processes")
    origin.files[f"/{NAME}?token=secret-of-the-query"] = stub()
    url = origin.url.replace("http://", "http://robot:secret%2Fword@") + "?token=secret-of-the-query"
    told = tmp_path / "processes"
    command = [tracer, "-f", "-qq", "-s", "99999", "-e", "trace=execve", "-o", str(told), SHELL, str(SCRIPT)]
    done = subprocess.run(command, env=variables(app, url, PATH=path), cwd=app, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    started = re.findall(r"execve\(.*", told.read_text())
    assert len(started) > 8
    assert [line for line in started if re.search("secret|c2VjcmV0", line)] == []
    assert "UPSUN_AGENT_SOURCE" not in (app / "variables").read_text(), "what is installed does not get it"


def test_a_redirect_elsewhere_does_not_get_the_login(app: Path, origin: Origin, path: str) -> None:
    with serving() as other:
        other.files[f"/{NAME}"] = stub()
        origin.script, origin.headers = [302], {"Location": f"{other.url}/{NAME}"}
        url = origin.url.replace("http://", "http://robot:secretword@")
        done = install(SCRIPT, app, variables(app, url, PATH=path))
        assert done.returncode == 0, done.stderr
        assert other.logins == [None]
        assert origin.logins != [None]


def test_a_redirect_to_the_same_server_gets_the_login_again(app: Path, origin: Origin, path: str) -> None:
    origin.files["/kept here"] = stub()
    origin.files["/kept%20here"] = stub()
    origin.script, origin.headers = [302], {"Location": "/kept%20here"}
    url = origin.url.replace("http://", "http://robot:secretword@")
    done = install(SCRIPT, app, variables(app, url, PATH=path))
    assert done.returncode == 0, done.stderr
    assert len(set(origin.logins)) == 1
    assert len(origin.logins) == 2


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x"])
def test_a_redirect_to_something_else_is_not_followed(app: Path, origin: Origin, path: str, to: str) -> None:
    origin.script, origin.headers = [302] * 5, {"Location": to}
    done = install(SCRIPT, app, variables(app, origin.url, PATH=path))
    assert done.returncode == 1
    assert not ran(app)
    assert "Traceback" not in done.stderr


def test_the_login_of_a_proxy_is_not_printed(app: Path, path: str) -> None:
    for proxy in ("http://robot:secret word@127.0.0.1:9", "http://robot:secretword@x:y", "odd://robot:secretword@h"):
        own = variables(app, "http://127.0.0.1:9", PATH=path, http_proxy=proxy, no_proxy="")
        done = install(SCRIPT, app, own)
        assert done.returncode == 1
        assert "secret" not in done.stdout + done.stderr


# --- bounds --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in ENDLESS if kind.startswith("endless")])
@pytest.mark.parametrize("size", [len(stub()), None], ids=["pinned size", "no size"])
def test_an_answer_without_end_is_left_at_the_size_of_the_archive(
    app: Path, tmp_path: Path, origin: Origin, path: str, kind: str, size: int | None
) -> None:
    origin.script = [kind] * 5
    script = pinned(tmp_path) if size else SCRIPT
    done = install(script, app, variables(app, origin.url, PATH=path, UPSUN_AGENT_TIMEOUT="60"))
    assert not ran(app) or kind == "endless redirect"
    assert origin.sent < MOST_SENT * len(origin.request_log)
    assert "Traceback" not in done.stderr
    if kind in {"endless", "endless with a length", "endless chunks"}:
        assert done.returncode == 1
        assert "is not the pinned archive: it was not used" in done.stderr
        assert len(origin.request_log) == 1, "another archive is not asked for again"
        assert not size or f"more than {size} bytes" in done.stderr
    assert not any((app.parent / "cache" / "upsun-agent").iterdir()) or kind == "endless redirect"


@pytest.mark.parametrize("kind", [kind for kind in ENDLESS if kind.startswith("slow")])
def test_a_try_is_over_in_time_whatever_drips(app: Path, origin: Origin, path: str, kind: str) -> None:
    origin.script = [kind]
    done = install(SCRIPT, app, variables(app, origin.url, PATH=path, UPSUN_AGENT_TIMEOUT="1"))
    assert done.returncode == 0, done.stderr
    assert len(origin.request_log) == 2


@pytest.mark.parametrize("value", ["0", "00", "1e3", "-1", "99999", "9" * 30, " 5", "5s"])
def test_a_time_limit_that_would_be_none_is_refused(app: Path, origin: Origin, value: str) -> None:
    done = install(SCRIPT, app, variables(app, origin.url, UPSUN_AGENT_TIMEOUT=value))
    assert done.returncode == 1
    assert f"UPSUN_AGENT_TIMEOUT is '{value}'" in done.stderr
    assert origin.request_log == []


@pytest.mark.parametrize("kind", ["huge", "sparse", "device"])
def test_a_cache_or_a_directory_with_something_huge_is_not_copied(
    app: Path, tmp_path: Path, origin: Origin, kind: str
) -> None:
    kept = app.parent / "cache" / "upsun-agent" / NAME
    source = tmp_path / "source" / NAME
    for place in (kept, source):
        place.parent.mkdir(parents=True)
        if kind == "device":
            place.symlink_to("/dev/zero")
        else:
            with place.open("wb") as file:
                file.write(stub())
                file.truncate(10**12 if kind == "sparse" else len(stub()) + 1)
    done = install(pinned(tmp_path), app, variables(app, str(source.parent)))
    assert done.returncode == 1
    assert not ran(app)
    done = install(pinned(tmp_path), app, variables(app, origin.url))
    assert done.returncode == 0, done.stderr
    assert f"{NAME} in the build cache is not the pinned one: removed" in done.stdout
    assert kept.read_bytes() == stub()


def test_a_link_in_the_shared_cache_leads_no_write_elsewhere(app: Path, tmp_path: Path, origin: Origin) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (app.parent / "cache").mkdir(exist_ok=True)
    (app.parent / "cache" / "upsun-agent").symlink_to(elsewhere)
    assert install(SCRIPT, app, variables(app, origin.url)).returncode == 0
    assert list(elsewhere.iterdir()) == []


# --- members of an archive whose hash is right ---------------------------------------------------------------


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", **more: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    for key, value in more.items():
        setattr(made, key, value)
    return made


BAD: dict[str, list[tarfile.TarInfo]] = {
    "parent": [entry(f"{TOP}/../../escaped")],
    "parent alone": [entry("../escaped")],
    "parent inside": [entry(f"{TOP}/a/../b")],
    "absolute": [entry("PLACE/escaped")],
    "another directory": [entry("elsewhere/file")],
    "beside": [entry("escaped")],
    "dot": [entry(f"./{TOP}/x")],
    "two slashes": [entry(f"{TOP}//x")],
    "symbolic link": [entry(f"{TOP}/link", tarfile.SYMTYPE, "PLACE")],
    "link inside": [entry(f"{TOP}/link", tarfile.SYMTYPE, "hooks")],
    "through a link": [entry(f"{TOP}/link", tarfile.SYMTYPE, "PLACE"), entry(f"{TOP}/link/escaped")],
    "hard link": [entry(f"{TOP}/link", tarfile.LNKTYPE, "PLACE/kept")],
    "hard link inside": [entry(f"{TOP}/link", tarfile.LNKTYPE, f"{TOP}/hooks/build.sh")],
    "pipe": [entry(f"{TOP}/pipe", tarfile.FIFOTYPE)],
    "character device": [entry(f"{TOP}/zero", tarfile.CHRTYPE, devmajor=1, devminor=5)],
    "block device": [entry(f"{TOP}/disk", tarfile.BLKTYPE, devmajor=7, devminor=0)],
    "contiguous": [entry(f"{TOP}/file", tarfile.CONTTYPE)],
    "twice": [entry(f"{TOP}/hooks/build.sh")],
    "file as directory": [entry(f"{TOP}/hooks/build.sh/x")],
    "sparse": [entry(f"{TOP}/file", pax_headers={"GNU.sparse.map": "0,1", "GNU.sparse.size": "999999999999"})],
    "larger than the archive": [entry(f"{TOP}/file", pax_headers={"size": "999999999999"})],
    "less than nothing": [entry(f"{TOP}/file", pax_headers={"size": "-512"})],
}


def archive(*members: tarfile.TarInfo, place: Path) -> bytes:
    output = io.BytesIO()
    script = b'echo ran >"$PLATFORM_APP_DIR/ran"\n'
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as tar:
        build = entry(f"{TOP}/hooks/build.sh", size=len(script))
        tar.addfile(build, io.BytesIO(script))
        for member in members:
            made = entry(member.name.replace("PLACE", str(place)), member.type, pax_headers=member.pax_headers)
            made.linkname = member.linkname.replace("PLACE", str(place))
            made.devmajor, made.devminor = member.devmajor, member.devminor
            tar.addfile(made)
    return output.getvalue()


@pytest.mark.parametrize("kind", BAD)
def test_a_member_that_leads_elsewhere_is_refused_before_anything_runs(app: Path, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "victim"
    place.mkdir()
    (place / "kept").write_text("kept")
    content = archive(*BAD[kind], place=place)
    source = tmp_path / "source"
    source.mkdir()
    (source / NAME).write_bytes(content)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    own = variables(app, str(source), UPSUN_AGENT_SHA256=digest(content), TMPDIR=str(scratch))
    done = install(SCRIPT, app, own)
    assert done.returncode == 1
    assert f"{NAME} cannot be unpacked: it was not run" in done.stderr
    assert "Traceback" not in done.stderr
    assert not ran(app)
    assert [file.name for file in place.iterdir()] == ["kept"]
    assert list(tmp_path.rglob("escaped")) == []
    assert list(scratch.iterdir()) == []


def test_the_refusal_is_our_own_and_not_that_of_this_python(app: Path, tmp_path: Path) -> None:
    """Python 3.11.2 has no filter for archives: here it is taken out of the tarfile of the interpreter that runs."""
    place = tmp_path / "victim"
    place.mkdir()
    old = tmp_path / "python-without-a-filter"
    script = (
        "import sys, tarfile\n"
        "vars(tarfile).pop('data_filter', None)\n"
        "sys.argv = sys.argv[sys.argv.index('-'):]\n"
        "exec(compile(sys.stdin.read(), '-', 'exec'), {'__name__': '__main__'})\n"
    )
    (tmp_path / "old.py").write_text(script)
    old.write_text(
        f'#!/bin/sh\ncase "$*" in *sys.executable*) echo "$0" ;; "-IS - "*) shift; exec {sys.executable} -IS '
        f'{tmp_path}/old.py "$@" ;; *) exec {sys.executable} "$@" ;; esac\n'
    )
    old.chmod(0o755)
    source = tmp_path / "source"
    source.mkdir()
    for kind in ("parent", "through a link", "absolute"):
        content = archive(*BAD[kind], place=place)
        (source / NAME).write_bytes(content)
        own = variables(app, str(source), UPSUN_AGENT_SHA256=digest(content), UPSUN_AGENT_PYTHON=str(old))
        done = install(SCRIPT, app, own)
        assert done.returncode == 1
        assert "is not a plain file or directory" in done.stderr
        assert list(place.iterdir()) == []
        assert list(tmp_path.rglob("escaped")) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"not an archive" * 99, b"\x1f\x8b" + bytes(600), stub()[:700], b"PK\x03\x04" + bytes(2000)],
    ids=["empty", "text", "gzip", "cut", "zip"],
)
def test_a_right_hash_of_what_is_no_archive_is_said_in_our_words(app: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    done = install(SCRIPT, app, variables(app, str(tmp_path), UPSUN_AGENT_SHA256=digest(content)))
    assert done.returncode == 1
    assert "cannot be unpacked" in done.stderr
    assert "Traceback" not in done.stderr


# --- settings of others --------------------------------------------------------------------------------------


def test_a_curlrc_is_not_read(app: Path, tmp_path: Path, origin: Origin) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".curlrc").write_text(f'trace-ascii = "{tmp_path}/trace"\nuser-agent = "from the curlrc"\nfail\n')
    own = variables(app, origin.url, HOME=str(home), CURL_HOME=str(home), XDG_CONFIG_HOME=str(home))
    assert install(SCRIPT, app, own).returncode == 0
    assert not (tmp_path / "trace").exists()


def test_no_variable_of_python_runs_anything(app: Path, tmp_path: Path, origin: Origin, path: str) -> None:
    evil = tmp_path / "evil"
    evil.mkdir()
    for module in ("sitecustomize", "usercustomize", "hashlib", "tarfile", "os", "re"):
        (evil / f"{module}.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\nraise SystemExit(9)\n")
    own = variables(app, origin.url, PATH=path, PYTHONPATH=str(evil), PYTHONHOME="/no/such", PYTHONSTARTUP="/no/such")
    own |= {"PYTHONUSERBASE": str(evil), "PYTHONWARNINGS": "error", "PYTHONINSPECT": "1", "PYTHONSAFEPATH": ""}
    done = install(SCRIPT, app, own)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "canary").exists()
    assert "PYTHON" not in re.sub("UPSUN_AGENT_PYTHON", "", (app / "variables").read_text())


def test_an_archive_that_is_not_one_to_its_end_is_refused(app: Path, tmp_path: Path) -> None:
    content = stub()[:1024] + b"not a header".ljust(512, b"x") + bytes(1024)
    (tmp_path / NAME).write_bytes(content)
    done = install(SCRIPT, app, variables(app, str(tmp_path), UPSUN_AGENT_SHA256=digest(content)))
    assert done.returncode == 1
    assert "it is not an archive to its end" in done.stderr
    assert not ran(app)
