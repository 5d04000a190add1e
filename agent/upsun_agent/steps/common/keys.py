"""The descriptions of a kind's settings keys, and the table that is generated from them.

Kinds import these names for their annotations only, under ``TYPE_CHECKING``: a tick that found its job file checked by
an earlier one never loads this module.
"""

from __future__ import annotations

from typing import Annotated, Any, get_type_hints

from msgspec import NODEFAULT
from msgspec.structs import replace

from upsun_agent.limits import COMMAND_MOST, ID_MOST, PAGE_MOST
from upsun_agent.model.ids import id_fault, name_fault, place_fault
from upsun_agent.steps.common.settings import StepSettings
from upsun_agent.validators import (
    DAYS_OF_WEEK,
    PAGE,
    SECRET_VARIABLE,
    VARIABLE,
    WINDOW,
    Boolean,
    Choice,
    Duration,
    Field,
    ListOf,
    MapOf,
    Number,
    Table,
    Text,
)

__all__ = [
    "COMMAND_MOST",
    "DAYS_OF_WEEK",
    "ENVIRONMENT",
    "ID_MOST",
    "NAME",
    "NEW_ENVIRONMENT",
    "PAGE",
    "PAGE_MOST",
    "SECRET_VARIABLE",
    "VARIABLE",
    "WINDOW",
    "Boolean",
    "Choice",
    "Duration",
    "Field",
    "ListOf",
    "MapOf",
    "Number",
    "Retries",
    "RetryAfter",
    "Text",
    "VariablesByGroup",
    "table",
]

RETRIES_MOST = 5

#: The id of an environment that is there, or "." for the one that the agent runs on.
ENVIRONMENT = Text(r"[^\s\x00-\x1f\x7f]+", "the id of an environment", ID_MOST, rule=place_fault)
#: The id of an environment that is to be made.
NEW_ENVIRONMENT = Text(ENVIRONMENT.pattern, ENVIRONMENT.what, ID_MOST, rule=id_fault)
#: The name of something that the project defines, such as an app or a task.
NAME = Text(most=200, rule=name_fault)
#: Variables by their group: { env = { NAME = "value" } }.
VariablesByGroup = MapOf(
    MapOf(Text(r"[^\x00]*", "text", 10_000), VARIABLE, most=100),
    Text(r"[a-z][a-z0-9-]*", "a group such as env", 40),
    most=10,
)

Retries = Annotated[
    int, Field(Number(0, RETRIES_MOST), "How often it is asked for again after it is known to have failed.")
]
RetryAfter = Annotated[int, Field(Duration(60), "The pause before the first retry; it doubles with each.")]


def table(settings: type[StepSettings]) -> Table:
    """Return the table of a kind's keys: its own first, then those that every step has."""
    hints = get_type_hints(settings, localns=globals(), include_extras=True)
    names, defaults = settings.__struct_fields__, settings.__struct_defaults__
    default_of = dict(
        zip(names[len(names) - len(defaults) :], defaults, strict=True)
    )  # defaults are of the last fields
    every = sorted(names, key=lambda name: sum(hasattr(base, name) for base in settings.__mro__))
    return Table(
        {name.rstrip("_").replace("_", "-"): _field(hints[name], default_of.get(name, NODEFAULT)) for name in every}
    )


def _field(hint: Any, default: Any) -> Field:
    """Return the key that a field of a settings class describes, with the field's default."""
    found: Field = next(each for each in hint.__metadata__ if isinstance(each, Field))
    if default is NODEFAULT:
        return replace(found, required=True)
    return replace(found, default=default.factory() if hasattr(default, "factory") else default)
