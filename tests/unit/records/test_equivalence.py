"""Every class is made twice, by dataclasses and by upsun_agent.records, and must behave the same."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from upsun_agent import records

NAMES = ("a", "b", "c", "self")
VALUES = (1, 2, "x")
OPTIONS = ("init", "eq", "order", "frozen", "slots", "kw_only")


class Drawn(NamedTuple):
    """A field: its default ("none", "plain", "factory", "list", "bare"), and what else field() is told."""

    default: str = "none"
    settings: tuple[tuple[str, bool], ...] = ()


class Layer(NamedTuple):
    """A class: its fields, the options of the decorator, and methods of its own."""

    fields: dict[str, Drawn]
    options: dict[str, bool]
    own: tuple[str, ...] = ()


class Maker(NamedTuple):
    """One of the two ways to make a class."""

    dataclass: Any
    field: Any
    replace: Any


REAL = Maker(dataclasses.dataclass, dataclasses.field, dataclasses.replace)
OURS = Maker(records.dataclass, records.field, records.replace)
METHODS: dict[str, Any] = {
    "__repr__": lambda _: "shown",
    "__eq__": lambda self, other: type(self) is type(other),
    "__hash__": lambda _: 7,
    "__lt__": lambda *_: True,
    "__setattr__": object.__setattr__,
    "__post_init__": lambda self: calls.append(type(self).__name__),
    "__match_args__": ("b",),
}
calls: list[str] = []

SETTINGS = st.lists(st.tuples(st.sampled_from(["repr", "compare", "kw_only", "hash"]), st.booleans()), max_size=2)
DRAWN = st.builds(Drawn, st.sampled_from(["none", "none", "plain", "factory", "list", "bare"]), SETTINGS.map(tuple))
LAYER = st.builds(
    Layer,
    st.dictionaries(st.sampled_from(NAMES), DRAWN, max_size=3),
    st.dictionaries(st.sampled_from(OPTIONS), st.booleans()),
    st.lists(st.sampled_from(sorted(METHODS)), max_size=1).map(tuple),
)
FREE = st.tuples(st.lists(st.sampled_from(VALUES), max_size=4), st.dictionaries(st.sampled_from(NAMES), st.just(2)))
CALLS = st.one_of(st.booleans(), FREE)


def made(layers: list[Layer], makers: list[Maker]) -> Any:
    """The class of the last layer; each inherits from the one before."""
    cls: type = object
    for layer, maker in zip(layers, makers, strict=True):
        body: dict[str, Any] = {name: METHODS[name] for name in layer.own}
        body |= {
            "__annotations__": {"kind": "ClassVar[str]"},
            "kind": "k",
            "__module__": __name__,
            "__doc__": "A twin.",
        }
        for name, drawn in layer.fields.items():
            body["__annotations__"][name] = "int"
            settings = dict(drawn.settings)
            given_default: dict[str, Any] = {"plain": {"default": 5}, "factory": {"default_factory": list}}.get(
                drawn.default, {}
            )
            if drawn.default == "list":
                body[name] = []
            elif drawn.default == "bare":
                body[name] = 6
            elif given_default or settings:
                body[name] = maker.field(**given_default, **settings)
        cls = maker.dataclass(**layer.options)(type("Twin", (cls,), body))
    globals()["Twin"] = cls  # pickle looks it up here
    return cls


def outcome(deed: Callable[[], Any]) -> Any:
    """What comes of it, or the kind of error."""
    try:
        return deed()
    except Exception as error:  # noqa: BLE001  whatever it is, it must be the same for both
        return type(error)


def arguments(cls: Any, call: Any) -> tuple[list[Any], dict[str, Any]]:
    """Drawn ones, or (True) every field by name, or (False) as many as can be by position."""
    if call not in {True, False} if isinstance(call, bool) else True:
        return call
    names = {each.name: number for number, each in enumerate(dataclasses.fields(cls))}
    if call:
        return [], names
    positional = [name for name in names if not cls.__dataclass_fields__[name].kw_only]
    return [names.pop(name) for name in positional], names


def plain(value: Any) -> Any:
    """An object as what is in it, since the twins are of two classes."""
    if not dataclasses.is_dataclass(value):
        return value
    return [(each.name, getattr(value, each.name)) for each in dataclasses.fields(value)], hasattr(value, "__dict__")


def described(cls: Any) -> list[Any]:
    """What the class says of its fields."""
    kept = ("name", "type", "default", "default_factory", "repr", "compare", "hash", "init", "kw_only", "_field_type")
    every = [[getattr(each, name) for name in kept] for each in cls.__dataclass_fields__.values()]
    flags = [
        getattr(cls.__dataclass_params__, name) for name in ("init", "repr", "eq", "order", "frozen", "unsafe_hash")
    ]
    return [
        every,
        flags,
        [each.name for each in dataclasses.fields(cls)],
        vars(cls).get("__slots__"),
        cls.__match_args__,
    ]


def behaviour(maker: Maker, cls: Any, call: Any) -> list[Any]:
    """Everything that can be done to an object of the class, and what comes of it."""
    args, named = arguments(cls, call)
    calls.clear()
    first = outcome(lambda: cls(*args, **named))
    if not isinstance(first, cls):
        return [first]
    second = cls(*args, **named)
    other = outcome(lambda: maker.replace(first, a=99))
    deeds: dict[str, Callable[[], Any]] = {
        "repr": lambda: repr(first),
        "equal": lambda: [first == second, first != second, first == other, first == 3],
        "hash": lambda: hash(first) if "__hash__" in dir(cls) and cls.__hash__ is not object.__hash__ else "identity",
        "less": lambda: [first < second, first < other],
        "at most": lambda: first <= other,
        "more": lambda: first > other,
        "at least": lambda: first >= other,
        "less than a number": lambda: first < 3,
        "replace unknown": lambda: maker.replace(first, nonsense=1),
        "real replace": lambda: plain(dataclasses.replace(first, a=3)),
        "asdict": lambda: dataclasses.asdict(first),
        "copy": lambda: plain(copy.copy(first)),
        "deepcopy": lambda: plain(copy.deepcopy(first)),
        "pickle": lambda: plain(pickle.loads(pickle.dumps(first))),  # noqa: S301  it is our own
        "match": lambda: matched(cls, first),
        "set": lambda: setattr(first, "a", 4),
        "set unknown": lambda: setattr(first, "nonsense", 4),
        "then": lambda: plain(first),
        "delete": lambda: delattr(first, "a"),
        "delete unknown": lambda: delattr(first, "nonsense"),
        "of a subclass": lambda: of_a_subclass(cls, args, named),
        "vars": lambda: list(vars(second)),
        "calls": lambda: list(calls),
    }
    if cls.__dataclass_params__.frozen and "__slots__" in vars(cls):  # broken in dataclasses of 3.11, tested below
        for name in ("set unknown", "delete unknown", "of a subclass"):
            del deeds[name]
        if "a" not in cls.__dataclass_fields__:
            del deeds["set"], deeds["delete"]
    return [plain(first), plain(other), *[(name, outcome(deed)) for name, deed in deeds.items()]]


def matched(cls: Any, value: Any) -> Any:
    """The first two fields by position, or the first, or nothing."""
    match value:
        case cls(one, two):
            return [one, two]
    return None


def of_a_subclass(cls: Any, args: list[Any], named: dict[str, Any]) -> Any:
    """A subclass that is no dataclass may have attributes of its own, frozen or not."""
    child = type("Child", (cls,), {})(*args, **named)
    child.own = 1
    return [
        child.own,
        repr(child).startswith("Child("),
        child == cls(*args, **named),
        outcome(lambda: setattr(child, "a", 1)),
    ]


@settings(max_examples=200, derandomize=True)
@given(st.lists(LAYER, min_size=1, max_size=2), st.lists(st.booleans(), min_size=2, max_size=2), CALLS)
@example([Layer({"a": Drawn(), "b": Drawn("factory")}, {"frozen": True, "slots": True})], [True] * 2, True)
@example([Layer({"a": Drawn(), "b": Drawn()}, {"frozen": True, "slots": True, "order": True})], [True] * 2, False)
@example(
    [Layer({"a": Drawn()}, {"frozen": True}), Layer({"b": Drawn()}, {"frozen": True, "slots": True})], [True] * 2, True
)
def test_a_class_behaves_as_its_twin(layers: list[Layer], ours: list[bool], call: Any) -> None:
    ours[len(layers) - 1] = ours[len(layers) - 1] or not any(ours[: len(layers)])
    makers = [OURS if each else REAL for each in ours[: len(layers)]]
    seen = []
    for each in ([REAL] * len(layers), makers):
        cls = outcome(lambda each=each: made(layers, each))
        twin = getattr(cls, "__name__", "") == "Twin"
        seen.append(described(cls) + behaviour(each[-1], cls, call) if twin else [cls])
    for real, mine in zip(*seen, strict=True):
        assert mine == real


@records.dataclass(frozen=True, slots=True)
class Node:
    """A class with what the hypothesis above has not."""

    kind: ClassVar[str] = "node"
    name: str
    children: list[Any] = records.field(default_factory=list, compare=False)

    @property
    def loud(self) -> str:
        return super().__repr__().upper()

    def tail(self) -> type:
        return __class__  # type: ignore[name-defined,no-any-return]  # the cell that super() reads


def test_a_text_of_an_object_in_itself_ends() -> None:
    node = Node("a")
    node.children.append(node)
    assert repr(node) == "Node(name='a', children=[...])"


def test_super_without_arguments_works_in_a_slotted_class() -> None:
    assert Node("a").tail() is Node
    assert "NODE OBJECT AT" in Node("a").loud


def test_unknown_attributes_of_a_frozen_slotted_class_are_refused_and_a_subclass_has_its_own() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'other'"):
        setattr(Node("a"), "other", 1)  # noqa: B010
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'other'"):
        delattr(Node("a"), "other")

    class Free(Node):
        pass

    free = Free("a")
    free.other = 1  # type: ignore[attr-defined]
    del free.other  # type: ignore[attr-defined]
    with pytest.raises(dataclasses.FrozenInstanceError):
        free.name = "b"  # type: ignore[misc]


def test_a_match_statement_takes_fields_by_position_and_name() -> None:
    match Node("a"):
        case Node(name, children=[]):
            assert name == "a"
        case _:
            pytest.fail("no match")


@pytest.mark.parametrize("word", ["ClassVar[int]", "typing.ClassVar[int]", "ClassVar"])
def test_a_class_variable_is_no_field(word: str) -> None:
    cls = records.dataclass(type("C", (), {"__annotations__": {"x": word}, "x": 1, "__module__": __name__}))
    assert (dataclasses.fields(cls), cls().x) == ((), 1)


@pytest.mark.parametrize("word", ["InitVar[int]", "dataclasses.InitVar[int]", "KW_ONLY", dataclasses.InitVar[int]])
def test_what_is_not_supported_is_refused_by_name(word: Any) -> None:
    with pytest.raises(TypeError, match=r"C\.x: InitVar, KW_ONLY and init=False"):
        records.dataclass(type("C", (), {"__annotations__": {"x": word}}))


def test_a_field_that_is_no_parameter_is_refused() -> None:
    body = {"__annotations__": {"x": "int"}, "x": records.field(default=1, init=False)}
    with pytest.raises(TypeError, match="init=False"):
        records.dataclass(type("C", (), body))


@pytest.mark.parametrize("option", ["repr", "unsafe_hash", "match_args", "weakref_slot"])
def test_a_parameter_that_is_not_supported_is_refused(option: str) -> None:
    with pytest.raises(TypeError, match=option):
        records.dataclass(**{option: True})(type("C", (), {}))


def test_no_code_is_generated(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("exec")

    monkeypatch.setattr("builtins.exec", refuse)
    monkeypatch.setattr("builtins.eval", refuse)
    monkeypatch.setattr("builtins.compile", refuse)
    made([Layer({"a": Drawn()}, dict.fromkeys(OPTIONS, True))], [OURS])
    with pytest.raises(AssertionError, match="exec"):
        made([Layer({"a": Drawn()}, dict.fromkeys(OPTIONS, True))], [REAL])
