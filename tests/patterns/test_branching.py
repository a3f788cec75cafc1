"""Patterns of advanced branching and synchronization (6, 7, 9, 29, 30, 32, 37)."""

import pytest

from tests.patterns.stage import tell

ACCIDENT = {"accident": "a1", "injured": 0, "burns": False, "blocks_road": False}
TRIP = {"trip": "t1", "flight": True, "hotel": True, "car": True}


@pytest.mark.parametrize(("told", "help_"), [
    ('{"injured": 2}', "send_ambulance"),
    ('{"burns": true, "blocks_road": true}', "send_fire_engine, send_police"),
    ('{"injured": 1, "burns": true, "blocks_road": true}',
     "send_ambulance, send_fire_engine, send_police"),
    ("{}", "fulfilled"),
])  # fmt: skip
def test_06_any_number_of_branches_is_taken(told: str, help_: str) -> None:
    tell("06_multi_choice", ACCIDENT, f"start {told} -> {help_}")


@pytest.mark.parametrize(("told", "held", "offer"), [
    ("{}", ["hold_flight", "hold_room", "hold_car"], "car t1, flight t1, room t1"),
    ('{"hotel": false}', ["hold_flight", "hold_car"], "car t1, flight t1"),
    ('{"flight": false, "car": false}', ["hold_room"], "room t1"),
    ('{"flight": false, "hotel": false, "car": false}', [], "nothing"),
])  # fmt: skip
def test_07_what_comes_next_waits_for_the_branches_that_were_taken(
    told: str, held: list[str], offer: str
) -> None:
    rows = "\n".join(
        f"done {node} -> {', '.join(held[i + 1 :]) or 'write_offer'}"
        for i, node in enumerate(held)
    )  # fmt: skip
    tell("07_structured_synchronizing_merge", TRIP, f"""
        start {told}     -> {", ".join(held) or "write_offer"}
        {rows}
        done write_offer -> fulfilled = "{offer}"
    """)  # fmt: skip
