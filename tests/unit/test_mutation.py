"""The breakages of `make mutation`: each kind is made, and none twice at one place."""

from __future__ import annotations

import ast

import pytest

from tools.mutation.__main__ import drawn, wilson
from tools.mutation.breaking import breakages, broken, places


def broken_bodies(body: str) -> set[str]:
    """Every way to break a function of this one line."""
    source = f"def f(a, b):\n    '''What it does.'''\n    {body}\n"
    found: set[str] = set()
    for index, (_, _, node) in enumerate(places(ast.parse(source))):
        for number, _ in enumerate(breakages(node)):
            tree, _ = broken(source, index, number)
            function = tree.body[0]
            assert isinstance(function, ast.FunctionDef)
            found.add(ast.unparse(function.body[-1]))
    return found


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return a < 1", {"return a <= 1", "return a < 2", "return None"}),
        ("return a and (not b)", {"return a or not b", "return a and (not not b)", "return None"}),
        ("a.put(b, b.c)", {"pass", "a.put(None, b.c)", "a.put(b, None)", "a.put(b.c, b)"}),
        ("a += 1", {"pass", "a -= 1", "a += 2"}),
        ("raise a", {"pass"}),
        ("assert a == 1", set[str]()),
    ],
)
def test_each_kind_of_breakage_is_made(body: str, expected: set[str]) -> None:
    assert broken_bodies(body) == expected


def test_the_interval_of_a_share_holds_the_share() -> None:
    low, high = wilson(180, 200)
    assert low == pytest.approx(0.851, abs=0.001)
    assert high == pytest.approx(0.934, abs=0.001)
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_sample_has_its_size_and_is_the_same_again() -> None:
    everything = {"small": list(range(10)), "large": list(range(100, 190))}
    sample = drawn(everything, 20, 1)
    assert len(sample) == 20
    assert sum(one < 100 for one in sample) == 2
    assert sample == drawn(everything, 20, 1)
