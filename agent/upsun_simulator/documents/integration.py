"""An integration of the project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upsun_simulator.documents import links
from upsun_simulator.documents.timestamp import written

if TYPE_CHECKING:
    from upsun_simulator.integration import Integration
    from upsun_simulator.state import PlatformState


def integration(state: PlatformState, one: Integration) -> dict[str, Any]:
    """Return the integration as its admins see it; secrets are never shown again."""
    scenario = state.scenario
    path = f"{links.project_path(scenario)}/integrations/{links.segment(one.id)}"
    return {
        "id": one.id,
        "created_at": written(one.created_at),
        "updated_at": written(one.updated_at),
        "type": one.type,
        "role": one.role,
        **one.fields,
        "_links": {
            "self": links.resource(scenario, path, "Integration"),
            "#edit": links.action(scenario, path, "patch"),
            "#delete": links.action(scenario, path, "delete"),
            "#validate": links.action(scenario, f"{path}/validate"),
            "#activities": links.action(scenario, f"{path}/activities", "get"),
        },
    }
