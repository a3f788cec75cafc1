"""Pattern 42, Thread Split: one thread becomes a number of threads of the same branch.

It is a combination: `each(...)` over as many items as there shall be threads. Its body is the
branch, and each thread is somewhere else in it.
"""

from pydantic import BaseModel

from troth import App, Participant, each, event, saga

PEERS = [1, 2, 3]


@event("manuscript.received", version=1, key="manuscript")
class ManuscriptReceived(BaseModel):
    manuscript: str


editors = Participant("editors")


@editors.step("confirm-receipt")
def confirm_receipt(manuscript: str) -> None: ...


@editors.step("find-peer")
def find_peer(number: int) -> str:
    return f"peer {number}"


@editors.step("review-manuscript")
def review_manuscript(manuscript: str, peer: str) -> None: ...


@saga("pattern-thread-split", version=1, starts_on=ManuscriptReceived)
def review(received: ManuscriptReceived) -> None:
    confirm_receipt(received.manuscript)
    for number in each("threads", PEERS, at_most=len(PEERS), key=lambda number: number):
        peer = find_peer(number)
        review_manuscript(received.manuscript, peer)


app = App(sagas=[review], participants=[editors])
