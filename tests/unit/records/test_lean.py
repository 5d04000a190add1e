"""The classes of libraries that a tick makes without generated code are what the real ``dataclass`` makes of them."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from types import ModuleType
from typing import Any

import h11  # noqa: F401  its events are compared
import pytest
import structlog  # noqa: F401  its classes are compared
from upsun_agent.lazy_imports import held_back
from upsun_agent.records import LEAN


@pytest.fixture(params=["h11._events", "structlog.tracebacks", "structlog.dev"])
def pair(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """A module of a library as it is, and made once more as a tick makes it."""
    real = sys.modules[request.param]
    name = f"{real.__package__}.lean_twin"
    spec = importlib.util.spec_from_file_location(name, real.__file__)
    assert spec is not None
    assert spec.loader is not None
    twin = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, twin)
    with held_back(LEAN):
        spec.loader.exec_module(twin)
    return real, twin


def classes(module: ModuleType) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and dataclasses.is_dataclass(value)
    }


def test_they_are_the_same_classes(pair: tuple[ModuleType, ModuleType]) -> None:
    real, twin = map(classes, pair)
    assert real.keys() == twin.keys() != set()
    for name, cls in real.items():
        for aspect in ("name", "default", "init", "repr", "compare", "hash", "kw_only"):
            found = [[getattr(field, aspect) for field in dataclasses.fields(each)] for each in (cls, twin[name])]
            assert found[0] == found[1], (name, aspect)
        for aspect in ("init", "repr", "eq", "order", "frozen"):
            assert getattr(cls.__dataclass_params__, aspect) == getattr(twin[name].__dataclass_params__, aspect)
        own = [{key for key in vars(each) if not key.startswith("__doc")} for each in (cls, twin[name])]
        assert own[0] - own[1] <= {"__replace__", "__annotate_func__", "__annotations_cache__"}, name


HEADERS = [("Host", "example.com"), ("Accept", "*/*")]


@pytest.mark.parametrize("pair", ["h11._events"], indirect=True)
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("Request", {"method": "GET", "target": "/", "headers": HEADERS}),
        ("Response", {"status_code": 200, "headers": HEADERS, "reason": b"OK"}),
        ("InformationalResponse", {"status_code": 100, "headers": []}),
        ("Data", {"data": b"abc", "chunk_start": True}),
        ("EndOfMessage", {"headers": [("X", "y")]}),
        ("ConnectionClosed", {}),
    ],
)
def test_events_of_a_connection_behave_the_same(
    pair: tuple[ModuleType, ModuleType], name: str, settings: dict[str, Any]
) -> None:
    real, twin = (getattr(module, name) for module in pair)
    one, other = real(**settings), twin(**settings)
    assert repr(one) == repr(other)
    assert twin(**settings) == other != one
    assert not hasattr(other, "__dict__") or vars(one) == vars(other)
    outcomes = []
    for event in (one, other):
        with pytest.raises(dataclasses.FrozenInstanceError) as caught:
            event.anything = 1
        outcomes.append(str(caught.value))
        try:
            outcomes.append(type(hash(event)).__name__)
        except TypeError as error:
            outcomes.append(str(error).partition(":")[0])
    assert outcomes[:2] == outcomes[2:]
    wrong = [pytest.raises(TypeError), pytest.raises(TypeError)]
    for cls, caught in zip((real, twin), wrong, strict=True):
        with caught:
            cls(unknown=1)


@pytest.mark.parametrize("pair", ["structlog.tracebacks"], indirect=True)
def test_what_is_said_of_an_error_is_the_same(pair: tuple[ModuleType, ModuleType]) -> None:
    shown = []
    for module in pair:
        try:
            raise ValueError("said")  # noqa: TRY301  the trace is what is compared
        except ValueError as error:
            trace = module.extract(ValueError, error, error.__traceback__)
        shown.append([dataclasses.asdict(stack) for stack in trace.stacks])
    assert shown[0] == shown[1]


def test_what_ours_refuses_is_made_by_the_real_one() -> None:
    with held_back(LEAN):
        from dataclasses import dataclass, field

    assert dataclass is not dataclasses.dataclass

    @dataclass
    class Odd:
        a: int
        b: dataclasses.InitVar[int]
        _: dataclasses.KW_ONLY
        c: int = field(default=3, init=False)

    @dataclass(repr=False, unsafe_hash=True)
    class Rare:
        a: int = 1

    assert [each.name for each in dataclasses.fields(Odd)] == ["a", "c"]
    assert (Odd(1, 2).a, Odd(1, 2).c) == (1, 3)
    assert hash(Rare()) == hash(Rare())
    assert Rare.__repr__ is object.__repr__


def test_a_plain_class_is_made_by_ours() -> None:
    with held_back(LEAN):
        from dataclasses import dataclass

    @dataclass(init=False, frozen=True)
    class Plain:
        a: int = 1

        def __init__(self) -> None:
            object.__setattr__(self, "a", 2)

    assert Plain.__eq__.__code__.co_filename.endswith("records.py")
    assert Plain() == Plain()
    assert repr(Plain()).endswith("Plain(a=2)")
