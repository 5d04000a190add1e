"""``dataclass`` and ``replace`` as in the standard library, for classes that are made at every tick.

The real ``dataclass`` writes each method as source and runs it through ``exec`` at every import: that was a fifth of a
tick's CPU. Here methods are closures over the names of the fields. The classes are otherwise the same:
``dataclasses.fields``, ``asdict`` and ``is_dataclass`` take them, and either kind may inherit from the other.

What nobody here uses is refused when the class is made, never ignored: ``InitVar``, ``KW_ONLY``, ``field(init=False)``
and the rarer parameters of ``dataclass``. A ``ClassVar`` is known by that name: import it under no other.
"""

from __future__ import annotations

import abc
import dataclasses
import operator
from collections.abc import Callable
from dataclasses import _FIELD as FIELD  # type: ignore[attr-defined]  # the mark that dataclasses.fields looks for
from dataclasses import _FIELD_CLASSVAR as CLASSVAR  # type: ignore[attr-defined]
from dataclasses import KW_ONLY, MISSING, Field, FrozenInstanceError, field, fields
from functools import partial
from reprlib import recursive_repr
from types import FunctionType, MemberDescriptorType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from upsun_agent.lazy_imports import LazyModule

__all__ = ["LEAN", "dataclass", "field", "fields", "replace"]

ORDER = {"__lt__": operator.lt, "__le__": operator.le, "__gt__": operator.gt, "__ge__": operator.ge}
FREEZE = {"__setattr__": "assign to", "__delattr__": "delete"}
REST = {"repr": True, "match_args": True, "unsafe_hash": False, "weakref_slot": False}
OPTIONS = {"eq", "order", "frozen", "kw_only", "slots", "init"}


def _replace(self: Any, /, **changes: Any) -> Any:
    """A new object of the same class, with these fields changed."""
    return self.__class__(**{each.name: getattr(self, each.name) for each in fields(self) if each.init} | changes)


def _dataclass(cls: Any = None, /, **options: bool) -> Any:
    """The class with the methods that ``dataclasses.dataclass`` gives it; with ``slots`` it is a new class."""
    return partial(_make, **options) if cls is None else _make(cls, **options)


if TYPE_CHECKING:  # a type checker knows the real ones by heart, down to the fields that `replace` may change
    from dataclasses import dataclass, replace
else:
    dataclass, replace = _dataclass, _replace


def _make(  # the names and defaults of its parameters are those of the real one
    cls: Any,
    *,
    init: bool = True,
    eq: bool = True,
    order: bool = False,
    frozen: bool = False,
    kw_only: bool = False,
    slots: bool = False,
) -> Any:
    described = _describe(cls, frozen=frozen, kw_only=kw_only)
    if order and not eq:
        raise ValueError("eq must be true if order is true")
    every = [each for each in described.values() if each._field_type is FIELD]  # noqa: SLF001  it has no other name
    key = _values([each.name for each in every if each.compare])
    hashed = _values([each.name for each in every if (each.compare if each.hash is None else each.hash)])
    made_init = _init(every, frozen=frozen, post_init=hasattr(cls, "__post_init__")) if init else None
    methods: dict[str, Any] = {"__init__": made_init} if init else {}
    methods |= {"__repr__": _repr, "__match_args__": tuple(each.name for each in every if not each.kw_only)}
    methods |= {"__getstate__": _get_state, "__setstate__": _set_state} if frozen and slots else {}
    if eq:
        methods["__eq__"] = _comparison(operator.eq, key)
        methods["__hash__"] = (lambda self: hash(hashed(self))) if frozen else None
    # What a class says itself stays, but for the None that Python puts for a hash beside an __eq__.
    said = vars(cls).keys() - ({"__hash__"} if "__eq__" in vars(cls) and cls.__hash__ is None else set())
    if lost := said & {*(ORDER if order else ()), *(FREEZE if frozen else ()), *(["__slots__"] if slots else ())}:
        raise TypeError(f"{cls.__qualname__} has {', '.join(sorted(lost))} already")
    names = [each.name for each in every]
    made = _slotted(cls, names) if slots else cls
    methods |= {name: _comparison(compare, key) for name, compare in ORDER.items() if order}
    methods |= {name: _frozen(made, names, name, verb) for name, verb in FREEZE.items() if frozen}
    for name in methods.keys() - said:
        setattr(made, name, methods[name])
    made.__dataclass_fields__ = described
    params = {"init": init, "eq": eq, "order": order, "frozen": frozen, "kw_only": kw_only, "slots": slots, **REST}
    made.__dataclass_params__ = SimpleNamespace(**params)
    return abc.update_abstractmethods(made)


def _describe(cls: Any, *, frozen: bool, kw_only: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    bases = [base for base in cls.__mro__[-1:0:-1] if hasattr(base, "__dataclass_fields__")]
    for base in bases:
        found |= base.__dataclass_fields__
    # From 3.11 to 3.14 a class's `__annotations__` are those of its own body, never a base's.
    found |= {name: _field(cls, name, annotation, kw_only) for name, annotation in cls.__annotations__.items()}
    if stray := [name for name, value in vars(cls).items() if isinstance(value, Field)]:
        raise TypeError(f"{cls.__qualname__}.{stray[0]} is a field but has no type annotation")
    if odd := [base for base in bases if base.__dataclass_params__.frozen is not frozen]:
        raise TypeError(f"{cls.__qualname__} and its base {odd[0].__qualname__}: both frozen, or neither")
    return found


def _field(cls: Any, name: str, annotation: Any, kw_only: bool) -> Any:  # noqa: FBT001
    found: Any = getattr(cls, name, MISSING)
    if not isinstance(found, Field):
        found = field(default=MISSING if isinstance(found, MemberDescriptorType) else found)  # that is a base's slot
    elif found.default is MISSING:
        delattr(cls, name)
    else:
        setattr(cls, name, found.default)
    word = _word(annotation)
    if word in {"InitVar", "KW_ONLY"} or annotation is KW_ONLY or not found.init:
        raise TypeError(f"{cls.__qualname__}.{name}: InitVar, KW_ONLY and init=False are not supported")
    if word != "ClassVar" and type(found.default).__hash__ is None:
        raise ValueError(f"{cls.__qualname__}.{name}: objects would share this default, use default_factory")
    found.name, found.type, found._field_type = name, annotation, CLASSVAR if word == "ClassVar" else FIELD  # noqa: SLF001
    if word != "ClassVar" and found.kw_only is MISSING:
        found.kw_only = kw_only
    return found


def _word(annotation: Any) -> str:
    return str(annotation).partition("[")[0].rpartition(".")[2].strip()


def _slotted(cls: Any, names: list[str]) -> Any:
    bases = [vars(base) for base in cls.__mro__[1:]]
    body = {name: value for name, value in vars(cls).items() if name not in {"__dict__", "__weakref__", *names}}
    body["__slots__"] = tuple(n for n in names if not any(isinstance(b.get(n), MemberDescriptorType) for b in bases))
    made = type(cls)(cls.__name__, cls.__bases__, body)
    made.__qualname__ = cls.__qualname__
    for member in body.values():  # super() without arguments asks a cell which class it is in: now it is the new one
        for function in (member, getattr(member, "__wrapped__", None), getattr(member, "fget", None)):
            if isinstance(function, FunctionType) and "__class__" in function.__code__.co_freevars:
                cell = (function.__closure__ or ())[function.__code__.co_freevars.index("__class__")]
                cell.cell_contents = made if cell.cell_contents is cls else cell.cell_contents
    return made


def _init(every: list[Any], *, frozen: bool, post_init: bool) -> Callable[..., None]:
    names = {each.name: None for each in every}
    positional = [each.name for each in every if not each.kw_only]
    defaults = {each.name: each.default for each in every if each.default is not MISSING}
    factories = {each.name: each.default_factory for each in every if each.default_factory is not MISSING}
    optional = [name in defaults or name in factories for name in positional]
    if optional != sorted(optional):
        raise TypeError("a field without a default follows one with a default")
    assign: Any = object.__setattr__ if frozen else setattr

    def __init__(self: Any, /, *args: Any, **values: Any) -> None:  # noqa: N807
        if args:
            if len(args) > len(positional) or not values.keys().isdisjoint(positional[: len(args)]):
                raise TypeError(f"{self.__class__.__qualname__} takes {len(positional)} values by position, each once")
            values.update(zip(positional, args, strict=False))
        if len(values) < len(names):
            made = {name: factory() for name, factory in factories.items() if name not in values}
            values = {**defaults, **made, **values}
        if values.keys() != names.keys():
            raise TypeError(f"{self.__class__.__qualname__} lacks or does not know: {', '.join(values.keys() ^ names)}")
        for name in names:
            assign(self, name, values[name])
        if post_init:
            self.__post_init__()

    return __init__


def _values(names: list[str]) -> Callable[[Any], Any]:
    return operator.attrgetter(*names) if len(names) > 1 else lambda self: tuple([getattr(self, n) for n in names])


def _comparison(compare: Callable[[Any, Any], Any], key: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda self, other: compare(key(self), key(other)) if other.__class__ is self.__class__ else NotImplemented


def _frozen(cls: type, names: list[str], method: str, verb: str) -> Callable[..., None]:
    def guarded(self: Any, name: str, *value: Any) -> None:
        if type(self) is cls or name in names:
            raise FrozenInstanceError(f"cannot {verb} field {name!r}")
        getattr(super(cls, self), method)(name, *value)

    return guarded


@recursive_repr()
def _repr(self: Any) -> str:
    shown = ", ".join([f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr])
    return f"{self.__class__.__qualname__}({shown})"


def _get_state(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for each, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)


def _lean(cls: Any = None, /, **options: Any) -> Any:
    """``dataclass`` for a library's class: ours where it asks for nothing that ours refuses, else the real one."""
    if cls is None:
        return partial(_lean, **options)
    odd = [value for value in vars(cls).values() if isinstance(value, Field) and not value.init]
    odd += [each for each in cls.__annotations__.values() if each is KW_ONLY or _word(each) in {"InitVar", "KW_ONLY"}]
    return (dataclasses.dataclass if odd or options.keys() - OPTIONS else _make)(cls, **options)


#: Found in place of ``dataclasses`` by a library, its classes are made without generated code.
LEAN = LazyModule("dataclasses", dataclass=_lean)
