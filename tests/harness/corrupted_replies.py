"""Replies of the simulator spoiled on their way: one field at a time, in every way a field can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from upsun_agent.text.event_text import tell

from tests.harness.night import Night

Path = tuple[str | int, ...]
Wsgi = Callable[..., Iterable[bytes]]
HOLE = "@hole-for-the-mutation@"
DEEP = 2000
HUGE = 300_000
FOREVER = 10**9

#: What takes the field's place, as raw JSON text. ``missing`` and ``twice`` are not values and done by hand.
VALUES: dict[str, str] = {
    "a text": '"surprise"',
    "a number": "7",
    "a list": "[1]",
    "an object": '{"a": 1}',
    "true": "true",
    "false": "false",
    "null": "null",
    "a huge text": f'"{"x" * HUGE}"',
    "a huge number": "1" + "0" * 400,
    "a number beyond digits": "9" * 5000,
    "a float beyond range": "1e999",
    "deep lists": "[" * DEEP + "]" * DEEP,
    "deep objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "control characters": '"\\u001b]0;owned\\u0007\\u001b[31m\\u009b2J\\u0000\\r\\u202e"',
    "raw control characters": '"\x1b[31m\x07"',
    "half a surrogate": '"\\ud800"',
    "an empty text": '""',
    "a negative number": "-1",
}
MUTATIONS = (*VALUES, "missing", "twice", "twice, first as it was")


def fields(value: Any, path: Path = ()) -> Iterator[Path]:
    """The document itself and every field of it, inner ones too; of a list the first item."""
    yield path
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list) and value:
        items = [(0, value[0])]
    for key, item in items:
        yield from fields(item, (*path, key))


def spoiled(text: str, path: Path, mutation: str) -> str:
    """The document with that field spoiled; unchanged where it has no such field."""
    if not path:
        return VALUES.get(mutation, "")
    document = json.loads(text)
    holder = document
    try:
        for key in path[:-1]:
            holder = holder[key]
        was = holder[path[-1]]
    except (KeyError, IndexError, TypeError):
        return text
    last = path[-1]
    if mutation == "missing":
        del holder[last]
        return json.dumps(document)
    holder[last] = HOLE
    hole = json.dumps(HOLE)
    if mutation.startswith("twice"):
        first = json.dumps(was) if mutation != "twice" else '"something else"'
        second = '"something else"' if mutation != "twice" else json.dumps(was)
        again = f"{first}, {json.dumps(last)}: {second}" if isinstance(last, str) else f"{first}, {second}"
        return json.dumps(document).replace(hole, again)
    return json.dumps(document).replace(hole, VALUES[mutation])


@dataclass
class Spoiler:
    """Stands between agent and simulator and spoils the nth reply, and those after it of the same kind."""

    wsgi: Wsgi
    number: int = 0
    path: Path = ()
    mutation: str = ""
    times: int = 1

    def __post_init__(self) -> None:
        self.replies: list[tuple[str, str]] = []
        self.applied = 0
        self._kind = ""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        caught: list[Any] = []

        def catch(status: str, headers: list[tuple[str, str]], _: Any = None) -> Callable[[bytes], object]:
            caught[:] = [status, headers]
            return lambda data: data

        # What is to be spoiled must not be packed.
        body = b"".join(self.wsgi({**environ, "HTTP_ACCEPT_ENCODING": "identity"}, catch)).decode()
        status, headers = caught
        kind = kind_of(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        self.replies.append((kind, body))
        here = len(self.replies)
        if here == self.number:
            self._kind = kind
        if self.number and here >= self.number and kind == self._kind and self.applied < self.times:
            after = spoiled(body, self.path, self.mutation)
            self.applied += after != body
            body = after
        data = body.encode("utf-8", "surrogatepass")
        kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start_response(status, [*kept, ("Content-Length", str(len(data)))])
        return [data]


def kind_of(method: str, path: str) -> str:
    """The request without ids: what makes two requests the same question."""
    parts = path.removeprefix("/api").strip("/").split("/")
    named = {"projects", "environments", "activities", "backups", "commits", "trees", "blobs"}
    short = ["*" if index and parts[index - 1] in named else part for index, part in enumerate(parts)]
    return f"{method} /{'/'.join(short)}"


class SpoiledNight(Night):
    """A night on which one field of one reply is not what it should be; its limits are short, so that it ends soon."""

    def __init__(self, number: int, path: Path, mutation: str, *faults: str, times: int = 1) -> None:
        super().__init__(*faults, more='misfire-grace = "1h"\ntimeout = "2h"')
        self.spoiler = Spoiler(self.simulator.wsgi, number, path, mutation, times)
        self.simulator.wsgi = self.spoiler  # type: ignore[method-assign]

    def check(self) -> None:
        """Play to the end, then everything that must hold whatever the replies were.

        A reply is the API's affair: no exception at all, not even one of ours, may leave a tick over it.
        """
        played = self.play()
        self.assert_promises()
        for line in played.log.splitlines():
            check_harmless(json.loads(line))
        for event in self.events:
            told = tell(event, self.rehearsal.job)
            if told is not None:
                check_harmless([told.text, told.remedy])


def check_harmless(value: Any) -> None:
    """No text may hold what a terminal obeys; none is long enough to flood a log."""
    if isinstance(value, dict):
        check_harmless([*value.keys(), *value.values()])
    elif isinstance(value, list):
        for each in value:
            check_harmless(each)
    elif isinstance(value, str):
        assert value.isprintable(), f"control characters in {value[:80]!r}"
        assert len(value) < 3000, f"{len(value)} characters in one text"
