"""Debian roots for the container tests: made once with debootstrap, kept outside the repository.

``python -m tools.roots`` makes those that are missing and says where each is. A root is Debian's smallest set of
packages with python3 and the certificates: like an app container, it has no pip and no venv. Two more are images
without a Python that runs the agent.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

#: Python's version and the Debian release that has it. No release has 3.12.
SUITES = {"3.11": "bookworm", "3.13": "trixie", "3.14": "forky"}
#: Images without a Python that runs the agent: what they have, Debian's release, and its packages.
UNFIT = {"3.9": ("bullseye", "python3,ca-certificates,curl"), "none": ("bookworm", "ca-certificates,wget")}
#: Not needed to run anything, and most of a root's size.
LEFT_OUT = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
)
SOURCES = Path("/etc/apt")


class Unavailable(Exception):
    """A root cannot be made here; the message says why."""


@dataclass(frozen=True, slots=True)
class Root:
    """A file system to start containers from, and the interpreter in it."""

    version: str
    path: Path
    #: The interpreter; empty if there is none.
    python: str
    #: Where it is this machine's own file system, because no other can be had: the interpreter's own folder.
    prefix: Path | None = None


def directory() -> Path:
    """Return where roots are kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(cache) / "upsun-agent-roots"


def get(version: str) -> Root:
    """Return the root with this Python, made if it is not there yet; raises Unavailable."""
    suite, packages = UNFIT.get(version) or (SUITES[version], "python3,ca-certificates")
    path = directory() / (suite if "python3" in packages else f"{suite}-without-python")
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f"{path.name}.lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests in several processes want the same root
        if not path.exists():
            _make(suite, packages, path)
    return Root(version, path, "/usr/bin/python3" if "python3" in packages else "")


def at_hand(version: str) -> Root:
    """Return this machine's own file system in place of a root, with its interpreter of that version."""
    for name in (f"python{version}", "python3"):
        for folder in os.get_exec_path():
            python = os.path.join(folder, name)
            if not os.access(python, os.X_OK):
                continue
            script = "import sys; print('%d.%d' % sys.version_info[:2], sys.base_prefix, sep='\\n')"
            done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
            found, _, prefix = done.stdout.strip().partition("\n")
            if found == version:
                return Root(version, Path("/"), f"{prefix}/bin/python{version}", Path(prefix))
    raise Unavailable(f"no Python {version} on this machine either")


def _make(suite: str, packages: str, path: Path) -> None:
    """Debootstrap beside the final place, then rename: a killed one leaves no half root."""
    path_of_root = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"  # it starts others from there
    tool = shutil.which("debootstrap", path=path_of_root)
    if tool is None:
        raise Unavailable("debootstrap is not installed")
    if os.geteuid() != 0:
        raise Unavailable("debootstrap needs root")
    new = path.with_name(f"{path.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    command = [tool, "--variant=minbase", f"--include={packages}", suite, str(new), _mirror()]
    if not (Path("/usr/share/debootstrap/scripts") / suite).exists():
        command.append("sid")  # a release newer than this debootstrap: it is made as the rolling one is
    variables = {**os.environ, "PATH": path_of_root}
    done = subprocess.run(
        command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        shutil.rmtree(new, ignore_errors=True)
        raise Unavailable(f"debootstrap {suite} failed: {done.stdout.strip().splitlines()[-1:]}")
    for part in LEFT_OUT:
        shutil.rmtree(new / part, ignore_errors=True)
    new.rename(path)


def _mirror() -> str:
    """Return the mirror that this machine's apt takes its own release from."""
    release = Path("/etc/os-release").read_text(encoding="utf-8")
    names = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    own = names.get("VERSION_CODENAME", "").strip('"')
    lists = [SOURCES / "sources.list", *sorted((SOURCES / "sources.list.d").glob("*"))]
    for file in lists:
        if not file.is_file():
            continue
        text = file.read_text(encoding="utf-8")
        for uri, suites in _stanzas(text) if file.suffix == ".sources" else _lines(text):
            if own in suites:
                return uri
    raise Unavailable("apt's sources name no mirror of this machine's own release")


def _stanzas(text: str) -> list[tuple[str, list[str]]]:
    """(mirror, releases) of each paragraph of a ``.sources`` file."""
    found = []
    for paragraph in text.split("\n\n"):
        lines = [line for line in paragraph.splitlines() if ":" in line and not line.startswith("#")]
        fields = {key.strip().lower(): value.split() for key, value in (line.split(":", 1) for line in lines)}
        if fields.get("uris") and "deb" in fields.get("types", []):
            found.append((fields["uris"][0], fields.get("suites", [])))
    return found


def _lines(text: str) -> list[tuple[str, list[str]]]:
    """(mirror, [release]) of each line of a ``.list`` file."""
    found = []
    for line in text.splitlines():
        words = [word for word in line.split() if not word.startswith(("[", "signed-by", "arch"))]
        if len(words) > 2 and words[0] == "deb":  # noqa: PLR2004  type, mirror, release
            found.append((words[1], [words[2]]))
    return found


def main() -> int:
    """Make what is missing; 1 where one cannot be made."""
    missing = 0
    for version in (*SUITES, *UNFIT):
        try:
            root = get(version)
        except Unavailable as error:
            missing += 1
            print(f"{version}: {error}")
        else:
            print(f"{version}: {root.path}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
