"""The participant of the crash tests, run by `troth worker` in a process of its own.

Its database is a file beside it: the payments, and the journal. FATE says where it dies.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing

from troth import A0, R1, S2, App, Effect, Participant

FILE = os.environ["PARTY_DATABASE"]
FATE = os.environ.get("PARTY_FATE", "")
bank = Participant("bank")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@bank.effect("pay", A0, R1, S2, irreversible="it is paid")
def pay(fx: Effect, number: int) -> str:
    """A payment and its answer in one transaction."""
    with closing(sqlite3.connect(FILE, timeout=10)) as own, fx.transaction(own) as answer:
        own.execute("INSERT INTO payments VALUES (?, ?)", (fx.key, number))
        if FATE == "before the commit":
            _die()
        receipt = answer.done(f"receipt {number}")
    if FATE == "after the commit" or (FATE == "on the way" and number == 40):
        _die()
    return receipt


app = App(participants=[bank])
