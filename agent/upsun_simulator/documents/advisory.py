"""Advisories in the form of OSV (https://ossf.github.io/osv-schema/)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upsun_simulator.advisory import VECTORS
from upsun_simulator.documents.timestamp import written

if TYPE_CHECKING:
    from datetime import datetime

    from upsun_simulator.advisory import Advisory

SCHEMA = "1.6.0"


def brief(one: Advisory, at: datetime) -> dict[str, Any]:
    """Return the short form, as used in answers to batches."""
    return {"id": one.id, "modified": _moment(at)}


def advisory(one: Advisory, at: datetime) -> dict[str, Any]:
    """Return the whole advisory.

    Args:
        one: the advisory.
        at: when it was published.
    """
    fixed = [{"fixed": one.fixed}] if one.fixed is not None else []
    return {
        "schema_version": SCHEMA,
        "id": one.id,
        "summary": f"A simulated fault in {one.name}",
        "details": f"Versions of {one.name} from {one.since} on have a fault that no real package has.",
        "aliases": [],
        "modified": _moment(at),
        "published": _moment(at),
        "references": [{"type": "ADVISORY", "url": f"https://example.invalid/advisories/{one.id}"}],
        "affected": [
            {
                "package": {"ecosystem": one.ecosystem, "name": one.name},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": one.since}, *fixed]}],
            }
        ],
        "severity": [{"type": "CVSS_V3", "score": VECTORS[one.severity]}],
        "database_specific": {"severity": {"medium": "MODERATE"}.get(one.severity, one.severity.upper())},
    }


def _moment(at: datetime) -> str:
    """Return a time as OSV writes it, with `Z` for UTC."""
    return (written(at) or "").replace("+00:00", "Z")
