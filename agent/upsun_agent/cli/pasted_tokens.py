"""Find API tokens in the command line, so that no message repeats one and the journal does not keep one.

Tokens belong in a variable, standard input or a prompt: every process of the machine can read arguments.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence

from upsun_agent.errors import UsageError
from upsun_agent.log.redaction import HIDDEN, replaced

LEAST = 16  # characters: shorter words are names; API tokens have some forty
SURE = 12  # letters of both cases and digits in a row: not a word of a language
REMEDY = "give tokens in a variable, by --stdin or at a prompt; revoke this one: it is in the shell's history"
_PARTS = re.compile(r"[\s=/:@,?&\"']+")
_RUN = re.compile(r"[A-Za-z0-9]{10,}")
_MOMENT = re.compile(r"(?:19|20)[0-9]{6}T[0-9]{4,6}Z?")  # as in ids of runs
_WORD = re.compile(r"[a-z]{1,15}(?:[-_.][a-z]{1,15}){0,5}")


def tokens_of(arguments: Iterable[str]) -> list[str]:
    """Return the parts of the arguments that look like a token, longest first."""
    parts = {part for each in arguments for part in _PARTS.split(each) if len(part) >= LEAST and _is_like_one(part)}
    return sorted(parts, key=len, reverse=True)


def _is_like_one(part: str) -> bool:
    runs = [run for run in _RUN.findall(part) if not _MOMENT.fullmatch(run)]
    return any(any(char.isdigit() for char in run) for run in runs)


def hidden(text: str, tokens: Iterable[str]) -> str:
    """Return the text without these tokens, and without beginnings of them that a message has cut."""
    for token in tokens:
        spans, place = [], text.find(token[:LEAST])
        while place >= 0:
            end = place + LEAST
            while end < len(text) and end - place < len(token) and text[end] == token[end - place]:
                end += 1
            spans.append((place, end))
            place = text.find(token[:LEAST], end)
        text = replaced(text, spans)
    return text


def shown(word: str) -> str:
    """Return an unknown argument if it is short or made of words, else a placeholder."""
    name, equals, _ = word.partition("=")
    if word.startswith("-") and _WORD.fullmatch(name.lstrip("-")):
        return name
    return word if (len(word) < LEAST and not equals) or _WORD.fullmatch(word) else HIDDEN


def refuse_tokens(options: argparse.Namespace, names: Sequence[str]) -> None:
    """Raise UsageError if one of these options, whose text the journal keeps, certainly holds a token."""
    for name in names:
        for run in _RUN.findall(getattr(options, name, None) or ""):
            kinds = (str.islower, str.isupper, str.isdigit)
            if len(run) >= SURE and all(any(map(kind, run)) for kind in kinds) and not _MOMENT.fullmatch(run):
                raise UsageError(f"--{name} holds what looks like an API token: nothing was stored", remedy=REMEDY)
