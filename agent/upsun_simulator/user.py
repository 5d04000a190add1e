"""The people and machines whose names appear on activities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class User:
    """An account of the platform."""

    #: A UUID, or a word for the platform's own users.
    id: str
    #: The user name.
    username: str
    #: The first name.
    first_name: str
    #: The last name.
    last_name: str
    #: The e-mail address; empty where none is known.
    address: str = ""

    @property
    def email(self) -> str:
        """Return the user's address; if none is known, one in a domain that never receives mail."""
        return self.address or f"{self.username}@example.invalid"

    def summary(self) -> dict[str, Any]:
        """Return the few fields that an activity's payload carries."""
        return {
            "id": self.id,
            "username": self.username,
            "display_name": f"{self.first_name} {self.last_name}",
            "email": self.email,
        }


MACHINE = User("0b5f2c9e-6f0f-4a57-9d3c-5d0c9a7e1a01", "update-bot", "Update", "Bot")
OWNER = User("4a3c1d77-93b2-4f0e-8f0b-2f8f6f1b7c02", "ada", "Ada", "Owner")
COLLEAGUE = User("9d1e8b30-51c6-4c8e-b7aa-0c4b2e6d9f03", "grace", "Grace", "Colleague")
# The platform's own robot, which runs crons (https://developer.upsun.com/docs/integrations/activity/reference).
BOT = User("admin", "admin", "Upsun", "Bot")
PLATFORM = User("00000000-0000-4000-8000-000000000004", "platform", "Upsun", "Platform")

EVERYBODY = {user.id: user for user in (MACHINE, OWNER, COLLEAGUE, PLATFORM, BOT)}


def named(name: str) -> User:
    """Return the user with this id or user name; an unknown name becomes a new, recognisable stranger."""
    for user in EVERYBODY.values():
        if name in (user.id, user.username):
            return user
    return User(name, name, name, "Stranger")
