"""Make text from outside safe: remove escape sequences, then redact secrets, then cut it.

The order matters: a colour within a secret would hide it from the search, and half of a secret is not recognised. The
output of commands, the platform's answers and logs, and all messages that quote them pass through this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from upsun_agent.limits import FOREIGN_MOST, SECRET_FORM_MOST, TEXT_MOST
from upsun_agent.log.escapes import normal, printable
from upsun_agent.log.redaction import Redaction

#: The secrets of this process; only shapes until a command registers values.
_known = Redaction()


def use(redaction: Redaction) -> None:
    """Use this redaction for all texts of the process from now on."""
    global _known  # noqa: PLW0603  one process has one set of secrets
    _known = redaction


def safe(text: str, redaction: Redaction | None = None) -> str:
    """Return the text without escape sequences and secrets; line breaks and tabs stay."""
    cleaned: str = (redaction or _known).clean(normal(text))
    return cleaned


def without_secrets(text: str) -> str:
    """Return the text without secrets, every other character as it is."""
    cleaned: str = _known.clean(text)
    return cleaned


def safe_by(redaction: Redaction) -> Callable[[str], str]:
    """Return what makes a text safe with this redaction."""
    return lambda text: safe(text, redaction)


def reveals(text: str, redaction: Redaction | None = None) -> bool:
    """Return whether the text holds a secret."""
    return bool((redaction or _known).spans(text))


def safe_values(value: Any) -> Any:
    """Return the value with each of its texts as ``safe`` has it, in containers and records too.

    Keys stay as they are, and so do members of enumerations.
    """
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, Mapping):
        return {key: safe_values(item) for key, item in value.items()}
    if isinstance(value, Struct):
        return replace(value, **{name: safe_values(getattr(value, name)) for name in value.__struct_fields__})
    if isinstance(value, tuple):
        return tuple(safe_values(item) for item in value)
    return [safe_values(item) for item in value] if isinstance(value, list) else value


def one_line(text: str, most: int = TEXT_MOST, redaction: Redaction | None = None) -> str:
    """Return the text on one line, safe to show, in at most so many characters.

    Args:
        text: the text, from anywhere.
        most: how many characters are kept.
        redaction: hides secrets before the text is cut; None: it holds none.
    """
    cleaned = safe(text[:FOREIGN_MOST], redaction)
    if len(text) > FOREIGN_MOST:  # it may end within a secret
        cleaned = cleaned[:-SECRET_FORM_MOST]
    return " ".join(printable(cleaned).split())[:most]


def last_words(text: str, most: int, redaction: Redaction | None = None, *, cut: bool = False) -> str:
    """Return the end of the text, safe to show, in at most so many bytes.

    Args:
        text: what was printed, or its end.
        most: bytes of UTF-8 that the result has at most.
        redaction: what is secret; without it, what this process knows as secret.
        cut: whether the text lacks its beginning. Then as much of it goes as may be the rest of a secret.
    """
    known, said = redaction or _known, normal(text)
    if cut:
        place = min(SECRET_FORM_MOST, len(said))
        place = next((end for start, end in known.spans(said) if start < place < end), place)
        said = said[place:]
    data: bytes = known.clean(said).strip().encode("utf-8", "replace")
    end = data[-most:].decode("utf-8", "ignore")
    return printable(end, keep="\n").strip()
