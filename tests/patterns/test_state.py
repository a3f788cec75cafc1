"""State-based patterns, and those of triggers (16 to 18, 23, 24, 39, 40)."""

import pytest

from tests.patterns.stage import tell


@pytest.mark.parametrize(("happens", "node", "branch"), [
    ("event quote.accepted", "book_work", "accepted"),
    ("event quote.declined", "file_quote", "declined"),
    ("after 14d", "call_customer", "silence"),
])  # fmt: skip
def test_16_the_first_trigger_takes_its_branch_and_withdraws_the_others(
    happens: str, node: str, branch: str
) -> None:
    stage = tell("16_deferred_choice", {"quote": "q1"}, f"""
        start                -> quote_accepted, quote_declined, patience
        {happens}            -> {node}
        event quote.accepted -> {node}
        event quote.declined -> {node}
        after 15d            -> {node}
    """)  # fmt: skip
    stage.row(6, f'done {node} -> fulfilled = "{branch}"')
    assert len(stage.did) == 1


def test_18_the_task_is_possible_while_the_state_lasts() -> None:
    tell("18_milestone", {"student": "eve"}, """
        start               -> open_register, register_reached
        done open_register  -> register_open, fee_paid
        event fee.paid      -> register_open, enrol
        done enrol          -> register_open
        event register.closed -> fulfilled
    """)  # fmt: skip


def test_18_before_the_state_is_reached_the_task_is_not_offered() -> None:
    tell("18_milestone", {"student": "eve"}, """
        start               -> open_register, register_reached
        event fee.paid      -> open_register, register_reached
        done open_register  -> register_open, enrol
    """)  # fmt: skip


def test_18_after_the_state_has_passed_it_is_not_possible_any_more() -> None:
    stage = tell("18_milestone", {"student": "eve"}, """
        start
        done open_register
        event register.closed    -> fee_paid
        event fee.paid           -> put_on_waiting_list
        done put_on_waiting_list -> fulfilled
    """)  # fmt: skip
    assert not any("enrol" in node for node in stage.did)


def test_23_a_signal_is_lost_when_nothing_waits_for_it() -> None:
    tell("23_transient_trigger", {"machine": "m1"}, """
        start                     -> warm_up
        event machine.door-opened -> warm_up
        done warm_up              -> machine_door_opened
        event machine.door-opened -> stop_machine
        done stop_machine         -> fulfilled
    """)  # fmt: skip


def test_24_a_signal_is_kept_until_something_waits_for_it() -> None:
    tell("24_persistent_trigger", {"visa": "v1"}, """
        start                                              -> check_form
        event visa.passport-received {"passport": "first"}  -> check_form
        event visa.passport-received {"passport": "second"} -> check_form
        after 1d                                           -> check_form
        done check_form                                    -> stamp
        done stamp                                         -> fulfilled = "v1 in first"
    """)  # fmt: skip


def test_24_a_wait_that_is_there_first_takes_it_when_it_comes() -> None:
    tell("24_persistent_trigger", {"visa": "v1"}, """
        start
        done check_form                                     -> visa_passport_received
        event visa.passport-received {"passport": "only"}   -> stamp
    """)  # fmt: skip


def test_39_only_one_branch_is_in_the_section_and_the_next_waits_in_order() -> None:
    tell("39_critical_section", {"dish": "d1"}, """
        start           -> heat_oven, oven_for_meat, wash_salad
        done wash_salad -> heat_oven, oven_for_meat
        done heat_oven  -> bake_bread, oven_for_meat
        done bake_bread -> roast_meat
        done roast_meat -> fulfilled
    """)  # fmt: skip


def test_39_another_case_waits_for_the_same_section() -> None:
    tell("39_critical_section", {"dish": "d1"}, """
        start                 -> heat_oven, oven_for_meat, wash_salad
        start {"dish": "d2"}
        d2:                   -> oven_for_bread, oven_for_meat, wash_salad
        d1: done heat_oven
        d1: done bake_bread   -> roast_meat, wash_salad
        d2:                   -> oven_for_bread, oven_for_meat, wash_salad
        d1: done roast_meat   -> wash_salad
        d2:                   -> heat_oven, oven_for_meat, wash_salad
    """)  # fmt: skip


def test_39_a_cancel_gives_the_section_to_the_next() -> None:
    tell("39_critical_section", {"dish": "d1"}, """
        start
        start {"dish": "d2"}
        d1: cancel -> cancelled cancelled:cancelled
        d2:        -> heat_oven, oven_for_meat, wash_salad
    """)  # fmt: skip


def test_17_the_branches_interleave_and_one_task_is_open_at_a_time() -> None:
    stage = tell("17_interleaved_parallel_routing", {"patient": "pia"}, """
        start                  -> take_blood_sample, (prepare_x_ray)
        done take_blood_sample -> (measure_pressure), prepare_x_ray
        done prepare_x_ray     -> measure_pressure, (take_x_ray)
        done measure_pressure  -> take_x_ray, (examine)
        done take_x_ray        -> examine
        done examine           -> fulfilled
    """)  # fmt: skip
    assert len(stage.did) == 5


def test_40_one_branch_at_a_time_and_each_once() -> None:
    stage = tell("40_interleaved_routing", {"car": "c1", "is_diesel": True}, """
        start            -> test_brakes
        done test_brakes -> warm_engine
        done warm_engine -> test_fumes
        done test_fumes  -> test_lights
        done test_lights -> issue_badge
        done issue_badge -> fulfilled
    """)  # fmt: skip
    assert len(stage.did) == 5


def test_40_a_branch_that_is_not_taken_is_not_waited_for() -> None:
    tell("40_interleaved_routing", {"car": "c1", "is_diesel": False}, """
        start
        done test_brakes -> test_lights
        done test_lights -> issue_badge
    """)  # fmt: skip
