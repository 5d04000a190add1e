"""Load modules when something of them is first used: a tick lives for a tenth of a second, most of which is imports.

Two ways. ``defer_imports`` is for what our own modules import: whoever imports a module of ``DEFERRED`` gets the module
itself, not loaded yet. ``held_back`` is for what libraries import and a tick never uses: stand-ins are put into
``sys.modules`` while the library is imported; whoever imports such a module meanwhile gets the stand-in, everybody
later the real one. A stand-in that is asked for something imports the real module and hands on its answer.
"""

from __future__ import annotations

import sys
from types import ModuleType

TYPE_CHECKING = False  # typing and collections.abc cost an idle tick on a database more than all of this
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import TracebackType
    from typing import Any

#: Modules that are loaded when something of them is first used, in every command. Our own are written as
#: ``from package import module`` and used as ``module.name``, others as ``import module``; nothing else is different.
DEFERRED = frozenset(
    {
        # of the standard library: together as long to load as three bare interpreters
        *("difflib", "email.utils", "hashlib", "hmac", "html", "ipaddress", "json", "random", "secrets"),
        *("ssl", "tomllib", "urllib.parse", "zoneinfo"),
        # the drivers of the extra `shared`: ten interpreters
        *("psycopg", "pymysql", "sqlalchemy"),
        "croniter",  # three interpreters
        # what libraries import and a tick never uses
        *("msgspec.inspect", "msgspec.msgpack", "msgspec.toml", "msgspec.yaml"),
        *("structlog.stdlib", "structlog.threadlocal", "structlog.types"),
        # our own
        "upsun_agent.api.bearer_cache",  # cryptography is five interpreters
        "upsun_agent.api.pages",
        "upsun_agent.api.people",
        "upsun_agent.config.definitions",
        "upsun_agent.config.notifications",
        "upsun_agent.config.positions",
        "upsun_agent.config.rules",
        "upsun_agent.database.connect",
        "upsun_agent.database.errors",
        "upsun_agent.database.libpq",
        "upsun_agent.database.location",
        "upsun_agent.database.mysql",
        "upsun_agent.engine.conditions",
        "upsun_agent.journal.empty",
        "upsun_agent.journal.server.fleet",
        "upsun_agent.journal.server.losses",
        "upsun_agent.journal.server.opening",
        "upsun_agent.journal.sqlite_copy",
        "upsun_agent.notify.channels.healthchecks",
        "upsun_agent.notify.outbox",
        "upsun_agent.platform.private_directory",
        "upsun_agent.runtime.package_changes",
        "upsun_agent.runtime.process",
    }
)
#: The attribute of a Deferred that says that its import is over.
READY = "_is_deferred"


class Deferred(ModuleType):
    """A module that is loaded when an attribute of it is first read."""

    def __getattr__(self, name: str) -> Any:
        """Load the module and return its attribute.

        Of the names that the import system reads, only ``__path__`` loads it, and not before the import is over: a
        module inside it is about to be imported.
        """
        if (name.startswith("__") and name != "__path__") or READY not in vars(self):
            raise AttributeError(f"{self.__name__} is not loaded yet: no {name}")
        self._load()
        return getattr(self, name)

    def _load(self) -> None:
        name = self.__name__
        parent = name.rpartition(".")[0]
        path = sys.modules[parent].__path__ if parent else None
        found = (finder.find_spec(name, path) for finder in sys.meta_path if finder is not _Finder)
        spec = next((each for each in found if each is not None), None)
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        before = dict(vars(self))
        del vars(self)[READY]
        usual: Any = ModuleType
        self.__class__ = usual  # from here on it is a module like any other
        self.__spec__, self.__loader__, self.__file__, self.__package__ = spec, spec.loader, spec.origin, spec.parent
        if spec.submodule_search_locations is not None:
            self.__path__ = spec.submodule_search_locations
        try:
            with held_back(*_stand_ins(name)):
                spec.loader.exec_module(self)
        except BaseException:
            self.__class__ = Deferred
            vars(self).clear()
            vars(self).update(before)
            raise


class _Finder:
    """Finds the deferred modules for the import system, before anybody else does."""

    @staticmethod
    def find_spec(name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None) -> Any:
        """Return what makes a Deferred of that name; None where the module is not deferred."""
        loader: Any = _Finder
        return type(sys.__spec__)(name, loader) if name in DEFERRED else None

    @staticmethod
    def create_module(spec: ModuleSpec) -> Deferred:
        """Return the module, not loaded."""
        return Deferred(spec.name)

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Mark the import as over; the module is loaded later."""
        vars(module)[READY] = True


def defer_imports() -> None:
    """Let imports of the ``DEFERRED`` modules in this process give modules that are loaded when they are first used."""
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)


class LazyModule(ModuleType):
    """Stands in for a module until something of it is used that is not ``given``."""

    def __init__(self, name: str, **given: Any) -> None:
        super().__init__(name)
        self._given = given
        self._real: ModuleType | None = None  # known where it was imported before it was replaced

    def take_hold(self) -> None:
        """Start to stand in for the module, with the given attributes."""
        vars(self).update(self._given)

    def let_go(self) -> None:
        """Stand in for the whole module from now on: the given attributes were for imports in the meantime."""
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


def instead(library: str) -> held_back:
    """Return the context in which a library of ``DEFERRED`` is imported where imports are not deferred."""
    return held_back(*(() if _Finder in sys.meta_path else _stand_ins(library)))


def _stand_ins(library: str) -> tuple[LazyModule, ...]:
    """Return what a library gets, while it is loaded, in place of modules that it imports and no caller needs.

    Of croniter's, one runs ``file`` from PATH to learn the architecture, the other reads zones, and croniter sees no
    zone here but UTC.
    """
    if library != "croniter":
        return ()
    from datetime import UTC  # noqa: PLC0415  late: for this library only

    return (
        LazyModule("platform", architecture=lambda *_, **__: ("64bit", "ELF")),
        LazyModule("dateutil.tz", tzutc=lambda: UTC, datetime_exists=lazy_function("dateutil.tz", "datetime_exists")),
    )


def lazy_function(module: str, name: str) -> Callable[..., Any]:
    """Return a function whose module is imported when it is called."""

    def call(*arguments: Any, **settings: Any) -> Any:
        return getattr(_imported(LazyModule(module)), name)(*arguments, **settings)

    return call


#: The modules whose import is delayed now.
_held_now: dict[str, Any] = {}


def end_stubbing() -> None:
    """Stop using stand-ins: some libraries import so many modules that stand-ins break them."""
    for name, stand_in in _held_now.items():
        if sys.modules.get(name, sys) is stand_in:
            del sys.modules[name]
    _held_now.clear()


class held_back:  # noqa: N801  it is used as a function: with held_back(...)
    """Let imports find stand-ins while the block lasts, and the import of ``absent`` modules fail.

    What is imported already stays, but where a stand-in is given instead of a name.

    Args:
        modules: the names of modules, or stand-ins for them.
        absent: modules that a library does without where they are not installed.
    """

    def __init__(self, *modules: str | LazyModule, absent: tuple[str, ...] = ()) -> None:
        self._modules = modules
        self._absent = absent

    def __enter__(self) -> None:
        late = [
            LazyModule(each) if isinstance(each, str) else each for each in self._modules if each not in sys.modules
        ]
        held: dict[str, Any] = {each.__name__: each for each in late}
        held |= {name: None for name in self._absent if name not in sys.modules}  # None: it is not found
        before = {name: sys.modules[name] for name in held if name in sys.modules}
        for each in late:
            each.take_hold()
            each._real = before.get(each.__name__)  # noqa: SLF001  this module's own
            parent, _, child = each.__name__.rpartition(".")
            if parent:  # after `import a.b` one asks `a` for its `b`, and not only while the block lasts
                __import__(parent)
                setattr(sys.modules[parent], child, each)
        sys.modules.update(held)
        _held_now.update(held)
        self._late, self._held, self._before = late, held, before

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, stand_in in self._held.items():
            _held_now.pop(name, None)
            if sys.modules.get(name, sys) is stand_in:
                del sys.modules[name]
        for each in self._late:
            each.let_go()  # it stays an attribute of its parent, where `from a import b` would find it
        sys.modules.update(self._before)
        for name, module in self._before.items():
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, module)
