"""Words of commands that are suggested to people: what is pasted into a shell must be one argument there."""

from __future__ import annotations

SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@%+=:,./_-")


def word(text: str) -> str:
    """Return the text as one word of a shell: as it is where that is safe, else in single quotes."""
    if text and SAFE.issuperset(text):
        return text
    return "'" + text.replace("'", "'\"'\"'") + "'"


def path(name: str) -> str:
    """Return a relative path as one word of a shell that no command takes for an option."""
    return word(f"./{name}" if name.startswith("-") else name)
