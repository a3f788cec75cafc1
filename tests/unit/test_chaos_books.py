"""The comparison of the chaos runs finds each kind of difference, in books made up for it."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.books import Differences, Line, Record, compare, moved_by, moving_s

SECOND_US = 1_000_000
KNOWN = {"r1-t0": "trip"}
HELD = Line("hold", "k1", "r1-t0", repeated=False)
CHARGED = Line("charge", "k2", "r1-t0", repeated=False)


def record(*keys: str, number: str = "r1-t0", end: str = "fulfilled") -> Record:
    return Record(keys={"s": number}, done=dict.fromkeys(keys, "s"), ends={number: end})


def found(book: Sequence[Line], *keys: str) -> Differences:
    return compare(KNOWN, record(*keys), book)


def test_equal_books_have_no_difference() -> None:
    assert not found([HELD, CHARGED], "k1", "k2")


def test_what_was_acknowledged_and_is_not_there_is_lost() -> None:
    assert compare({**KNOWN, "r1-t1": "trip"}, record("k1"), [HELD]).lost == [
        "r1-t1 was acknowledged and never opened"
    ]


def test_what_was_done_and_is_not_recorded_is_lost() -> None:
    assert found([HELD, CHARGED], "k1").lost == ["charge of r1-t0 was done and is not recorded"]


def test_what_is_recorded_and_in_no_book_is_lost() -> None:
    assert found([HELD], "k1", "k9").lost == ["r1-t0: k9 is recorded as done and in no book"]


def test_a_repetition_counts_only_when_it_was_not_told() -> None:
    told = Line("hold", "k1", "r1-t0", repeated=True)
    assert found([HELD, told], "k1").told == 1
    assert not found([HELD, told], "k1")
    overtaken = found([told, HELD], "k1")
    assert not overtaken, "the first run was slow: its second overtook it"
    assert (overtaken.told, overtaken.overtaken) == (1, 1)
    (said,) = found([HELD, HELD], "k1").doubled
    once = "attempt 1 not told at 0.000"
    assert said == f"hold of r1-t0 ran 2 times and was not told, k1: {once}, {once}"


def test_what_is_probed_may_not_even_be_repeated_when_told() -> None:
    lines = [Line("remit", "k1", "r1-t0", again) for again in (False, True)]
    assert found(lines, "k1").doubled


def test_a_second_key_for_the_same_is_a_second_effect() -> None:
    assert found([HELD, Line("hold", "k3", "r1-t0", repeated=False)], "k1", "k3").doubled


def test_undoing_out_of_order_or_in_part_is_found() -> None:
    number = "r1-t2x"
    did = [Line(what, what, number, repeated=False) for what in ("hold", "charge")]
    undid = [Line(f"undo {line.what}", f"u{line.what}", number, repeated=False) for line in did]
    keys = [line.key for line in did + undid]
    of_x = record(*keys, number=number, end="compensated")
    assert not compare({}, of_x, did + undid[::-1])
    assert compare({}, of_x, did + undid).disordered
    assert compare({}, of_x, did + undid[1:]).disordered
    assert compare({}, record(*keys, number=number), did + undid[::-1]).wrong_ends


def test_moving_again_counts_what_was_under_way() -> None:
    """Not what had ended before, nor what began later."""
    given = Record(
        keys={"a": "1", "b": "2", "c": "3"},
        ended_us={"b": SECOND_US},
        times={
            "a": [0, 5 * SECOND_US], "b": [0, SECOND_US], "c": [4 * SECOND_US, 9 * SECOND_US],
        },
    )  # fmt: skip
    given.topics["a"] = ["commitment.opened", "effect.done"]
    assert moving_s(given, 3 * SECOND_US) == [2.0]
    assert moved_by(given, 3 * SECOND_US) == {"effect.done": 1}
