"""Positions are read as they are written; what is none is refused."""

import pytest

from domain.positions import heads_of, position_of, read_position, token_of


@pytest.mark.parametrize(
    ("heads", "text"),
    [({0: 18846}, "1:0:18846"), ({1: 77, 0: 18846, 12: 0}, "1:0:18846,1:77,12:0")],
)
def test_a_position_names_each_lane_in_order(heads: dict[int, int], text: str) -> None:
    assert position_of(1, heads) == text
    assert read_position(text) == (1, heads)
    assert heads_of(token_of(heads)) == heads


def test_a_token_may_be_empty_or_the_single_number_of_one_lane() -> None:
    assert heads_of("") == {}
    assert heads_of("18846") == {0: 18846}
    assert heads_of("0") == {0: 0}


@pytest.mark.parametrize(
    "text",
    ["", "1", "1:0", "1:0:", "1:0:1,", "1:0:1,1", "1:0:-1", "a:0:1", "1:0:1 ", "1:0:1,0:2",
     "1:0:٣", "1:0:" + "9" * 19],
)  # fmt: skip
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_position(text)


@pytest.mark.parametrize("text", ["-1", "x", "0:1,0:2", "9" * 30, "0:1," * 9_000])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        heads_of(text)
