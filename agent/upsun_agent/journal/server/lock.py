"""A named lock of MariaDB, released with its connection; only the database's user can compute the name.

Every user of a server may take a lock of any name, so a name that others knew would let them keep us out for ever.
PostgreSQL shows the names of such locks to everybody: there none is used (see journal/server/migrate.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager

from upsun_agent.journal.server.session import Session

ROUNDS = 10_000  # what a guess at the password costs somebody who sees the name, some milliseconds


def _name(session: Session, name: str) -> str:
    """Return the lock's name. It includes the database's name: all databases of a server share the locks."""
    endpoint = session.state.endpoint
    about = f"upsun-agent\0{endpoint.database}\0{endpoint.user}\0{name}".encode()
    key = hashlib.pbkdf2_hmac("sha256", endpoint.password.encode(), about, ROUNDS)
    return f"upsun-agent-{hmac.new(key, about, 'sha256').hexdigest()[:40]}"


@contextmanager
def secret_lock(session: Session, name: str) -> Iterator[bool]:
    """Hold the lock during the block; yield whether it was free."""
    secret = _name(session, name)
    held = session.say("SELECT GET_LOCK(%s, 0)", (secret,)).scalar() == 1
    try:
        yield held
    finally:
        if held:
            with contextlib.suppress(Exception):  # a connection that is gone has let go of it
                session.say("SELECT RELEASE_LOCK(%s)", (secret,))
