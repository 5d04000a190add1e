"""Public functions of three parameters or more document them."""

from __future__ import annotations

import pytest

from tools.docstrings import excess, undocumented


def test_no_package_has_more_functions_without_arguments_than_it_may_have() -> None:
    assert excess() == []


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f(a, b): ...", []),
        ("def f(a, b, *, c): ...", ["f"]),
        ("def _f(a, b, c): ...", []),
        ("class A:\n    def f(self, a, b): ...\n    def g(self, a, b, c): ...", ["g"]),
        ("class _A:\n    def g(self, a, b, c): ...", []),
        ('def f(a, b, c):\n    """Do.\n\n    Args:\n        a: x\n    """', []),
        ('def f(a, b, c):\n    """Do."""\n    def g(a, b, c): ...', ["f"]),
    ],
)
def test_what_counts(source: str, names: list[str]) -> None:
    assert [name for _, name in undocumented(source)] == names
