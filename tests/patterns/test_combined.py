"""Patterns that take several forms together (8, 10, 28, 31, 33, 41, 42)."""

from tests.patterns.stage import tell

CHANGE = {"change": "c1", "is_urgent": False}


def test_08_what_stands_behind_the_merge_runs_once_for_each_branch() -> None:
    stage = tell("08_multi_merge", {"building": "mill"}, """
        start                  -> repairs, inspect_roof, inspect_pipes
        done inspect_pipes     -> repairs[0]/repair, inspect_roof
        done inspect_roof      -> repairs[0]/repair, repairs[1]/repair
        done repairs[1]/repair -> repairs[0]/repair
        done repairs[0]/repair -> fulfilled
    """)  # fmt: skip
    assert len(stage.did) == 4


def test_08_it_does_not_wait_for_the_other_branch() -> None:
    tell("08_multi_merge", {"building": "mill"}, """
        start
        done inspect_roof
        done repairs[0]/repair -> repairs, inspect_pipes
        done inspect_pipes     -> repairs[1]/repair
    """)  # fmt: skip


def test_10_a_cycle_may_be_entered_in_the_middle_and_left_in_several_ways() -> None:
    tell("10_arbitrary_cycles", CHANGE, """
        start                              -> parts#1/next/coding/write_code
        done write_code                    -> parts#2/next/reviewing/review_code
        done review_code = "code"          -> parts#3/next/coding/write_code
        done write_code
        done review_code                   -> parts#5/next/release
        done release = "review"            -> parts#6/next/reviewing/review_code
        done review_code
        done release                       -> fulfilled
    """)  # fmt: skip
    tell("10_arbitrary_cycles", CHANGE, """
        start {"is_urgent": true}          -> parts#1/next/release
        done release                       -> fulfilled
    """)  # fmt: skip


def test_28_the_next_round_begins_when_the_late_branches_are_done() -> None:
    tell("28_blocking_discriminator", {"shop": "s1", "days": 2}, """
        start              -> days#1/counts/count_by_hand, days#1/counts/count_by_till
        done count_by_till -> days#1/counts/count_by_hand, days#1/reorder
        done reorder       -> days#1/counts/count_by_hand
        done count_by_hand -> days#2/counts/count_by_hand, days#2/counts/count_by_till
        done count_by_hand
        done count_by_till
        done reorder       -> fulfilled
    """)  # fmt: skip


def test_33_an_input_that_is_ahead_is_kept_until_the_other_comes() -> None:
    tell("33_generalised_and_join", {"order": "o1", "pieces": 2}, """
        start                                    -> bicycles#1/parts/frame, bicycles#1/parts/saddle
        event bicycles.frame-made {"frame": 1}   -> bicycles#1/parts/saddle
        event bicycles.frame-made {"frame": 2}   -> bicycles#1/parts/saddle
        event bicycles.saddle-made {"saddle": 1} -> bicycles#1/assemble
        done assemble                            -> bicycles#2/parts/saddle
        event bicycles.saddle-made {"saddle": 2} -> bicycles#2/assemble
        done assemble                            -> fulfilled
    """)  # fmt: skip


def test_31_two_of_three_let_the_round_go_on_and_the_next_waits_for_the_third() -> None:
    tell("31_blocking_partial_join", {"season": "s1", "forecasts": 2}, """
        start
        done ask_mountain     -> forecasts#1/stations/ask_coast, forecasts#1/stations/ask_plain
        done ask_coast        -> forecasts#1/stations/ask_plain, forecasts#1/publish_forecast
        done publish_forecast -> forecasts#1/stations/ask_plain
        done ask_plain        -> forecasts#2/stations/ask_coast, forecasts#2/stations/ask_plain, \
forecasts#2/stations/ask_mountain
    """)  # fmt: skip


def test_41_what_stands_behind_the_merge_runs_once_for_all_threads() -> None:
    stage = tell("41_thread_merge", {"crate": "c1", "bottles": [1, 2]}, """
        start                         -> bottles[0]/fill_bottle, bottles[1]/fill_bottle
        done bottles[1]/fill_bottle   -> bottles[0]/fill_bottle, bottles[1]/label_bottle
        done bottles[1]/label_bottle  -> bottles[0]/fill_bottle
        done bottles[0]/fill_bottle
        done bottles[0]/label_bottle  -> close_crate
        done close_crate              -> fulfilled
    """)  # fmt: skip
    assert stage.did.count("close_crate") == 1


def test_42_each_thread_goes_through_the_branch_at_its_own_pace() -> None:
    tell("42_thread_split", {"manuscript": "m1"}, """
        start                     -> confirm_receipt
        done confirm_receipt      -> threads[1]/find_peer, threads[2]/find_peer, \
threads[3]/find_peer
        done threads[2]/find_peer
        done threads[2]/review_manuscript -> threads[1]/find_peer, threads[3]/find_peer
        done threads[3]/find_peer -> threads[1]/find_peer, threads[3]/review_manuscript
    """)  # fmt: skip
