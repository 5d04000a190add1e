"""A process of its own that reads odd certificates or archives: ``python file_reader.py certificates|archives``.

Its memory and CPU time are limited by the system. Standard input is a JSON object; standard output a JSON object with
what came of each, and the most memory that the process took beyond its start, in bytes.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from tests.harness.measured import limit, most_memory

CPU_MOST = 60  # seconds, after which the system kills the process


def certificates(order: dict[str, Any]) -> Iterator[str]:
    """Read each text of the order as the answer to a certificate request."""
    from upsun_agent.access.ssh.certificate import read_certificate
    from upsun_agent.errors import BadReply

    for text in order["texts"]:
        try:
            yield f"read: {read_certificate(text).text}"
        except BadReply as error:
            yield f"refused: {error}"


def archives(order: dict[str, Any]) -> Iterator[str]:
    """Unpack each archive of the order with the installer's own program, and say what lies outside its directory."""
    program = compile(order["program"], "unpack", "exec")
    for content in order["archives"]:
        with tempfile.TemporaryDirectory() as place:
            file = os.path.join(place, "archive")
            with open(file, "wb") as written:
                written.write(bytes.fromhex(content))
            into = os.path.join(place, "into")
            os.mkdir(into)
            sys.argv = ["-", file, into, order["top"]]
            try:
                exec(program, {"__name__": "__main__"})  # noqa: S102  the installer's own text
                said = "unpacked"
            except SystemExit as error:
                said = f"refused: {error.code}"
            elsewhere = [*(set(os.listdir(place)) - {"archive", "into"}), *(set(os.listdir(into)) - {order["top"]})]
            yield said if not elsewhere else f"ESCAPED: {elsewhere}"


def main() -> None:
    """Read the good one first, so that only the odd ones are measured."""
    read = {"certificates": certificates, "archives": archives}[sys.argv[1]]
    order: dict[str, Any] = json.load(sys.stdin)
    good: dict[str, Any] = {key: value[:1] if isinstance(value, list) else value for key, value in order.items()}
    first = list(read(good))
    limit(CPU_MOST)
    before = most_memory()
    said = list(read(order))
    print(json.dumps({"first": first, "said": said, "memory": most_memory() - before}))


main()
