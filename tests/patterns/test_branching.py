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


def test_29_the_first_branch_goes_on_and_the_others_are_taken_back() -> None:
    stage = tell("29_cancelling_discriminator", {"load": "l1"}, """
        start               -> hold_lorry, hold_wagon
        done hold_lorry     -> confirm_driver, hold_wagon
        done hold_wagon     -> confirm_driver, confirm_track
        done confirm_track  -> undo hold_lorry
        undone hold_lorry   -> bring_load
        done bring_load     -> fulfilled
    """)  # fmt: skip
    assert "carriage/road/confirm_driver" not in stage.did


def test_29_a_branch_that_had_done_nothing_is_only_withdrawn() -> None:
    tell("29_cancelling_discriminator", {"load": "l1"}, """
        start
        done hold_lorry
        done confirm_driver -> bring_load
    """)  # fmt: skip


@pytest.mark.parametrize("two", [("first", "second"), ("third", "first"), ("second", "third")])
def test_32_two_of_three_are_enough_and_the_third_is_withdrawn(two: tuple[str, str]) -> None:
    stage = tell("32_cancelling_partial_join", {"paper": "p1"}, f"""
        start                       -> ask_first_referee, ask_second_referee, ask_third_referee
        done ask_{two[0]}_referee
        done ask_{two[1]}_referee   -> decide_on_paper
        done decide_on_paper        -> fulfilled
    """)  # fmt: skip
    assert len(stage.did) == 3


@pytest.mark.parametrize(("told", "rows"), [
    ('{"joint": true, "monument": true}', """
        start                    -> check_income, check_partner, inspect_house, ask_monument_office
        done check_income        -> check_partner, inspect_house, ask_monument_office
        done inspect_house       -> check_partner, ask_monument_office
        done check_partner       -> ask_monument_office, set_limit
        done ask_monument_office -> set_limit, draw_up_deed
     """),
    ('{"joint": false, "monument": false}', """
        start                    -> check_income, inspect_house
        done inspect_house       -> check_income, draw_up_deed
        done check_income        -> set_limit, draw_up_deed
     """),
])  # fmt: skip
def test_37_each_merge_waits_for_those_of_its_branches_that_were_taken(
    told: str, rows: str
) -> None:
    story = rows.replace("start ", f"start {told} ")
    stage = tell("37_local_synchronizing_merge", {"house": "h1", "joint": 0, "monument": 0}, story)
    stage.row(9, "done set_limit    -> draw_up_deed")
    stage.row(9, "done draw_up_deed -> fulfilled")


def test_09_the_first_branch_lets_the_case_go_on_and_the_others_finish() -> None:
    tell("09_structured_discriminator", {"patient": "pia"}, """
        start                 -> check_breathing, check_pulse
        done check_breathing  -> check_pulse, triage
        done check_pulse      -> write_down_pulse, triage
        done triage           -> write_down_pulse
        done write_down_pulse -> fulfilled
    """)  # fmt: skip


def test_09_the_later_branches_start_nothing_again() -> None:
    stage = tell("09_structured_discriminator", {"patient": "pia"}, """
        start
        done check_pulse
        done write_down_pulse -> check_breathing, triage
        done check_breathing  -> triage
        done triage           -> fulfilled
    """)  # fmt: skip
    assert stage.did.count("triage") == 1


@pytest.mark.parametrize(("first", "second", "late"), [
    ("budget", "security", "quality"), ("quality", "budget", "security"),
])  # fmt: skip
def test_30_two_of_three_let_the_case_go_on_and_the_third_finishes(
    first: str, second: str, late: str
) -> None:
    stage = tell("30_structured_partial_join", {"purchase": "p1"}, f"""
        start            -> ask_budget, ask_quality, ask_security
        done ask_{first}
        done ask_{second} -> ask_{late}, place_order
        done place_order  -> ask_{late}
        done ask_{late}   -> fulfilled
    """)  # fmt: skip
    assert stage.did.count("place_order") == 1
