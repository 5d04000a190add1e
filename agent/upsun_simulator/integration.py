"""Integrations of the project: with a code host, or with receivers of activities or health notifications."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from upsun_simulator.scenario import Scenario

# The one that a scenario with a source integration has.
SOURCE = "simulatedintegration"
GITHUB: dict[str, Any] = {
    "fetch_branches": True,
    "prune_branches": True,
    "environment_init_resources": "parent",
    "base_url": None,
    "repository": "simulated/project",
    "build_pull_requests": True,
    "build_draft_pull_requests": True,
    "build_pull_requests_post_merge": False,
    "pull_requests_clone_parent_data": True,
    "token_type": "classic_personal_token",  # the name of a kind, no secret  # nosec B105
}
WEBHOOK: dict[str, Any] = {
    "events": ["*"],
    "environments": ["*"],
    "excluded_environments": [],
    "states": ["complete"],
    "result": "*",
    "shared_key": None,
    "url": "",
}
EMAIL: dict[str, Any] = {"from_address": None, "recipients": []}
# The kinds that can be had here: the role that the platform gives them, and their fields as they begin.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "github": ("source", GITHUB),
    "webhook": ("", WEBHOOK),
    "health.email": ("", EMAIL),
}


@dataclass(kw_only=True, eq=False)
class Integration:
    """One integration; `fields` are those of its kind, without the secrets that only a request holds."""

    #: The id.
    id: str
    #: The kind, such as `github`.
    type: str
    #: When it was added.
    created_at: datetime
    #: When it was changed last.
    updated_at: datetime
    #: The fields of its kind, without the secrets that only a request holds.
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def role(self) -> str:
        """Return the role of its kind: a repository, a receiver of activities, or of health notifications."""
        return KINDS[self.type][0]


class Integrations:
    """The project's integrations."""

    def __init__(self, scenario: Scenario, since: datetime) -> None:
        self._all: dict[str, Integration] = {}
        self._since = since
        self.follow(scenario)

    def __iter__(self) -> Iterator[Integration]:
        return iter(self._all.values())

    @property
    def source(self) -> Integration | None:
        """Return the integration with the code host."""
        return next((one for one in self if one.role == "source"), None)

    def follow(self, scenario: Scenario) -> None:
        """Add or remove the source integration, as the scenario says."""
        if scenario.source_integration and self.source is None:
            made = Integration(
                id=SOURCE, type="github", created_at=self._since, updated_at=self._since, fields=dict(GITHUB)
            )
            self.put(made)
        elif not scenario.source_integration and self.source is not None:
            self.remove(self.source)

    def named(self, name: str) -> Integration | None:
        """Return the integration with this id."""
        return self._all.get(name)

    def put(self, integration: Integration) -> None:
        """Add an integration."""
        self._all[integration.id] = integration

    def remove(self, integration: Integration) -> None:
        """Take an integration away."""
        del self._all[integration.id]
