"""Decode variables that hold base64-encoded JSON. An idle tick may import this: keep it light."""

from __future__ import annotations

import binascii
import json
from collections.abc import Mapping

from upsun_agent.errors import ConfigInvalid
from upsun_agent.limits import VARIABLE_MOST_BYTES

_STANDARD = str.maketrans("-_", "+/")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def decoded(environ: Mapping[str, str], name: str) -> Mapping[str, Any]:
    """Return a base64-encoded JSON object, as the platform gives relationships; values are never shown."""
    raw = environ.get(name)
    if not raw:
        return {}
    remedy = f"unset {name}, or set it as the platform does: a JSON object, base64-encoded"
    if len(raw) > VARIABLE_MOST_BYTES:
        raise ConfigInvalid(f"{name} is longer than {VARIABLE_MOST_BYTES} bytes", remedy=remedy)
    coded = "".join(raw.split()).rstrip("=").translate(_STANDARD)  # it may be folded, unpadded or safe for URLs
    try:
        text = binascii.a2b_base64(coded + "=" * (-len(coded) % 4), strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigInvalid(f"{name} is not base64: {error}", remedy=remedy) from error
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "broken"
        raise ConfigInvalid(f"{name} is not valid JSON once decoded ({where})", remedy=remedy) from None
    if value is None or value == []:
        return {}  # what PHP and others write for none
    if not isinstance(value, dict):
        raise ConfigInvalid(f"{name} holds a JSON {type(value).__name__}, not an object", remedy=remedy)
    return value
