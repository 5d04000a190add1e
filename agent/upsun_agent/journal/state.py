"""Where the state is kept: in a directory or in a database. ``str()`` gives the name from the job file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from upsun_agent.database import location

if TYPE_CHECKING:
    from upsun_agent.database.location import Endpoint


class MountState(Struct, frozen=True):
    """A state that is kept in a directory."""

    #: The directory's path; it need not exist yet.
    directory: str

    def __str__(self) -> str:
        """Return the directory's path."""
        return self.directory


class DatabaseState(Struct, frozen=True):
    """A state that is kept in a database, which may hold those of other environments too."""

    #: ``relationship:NAME`` or ``url-variable:NAME``.
    name: str
    #: Where the database is and how to log in. Its ``repr`` does not show the password.
    endpoint: Endpoint

    def __str__(self) -> str:
        """Return the name from the job file, never the address or the credentials."""
        return self.name

    @classmethod
    def of(cls, name: str, environ: Mapping[str, str]) -> DatabaseState:
        """Return the state with that name; find a database in this container's variables.

        Raises:
            ConfigInvalid: there is no such relationship or variable, or it does not name a database that can be used.
        """
        return cls(name, location.endpoint_of(name, environ))


State = MountState | DatabaseState
