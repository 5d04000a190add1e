"""The build hook with the agent's lines in it. Pure.

They come first, behind the hook's own ``set -e``: there no early exit passes them by, and the hook's last command
still decides whether the build is good where nothing else does (https://developer.upsun.com/docs/configure-apps/hooks).
"""

from __future__ import annotations

import re

from msgspec import Struct
from upsun_agent.platform.shell_text import TALKS, code_lines, code_of, commands

from upsun_setup.cli_cron import installer_lines
from upsun_setup.delivery import FOLDER, Way

#: A folder, repository or variable of the agent: ``upsun-agent``, ``upsun-agent.git``, ``.upsun-agent-release``,
#: ``$upsun_agent``; not every name that begins so.
_OWN = re.compile(r"[.$]?\{?upsun[-_]agent(?:\}|-release|-\d[^/]*|\.git)?$")
_SEPARATOR = re.compile(r";|&&|\|\|")
_OPTION = re.compile(r"[-+]?\w+")
COMMENT = "# upsun-agent: backups and updates by the jobs of {jobs}"


#: The line that starts the installer, in each of the ways.
_INSTALLS = re.compile(
    rf"sh (?:\./)?{re.escape(FOLDER)}/(?:install|hooks/build)\.sh"
    r"""|(?:UPSUN_AGENT_SOURCE="?\$\{UPSUN_AGENT_SOURCE:-[^ "{}]+\}"? )?sh "\$upsun_agent/install\.sh\""""
)
#: The lines above it that fetch and check the installer; ``--retry-all-errors`` is of older versions.
_FETCHES = re.compile(
    r"""upsun_agent=\$\(mktemp -d\); \(ulimit -f 200; curl [^;|&]+\)(?: \|\|)?"""
    r"""|\{ echo 'upsun-agent: [^']+' >&2; exit 1; \}"""
    r"""|echo "[0-9a-f]{64}  \$upsun_agent/install\.sh" \| sha256sum -c -"""
)
_PLACE = re.compile(r" (https?://[^ ]+)/v([0-9A-Za-z.]+)/install\.sh")


class Block(Struct, frozen=True):
    """The lines of a build hook that install the agent."""

    #: The way in which they get the release.
    way: Way
    #: The lines, as numbers from 0, without a gap.
    lines: list[int]
    #: The URL of the releases; empty for the other ways.
    releases: str = ""
    #: The version that they install; empty for the other ways.
    version: str = ""


class HookEdit(Struct, frozen=True):
    """Lines to take out of a hook, and lines to put in before the line ``at`` (numbers from 0)."""

    #: The lines to remove, as numbers from 0.
    dropped: list[int]
    #: The line before which the new lines go, as a number from 0.
    at: int
    #: The new lines.
    lines: list[str]


def installs(text: str) -> bool:
    """Return whether a hook runs or fetches the agent's installer in one of the ways of docs/how-to/install.md.

    Only the product's own names count, and neither in comments nor where a command only mentions them.
    """
    return any(_is_installer(word) for command in commands(text) if command[0] not in TALKS for word in command)


def _is_installer(word: str) -> bool:
    """Return whether a word is a path or URL of the installer: in a folder, archive or repository of the agent."""
    *folders, name = word.partition("?")[0].split("/")
    if name == "install-upsun-agent.sh":
        return True
    ours = [number for number, folder in enumerate(folders) if _OWN.match(folder)]
    if not ours:
        return False
    return name == "install.sh" or (name == "build.sh" and "hooks" in folders[ours[0] :])


def block_of(text: str) -> Block | None:
    """Return the lines that install the agent as ``init`` writes them; None where there are none, or others."""
    lines = text.split("\n")
    found = [number for number, line in enumerate(lines) if _INSTALLS.fullmatch(code_of(line))]
    if len(found) != 1:
        return None
    last = first = found[0]
    code = code_of(lines[last])
    if code.endswith('sh "$upsun_agent/install.sh"'):
        while first > 0 and (first == last or not code_of(lines[first]).startswith("upsun_agent=")):
            first -= 1
            if not _FETCHES.fullmatch(code_of(lines[first])):
                return None
        place = _PLACE.search(code_of(lines[first]))
        return Block("url", list(range(first, last + 1)), place[1], place[2]) if place else None
    return Block("submodule" if code.endswith("/build.sh") else "vendor", [last])


def is_strict(text: str) -> bool:
    """Return whether a hook stops at a command that fails, in some part of it at least."""
    return any(_sets_strict(line) for _, _, line in code_lines(text))


def _sets_strict(line: str) -> bool:
    """Return whether a line begins with ``set`` and ``-e``, alone or with others, or ``errexit``."""
    first, *options = _SEPARATOR.split(line, maxsplit=1)[0].split() or [""]
    if first != "set" or not all(map(_OPTION.fullmatch, options)):
        return False
    letters = [each[1:] for each in options if each.startswith("-")]
    return "errexit" in options or any("e" in each and each.isascii() and each.isalpha() for each in letters)


def upgraded(block: Block, lines: list[str]) -> HookEdit:
    """Return the edit that puts other lines in the place of those that install the agent."""
    return HookEdit(block.lines, block.lines[0], lines)


def removed(text: str, block: Block) -> HookEdit | None:
    """Return the edit that takes the agent's lines out of a hook, or None if nothing but them is in it.

    The comment above them goes with them. Where the lines brought ``set -e`` of their own, and ``set +e`` behind them,
    that goes too.
    """
    lines = text.split("\n")
    dropped = [*block.lines]
    above, below = dropped[0] - 1, dropped[-1] + 1
    while above >= 0 and lines[above].strip().startswith(COMMENT.partition(":")[0]):
        dropped.append(above)
        above -= 1
    before = [line for line in lines[: above + 1] if code_of(line)]
    own = above >= 0 and lines[above].strip() == "set -e" and len(before) == 1
    rest = [line for line in lines[below:] if code_of(line)]
    if own and (not rest or lines[below].strip() == "set +e"):
        dropped += [above, *([below] if rest else [])]
    left = [line for number, line in enumerate(lines) if number not in set(dropped) and line.strip()]
    return HookEdit(sorted(dropped), 0, []) if left else None


def hook_edit(text: str, install: list[str], jobs: str, *, drop_cli: bool) -> HookEdit:
    """Return what to change in a build hook.

    Args:
        text: the hook as it is; empty where there is none.
        install: the lines that install the agent.
        jobs: the name of the job file.
        drop_cli: take out the lines that install the official CLI.
    """
    old = text.split("\n")
    dropped = _with_comments(old, installer_lines(text)) if drop_cli else []
    strict = _first_strict(old)
    comment = COMMENT.format(jobs=jobs)
    gone = set(dropped)
    left = any(line.strip() and number not in gone for number, line in enumerate(old))
    if strict is not None:
        return HookEdit(dropped, strict + 1, [comment, *install])
    at = 1 if old[0].startswith("#!") else 0
    after = ["set +e"] if left else []  # what follows ran without it before
    return HookEdit(dropped, at, ["set -e", comment, *install, *after])


def _first_strict(lines: list[str]) -> int | None:
    """Return the line of ``set -e`` where that is the first command; None where it is not."""
    for number, line in enumerate(lines):
        words = code_of(line)
        if words:
            return number if _sets_strict(words) else None
    return None


def _with_comments(lines: list[str], numbers: list[int]) -> list[int]:
    """Return the lines with the comments right above them that speak of the CLI."""
    found = set(numbers)
    for number in numbers:
        above = number - 1
        while above >= 0 and lines[above].strip().startswith("#") and "CLI" in lines[above]:
            found.add(above)
            above -= 1
    return sorted(found)
