"""Modules that libraries import and a tick never uses: held back, and imported when something of them is asked for.

A tick lives for a tenth of a second, and most of that goes into imports. Stand-ins are put into ``sys.modules`` for a
while: whoever imports such a module meanwhile gets the stand-in, everybody later the real one. Nothing is lost: a
stand-in that is asked for something imports the real module and hands on its answer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class LazyModule(ModuleType):
    """Stands in for a module until something of it is used that is not ``given``."""

    def __init__(self, name: str, **given: Any) -> None:
        super().__init__(name)
        self._given = given
        self._real: ModuleType | None = None  # known where it was imported before it was replaced

    def take_hold(self) -> None:
        """Stand in, with what is given."""
        vars(self).update(self._given)

    def let_go(self) -> None:
        """Stand in for all of the module from now on: what was given was for those who imported it meanwhile."""
        for name in self._given:
            vars(self).pop(name, None)

    def __getattr__(self, name: str) -> Any:
        """Return the real module's attribute.

        Reads by the import system, such as ``__path__``, do not import the module.
        """
        if name.startswith("__"):
            raise AttributeError(f"{self.__name__} is not imported yet: no {name}")
        return getattr(_imported(self), name)


def _imported(stand_in: LazyModule) -> ModuleType:
    if stand_in._real is not None:  # noqa: SLF001  this module's own
        return stand_in._real  # noqa: SLF001  same
    name = stand_in.__name__
    if sys.modules.get(name) is stand_in:  # it is used while it is still held back
        del sys.modules[name]
    __import__(name)
    return sys.modules[name]


def lazy_function(module: str, name: str) -> Callable[..., Any]:
    """Return a function whose module is imported when it is called."""

    def call(*arguments: Any, **settings: Any) -> Any:
        return getattr(_imported(LazyModule(module)), name)(*arguments, **settings)

    return call


#: What is held back now.
_held_now: dict[str, Any] = {}


def end_stubbing() -> None:
    """Hold nothing back any longer: for libraries that import so much, and so deep, that stand-ins are in their way."""
    for name, stand_in in _held_now.items():
        if sys.modules.get(name, sys) is stand_in:
            del sys.modules[name]
    _held_now.clear()


@contextmanager
def held_back(*modules: str | LazyModule, absent: tuple[str, ...] = ()) -> Iterator[None]:
    """Let imports find stand-ins while the block lasts, and the import of ``absent`` modules fail.

    What is imported already stays, but where a stand-in is given instead of a name. Absent are modules that a library
    does without where they are not installed.
    """
    late = [LazyModule(each) if isinstance(each, str) else each for each in modules if each not in sys.modules]
    held: dict[str, Any] = {each.__name__: each for each in late}
    held |= {name: None for name in absent if name not in sys.modules}  # None is the import system's: not there
    before = {name: sys.modules[name] for name in held if name in sys.modules}
    for each in late:
        each.take_hold()
        each._real = before.get(each.__name__)  # noqa: SLF001  as above
        parent, _, child = each.__name__.rpartition(".")
        if parent:  # after `import a.b` one asks `a` for its `b`, and not only while the block lasts
            __import__(parent)
            setattr(sys.modules[parent], child, each)
    sys.modules.update(held)
    _held_now.update(held)
    try:
        yield
    finally:
        for name, stand_in in held.items():
            _held_now.pop(name, None)
            if sys.modules.get(name, sys) is stand_in:
                del sys.modules[name]
        for each in late:
            each.let_go()  # it stays an attribute of its parent, where `from a import b` would find it
        sys.modules.update(before)
        for name, module in before.items():
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, module)
