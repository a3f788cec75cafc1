"""Lines that an editor must find are marked; every other line is right. Never imported."""

from tests.typing.right.touches import CALLS, OFFICE, Called, Lead, call
from troth import Calendar, Every, Throttle, add_open_days, next_open, repeat, saga, sleep

CLOSED = Calendar("closed", hours={"mon": "09:00-17:00"})  # wrong: no zone
SLOW = Throttle("slow", max="10", per="1m")  # wrong: a text for a number


@saga("wrong-touches", version=1, starts_on=Lead)
def wrong_touches(lead: Lead) -> None:
    sleep("a", until=next_open("office", lead.found))  # wrong: a calendar, not its name
    sleep("b", until=next_open(OFFICE, lead.lead))  # wrong: a text for a time
    sleep("c", until=add_open_days(OFFICE, lead.found))  # wrong: how many days
    call.during("office")(lead.lead)  # wrong: a calendar, not its name
    call.throttled("calls")(lead.lead)  # wrong: a throttle, not its name
    called: Called = call.during(OFFICE).throttled(CALLS)(lead.lead)
    call.throttled(CALLS)(called)  # wrong: what a call gave is no lead
    with repeat("r", max=3, every=Every("3d", catch_up="none")):  # wrong: skip or all
        pass
    with repeat("s", max=3, every=3):  # wrong: a duration is text
        pass
