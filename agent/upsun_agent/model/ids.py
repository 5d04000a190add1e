"""Names and ids that go into paths of the API: what may be one. The job file, options and requests ask here."""

from __future__ import annotations

import re
from ipaddress import ip_address
from itertools import pairwise
from urllib.parse import urlsplit

#: What a path may be cut into by whoever reads it, before or after it is decoded.
_CUTS = re.compile(r"[/\\]|%2f|%5c", re.IGNORECASE)
#: Of a part of a name between underscores: characters from which it is a token with so many changes between letters and
#: digits, and from which it is one in any case.
PART_LEAST, TURNS_MOST, PART_LONG = 10, 4, 32
_DOTS = re.compile(r"(?:\.|%2e){1,2}", re.IGNORECASE)


def name_fault(name: str, *, slashes: bool = False) -> str | None:
    """Return what is wrong with a name or id, or None where it may be one.

    Args:
        name: as somebody wrote it, not encoded.
        slashes: whether it may hold slashes between its parts, as ids of environments do.
    """
    if not name:
        return "must not be empty"
    if not name.isprintable():
        return "must be printable"
    if name != name.strip():
        return "must not begin or end with a space"
    if not slashes and _CUTS.search(name):
        return "must not hold a slash"
    if any(not part or _DOTS.fullmatch(part) for part in _CUTS.split(name)):
        return "would lead to another resource: no part of it may be empty, '.' or '..'"
    return None


def id_fault(name: str) -> str | None:
    """Return what is wrong with the id of an environment, or None."""
    return name_fault(name, slashes=True)


def place_fault(name: str) -> str | None:
    """Return what is wrong with an environment that a step names, or None; "." is where the agent runs."""
    return None if name == "." else id_fault(name)


def variable_fault(name: str) -> str | None:
    """Return what is wrong with the name of a variable that holds a secret, or None; the secret itself is not a name.

    Names of variables are words. A token has letters and digits by turns, or goes on and on.
    """
    for part in name.split("_"):
        turns = sum(left.isdigit() != right.isdigit() for left, right in pairwise(part))
        if len(part) >= PART_LONG or (len(part) >= PART_LEAST and turns >= TURNS_MOST):
            return "must be the name of a variable, but this looks like a token or another secret"
    return None


def page_fault(address: str) -> str | None:
    """Return what is wrong with the address of a page, or None; whether its name is known the resolver says."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
        if "[" in parts.netloc or host.replace(".", "").isdecimal():
            ip_address(host.partition("%")[0])
    except ValueError as error:
        return f"is not a valid address: {error}"
    return None if host and port != 0 else "is not a valid address: it needs a host, and a port from 1 to 65535 or none"
