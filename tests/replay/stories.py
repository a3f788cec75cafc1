"""The runs that are recorded as golden histories, told in the language of the golden tests."""

from __future__ import annotations

from tests.replay.flows import (
    Stories,
    dd_room,
    partner_activation,
    pmi,
    prospecting,
    self_improvement,
    signature,
    times,
)
from tests.replay.kinds import STORIES as KINDS
from tests.replay.people import STORIES as PEOPLE
from tests.semantics.language import (
    Json,
    Story,
    announce,
    approve,
    branch,
    choose,
    fail,
    given,
    handler,
    on_failure,
    parallel,
    repeat,
    saga,
    scope,
    sleep,
    step,
    wait,
)  # fmt: skip

__all__ = ["STORIES"]

PAYLOAD = {"id": "acme", "company": {"name": "Acme", "risk": 20, "share": 0.25}}


def partner() -> Json:
    """Check, provision on two sides, sign, decide, activate: with a way out at every point."""
    account = step(
        "account", risk="R1", probe=True, unknown="probe", args={"company": "input.company"},
        undo={"args": {"account": "result.id"}},
    )  # fmt: skip
    portal = step("portal", risk="R1", undo=True, args={"name": "input.company.name"})
    activate = step(
        "activate", risk="R2", unknown="ask", irreversible="pivot",
        args={"account": "results.account.id"},
    )  # fmt: skip
    return saga(
        step("check", args={"company": "input.company"}, result={"type": "object"}),
        choose("risky", {"name": "yes", "when": "results.check.risk > 60",
                         "flow": [fail("refused", "too_risky")]}),
        parallel("provision", branch("crm", account, out="results.account.id"),
                 branch("web", portal)),
        wait("signed", "partner.signed", key="input.id", within="14d"),
        repeat("remind", sleep("pause", "1h"), announce("nudge", "partner.nudged"), max=2),
        approve("legal", activate, level="A2", within="3d", evidence=["check", "signed"]),
        announce("tell", "partner.active", "{'account': results.account.id}"),
        handlers=[handler("note", "partner.called", step("file"))],
        on_failure=[on_failure("deadline", step("sorry"))],
        deadline={"after": "60d"},
    )  # fmt: skip


def _until_signed() -> Story:
    story = given(partner(), PAYLOAD).done("check", {"risk": 12})
    return story.done("portal").done("account", {"id": "c-7"})


def good_path() -> Story:
    story = _until_signed().happens("partner.called").done("file").happens("partner.signed")
    story.after("3h").decides("legal", "hal", "function_head").decides("legal", "leo", "legal")
    return story.started("activate")


def fulfilled() -> Story:
    return good_path().done("activate", {"since": 1})


def compensating() -> Story:
    return _until_signed().after("14d").undone("portal")


def rejected() -> Story:
    story = _until_signed().happens("partner.signed").after("3h")
    story.decides("legal", "hal", "function_head")
    story.decides("legal", "leo", "legal", answer="reject", reason="the contract is missing")
    return story.undone("portal", "account")


def in_debt() -> Story:
    return _until_signed().cancelled().undone("portal").failed("account", "gone")


def unknown_by_probe() -> Story:
    story = given(partner(), PAYLOAD).done("check", {"risk": 12}).started("account")
    return story.lost("account").done("portal").answers("account", "present", result={"id": "c-9"})


def refused() -> Story:
    return given(partner(), PAYLOAD).done("check", {"risk": 99})


def caught() -> Story:
    """A scope catches a failure, undoes inside, and its pivot waits for a stop that comes later."""
    inner = scope(
        "inner", step("one", undo=True), step("two"),
        on_failure=[on_failure("business:*", step("mend"), undo="all")],
    )  # fmt: skip
    document = saga(step("zero", undo=True), inner, step("pay", irreversible="pivot"))
    story = given(document).done("zero").done("one").failed("two").undone("one").done("mend")
    return story.started("pay").cancelled()


STORIES: Stories = {
    "good_path": good_path,
    "fulfilled": fulfilled,
    "compensating": compensating,
    "rejected": rejected,
    "in_debt": in_debt,
    "unknown_by_probe": unknown_by_probe,
    "refused": refused,
    "caught": caught,
    **dd_room.STORIES,
    **partner_activation.STORIES,
    **pmi.STORIES,
    **prospecting.STORIES,
    **self_improvement.STORIES,
    **signature.STORIES,
    **times.STORIES,
    **KINDS,
    **PEOPLE,
}
