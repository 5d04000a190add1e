"""Bugs of the journal on a server, as name, file, text, and what becomes of it: planted by ``tools.planted_bugs``."""

from __future__ import annotations

SERVER_SUITE = ("tests/integration/journal",)
SERVER_BUGS = (
    (
        "a process whose lease was taken over writes on",
        "agent/upsun_agent/journal/server/journal.py",
        "mine.c.present == 1, mine.c.fence == self.fence)",
        "mine.c.present == 1, mine.c.fence != -1)",
    ),
    (
        "a journal that was set aside is written to",
        "agent/upsun_agent/journal/server/journal.py",
        "(mine.c.id == self.number, mine.c.present == 1, mine.c",
        "(mine.c.id == self.number, mine.c",
    ),
    (
        "a MariaDB session of another user is taken for dead",
        "agent/upsun_agent/journal/server/lease.py",
        " OR %s NOT IN ('', {WHO})",
        " OR %s IN ('none')",
    ),
    (
        "a lease of a live session is broken",
        "agent/upsun_agent/journal/server/lease.py",
        "            if runs and other and session != me and self._lives(session):\n",
        "            if runs and other and session != me and not session:\n",
    ),
    (
        "another environment's journal is taken for one's own",
        "agent/upsun_agent/journal/server/lease.py",
        "        return (mine.c.project == project) & (mine.c.environment == environment) & (mine.c.app == app)\n",
        "        return (mine.c.project == project) & (mine.c.environment != '') & (mine.c.app == app)\n",
    ),
    (
        "a lost connection is replaced by another",
        "agent/upsun_agent/journal/server/session.py",
        "        given = iter([link.raw])\n",
        "        given = iter([link.raw, *(Link(self.place, self.place.endpoint, 30).raw for _ in range(9))])\n",
    ),
    (
        "a commit is not waited for",
        "agent/upsun_agent/database/connect.py",
        '"on" if durable else "off"',
        '"off"',
    ),
    (
        "SIGTERM waits for the database",
        "agent/upsun_agent/journal/server/session.py",
        "        except BaseException:\n            self.cut()\n            raise\n        self.say",
        '        except BaseException:\n            self.say("ROLLBACK")\n            raise\n        self.say',
    ),
    (
        "a database is waited for beyond the budget",
        "agent/upsun_agent/database/connect.py",
        "        self._fuse.relight(seconds)\n",
        "        self._fuse.relight(seconds * 100)\n",
    ),
    (
        "an idle answer on a server outlives its slot",
        "agent/upsun_agent/database/idle.py",
        "AND next_due > %s",
        "AND next_due > 0 * %s",
    ),
    (
        "an idle answer on a server outlives a changed job file",
        "agent/upsun_agent/database/idle.py",
        "AND digest = %s",
        "AND digest >= left(%s, 0)",
    ),
    (
        "what the driver says is repeated",
        "agent/upsun_agent/database/errors.py",
        "refused a statement ({kind}{_shown(code)})",
        "refused a statement ({kind}{_shown(code)}: {error})",
    ),
    (
        "a clone's journal runs the slot of this minute",
        "agent/upsun_agent/runtime/session.py",
        "        self.fresh = self._held.is_copy\n",
        "        self.fresh = False\n",
    ),
    (
        "a copy is not compared",
        "agent/upsun_agent/cli/state.py",
        "        found = verify(old, new.journal)\n",
        "        found = contents(new.journal)\n",
    ),
    (
        "both places of a move are in use",
        "agent/upsun_agent/journal/move.py",
        "    source.note(MOVED_TO, place)\n",
        "",
    ),
    (
        "a half moved journal is acted on",
        "agent/upsun_agent/journal/move_marks.py",
        "    if MOVING_FROM in marks:\n        source",
        "    if MOVING_FROM in marks and not place:\n        source",
    ),
    (
        "a newer version's tables are written to",
        "agent/upsun_agent/journal/server/migrate.py",
        "    if standing.least > known:\n",
        "    if standing.least > known + 99:\n",
    ),
)
