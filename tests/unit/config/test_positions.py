"""On which line a key stands, whatever is written around it."""

from __future__ import annotations

import time
import tomllib

import pytest
from upsun_agent.config.positions import Positions

from tests.harness.job_files import GOOD, LEAST, mistakes

TEXT = '''\
top = 1
dotted.key.deep = 2
"quoted key" = 3
'literal' = 4

[table]          # [not.a.table]
a = "x = [ # {"
b = [            # an array over several lines
  "]", '[', [1,
  2],
]
c = """
d = 1
[e]
"""
f = 1
g = \'\'\'
h = 1 \'\'\'
i = { j = { k = [ { l = 1 } ] } }

[[list]]
m = 1

[[list]]
n = 1
[list.sub]
o = 1
[[list.inner]]
p = 1
[ spaced . "out" ]
q = 1
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("top",), 1),
        (("dotted",), 2),
        (("dotted", "key", "deep"), 2),
        (("quoted key",), 3),
        (("literal",), 4),
        (("table",), 6),
        (("table", "a"), 7),
        (("table", "b"), 8),
        (("table", "b", 2, 1), 8),  # within a value: where it begins
        (("table", "c"), 12),
        (("table", "f"), 16),
        (("table", "g"), 17),
        (("table", "i"), 19),
        (("table", "i", "j", "k", 0, "l"), 19),
        (("list",), 21),
        (("list", 0), 21),
        (("list", 0, "m"), 22),
        (("list", 1), 24),
        (("list", 1, "n"), 25),
        (("list", 1, "sub"), 26),
        (("list", 1, "sub", "o"), 27),
        (("list", 1, "inner", 0), 28),
        (("list", 1, "inner", 0, "p"), 29),
        (("spaced", "out"), 30),
        (("spaced", "out", "q"), 31),
        (("nowhere", "at", "all"), 1),
        (("table", "missing"), 6),
    ],
)
def test_a_key_is_found_on_its_line(path: tuple[str | int, ...], line: int) -> None:
    tomllib.loads(TEXT)  # the text is TOML, or the lines mean nothing
    assert Positions(TEXT).line(path) == line


@pytest.mark.parametrize(
    "value",
    [
        r'{ a = "C:\\" }',
        r'{ a = "say \"hi\" {" }',
        r'[ "\\\"[" ]',
        "{ a = 'C:\\' }",
        '[ """a""" ]',
        '[ """a"""" ]',  # one quote more belongs to the text
        '[ """a""""" ]',  # and so do two
        r'[ """a\"""" ]',
        r'[ """\\""" ]',
        "[ '''a'''' ]",
        "[ '''a''''' ]",
        '[ """\n]\n""" ]',
        '[ """\n\\"""]\n""" ]',
        "[ '''\n[{\n''' ]",
        "[ # ]\n]",
        '[\n  "#",\n]',
        '{ a = "#" } # {',
        '"\u2028"  # \u2028 \x85 no new line in TOML',
        '""',
        "''",
        '""""""',
        "[]",
        "2026-01-01T00:00:00Z",
    ],
)  # fmt: skip
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_nothing_in_a_value_shifts_the_lines_after_it(value: str, newline: str) -> None:
    text = f"first = {value}\nsecond = 2\n[third]\nfourth = 4\n".replace("\n", newline)
    assert tomllib.loads(text)["third"] == {"fourth": 4}
    after = value.count("\n") + 2
    positions = Positions(text)
    assert [positions.line(path) for path in (("first",), ("second",), ("third",), ("third", "fourth"))] == [
        1,
        after,
        after + 1,
        after + 2,
    ]


@pytest.mark.parametrize(
    ("spoiled", "line"),
    [
        (GOOD.replace("\n", "\n\n").replace("overlap =", "overlaps ="), 12 * 2 - 1),
        (GOOD.replace("\n", "\r\n").replace("overlap =", "overlaps ="), 12),
        (GOOD.replace("# The", "# \u2028\x85\x0c\n# The".replace("\x0c", "")).replace("overlap =", "overlaps ="), 13),
        (GOOD.replace("overlap =", '"overlaps" ='), 12),
        (GOOD.replace("overlap =", "'overlaps'="), 12),
        (GOOD.replace('"stable"', '"C:\\\\"') + "[jobs.x]\nsteps = [{ backup = {} }]\noverlaps = 1\n", 29),
    ],
)
def test_a_mistake_is_named_with_its_line_however_the_file_is_written(spoiled: str, line: int) -> None:
    [found] = mistakes(spoiled)
    assert found.split()[0] == str(line)
    assert "unknown key 'overlaps'" in found


def test_a_file_in_one_dotted_line_each_is_understood() -> None:
    assert mistakes('jobs.a.steps = [{ backup = {} }]\njobs.a.overlap = "skip"\njobs.a.foo = 1\n')[0].startswith("3 ")


def test_a_megabyte_of_escaped_quotes_is_read_in_no_time() -> None:
    text = LEAST + 'x = "' + '\\"' * 400_000 + '"\n'
    began = time.process_time()
    assert Positions(text).line(("jobs", "a", "x")) == 3
    assert time.process_time() - began < 20, "the time grows with the square of the length"
