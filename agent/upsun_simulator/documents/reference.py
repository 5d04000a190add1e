"""Links to short forms of resources; the platform signs the list of ids."""

from __future__ import annotations

import hmac

from upsun_simulator.ids import identifier


def signature(kind: str, *ids: str) -> str:
    """Return the platform's signature of a list of ids."""
    return identifier("reference", kind, *ids)


def is_signed(kind: str, ids: list[str], given: str) -> bool:
    """Return whether the platform signed this list of ids.

    Args:
        kind: what the ids are of.
        ids: the ids of the list.
        given: the signature that came with them.
    """
    return hmac.compare_digest(signature(kind, *ids).encode(), given.encode())


def reference(kind: str, *ids: str) -> dict[str, str]:
    """Return a link to short forms of resources."""
    return {"href": f"/ref/{kind}?in={','.join(ids)}&sig={signature(kind, *ids)}"}
