"""Invitations to the project, and the e-mails that they cause."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from upsun_simulator.user import User

InvitationState = Literal["pending", "accepted", "cancelled"]


@dataclass(frozen=True)
class Mail:
    """An e-mail that the platform sent."""

    #: When it was sent.
    at: datetime
    #: The address.
    to: str
    #: The id of the invitation.
    invitation: str


@dataclass(kw_only=True, eq=False)
class Invitation:
    """An invitation of an address, with the roles that it gives."""

    #: A UUID.
    id: str
    #: The address of the invited.
    email: str
    #: The role on the project.
    role: str
    #: The role on each environment type.
    roles: dict[str, str]
    #: Who invited.
    owner: User
    #: When it was sent.
    created_at: datetime
    #: When it was last changed.
    updated_at: datetime
    #: What became of it.
    state: InvitationState = "pending"
    #: When it was accepted or cancelled; None while it is pending.
    finished_at: datetime | None = None

    @property
    def permissions(self) -> tuple[str, ...]:
        """Return the roles as permissions of user access."""
        return (self.role, *(f"{kind}:{role}" for kind, role in self.roles.items()))

    def finish(self, state: InvitationState, at: datetime) -> None:
        """End the invitation as accepted or cancelled."""
        self.state = state
        self.updated_at = self.finished_at = at


@dataclass
class Invitations:
    """Every invitation there ever was, and every e-mail."""

    #: Every invitation, in order.
    all: list[Invitation] = field(default_factory=list)
    #: Every e-mail that was sent, in order.
    mails: list[Mail] = field(default_factory=list)

    def pending(self, email: str) -> Invitation | None:
        """Return the invitation that waits for this address."""
        wanted = email.casefold()
        return next((one for one in self.all if one.state == "pending" and one.email.casefold() == wanted), None)

    def send(self, invitation: Invitation) -> None:
        """Add an invitation, and send its e-mail."""
        self.all.append(invitation)
        self.mails.append(Mail(invitation.created_at, invitation.email, invitation.id))
