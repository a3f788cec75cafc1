"""Pattern 26, Cancel Multiple Instance Task: the instances still open are withdrawn, all at once.

`cancel(...)` of a list stops every open item. Visits that are done have nothing to be undone, so
they stay; an item with an undo would be taken back. The list counts as not done, so what needs it
is skipped.
"""

from pydantic import BaseModel

from troth import App, Participant, cancel, done, each, event, on, saga, when


@event("audit.ordered", version=1, key="audit")
class AuditOrdered(BaseModel):
    audit: str
    shops: list[str]


@event("audit.called-off", version=1, key="audit")
class AuditCalledOff(BaseModel):
    audit: str


auditors = Participant("auditors")


@auditors.step("visit-shop", timeout="20d")
def visit_shop(shop: str) -> None: ...


@auditors.step("write-verdict")
def write_verdict(audit: str) -> None: ...


@auditors.step("close-file")
def close_file(audit: str) -> None: ...


@saga("pattern-cancel-instances", version=1, starts_on=AuditOrdered)
def audit(ordered: AuditOrdered) -> None:
    with on("called_off", AuditCalledOff, ordered.audit):
        cancel("visits")
    visits = each("visits", ordered.shops, at_most=200, key=lambda shop: shop)
    for shop in visits:
        visit_shop(shop)
    with when("complete", done("visits")):
        write_verdict(ordered.audit)
    close_file(ordered.audit)


app = App(sagas=[audit], participants=[auditors])
