"""A probe that finds what the contract does not allow: a person is asked (section 4)."""

from tests.semantics.language import given, saga, step, wait


def test_a_found_result_that_does_not_fit_is_not_believed() -> None:
    number = {"type": "integer"}
    probed = step(
        "a", risk="R1", unknown="probe", probe=True, irreversible="accepted", result=number
    )
    (
        given(saga(probed, wait("w")))
        .started("a")
        .lost("a")
        .answers("a", "present", result="four")
        .then(at=["a"], answer="reply.schema", waits=["unknown"], offered=[])
    )
