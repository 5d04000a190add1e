"""Teams of the organization: users who share their access to projects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(kw_only=True, eq=False)
class Team:
    """A team; `permissions` are what each of its `users`, ids, may do in the project once it `has_project`."""

    id: str
    label: str
    permissions: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    users: list[str] = field(default_factory=list)
    has_project: bool = True
