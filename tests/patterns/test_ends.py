"""Patterns of loops, of cancellation and of ends (11, 19 to 22, 25, 43)."""

from tests.patterns.stage import tell


def test_11_it_ends_when_nothing_is_left_to_do() -> None:
    tell("11_implicit_termination", {"sofa": "s1"}, """
        start             -> build_sofa
        done build_sofa   -> deliver_sofa
        done deliver_sofa -> fulfilled
    """)  # fmt: skip


def test_11_what_runs_beside_is_finished_before_it_ends() -> None:
    tell("11_implicit_termination", {"sofa": "s1"}, """
        start
        done build_sofa
        event sofa.question {"text": "legs"} -> deliver_sofa, question@1/answer_question
        done deliver_sofa                    -> question@1/answer_question
        done question@1/answer_question      -> fulfilled
    """)  # fmt: skip


def test_19_a_task_that_runs_is_withdrawn_and_the_case_goes_on() -> None:
    stage = tell("19_cancel_task", {"loan": "l1"}, """
        start                 -> check_identity
        done check_identity   -> value_house
        event guarantee.found -> decide_loan
        done decide_loan      -> fulfilled = "l1 is granted"
    """)  # fmt: skip
    assert stage.did == ["check_identity", "decide_loan"]


def test_19_a_task_that_a_participant_has_begun_is_awaited_until_it_has_settled() -> None:
    """A call that went out cannot be un-sent."""
    tell("19_cancel_task", {"loan": "l1"}, """
        start
        done check_identity
        begins value_house
        event guarantee.found -> value_house
        done value_house      -> decide_loan
    """)  # fmt: skip


def test_19_a_task_that_is_done_is_left_alone() -> None:
    tell("19_cancel_task", {"loan": "l1"}, """
        start
        done check_identity
        done value_house      -> decide_loan
        event guarantee.found -> decide_loan
        done decide_loan      -> fulfilled
    """)  # fmt: skip


def test_20_the_whole_case_stops_and_what_was_done_is_undone_in_reverse() -> None:
    stage = tell("20_cancel_case", {"flat": "f1"}, """
        start
        done take_off_market   -> order_keys, write_lease
        done order_keys        -> write_lease
        cancel                 -> undo order_keys
        undone order_keys      -> undo take_off_market
        undone take_off_market -> cancelled cancelled:cancelled
    """)  # fmt: skip
    assert stage.desk == {}


def test_20_an_event_of_the_business_may_take_it_back_too() -> None:
    tell("20_cancel_case", {"flat": "f1"}, """
        start
        done take_off_market
        done order_keys
        done write_lease           -> flat_lease_signed
        event flat.tenant-withdrew -> undo order_keys
        undone order_keys          -> undo take_off_market
        undone take_off_market     -> compensated business:tenant-withdrew
    """)  # fmt: skip


def test_20_before_anything_was_done_nothing_is_undone() -> None:
    tell("20_cancel_case", {"flat": "f1"}, """
        start  -> take_off_market
        cancel -> cancelled cancelled:cancelled
    """)  # fmt: skip


def test_21_one_loop_asks_before_its_rounds_and_the_other_after() -> None:
    stage = tell("21_structured_loop", {"article": "a1", "missing_pictures": 2}, """
        start                       -> pictures#1/buy_picture
        done pictures#1/buy_picture -> pictures#2/buy_picture
        done pictures#2/buy_picture -> proofs#1/proofread
        done proofs#1/proofread     -> proofs#2/proofread
        done proofs#2/proofread     -> fulfilled = 2
    """)  # fmt: skip
    assert len(stage.did) == 4


def test_21_a_loop_that_asks_before_may_have_no_round_at_all() -> None:
    tell("21_structured_loop", {"article": "a1", "missing_pictures": 0}, """
        start -> proofs#1/proofread
    """)  # fmt: skip


def test_22_a_process_runs_itself_for_each_of_its_parts() -> None:
    tell("22_recursion", {"part": "bicycle"}, """
        start                                        -> list_parts
        done list_parts                              -> parts[wheel]/weigh_part, \
parts[frame]/weigh_part
        frame: done list_parts                       -> add_weights
        frame: done add_weights                      -> fulfilled = 2000
        wheel: done list_parts                       -> parts[rim]/weigh_part, \
parts[tyre]/weigh_part
        rim: done list_parts
        rim: done add_weights                        -> fulfilled = 500
        tyre: done list_parts
        tyre: done add_weights                       -> fulfilled = 300
        wheel:                                       -> add_weights
        wheel: done add_weights                      -> fulfilled = 800
        bicycle:                                     -> add_weights
        bicycle: done add_weights                    -> fulfilled = 2800
    """)  # fmt: skip


def test_25_the_region_is_taken_back_and_the_rest_goes_on() -> None:
    stage = tell("25_cancel_region", {"conference": "c1"}, """
        start                         -> book_hall, invite_speakers
        done book_hall                -> order_food, hire_waiters, invite_speakers
        done order_food               -> hire_waiters, invite_speakers
        event conference.goes-online  -> undo book_hall, invite_speakers
        undone book_hall              -> invite_speakers
        done invite_speakers          -> announce
        done announce                 -> fulfilled
    """)  # fmt: skip
    assert not any("hire_waiters" in node for node in stage.did)


def test_25_without_the_cancel_the_region_is_a_part_like_any() -> None:
    tell("25_cancel_region", {"conference": "c1"}, """
        start
        done book_hall
        done order_food
        done hire_waiters
        done invite_speakers -> announce
    """)  # fmt: skip


def test_43_it_ends_where_it_is_said_and_what_else_runs_is_stopped() -> None:
    stage = tell("43_explicit_termination", {"dog": "rex"}, """
        start                -> search_park, search_woods
        done search_park     -> bring_from_park, search_woods
        done bring_from_park -> fulfilled = "rex is home"
    """)  # fmt: skip
    assert stage.desk == {}


def test_43_until_then_it_goes_on() -> None:
    tell("43_explicit_termination", {"dog": "luna"}, """
        start
        done search_woods -> search_park
        done search_park  -> fulfilled = "still lost"
    """)  # fmt: skip
