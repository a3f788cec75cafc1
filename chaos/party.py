"""The participants and the sagas of the chaos runs, run by `troth worker`.

Every run of a handler is a line in a book, a database of the participants' own: who reads it sees
what was done twice, and whether the handler was told that it might be. The journal of the SDK lies
in the same database.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel

from chaos.gates import AFTER_EFFECT, BEFORE_EFFECT, pass_by
from troth import A0, A1, R1, R2, S1, App, Effect, Participant, Refused, Retry, approve, event, saga

__all__ = ["BOOK", "REFUSED", "TABLE", "app", "newer"]

BOOK = "CHAOS_BOOK"
"""Names the file of the book."""
REFUSED = "x"
"""How the number of a trip ends that is refused at its last step, and undone."""
TABLE = """CREATE TABLE IF NOT EXISTS lines (line INTEGER PRIMARY KEY, at_us INTEGER, what TEXT,
    key TEXT, number TEXT, repeated INTEGER, attempt INTEGER)"""
_LINE = "INSERT INTO lines (at_us, what, key, number, repeated, attempt) VALUES (?, ?, ?, ?, ?, ?)"
WAIT_S = 30
PATIENT = Retry(attempts=100, first="200ms", cap="2s")
"""What is at stake here is the crash, not how often somebody tries."""


@event("chaos.begun", version=1, key="number")
class Begun(BaseModel):
    number: str


@event("chaos.wanted", version=1, key="number")
class Wanted(BaseModel):
    number: str


class Receipt(BaseModel):
    number: str


desk = Participant("desk")
bank = Participant("bank")


class _Book:
    """The book, for one thread of this process at a time.

    A hundred that ask the file by turns would wait for each other longer than they write.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._db: sqlite3.Connection | None = None

    @contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        with self._turn:
            if self._db is None:
                self._db = sqlite3.connect(
                    os.environ[BOOK], timeout=WAIT_S, isolation_level=None, check_same_thread=False
                )
                # Processes are killed here, not the machine: what was written is there without
                # a flush. The journal beside it is as durable as the SDK makes it.
                self._db.execute("PRAGMA synchronous = NORMAL")
            yield self._db


_book = _Book()


def _write(book: sqlite3.Connection, what: str, fx: Effect, number: str) -> None:
    line = (time.time_ns() // 1_000, what, fx.key, number, fx.repeated, fx.attempt)
    book.execute(_LINE, line)


def _perform(what: str, fx: Effect, number: str) -> Receipt:
    pass_by(BEFORE_EFFECT)
    with _book.open() as book:
        _write(book, what, fx, number)
    pass_by(AFTER_EFFECT)
    return Receipt(number=number)


@desk.effect("hold", A0, R1, S1, retry=PATIENT)
def hold(fx: Effect, begun: Begun) -> Receipt:
    """May be repeated; its commands are pushed where there is Kafka."""
    return _perform("hold", fx, begun.number)


@hold.undo
def release(fx: Effect, held: Receipt) -> None:
    _perform("undo hold", fx, held.number)


@desk.effect("charge", A0, R1, S1, retry=PATIENT)
def charge(fx: Effect, held: Receipt) -> Receipt:
    """Effect and answer are one transaction of the book: never there twice, even if repeated."""
    pass_by(BEFORE_EFFECT)
    with _book.open() as book, fx.transaction(book) as answer:
        _write(book, "charge", fx, held.number)
        receipt = answer.done(Receipt(number=held.number))
    pass_by(AFTER_EFFECT)
    return receipt


@charge.undo
def give_back(fx: Effect, charged: Receipt) -> None:
    _perform("undo charge", fx, charged.number)


@desk.step("close", refuses=["no"], retry=PATIENT)
def close(charged: Receipt) -> Receipt:
    if charged.number.endswith(REFUSED):
        raise Refused("no", charged.number)
    return charged


@bank.effect(
    "remit", A1, R2, S1, unknown="probe", retry=PATIENT, irreversible="the money is gone"
)  # fmt: skip
def remit(fx: Effect, wanted: Wanted) -> Receipt:
    """Must never happen twice: what is unknown is looked up in the book first."""
    return _perform("remit", fx, wanted.number)


@remit.probe
def is_remitted(fx: Effect, wanted: Wanted) -> Receipt | None:
    with _book.open() as book:
        row = book.execute("SELECT number FROM lines WHERE key = ?", (fx.key,)).fetchone()
    return None if row is None else Receipt(number=wanted.number)


@saga("trip", version=1, starts_on=Begun)
def trip(begun: Begun) -> Receipt:
    """Hold, charge, close; what is refused at the end is undone in reverse."""
    held = hold(begun)
    charged = charge(held)
    return close(charged)


@saga("wire", version=1, starts_on=Wanted)
def wire(wanted: Wanted) -> Receipt:
    """What somebody has to decide first."""
    with approve("allowed", level=A1, within="2d"):
        return remit(wanted)


@saga("trip", version=2, starts_on=Begun)
def newer(begun: Begun) -> Receipt:
    """The next release of the trip: it closes twice."""
    held = hold(begun)
    charged = charge(held)
    closed = close.named("first")(charged)
    return close.named("again")(closed)


app = App(participants=[desk, bank], sagas=[trip, wire])
