"""A block that an internal fault held goes on where it was: what failed is read again (section 4).

What failed here never heals, so each retry is held again at the same place; a person may cancel.
"""

import pytest

from tests.semantics.language import (
    Json,
    choose,
    given,
    parallel,
    race,
    repeat,
    saga,
    scope,
    sleep,
    step,
)

WRONG = "results.a.missing"


def branch(*flow: Json, **members: Json) -> Json:
    return {"flow": list(flow)} | members


@pytest.mark.parametrize(
    "block",
    [
        choose("b", branch(step("a"), when="true", out=WRONG), otherwise=[step("z")]),
        parallel("b", branch(step("a"), out=WRONG)),
        scope("b", step("a"), out=WRONG),
        repeat("b", step("a"), until=WRONG, max_rounds=3),
    ],
    ids=["choose", "parallel", "scope", "repeat"],
)
def test_a_value_that_errs_holds_its_block_and_is_read_again_at_a_retry(block: Json) -> None:
    (
        given(saga(block, step("next")))
        .done("a", {})
        .then(status="held", held="b")
        .control("retry")
        .then(status="held", held="b")
        .cancelled()
        .then(status="cancelled")
    )


def test_the_out_of_a_winner_is_read_again_at_a_retry() -> None:
    soon = branch(name="soon", on=sleep("a", "1h"), flow=[step("go")], out=WRONG)
    late = branch(name="late", on=sleep("z", "9d"))
    (
        given(saga(race("b", soon, late)))
        .after("1h")
        .done("go", {})
        .then(status="held", held="b")
        .control("retry")
        .then(status="held", held="b")
    )
