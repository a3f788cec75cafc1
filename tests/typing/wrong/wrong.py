"""Eight wrong lines that an editor must find; never imported, and not formatted."""
from pydantic import BaseModel
from tests.typing.right.partner import Http, PartnerApplied, PartnerSigned, activate
from tests.typing.right.partner import create_account, crm
from troth import A1, A2, R2, S2, Effect, approve, event, fail, saga, wait_for, when
@saga("wrong", version=1, starts_on=PartnerApplied)
def wrong(applied: PartnerApplied) -> None:
    account = create_account(applied)
    with when("risky", account.risk > 60): fail("too-risky")
    create_account()
    wait_for(PartnerSigned, applied.company)
    with approve("legal", level=A2, evidence=[account], within="3d"):
        activate(account, account)

@crm.effect("pay", A1, R2, S2, unknown="retry")
def pay(fx: Effect[Http], applied: PartnerApplied) -> str: return applied.company + fx.key

@create_account.undo
def unmake(fx: Effect[Http], applied: PartnerApplied) -> None: print(applied, fx)

@event("x.y", version=1)
class Wrong(BaseModel): company: str
