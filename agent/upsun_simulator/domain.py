"""Domains of environments: the host names that a site answers at besides its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from cryptography.x509 import Certificate


@dataclass(kw_only=True, eq=False)
class Domain:
    """A domain of one environment; `replacement_for` is production's domain whose place it takes elsewhere."""

    #: The name.
    name: str
    #: The id of the environment.
    environment: str
    #: When it was added.
    created_at: datetime
    #: When it was changed last.
    updated_at: datetime
    #: Whether it is the environment's default domain.
    is_default: bool = False
    #: Production's domain whose place it takes on this environment; None on production.
    replacement_for: str | None = None
    #: Attributes that somebody set, by name.
    attributes: dict[str, str] = field(default_factory=dict)
    #: The certificate that somebody brought; None: the platform gets one by itself.
    certificate: Certificate | None = None


class Domains:
    """All domains there are; a name belongs to one environment."""

    def __init__(self) -> None:
        self._all: dict[str, Domain] = {}

    def __iter__(self) -> Iterator[Domain]:
        return iter(self._all.values())

    def of(self, environment: str) -> list[Domain]:
        """Return the environment's domains, in the order in which they were added."""
        return [one for one in self if one.environment == environment]

    def named(self, name: str) -> Domain | None:
        """Return the domain of this name."""
        return self._all.get(name.lower())

    def default(self, environment: str) -> Domain | None:
        """Return the domain that the environment's primary route uses: the default one, else the first."""
        found = self.of(environment)
        return next((one for one in found if one.is_default), found[0] if found else None)

    def put(self, domain: Domain) -> None:
        """Add a domain; a new default one takes the place of the default one before."""
        self._all[domain.name.lower()] = domain
        if domain.is_default:
            for one in self.of(domain.environment):
                one.is_default = one is domain

    def remove(self, domain: Domain) -> None:
        """Remove a domain."""
        del self._all[domain.name.lower()]

    def forget(self, environment: str) -> None:
        """Remove every domain of an environment."""
        for one in self.of(environment):
            self.remove(one)
