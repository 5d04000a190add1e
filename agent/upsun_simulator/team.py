"""Teams of the organization: users who share their access to projects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(kw_only=True, eq=False)
class Team:
    """A team; `permissions` are what each of its `users`, ids, may do in the project once it `has_project`."""

    #: A UUID.
    id: str
    #: The name that people see.
    label: str
    #: What each of its users may do in the project.
    permissions: tuple[str, ...]
    #: When it was made.
    created_at: datetime
    #: When it was last changed.
    updated_at: datetime
    #: The ids of its users.
    users: list[str] = field(default_factory=list)
    #: Whether the team has access to the project.
    has_project: bool = True
