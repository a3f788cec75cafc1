"""Updates that answer when what they began is done: `answer_when: done` (section 6)."""

from tests.semantics.language import (
    given,
    on_failure,
    put,
    saga,
    scope,
    sleep,
    step,
    update,
    wait,
)

VARS = {"n": {"schema": {"type": "integer"}, "initial": 0}}
QUOTE = update(
    "quote",
    step("price", args={"n": "args.n"}),
    answer="{'price': results.price.eur, 'for': args.n}",
    answer_when="done",
)


def test_it_is_accepted_at_once_and_answered_when_its_run_is_done() -> None:
    (
        given(saga(wait("signed", within="2d"), updates=[QUOTE]))
        .asks("quote", n=3)
        .then(answer="accepted", said=None, offered=["quote@1/price"])
        .done("price", {"eur": 30})
        .then(events=None, ended={"quote@1": {"price": 30, "for": 3}})
    )


def test_the_end_of_the_run_is_an_event_with_the_answer() -> None:
    (
        given(saga(wait("signed", within="2d"), updates=[QUOTE]))
        .asks("quote", n=3)
        .then()
        .done("price", {"eur": 30})
        .then(events=["effect.done quote@1/price", "node.done quote@1"])
    )


def test_each_run_has_its_own_answer() -> None:
    (
        given(saga(wait("signed", within="2d"), updates=[QUOTE]))
        .asks("quote", n=1)
        .asks("quote", n=2)
        .done("quote@2/price", {"eur": 20})
        .done("quote@1/price", {"eur": 10})
        .then(ended={"quote@2": {"price": 20, "for": 2}, "quote@1": {"price": 10, "for": 1}})
    )


def test_it_reads_the_state_at_the_end_of_the_run() -> None:
    asked = update(
        "x", sleep("pause", "1h"), put("more", n="vars.n + args.n"), answer="vars.n",
        answer_when="done",
    )  # fmt: skip
    (
        given(saga(wait("signed", within="2d"), vars=VARS, updates=[asked]))
        .asks("x", n=1)
        .asks("x", n=2)
        .after("1h")
        .then(ended={"x@1": 1, "x@2": 3}, vars={"n": 3})
    )


def test_a_run_that_is_done_at_once_is_answered_at_once() -> None:
    asked = update("x", put("more", n="args.n"), answer="vars.n", answer_when="done")
    (
        given(saga(wait("signed", within="2d"), vars=VARS, updates=[asked]))
        .asks("x", n=4)
        .then(answer="done", said=4)
    )


def test_without_a_flow_it_is_done_at_once() -> None:
    asked = update("x", set={"n": "args.n"}, answer="vars.n", answer_when="done")
    (
        given(saga(wait("signed", within="2d"), vars=VARS, updates=[asked]))
        .asks("x", n=4)
        .then(answer="done", said=4)
    )


def test_a_run_that_fails_has_no_answer() -> None:
    part = scope(
        "part", wait("signed", within="2d"), updates=[QUOTE],
        on_failure=[on_failure("business", step("tell"))],
    )  # fmt: skip
    (given(saga(part)).asks("quote", n=1).failed("price").then(ended={}, offered=["part/tell"]))


def test_an_answer_that_errs_is_an_internal_fault_at_the_run_and_is_read_again() -> None:
    asked = update("x", step("price"), answer="1 / results.price.eur", answer_when="done")
    (
        given(saga(wait("signed", within="2d"), updates=[asked]))
        .asks("x")
        .done("price", {"eur": 0})
        .then(status="held", held="x@1", ended={})
        .control("retry", node="x@1")
        .then(status="held", held="x@1", ended={})
    )


def test_the_scope_waits_for_the_run_as_for_any_other_beside() -> None:
    (
        given(saga(wait("signed", within="2d"), updates=[QUOTE]))
        .asks("quote", n=1)
        .happens("signed")
        .then(status="open")
        .done("price", {"eur": 10})
        .then(status="fulfilled", ended={"quote@1": {"price": 10, "for": 1}})
    )
