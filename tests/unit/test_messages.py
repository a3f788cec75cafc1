"""Names under which messages lie in inboxes and travel to engines of other releases."""

from domain import messages as msg


def test_a_waiver_keeps_the_name_that_it_had_when_it_was_called_otherwise() -> None:
    waiver = msg.Waive("p")
    assert (waiver.KIND, msg.to_body(waiver)) == ("keep", {"parent": "p"})
    assert msg.from_body("keep", {"parent": "p"}) == waiver
