"""Find the variables that hold an API token: programs that the agent starts do not get them.

A token also stands within longer values, such as an address or the platform's ``PLATFORM_VARIABLES``, which is JSON in
base64.
"""

from __future__ import annotations

import binascii
import os
import re
from collections.abc import Iterable, Iterator, Mapping

from upsun_agent.access.token_source import NAMES
from upsun_agent.log.redaction import SECRET_LEAST, Redaction

_CODED = re.compile(r"[A-Za-z0-9+/_-]{16,}")
_STANDARD = str.maketrans("-_", "+/")
DEPTH = 3  # base64 in JSON in base64


def withheld(environ: Mapping[str, str], variable: str, kept: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the names of all variables whose value contains an API token.

    Args:
        environ: the variables of this process.
        variable: the one that the job file names for the token; those in which people store tokens count too.
        kept: the names of variables that are passed on although they hold the token.
    """
    named = {*NAMES, variable}
    tokens = {environ[name].strip() for name in named if environ.get(name, "").strip()}
    long = {each for each in tokens if len(each) >= SECRET_LEAST}
    search = Redaction({*long, *(os.fsencode(each).decode("latin-1") for each in long)})
    passed = frozenset(kept)
    return tuple(
        name
        for name, value in environ.items()
        if name not in passed and (name in named or value.strip() in tokens or _holds(search, value))
    )


def _holds(search: Redaction, value: str) -> bool:
    """Return whether the value contains a token, in any spelling, also in base64, encoded once or twice."""
    if search.holds(value):
        return True
    texts = [value]
    for _ in range(DEPTH):
        texts = [text for each in texts for text in _decoded(each)]
        if any(search.holds(text) for text in texts):
            return True
    return False


def _decoded(text: str) -> Iterator[str]:
    """Yield the decoded base64 in the text, as Latin-1, for each of the four possible offsets."""
    folded = "".join(text.split())
    for match in _CODED.finditer(folded):
        word = match[0].translate(_STANDARD)
        for start in range(4):
            whole = word[start : start + (len(word) - start) // 4 * 4]
            yield binascii.a2b_base64(whole).decode("latin-1")
            rest = word[start + len(whole) :]
            if len(rest) > 1:
                yield binascii.a2b_base64(whole[-32:] + rest + "=" * (4 - len(rest))).decode("latin-1")
