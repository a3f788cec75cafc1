"""The participants of the tests of the Kafka shape, and their saga, run by `troth worker`.

What they do outside is a line in a book, a file beside them: who reads it sees what was done twice.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

from pydantic import BaseModel

from troth import (
    A0,
    A1,
    R1,
    R2,
    S1,
    App,
    Effect,
    Participant,
    approve,
    event,
    saga,
    wait_for,
)  # fmt: skip

BOOK = os.environ.get("PARTY_BOOK", "")
BOOK_TABLE = "CREATE TABLE IF NOT EXISTS lines (what TEXT, key TEXT, number TEXT)"


@event("order.placed", version=1, key="number")
class Placed(BaseModel):
    number: str


@event("order.confirmed", version=1, key="number")
class Confirmed(BaseModel):
    number: str


@event("order.refund-wanted", version=1, key="number")
class Wanted(BaseModel):
    number: str


class Receipt(BaseModel):
    number: str
    key: str


shop = Participant("shop")
bank = Participant("bank")


def _write(what: str, fx: Effect, number: str) -> Receipt:
    with closing(sqlite3.connect(BOOK, timeout=30, isolation_level=None)) as book:
        book.execute("INSERT INTO lines VALUES (?, ?, ?)", (what, fx.key, number))
    return Receipt(number=number, key=fx.key)


@shop.effect("reserve", A0, R1, S1, irreversible="stock is counted anew each night")
def reserve(fx: Effect, placed: Placed) -> Receipt:
    """May be pushed: it may be repeated, and the journal is shared."""
    return _write("reserve", fx, placed.number)


@bank.effect("pay", A0, R1, S1, irreversible="it is paid")
def pay(fx: Effect, reserved: Receipt) -> Receipt:
    """Is rung for and claimed over HTTP: the bank names no shared journal."""
    return _write("pay", fx, reserved.number)


@bank.effect("refund", A1, R2, S1, irreversible="it is paid", unknown="probe")
def refund(fx: Effect, wanted: Wanted) -> Receipt:
    """Is rung for, claimed and started over HTTP, whatever the journal."""
    return _write("refund", fx, wanted.number)


@refund.probe
def is_refunded(fx: Effect, wanted: Wanted) -> Receipt | None:
    with closing(sqlite3.connect(BOOK, timeout=30)) as book:
        row = book.execute("SELECT number FROM lines WHERE key = ?", (fx.key,)).fetchone()
    return None if row is None else Receipt(number=wanted.number, key=fx.key)


@saga("order", version=1, starts_on=Placed)
def order(placed: Placed) -> Receipt:
    """Reserve, wait to be told, pay."""
    reserved = reserve(placed)
    wait_for(Confirmed, placed.number, within="30d")
    return pay(reserved)


@saga("refund", version=1, starts_on=Wanted)
def refunded(wanted: Wanted) -> Receipt:
    """What somebody has to decide first."""
    with approve("allowed", level=A1, within="2d"):
        return refund(wanted)


app = App(participants=[shop, bank], sagas=[order, refunded])
