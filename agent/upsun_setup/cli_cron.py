"""The platform guide's way, recognised: a cron that calls the CLI, and what installs it.

The guide: https://developer.upsun.com/docs/administration/cli/api-tokens.

A cron is taken over only when every word of it is understood. What else stands in one is the user's, and stays.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from upsun_agent.platform.cli_calls import BACKUP, CLI, UPDATE, does_a_jobs_work
from upsun_agent.platform.shell_text import code_lines

TYPES = ("production", "staging", "development")
#: Branches that are production's by habit, where a guard names the branch and not the type.
MAIN = frozenset({"main", "master", "production", "prod", "live"})
#: Options of the two commands that say nothing about what is done.
IDLE = frozenset(
    {"--no-wait", "-W", "--wait", "--yes", "-y", "--no-interaction", "-n", "-q", "--quiet", "-v", "-vv", "-vvv"}
)
#: Commands that only talk or wait; `sleep` stands between backup and update where somebody hoped for the best.
HARMLESS = frozenset({"set", "echo", "printf", "date", "true", ":", "sleep"})
#: How the platform calls the environment in which a cron runs.
HERE = frozenset({"$PLATFORM_BRANCH", "${PLATFORM_BRANCH}", "."})
#: What stands in this order on a line that fetches the CLI: each part is looked for behind the one before.
_FETCHED = (r"(?:curl|wget)\b", r"\b(?:platformsh|platform\.sh|upsun)\b", r"\binstaller(?:\.sh|\b)")
_INSTALLER = tuple(map(re.compile, (*_FETCHED, r"\|", r"\b(?:(?:ba|da)?sh|php)\b")))
_FETCHES = (
    tuple(map(re.compile, _FETCHED)),
    tuple(map(re.compile, (r"(?:curl|wget)\b", r"\b(?:platform|upsun)\.phar\b"))),
    tuple(map(re.compile, (r"\bcomposer\b", r"\brequire\b", r"\bplatformsh/cli\b"))),
)
#: Ends of a line of which the next line is a part.
_OPENS = re.compile(r"(?:\b(?:then|do|else)|[{(|&])$")
CRON_MOST = 20_000  # characters of a cron's command that are read word by word: the guide's has some hundred
#: What makes a line that installs the CLI do more than that.
_MORE = re.compile(r";|&&|\|\||(?<!>)&(?!>)|^(?!curl\b|wget\b)")
_VARIABLE = re.compile(r"\$\{?(PLATFORM_(?:ENVIRONMENT_TYPE|BRANCH|ENVIRONMENT))(?::-[^}]*)?\}?")
#: A machine name ends with a part of its own behind the branch
#: (https://developer.upsun.com/docs/development/variables/use-variables).
SUFFIX = re.compile(r"-[a-z0-9]{7}$")
_SET_VARIABLE = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


class Update(Struct, frozen=True):
    """A call of a source operation, with the variables that it is given."""

    #: The name of the source operation.
    name: str
    #: The variables that it gets.
    variables: Mapping[str, str]


class CliCron(Struct, frozen=True):
    """What a cron of the guide does: a backup (live or not), operations, and on which types of environment.

    ``types`` is empty where no guard names any; ``branch`` is the one that a guard names instead.
    """

    #: Whether the cron takes a backup.
    backup: bool
    #: Whether that backup leaves the environment running.
    live: bool
    #: The source operations that it runs, in order.
    updates: tuple[Update, ...]
    #: The environment types that it runs on; empty for all.
    types: tuple[str, ...] = ()
    #: The branch that it runs on; empty for all.
    branch: str = ""
    #: Whether every call is of the binary ``platform``, which reads another variable for its token.
    is_platform: bool = False


class UnsupportedCron(Struct, frozen=True):
    """A cron that calls the CLI to back up or update and does something else too: what that is."""

    #: What else the cron does, in words.
    reason: str
    #: Whether it takes a backup.
    backs_up: bool = True
    #: Whether it runs a source operation.
    updates: bool = False


def installer_lines(text: str) -> list[int]:
    """Return the lines of a build hook that do nothing but fetch and install the official CLI, by number from 0."""
    found: list[int] = []
    before = ""
    for first, last, line in code_lines(text):
        if _has(line, _INSTALLER) and not _OPENS.search(before) and _MORE.search(line) is None:
            found += range(first, last + 1)
        before = line
    return found


def installs_cli(text: str) -> bool:
    """Return whether a script fetches the official CLI, in a way that is known."""
    return any(_has(line, patterns) for _, _, line in code_lines(text) for patterns in _FETCHES)


def _has(line: str, patterns: Sequence[re.Pattern[str]]) -> bool:
    """Return whether a line has what the patterns find, in this order."""
    place = 0
    for pattern in patterns:
        found = pattern.search(line, place)
        if found is None:
            return False
        place = found.end()
    return True


def read_cron(command: str) -> CliCron | UnsupportedCron | None:
    """Return what a cron's command does, if it backs up or updates with the CLI; None where it does neither."""
    backs_up, updates = does_a_jobs_work(command)
    if not backs_up and not updates:
        return None
    if len(command) > CRON_MOST:
        return UnsupportedCron(f"it is longer than {CRON_MOST} characters", backs_up, updates)
    reader = _Reader()
    try:
        for statement in _statements(command):
            reader.take(statement)
        types = reader.types()
    except _Unknown as unknown:
        return UnsupportedCron(str(unknown), backs_up, updates)
    if not reader.backup and not reader.updates:
        return None
    is_platform = all(name.startswith("platform") for name in reader.programs)
    return CliCron(reader.backup, reader.live, tuple(reader.updates), types, reader.branch, is_platform)


def _said(words: list[str]) -> str:
    return " ".join(words)[:80]


class _Unknown(Exception):
    """A word of a cron that is not understood."""


def _statements(command: str) -> Iterator[list[str]]:
    """Yield the simple commands of a script, word by word; raises _Unknown where the shell would do more than that."""
    text = re.sub(r"\\\r?\n", " ", command).replace("\r\n", "\n")
    for line in text.split("\n"):
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|<>()")
        lexer.commenters = "#"
        lexer.wordchars += "$:{}=@%+!,[]^"
        try:
            words = list(lexer)
        except ValueError as error:
            raise _Unknown(f"{line.strip()[:80]} ({error})") from None
        yield from _split(words, line)


def _split(words: list[str], line: str) -> Iterator[list[str]]:
    statement: list[str] = []
    queue = _without_redirections(words)
    for word in queue:
        if word in {";", "&&"}:
            yield [*statement, word]
            statement = []
        elif word == "||":
            yield [*statement, word]
            statement = ["||"]
        elif set(word) <= set(";&|<>()"):
            raise _Unknown(line.strip()[:80])
        else:
            statement.append(word)
    yield [*statement, ";"]


def _without_redirections(words: list[str]) -> list[str]:
    kept: list[str] = []
    skip = 0
    for number, word in enumerate(words):
        if skip:
            skip -= 1
        elif word in {">", ">>", ">&", "&>", "&>>"} and number + 1 < len(words):
            if kept and kept[-1] in {"1", "2"} and word != "&>":
                kept.pop()
            skip = 1
        else:
            kept.append(word)
    return kept


class _Reader:
    """Takes the statements of a cron one by one."""

    def __init__(self) -> None:
        self.backup = self.live = False
        self.updates: list[Update] = []
        self.branch = ""
        self.programs = set[str]()  # the names by which the CLI is called
        self._types: tuple[str, ...] | None = None
        self._depth = 0  # of ifs
        self._asking = False  # between if and then
        self._chained = False  # behind `[ … ] &&`
        self._for_all = False  # behind `[ … ] || exit`
        self._waiting: list[str] | None = None  # a guard of which the next word says what it guards
        self._free = self._bound = 0  # calls without and with a guard

    def types(self) -> tuple[str, ...]:
        """Return the types that the guards allow, or none; raise _Unknown where only some calls are guarded."""
        if self._free and (self._bound or self._types is not None or self.branch):
            raise _Unknown("calls of which only some depend on the environment")
        return self._types or ()

    def take(self, statement: list[str]) -> None:
        """Read one statement; its last word is what ends it."""
        *words, end = statement
        if words[:1] == ["then"]:
            self._asking = False
            words = words[1:]
        if not words:
            return
        if self._waiting is not None and self._resolved(words):
            return
        if words[0] == "if":
            self._depth += 1
            self._asking = True
            words = words[1:]
        self._sort(words, end)
        self._chained = self._chained and end == "&&"

    def _sort(self, words: list[str], end: str) -> None:
        """Read a condition, what follows a failure, or a command."""
        if self._asking:
            if end not in {";", "&&"}:
                raise _Unknown(_said(words))
            self._guard(words, wanted=True)
        elif words[0] in {"[", "[[", "test"}:
            if end not in {"&&", "||"}:
                raise _Unknown(_said(words))
            self._waiting = words
        elif words[0] == "||":  # what follows a failure: the agent has its own way to tell of one
            if words[1:2] and words[1] not in HARMLESS | {"exit"}:
                raise _Unknown(_said(words))
        else:
            self._command(words)

    def _resolved(self, words: list[str]) -> bool:
        """Apply a waiting guard by the words that follow it; return whether these words were all about it."""
        guard, self._waiting = self._waiting or [], None
        if words[:2] == ["||", "exit"] or words[0] == "exit":
            self._guard(guard, wanted=words[0] == "||")
            self._for_all = True
            return True
        if words[0] == "||":
            raise _Unknown(_said(words))
        self._guard(guard, wanted=True)
        self._chained = True
        return False

    def _command(self, words: list[str]) -> None:
        if words[0] == "fi":
            self._depth -= 1
        elif words[0].rsplit("/", 1)[-1] in CLI:
            self.programs.add(words[0].rsplit("/", 1)[-1])
            if self._depth or self._chained or self._for_all:
                self._bound += 1
            else:
                self._free += 1
            self._call(words[1:])
        elif words[0] not in HARMLESS:
            raise _Unknown(_said(words))

    def _guard(self, words: list[str], *, wanted: bool) -> None:
        """Read a condition on the environment: ``[ "$PLATFORM_ENVIRONMENT_TYPE" = production ]`` and its like."""
        inner = [word for word in words if word not in {"[", "]", "[[", "]]", "test"}]
        if len(inner) != 3 or inner[1] not in {"=", "==", "!="}:  # noqa: PLR2004  a variable, an operator, a value
            raise _Unknown(_said(words))
        name, operator, value = inner
        if not name.startswith("$"):
            name, value = value, name
        variable = _VARIABLE.fullmatch(name)
        if variable is None or "$" in value:
            raise _Unknown(_said(words))
        equal = (operator != "!=") == wanted
        if variable[1] == "PLATFORM_ENVIRONMENT_TYPE":
            types = tuple(each for each in TYPES if (each == value) == equal)
            if value not in TYPES or self._types not in {None, types}:
                raise _Unknown(_said(words))
            self._types = types
            return
        if variable[1] == "PLATFORM_ENVIRONMENT":
            value = SUFFIX.sub("", value)
        if not equal or self.branch not in {"", value}:
            raise _Unknown(_said(words))
        self.branch = value

    def _call(self, words: list[str]) -> None:
        """Read a call of the CLI."""
        names = [word for word in words if not word.startswith("-")]
        if not names:
            raise _Unknown("a call of the CLI without a command")
        values, arguments = _options(words, names[0])
        if names[0] in BACKUP:
            self.backup = True
            self.live = self.live or "--live" in values
            if arguments and not set(arguments) <= HERE:
                raise _Unknown(f"a backup of the environment {arguments[0][:40]}")
        elif names[0] == UPDATE:
            if len(arguments) != 1:
                raise _Unknown(f"{UPDATE} without the name of an operation")
            self.updates.append(Update(arguments[0], _variables(values)))
        else:
            raise _Unknown(_said(words))


def _options(words: list[str], command: str) -> tuple[list[str], list[str]]:
    """Return the options that say something (``--live``, the values of ``--variable``) and the arguments of a call."""
    said: list[str] = []
    arguments: list[str] = []
    queue = list(words)
    queue.remove(command)
    while queue:
        word = queue.pop(0)
        option, equals, value = word.partition("=")
        if word in IDLE:
            continue
        if option == "--variable":
            said.append(value if equals else (queue.pop(0) if queue else ""))
        elif word in {"--live", "--safe"}:
            said.append(word)
        elif option in {"-e", "--environment"}:
            environment = value if equals else (queue.pop(0) if queue else "")
            if environment not in HERE:
                raise _Unknown(f"another environment is named ({environment[:40]})")
        elif option in {"-p", "--project"}:
            project = value if equals else (queue.pop(0) if queue else "")
            if project not in {"$PLATFORM_PROJECT", "${PLATFORM_PROJECT}"}:
                raise _Unknown(f"another project is named ({project[:40]})")
        elif word.startswith("-"):
            raise _Unknown(word[:80])
        else:
            arguments.append(word)
    return said, arguments


def _variables(said: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in said:
        match = _SET_VARIABLE.fullmatch(each)
        if match is None or "$" in match[2]:
            raise _Unknown(f"--variable {each[:40]}")
        found[match[1]] = match[2]
    return found
