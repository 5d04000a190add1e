"""What a terminal obeys goes whole, wherever it stands and in whatever pieces it comes; what is printed stays."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upsun_agent.api.deadline import alarm
from upsun_agent.log.escapes import Normaliser, normal

#: What stands between two letters, and what is left of ``to…ken``.
SEQUENCES = {
    "a colour": "\x1b[1;31m",
    "a colour with colons": "\x1b[38:2::255:0:0m",
    "a private mode": "\x1b[?25l",
    "intermediates": "\x1b[4 q",
    "an 8-bit CSI": "\x9b31m",
    "an 8-bit CSI as a byte": "\udc9b31m",
    "a title": "\x1b]0;a title\x07",
    "a link": "\x1b]8;;https://example.com\x1b\\",
    "a title with an 8-bit end": "\x1b]2;x\x9c",
    "an 8-bit title": "\x9d0;x\x07",
    "an image": "\x1bPq#0;2;0~~\x1b\\",
    "a program's command": "\x1b_Ga=T;AAAA\x1b\\",
    "a private message": "\x1b^secret\x1b\\",
    "a string": "\x1bXstring\x1b\\",
    "an image of several lines": "\x1bPq\n#0~\n\x1b\\",
    "a character set": "\x1b(B",
    "an alignment": "\x1b#8",
    "a short one": "\x1b=",
    "one within another": "\x1b[1\x1b[0m;31m",
    "two within another": "\x1b[1\x1b[2\x1b[0m;31m",
    "a colour within a title": "\x1b]0;a\x1b[1mb\x07",
    "one that is given up": "\x1b]0;x\x18",
    "a null": "\0",
    "a bell": "\a",
    "a delete": "\x7f",
    "an override of direction": "\u202e",
    "an isolate": "\u2066",
    "a space without width": "\u200b",
    "a byte order mark": "\ufeff",
    "a letter that is written over": "x\b",
}

#: What a terminal shows a part of where it is cut, and what may be a letter of text that was decoded wrongly.
SHOWN_CUT = {"a letter that is written over", "a colour within a title", "an 8-bit title"}


@pytest.mark.parametrize("name", SEQUENCES)
def test_it_goes_and_its_neighbours_stay(name: str) -> None:
    assert normal(f"to{SEQUENCES[name]}ken") == "token"


@pytest.mark.parametrize("name", sorted({*SEQUENCES} - SHOWN_CUT))
def test_a_sequence_that_is_cut_leaves_nothing_on_its_line(name: str) -> None:
    for end in range(1, len(SEQUENCES[name])):
        said = normal(f"token{SEQUENCES[name][:end]}")
        assert said.partition("\n")[0] == "token"
        assert "\x1b" not in said


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("a\r\nb\rc\fd\x0be", "a\nb\nc\nd\ne"),
        ("a\tb", "a\tb"),
        ("N\bNA\bAM\bME\bE", "NAME"),
        ("_\bb_\bo_\bl_\bd", "bold"),
        ("\b\ba\n\bb", "a\nb"),
        ("family 👩\u200d👧 क्\u200dष", "family 👩\u200d👧 क्\u200dष"),
        ("half \ud800 of a pair, a byte \udcff", "half \ufffd of a pair, a byte \ufffd"),
        ("a title without end \x1b]0;abc\nthe reason", "a title without end \nthe reason"),
        ("â€\x9d is mojibake, and so is Ä\x9b", "â€ is mojibake, and so is Ä"),
    ],
)
def test_what_is_printed_stays(said: str, left: str) -> None:
    assert normal(said) == left


PARTS = st.sampled_from(
    [*SEQUENCES.values(), "\x1b", "[", "]", "1", ";", "m", "a", "word ", "\n", "\r", "\b", "\\", "P"]
)


@given(st.lists(PARTS, max_size=25), st.data())
@settings(max_examples=400, deadline=None)
def test_pieces_give_what_the_whole_gives(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    stream = Normaliser()
    pieces = [stream.feed(text[start:end]) for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole = "".join([*pieces, stream.end()])
    assert whole == normal(text)
    assert not [char for char in whole if char not in "\n\t\u200d\u200c" and not char.isprintable()]


#: Characters of a text, and seconds: what is linear takes a second or two, what is quadratic minutes to days.
LONG, DEADLINE = 1_000_000, 60
HARD = ["\x1b", "\x1b[", "\x1b]\n", "\x1b]a", "\x9d", "\x1b[1\x1b", "\x1bP\x1b[\n", "\b", "a\b", "\r", "\x1b[999999;"]


@pytest.mark.parametrize("part", HARD)
def test_a_long_text_does_not_take_the_square_of_its_length(part: str) -> None:
    text = (part * (LONG // len(part) + 1))[:LONG]
    with alarm(DEADLINE):
        normal(text)


@pytest.mark.parametrize("part", HARD)
def test_a_long_text_in_pieces_does_not_take_the_square_of_its_length(part: str) -> None:
    text, stream = (part * (LONG // len(part) + 1))[:LONG], Normaliser()
    with alarm(DEADLINE):
        for at in range(0, LONG, 1024):
            stream.feed(text[at : at + 1024])
        stream.end()
