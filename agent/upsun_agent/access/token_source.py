"""Find the API token: the variables that may hold one, and the token in one of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from upsun_agent.errors import TokenMissing, TokenRefused
from upsun_agent.limits import VARIABLE_MOST_BYTES
from upsun_agent.platform.product import Product

#: Variables that the official CLIs read, ``upsun`` and ``platform``, and the agent in this order without being told
#: (https://developer.upsun.com/docs/administration/cli/api-tokens).
READ = ("UPSUN_CLI_TOKEN", "PLATFORMSH_CLI_TOKEN")
#: Variables in which people store tokens.
NAMES = (*READ, "UPSUN_API_TOKEN", "UPSUN_TOKEN", "PLATFORM_TOKEN")


def variable_in_use(environ: Mapping[str, str]) -> str | None:
    """Return the first of the official CLIs' variables that holds something; None if none does."""
    return next((name for name in READ if (environ.get(name) or "").strip()), None)


def own_variable(product: Product | None) -> str:
    """Return the variable that the product's own CLI reads."""
    return READ[1] if product == "fixed" else READ[0]


def token_of(environ: Mapping[str, str], variable: str) -> str:
    """Return the token in the variable, exactly as stored.

    Raises:
        TokenMissing: the variable is not set; the message names another one that is.
        TokenRefused: there is white space around the token.
    """
    token_in(environ, variable)
    return checked(environ[variable], variable)


def token_in(environ: Mapping[str, str], variable: str) -> str:
    """Return the token in the variable without white space around it, as jobs use it.

    Raises:
        TokenMissing: the variable is not set; the message names another one that is.
    """
    value = environ.get(variable)
    if value is not None and value.strip():
        return value.strip()
    state = "is not set" if value is None else "is empty"
    remedy = f"store it as the variable env:{variable}, visible at runtime, and redeploy"
    others = [name for name in NAMES if name != variable and environ.get(name)]
    if others:
        text = f"no API token: {variable} {state}, but {others[0]} is, which the agent does not read"
        raise TokenMissing(text, remedy=f'{remedy}; or set token-variable = "{others[0]}" in the job file')
    if variable in _without_prefix(environ):
        text = f"no API token: {variable} {state}; it is stored without the prefix env:, so processes do not see it"
        raise TokenMissing(text, remedy=f"store it as env:{variable}: upsun-agent setup token; then delete the other")
    raise TokenMissing(f"no API token: {variable} {state}", remedy=remedy)


def _without_prefix(environ: Mapping[str, str]) -> Mapping[str, object]:
    """Return the variables without the prefix ``env:``; the platform puts them all into ``PLATFORM_VARIABLES``.

    https://developer.upsun.com/docs/development/variables
    """
    coded = environ.get("PLATFORM_VARIABLES") or ""
    try:
        found = json.loads(base64.b64decode(coded)) if len(coded) <= VARIABLE_MOST_BYTES else None
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def checked(value: str, source: str) -> str:
    """Return the value; raise TokenRefused if there is white space around it."""
    if value != value.strip():
        what = "ends with a line break" if value.endswith(("\n", "\r")) else "has white space around it"
        text = f"the token in {source} {what}: jobs ignore it, but the official CLI sends it and is refused"
        raise TokenRefused(text, remedy="store it again without it: upsun-agent setup token")
    return value
