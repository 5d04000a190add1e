"""The record of every request that reached the simulator; promises are checked against it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

SECRET = "<secret>"  # noqa: S105 - what stands in for a secret  # nosec B105
# Fields that hold nothing but secrets, whatever their names: passwords by users, a certificate with its key.
SECRET_GROUPS = ("basic_auth", "ssl")
SECRET_FIELDS = frozenset(
    {"api_token", "refresh_token", "access_token", "token", "client_secret", "password", "assertion", "shared_key"}
)
# A shorter secret would also be found where it is none.
SHORTEST_SEARCHED = 8
# Bytes of memory that requests may take, estimated: those of 100,000 usual ones. Then the oldest half is forgotten.
KEPT_MOST_BYTES = 128 * 1024 * 1024
REQUEST_BYTES, MARK_BYTES = 1200, 100  # of a request without its texts, and of a part of its body
# Any token of the shape that the simulator issues, so that none has to be kept to be found.
BEARER = re.compile(r"(?<![\w-])eyJ[\w-]++\.[\w-]++\.[\w-]++")


@dataclass(kw_only=True, eq=False)
class RecordedRequest:
    """One request that reached the simulator, and its answer.

    `path` is decoded and without a leading `/api`; `raw_path` is as it stood on the wire. `site` is the
    environment whose site was asked, None where it was the API; its path has `/_site/<environment>` in front,
    whichever host the client named. `status` is what
    the client was sent, None when it got no complete answer (yet). `acted` says whether the platform carried
    the request out. `weight` is about how many bytes of memory it takes here.
    """

    #: Its place in the order of arrival, from 1.
    number: int
    #: When it arrived.
    at: datetime
    #: The HTTP method.
    method: str
    #: The path, decoded and without a leading `/api`.
    path: str
    #: The path as it stood on the wire.
    raw_path: str
    #: The query parameters, each with its values.
    query: dict[str, list[str]]
    #: The body as data; None where there was none.
    body: Any
    #: The environment whose site was asked; None for the API.
    site: str | None = None
    #: The status that the client was sent; None where it got no complete answer (yet).
    status: int | None = None
    #: The kind of fault that hit it; None where none did.
    fault: str | None = None
    #: Whether the platform carried the request out.
    acted: bool = False
    #: About how many bytes of memory it takes.
    weight: int = 0

    def entry(self) -> dict[str, Any]:
        """Return the request as JSON."""
        known = {name: value for name, value in vars(self).items() if name != "weight"}
        return {**known, "at": self.at.isoformat()}


class Entries(list[RecordedRequest]):
    """The requests, as many of the newest as memory allows."""

    def __init__(self) -> None:
        super().__init__()
        self._weight = 0
        self._numbers = 0

    def next_number(self) -> int:
        """Return the number of the next request; those of forgotten ones are not used again."""
        self._numbers += 1
        return self._numbers

    def keep(self, request: RecordedRequest) -> None:
        """Add a request; the oldest are forgotten when all take too much memory."""
        self.append(request)
        self._weight += request.weight
        if self._weight <= KEPT_MOST_BYTES:
            return
        place = 0
        while self._weight > KEPT_MOST_BYTES // 2 and place < len(self) - 1:
            self._weight -= self[place].weight
            place += 1
        del self[:place]


class Redactor:
    """Replaces secrets, by the name of the field and by their value, in anything made of JSON."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def learn(self, secret: str) -> None:
        """Hide this value in the request log."""
        if secret:
            self._secrets.add(secret)

    def clean(self, content: Any, field: str = "") -> Any:
        """Return the same content without secrets."""
        if isinstance(content, dict):
            names = {name: "password" if field in SECRET_GROUPS else str(name) for name in content}
            return {self._without(str(name)): self.clean(value, names[name]) for name, value in content.items()}
        if isinstance(content, list | tuple):
            return [self.clean(value, field) for value in content]
        if isinstance(content, str):
            return SECRET if content and field in SECRET_FIELDS else self._without(content)
        return content

    def _without(self, text: str) -> str:
        if text in self._secrets:
            return SECRET
        for secret in self._secrets:
            if len(secret) >= SHORTEST_SEARCHED:
                text = text.replace(secret, SECRET)
        return BEARER.sub(SECRET, text) if "eyJ" in text else text
