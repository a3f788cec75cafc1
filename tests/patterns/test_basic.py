"""The basic patterns of control flow (1 to 5)."""

import pytest

from tests.patterns.stage import tell

HOUSE = {"house": "mill"}


def test_01_each_task_begins_when_the_one_before_it_is_done() -> None:
    stage = tell("01_sequence", {"number": "7"}, """
        start            -> check_stock
        done check_stock -> pack
        after 3d         -> pack
        done pack        -> hand_over
        done hand_over   -> fulfilled = "parcel 7 left shelf 7"
    """)  # fmt: skip
    assert stage.did == ["check_stock", "pack", "hand_over"]


def test_02_all_branches_run_at_the_same_time_and_none_waits_for_another() -> None:
    tell("02_parallel_split", {"person": "ida"}, """
        start                -> open_mailbox, assign_desk, order_laptop
        done order_laptop    -> open_mailbox, assign_desk, install_laptop
        done assign_desk     -> open_mailbox, install_laptop
        done install_laptop  -> open_mailbox
        done open_mailbox    -> fulfilled
    """)  # fmt: skip


@pytest.mark.parametrize("order", [
    ("survey", "search_register", "agree_mortgage"),
    ("agree_mortgage", "search_register", "survey"),
    ("search_register", "agree_mortgage", "survey"),
])  # fmt: skip
def test_03_what_comes_next_waits_for_every_branch_in_whatever_order(
    order: tuple[str, ...],
) -> None:
    one, two, three = order
    stage = tell("03_synchronization", HOUSE, f"""
        start
        done {one}
        done {two}            -> {three}
        done {three}          -> draw_up_contract
        done draw_up_contract -> fulfilled = "owner of the mill gets 300, of which 250 are lent"
    """)  # fmt: skip
    assert stage.did[-1] == "draw_up_contract"


@pytest.mark.parametrize(("amount", "node", "branch"), [
    (499, "pay_at_once", "small"),
    (500, "ask_for_photos", "middling"),
    (5_000, "send_surveyor", "else"),
])  # fmt: skip
def test_04_exactly_one_branch_is_taken(amount: int, node: str, branch: str) -> None:
    """499 is also under 5,000: the first branch that is true is the one."""
    stage = tell("04_exclusive_choice", {"claim": "c1", "amount": amount}, f"""
        start       -> {node}
        done {node} -> fulfilled = "{branch}"
    """)  # fmt: skip
    assert len(stage.did) == 1


@pytest.mark.parametrize(("method", "node", "way"), [
    ("card", "charge_card", "by_card"), ("cash", "take_cash", "payment_otherwise"),
])  # fmt: skip
def test_05_whichever_branch_was_taken_what_comes_next_runs_once(
    method: str, node: str, way: str
) -> None:
    stage = tell("05_simple_merge", {"ticket": "t1", "method": method}, f"""
        start              -> {node}
        done {node}        -> print_receipt
        done print_receipt -> fulfilled = "receipt for {method} slip t1"
    """)  # fmt: skip
    assert stage.did == [f"payment/{way}/{node}", "print_receipt"]
