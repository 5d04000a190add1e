"""mix.lock, an Elixir map with an entry on each line (https://hexdocs.pm/mix/Mix.Tasks.Deps.html)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from upsun_agent.packages.manifest import mix_exs
from upsun_agent.packages.records import Package, Unreadable
from upsun_agent.packages.source import Source, lines_of

_HEX = re.compile(r'"([^"]+)": \{:hex, :"?([A-Za-z0-9_]+)"?, "([^"]+)"[,}].*')
_GIT = re.compile(r'"([^"]+)": \{:git, "[^"]*", "([0-9a-f]+)"[,}].*')
_COMMIT_SHOWN = 12


def read(source: Source) -> Iterator[Package]:
    """Yield the packages."""
    direct = mix_exs(source)
    begun, last = False, ""
    for line in lines_of(source.data):
        text = line.strip()
        if not begun and text:  # old versions of mix wrote the first entry on the first line
            begun = text.startswith("%{")
            text = text.removeprefix("%{").strip()
            if not begun:
                raise Unreadable("it is not a map of Elixir")
        last = text or last
        if text in {"", "}"}:
            continue
        if found := _HEX.fullmatch(text):
            yield Package(found[2], found[3], "", None if direct is None else found[1] in direct)
        elif found := _GIT.fullmatch(text):
            yield Package(found[1], "", found[2][:_COMMIT_SHOWN], None if direct is None else found[1] in direct)
        else:
            raise Unreadable("a line is not an entry of hex or git")
    if not last.endswith("}"):
        raise Unreadable("it has no end")
