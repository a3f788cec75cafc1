"""Durations read as written and print so that they read back."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.durations import (
    DURATION_TEXT_MAX,
    DurationError,
    duration_text,
    duration_us,
)

SECOND_US = 1_000_000


@pytest.mark.parametrize(
    ("text", "expected_us"),
    [
        ("0s", 0),
        ("500ms", SECOND_US // 2),
        ("250us", 250),
        ("90s", 90 * SECOND_US),
        ("10m", 600 * SECOND_US),
        ("1h30m", 5400 * SECOND_US),
        ("3d", 3 * 86_400 * SECOND_US),
        ("2w", 14 * 86_400 * SECOND_US),
        ("1w2d3h4m5s6ms7us", 788_645_006_007),
    ],
)
def test_a_duration_reads_as_written(text: str, expected_us: int) -> None:
    """Every unit counts for its own length."""
    assert duration_us(text) == expected_us


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "s",
        "1.5h",
        "-1s",
        "+1s",
        "1 h",
        " 1h",
        "1h ",
        "1H",
        "1h1h",
        "30m1h",
        "PT5M",
        "1y",
    ]
    + ["1m\n", "\u0661s", "9" * 16 + "s", "1s" * DURATION_TEXT_MAX],
)
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    """The message shows the form that is wanted."""
    with pytest.raises(DurationError, match="write whole numbers with units"):
        duration_us(text)


def test_a_number_is_not_a_duration() -> None:
    """JSON numbers have no unit, so they are refused by name."""
    with pytest.raises(DurationError, match="a duration is text, got 90"):
        duration_us(cast(str, 90))


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "0s"),
        (90 * SECOND_US, "1m30s"),
        (14 * 86_400 * SECOND_US, "14d"),
        (1_500, "1ms500us"),
    ],
)
def test_a_duration_prints_in_its_largest_units(us: int, text: str) -> None:
    """Weeks print as days; parts that are zero are left out."""
    assert duration_text(us) == text


@given(st.integers(0, 4_000 * 365 * 86_400 * SECOND_US))
def test_printed_durations_read_back(us: int) -> None:
    """Printing loses nothing."""
    assert duration_us(duration_text(us)) == us


def test_a_negative_duration_does_not_print() -> None:
    """There is no such text."""
    with pytest.raises(DurationError, match="not negative"):
        duration_text(-1)
