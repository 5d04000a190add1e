"""Read a shell script line by line, without its comments. Pure.

This is not a shell: it knows quotes, comments and lines that go on, enough to tell a command from a mention of it.
"""

from __future__ import annotations

from collections.abc import Iterator

#: Commands that name a file or a command without running it.
TALKS = frozenset({"echo", "printf", ":", "rm", "ls", "cat", "chmod", "test", "["})


def code_of(line: str) -> str:
    """Return a line without its comment and the white space around it."""
    if "#" not in line:
        return line.strip()
    quote = ""
    before = " "
    for at, char in enumerate(line):
        if quote:
            quote = "" if char == quote and before != "\\" else quote
        elif char in "'\"" and before != "\\":
            quote = char
        elif char == "#" and before in " \t;&|(":
            return line[:at].strip()
        before = "" if before == "\\" else char
    return line.strip()


def code_lines(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield the commands of a script: the first and last line, from 0, and their code as one line.

    A line that ends with a backslash goes on in the next one. Lines without code are left out.
    """
    parts: list[str] = []
    first = 0
    for number, line in enumerate(text.split("\n")):
        code = code_of(line)
        if not parts:
            first = number
        if code.endswith("\\"):
            parts.append(code[:-1])
            continue
        whole = " ".join([*parts, code]).strip()
        if whole:
            yield first, number, whole
        parts = []
    if "".join(parts).strip():
        yield first, text.count("\n"), " ".join(parts).strip()


def code(text: str) -> str:
    """Return the commands of a script, one a line, without comments."""
    return "\n".join(line for _, _, line in code_lines(text))


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of every simple command, without quotes."""
    for _, _, line in code_lines(text):
        words: list[str] = []
        for word in _spaced(line).split():
            if word in _ENDS:
                if words:
                    yield words
                words = []
            else:
                words.append(word)
        if words:
            yield words


_ENDS = frozenset(";&|(){}`") | {"then", "do", "else", "if", "elif", "while", "until", "!"}
#: Quotes, and the comma between the words of a command in a script that is not shell, become white space.
_SPACED = str.maketrans({char: f" {char} " for char in ";&|()`"} | dict.fromkeys("'\",", " "))


def _spaced(line: str) -> str:
    """Return a line with white space around what ends a command, and without quotes."""
    return line.translate(_SPACED)
