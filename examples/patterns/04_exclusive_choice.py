"""Pattern 4, Exclusive Choice: exactly one of several branches is taken, as the data says.

`with choose(...)` reads its guards from top to bottom and takes the first branch whose guard is
true. The way for "none of them" must be written down, so a case never falls through unseen.
"""

from pydantic import BaseModel

from troth import App, Participant, branch, choose, event, otherwise, saga


@event("damage.claimed", version=1, key="claim")
class DamageClaimed(BaseModel):
    claim: str
    amount: int


insurer = Participant("insurer")


@insurer.step("pay-at-once")
def pay_at_once(damage: DamageClaimed) -> None: ...


@insurer.step("ask-for-photos")
def ask_for_photos(damage: DamageClaimed) -> None: ...


@insurer.step("send-surveyor")
def send_surveyor(damage: DamageClaimed) -> None: ...


@saga("pattern-exclusive-choice", version=1, starts_on=DamageClaimed)
def settle(damage: DamageClaimed) -> str:
    with choose("way") as way:
        with branch("small", damage.amount < 500):
            pay_at_once(damage)
        with branch("middling", damage.amount < 5_000):
            ask_for_photos(damage)
        with otherwise():
            send_surveyor(damage)
    return way.branch


app = App(sagas=[settle], participants=[insurer])
