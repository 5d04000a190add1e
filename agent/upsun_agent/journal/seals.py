"""Seals: HMACs that show that the agent wrote the events of an open run itself.

Whoever can write the state could otherwise make the agent run a command, restore a backup or pass an approval: an
open run says what is done next. So each open run has a seal in a note beside its events, an HMAC-SHA256 over the
journal's identity, the run's id and every event in order. It is written in the transaction of the events, and taken
away with the event that closes the run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from upsun_agent.platform.keys import code, derived, same, usable

if TYPE_CHECKING:
    from upsun_agent.journal import Identity

_PURPOSE = "upsun-agent: runs of the journal, 1"

#: An event as the journal holds it: its kind and its JSON text.
Written = tuple[str, str]


class Seals:
    """Makes and checks the seals of one journal.

    Args:
        identity: whose journal it is. The entropy is the same in all environments and apps of a project.
        secrets: what the keys are derived from. The first makes seals, each of them is tried on what is found.
    """

    def __init__(self, identity: Identity = ("", "", ""), secrets: Iterable[str | None] = ()) -> None:
        self._identity = identity
        self._secrets = tuple(found for found in map(usable, secrets) if found is not None)

    def __bool__(self) -> bool:
        """Return whether there is a key at all."""
        return bool(self._secrets)

    @cached_property
    def _keys(self) -> Sequence[bytes]:
        return tuple(derived(secret, _PURPOSE) for secret in self._secrets)

    def seal(self, run: str, written: Iterable[Written], before: str | None = None) -> str:
        """Return the seal of these events of a run; ``before`` is the seal of the events ahead of them.

        Args:
            run: the id of the run.
            written: the events, as they are written.
            before: the seal of the events ahead of them; None: there are none.
        """
        return self._chained(self._keys[0], run, written, before)

    def renewed(self, seal: str, run: str, written: Sequence[Written]) -> str | None:
        """Return the seal of these events made with the first key; None if the given seal is not valid for them.

        It holds where it was made with one of the keys, for exactly these events of this run.

        Args:
            seal: the seal to check.
            run: the id of the run.
            written: all events of the run, as they are written.
        """
        made = (self._chained(key, run, written) for key in self._keys)
        ours = next(made)
        return ours if same(seal, ours) or any(same(seal, each) for each in made) else None

    def mark(self) -> str:
        """Return the text of the note that says that runs of this journal are sealed."""
        return _coded(self._keys[0], "journal", *self._identity)

    def is_mark(self, text: str | None) -> bool:
        """Return whether the text is such a note of this journal, made with one of the keys."""
        return text is not None and any(same(text, _coded(key, "journal", *self._identity)) for key in self._keys)

    def _chained(self, key: bytes, run: str, written: Iterable[Written], before: str | None = None) -> str:
        seal = _coded(key, "run", *self._identity, run) if before is None else before
        for kind, data in written:
            seal = _coded(key, "event", seal, kind, data)
        return seal


def _coded(key: bytes, *parts: str) -> str:
    """Return the code of the parts, joined as a JSON list so that different parts never give the same text."""
    return code(key, json.dumps(parts).encode())


def job_text(job: Any) -> str:
    """Return a job's snapshot as one canonical text, by which two of them are compared."""
    return json.dumps(job, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
