"""The kinds of steps a job can have, by their name in the job file.

A kind is one module beside this one, named as the kind with ``_`` for ``-``; its ``KIND`` is the kind. Nothing lists
them: a kind is imported when a run or a job file has it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upsun_agent.steps.common.kind import ContainerStep, LookStep
    from upsun_agent.steps.common.request import RequestStep

    AnyStep = RequestStep[Any] | LookStep[Any] | ContainerStep[Any]


class _Kinds(Mapping[str, "AnyStep"]):
    def __init__(self) -> None:
        self._known: dict[str, AnyStep] = {}

    def __getitem__(self, name: str) -> AnyStep:
        if name not in self._known:
            found = _found(name.replace("-", "_"))
            if found is None or found.name != name:
                raise KeyError(name)
            self._known[name] = found
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        files = sorted(file for folder in __path__ for file in os.listdir(folder))
        return (name.replace("_", "-") for name, end in map(os.path.splitext, files) if end == ".py" and name[0] != "_")

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _found(module: str) -> AnyStep | None:
    """Return the kind that a module of this package defines; None if there is no such module or kind."""
    if not (module.isascii() and module.isidentifier()):
        return None
    path = f"{__name__}.{module}"
    try:
        return getattr(import_module(path), "KIND", None)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        return None


#: Every kind by its name.
KINDS: Mapping[str, AnyStep] = _Kinds()
