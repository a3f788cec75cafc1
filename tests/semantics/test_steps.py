"""Steps: dispatch, reply, retry (semantics sections 3 and 4)."""

from tests.semantics.language import (
    announce,
    choose,
    fail,
    fulfil,
    given,
    on_failure,
    put,
    saga,
    scope,
    sleep,
    step,
)


def test_steps_run_one_after_the_other_and_the_end_of_the_flow_fulfils() -> None:
    """Active once the node before it is done; the end of the root's flow is the end."""
    (
        given(saga(step("a"), step("b", args={"x": "results.a.n"})))
        .then(events=["commitment.opened", "effect.intended a"], offered=["a"], status="open")
        .done("a", {"n": 7})
        .then(events=["effect.done a", "effect.intended b"], args=[{"x": 7}], at=["b"])
        .done("b")
        .then(
            events=["effect.done b", "commitment.ended fulfilled"], offered=[], status="fulfilled"
        )
    )


def test_fulfil_ends_with_its_result() -> None:
    (
        given(saga(step("a"), fulfil(result="{'n': results.a.n + 1}")))
        .done("a", {"n": 1})
        .then(status="fulfilled", result={"n": 2})
    )


def test_a_node_whose_guard_is_false_is_skipped() -> None:
    (
        given(saga(step("a", when="input.id == 'else'"), step("b"))).then(
            events=["commitment.opened", "node.skipped a", "effect.intended b"]
        )
    )


def test_a_business_failure_is_final_unless_its_code_is_to_be_retried() -> None:
    (
        given(saga(step("a", retry={"on": ["busy"], "attempts": 2, "first": "1s", "jitter": 0})))
        .failed("a", "busy")
        .then(
            events=[
                "commitment.opened",
                "effect.intended a",
                "effect.attempt_failed a business:busy",
            ],
            waits=["retry"],
        )
        .after("1s")
        .then(offered=["a"], attempts=[2])
        .failed("a", "busy")
        .then(status="failed", error="business:busy")
    )


def test_a_transient_failure_is_retried_with_backoff_until_the_attempts_end() -> None:
    flaky = step("a", retry={"attempts": 3, "first": "10s", "factor": 2, "jitter": 0})
    story = given(saga(flaky)).answers("a", "transient")
    story.after("9s").then(offered=[]).after("1s").then(offered=["a"]).answers("a", "transient")
    story.after("19s").then(offered=[]).after("1s").then(offered=["a"]).answers("a", "transient")
    story.then(status="failed", error="transient:transient")


def test_retries_end_with_within() -> None:
    """`within` ends the attempts: one that would begin after it is not made."""
    flaky = step("a", within="30s", retry={"attempts": 9, "first": "20s", "factor": 2, "jitter": 0})
    (
        given(saga(flaky))
        .answers("a", "transient")
        .after("20s")
        .answers("a", "transient")
        .then(status="failed", error="transient:transient")
    )


def test_a_step_that_nobody_starts_in_time_fails_as_a_timeout_of_its_name() -> None:
    given(saga(step("a", within="1h"))).nobody_starts("a").then(status="failed", error="timeout:a")


def test_the_first_done_of_any_attempt_settles_the_step() -> None:
    (
        given(saga(step("a", retry={"attempts": 3, "first": "1s", "jitter": 0}), step("b")))
        .started("a")
        .lost("a")
        .after("2s")
        .then(offered=["a"], attempts=[2])
        .late("a", attempt=1, result={"n": 1})
        .then(offered=["b"], results={"a": {"n": 1}})
    )


def test_an_equal_repeat_of_a_reply_is_ignored_and_another_result_is_contradicted() -> None:
    story = given(saga(step("a"), step("b"))).done("a", {"n": 1})
    story.late("a", result={"n": 1}).then(answer="repeated", offered=["b"])
    story.late("a", result={"n": 2}).then(
        events=["effect.contradicted a", "debt.opened a contradicted contradicted:contradicted"],
        answer="reply.contradicted",
        offered=["b"],
    )
    story.late("a", result={"n": 3}).then(events=[], debts=["contradicted a"])


def test_a_contradiction_can_be_caught_where_its_scope_is_still_open() -> None:
    inner = scope("s", step("a"), step("b"), on_failure=[on_failure("contradicted", step("c"))])
    (
        given(saga(inner, step("d")))
        .done("a", 1)
        .late("a", result=2)
        .then(offered=["s/c"])
        .done("c")
        .then(offered=["d"], debts=[])
    )


def test_a_contradiction_of_a_closed_scope_reaches_the_root() -> None:
    inner = scope("s", step("a"), on_failure=[on_failure("contradicted", step("c"))])
    (
        given(saga(inner, step("d")))
        .done("a", 1)
        .late("a", result=2)
        .then(offered=["d"], debts=["contradicted s/a"])
    )


def test_a_result_that_does_not_fit_leaves_the_outcome_unknown() -> None:
    bad = step(
        "a",
        risk="R1",
        irreversible="accepted",
        unknown="ask",
        result={"type": "object", "required": ["n"]},
    )
    (
        given(saga(bad))
        .done("a", {})
        .then(answer="reply.schema", waits=["unknown"])
        .control("settle", node="a", outcome="done", result={"n": 1}, evidence=["mail"])
        .then(status="fulfilled")
    )


def test_a_result_beyond_exact_numbers_is_refused_not_taken() -> None:
    given(saga(step("a"))).done("a", 2**60).then(answer="reply.schema", waits=["retry"])


def test_set_reads_the_state_before_all_at_once() -> None:
    variables = {n: {"schema": {"type": "integer"}, "initial": i} for n, i in (("x", 1), ("y", 2))}
    (
        given(saga(put("swap", x="vars.y", y="vars.x"), vars=variables)).then(
            vars={"x": 2, "y": 1}, status="fulfilled"
        )
    )


def test_emit_publishes_one_fact() -> None:
    given(saga(announce("tell", "partner.active"))).then(
        facts=["partner.active"], status="fulfilled"
    )


def test_sleep_lasts_its_time() -> None:
    (
        given(saga(sleep("pause", "3d"), step("a")))
        .then(at=["pause"], waits=["timer"], status="waiting")
        .after("2d")
        .then(events=[])
        .after("1d")
        .then(events=["timer.fired pause sleep", "node.done pause", "effect.intended a"])
    )


def test_a_sleep_until_the_past_is_over_at_once() -> None:
    past = {"node": "sleep", "name": "pause", "until": "timestamp('2020-01-01T00:00:00Z')"}
    given(saga(past, step("a"))).then(offered=["a"])


def test_choose_takes_the_first_true_branch_and_else_without_one() -> None:
    def size(payload: dict[str, int]) -> list[str]:
        big = {"name": "big", "when": "input.n > 10", "flow": [step("large")]}
        mid = {"name": "mid", "when": "input.n > 5", "flow": [step("medium")], "out": "input.n"}
        document = saga(choose("size", big, mid, otherwise=[step("small")]))
        return given(document, {"id": "acme", **payload}).w.offered()

    assert size({"n": 11}) == ["size/big/large"]
    assert size({"n": 6}) == ["size/mid/medium"]
    assert size({"n": 1}) == ["size/small"]


def test_choose_yields_its_branch_and_out() -> None:
    mid = {"name": "mid", "when": "true", "flow": [step("medium")], "out": "results.medium.n"}
    (
        given(saga(choose("size", mid), step("z")))
        .done("medium", {"n": 6})
        .then(results={"medium": {"n": 6}, "size": {"branch": "mid", "out": 6}})
    )


def test_fail_is_a_business_failure_here() -> None:
    (
        given(saga(step("a", undo=True), fail("no", "too_risky")))
        .done("a")
        .undone("a")
        .then(status="compensated", error="business:too_risky")
    )
    given(saga(fail("no", "too_risky"))).then(status="failed", error="business:too_risky")


def test_a_declared_heartbeat_goes_with_every_command() -> None:
    """Section 10: a step's heartbeat means progress; the desk holds the lease to it."""
    story = given(saga(step("a", heartbeat="20s")))
    (dispatch,) = story.w.dispatches.values()
    assert dispatch.body["heartbeat_us"] == 20_000_000
    story.answers("a", "transient").after("2s")
    (again,) = story.w.dispatches.values()
    assert (again.attempt, again.body["heartbeat_us"]) == (2, 20_000_000)
