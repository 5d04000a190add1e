"""No text for people uses words that a reader has to read twice (tools/plain_words.py)."""

from __future__ import annotations

import pytest

from tools.plain_words import findings, odd_words, texts_of


def test_no_message_docstring_or_page_uses_them() -> None:
    assert findings() == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("'x' is no date", ["is no date"]),
        ("the job was\nheld back", ["held back"]),
        ("Mend the lines that are named", ["Mend"]),
        ("a row of nobody's", ["nobody's"]),
        ("there is no job 'x'", []),
        ("a commit and a recommendation", []),
    ],
)
def test_a_phrase_is_found_wherever_lines_break(text: str, words: list[str]) -> None:
    assert [found for _, found in odd_words(text)] == words


def test_messages_docstrings_and_lines_of_fields_are_read() -> None:
    source = '"""One."""\nx = f"two {1} three"\n#: four\ny: int  # five\n'
    assert [(line, text.strip()) for line, text in texts_of(source)] == [
        (1, "One."),
        (2, "two"),
        (2, "three"),
        (3, "#: four"),
    ]
