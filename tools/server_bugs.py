"""Bugs of the journal on a server: name, file, text, what becomes of it, tests. ``tools.planted_bugs`` plants them."""

from __future__ import annotations

SERVER_BUGS = (
    (
        "a process whose lease was taken over writes on",
        "agent/upsun_agent/journal/server/journal.py",
        "mine.c.present == 1, mine.c.fence == self.fence)",
        "mine.c.present == 1, mine.c.fence != -1)",
        ("tests/integration/journal/test_lease.py",),
    ),
    (
        "a journal that was set aside is written to",
        "agent/upsun_agent/journal/server/journal.py",
        "(mine.c.id == self.number, mine.c.present == 1, mine.c",
        "(mine.c.id == self.number, mine.c",
        ("tests/integration/journal/test_lease.py",),
    ),
    (
        "a MariaDB session of another user is taken for dead",
        "agent/upsun_agent/journal/server/lease.py",
        " OR %s NOT IN ('', {WHO})",
        " OR %s IN ('none')",
        ("tests/integration/journal/test_lease.py",),
    ),
    (
        "a lease of a live session is broken",
        "agent/upsun_agent/journal/server/lease.py",
        "            if runs and other and session != me and self._lives(session):\n",
        "            if runs and other and session != me and not session:\n",
        ("tests/integration/journal/test_lease.py",),
    ),
    (
        "another environment's journal is taken for one's own",
        "agent/upsun_agent/journal/server/lease.py",
        "        return (mine.c.project == project) & (mine.c.environment == environment) & (mine.c.app == app)\n",
        "        return (mine.c.project == project) & (mine.c.environment != '') & (mine.c.app == app)\n",
        ("tests/integration/journal/test_lease.py",),
    ),
    (
        "a lost connection is replaced by another",
        "agent/upsun_agent/journal/server/session.py",
        "        given = iter([link.raw])\n",
        (
            "        more = (DatabaseConnection(self.state.name, self.state.endpoint, 30).raw for _ in range(9))\n"
            "        given = iter([link.raw, *more])\n"
        ),
        ("tests/integration/journal/test_lease.py",),
    ),
    (
        "a commit is not waited for",
        "agent/upsun_agent/database/connect.py",
        '"on" if durable else "off"',
        '"off"',
        ("tests/integration/journal/test_place.py",),
    ),
    (
        "SIGTERM waits for the database",
        "agent/upsun_agent/journal/server/session.py",
        "        except BaseException:\n            self.cut()\n            raise\n        self.say",
        '        except BaseException:\n            self.say("ROLLBACK")\n            raise\n        self.say',
        ("tests/integration/journal/test_shared_processes.py",),
    ),
    (
        "a database is waited for beyond the budget",
        "agent/upsun_agent/database/connect.py",
        "        self._deadline.restart(seconds)\n",
        "        self._deadline.restart(seconds * 100)\n",
        ("tests/integration/journal/test_broken_connections.py",),
    ),
    (
        "an idle answer on a server outlives its slot",
        "agent/upsun_agent/database/idle.py",
        "AND next_due > %s",
        "AND next_due > 0 * %s",
        ("tests/integration/journal/test_idle_on_server.py",),
    ),
    (
        "an idle answer on a server outlives a changed job file",
        "agent/upsun_agent/database/idle.py",
        "AND digest = %s",
        "AND digest >= left(%s, 0)",
        ("tests/integration/journal/test_idle_on_server.py",),
    ),
    (
        "what the driver says is repeated",
        "agent/upsun_agent/database/errors.py",
        "refused a statement ({kind}{_shown(code)})",
        "refused a statement ({kind}{_shown(code)}: {error})",
        ("tests/integration/journal/test_place.py",),
    ),
    (
        "a clone's journal runs the slot of this minute",
        "agent/upsun_agent/runtime/session.py",
        "        self.fresh = self._held.is_copy\n",
        "        self.fresh = False\n",
        ("tests/integration/journal/test_shared_runs.py",),
    ),
    (
        "a copy is not compared",
        "agent/upsun_agent/cli/state.py",
        "        found = verify(old, new.journal)\n",
        "        found = contents(new.journal)\n",
        ("tests/integration/journal/test_move.py",),
    ),
    (
        "both places of a move are in use",
        "agent/upsun_agent/journal/move.py",
        "    source.note(MOVED_TO, place)\n",
        "",
        ("tests/integration/journal/test_move.py",),
    ),
    (
        "a half moved journal is acted on",
        "agent/upsun_agent/journal/move_marks.py",
        "    if MOVING_FROM in marks:\n        source",
        "    if MOVING_FROM in marks and not place:\n        source",
        ("tests/integration/journal/test_move.py",),
    ),
    (
        "a newer version's tables are written to",
        "agent/upsun_agent/journal/server/migrate.py",
        "    if standing.least > known:\n",
        "    if standing.least > known + 99:\n",
        ("tests/integration/journal/test_tables.py",),
    ),
)
