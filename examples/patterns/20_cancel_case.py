"""Pattern 20, Cancel Case: the whole case is taken back, wherever it is.

An operator's `troth cancel` needs no line in the saga: all that is open stops, what was done is
undone in reverse order, and the commitment ends cancelled. A business event may do the same.
"""

from pydantic import BaseModel

from troth import A0, R1, S1, App, Effect, Participant, event, fail, on, parallel, saga, wait_for


@event("flat.reserved", version=1, key="flat")
class FlatReserved(BaseModel):
    flat: str


@event("flat.lease-signed", version=1, key="flat")
class LeaseSigned(BaseModel):
    flat: str


@event("flat.tenant-withdrew", version=1, key="flat")
class TenantWithdrew(BaseModel):
    flat: str


landlord = Participant("landlord")


@landlord.effect("take-off-market", A0, R1, S1)
def take_off_market(fx: Effect, flat: str) -> str:
    return f"{flat} {fx.key[:8]}"


@take_off_market.undo
def put_back_on_market(fx: Effect, listing: str) -> None: ...


@landlord.effect("order-keys", A0, R1, S1)
def order_keys(fx: Effect, flat: str) -> str:
    return f"keys of {flat}, {fx.key[:8]}"


@order_keys.undo
def cancel_keys(fx: Effect, keys: str) -> None: ...


@landlord.step("write-lease")
def write_lease(flat: str) -> None: ...


@saga("pattern-cancel-case", version=1, starts_on=FlatReserved)
def let_flat(reserved: FlatReserved) -> None:
    with on("withdrawal", TenantWithdrew, reserved.flat, interrupt=True, undo="all"):
        fail("tenant-withdrew")
    take_off_market(reserved.flat)
    with parallel("preparation"):
        order_keys(reserved.flat)
        write_lease(reserved.flat)
    wait_for(LeaseSigned, reserved.flat, within="30d")


app = App(sagas=[let_flat], participants=[landlord])
