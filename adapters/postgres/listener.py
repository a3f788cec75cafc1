"""Waking other processes: NOTIFY after a commit, never in it. Polling stays the safety net."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg

from adapters.postgres.arrays import texts
from adapters.postgres.faults import FAULTS
from adapters.postgres.link import Link
from adapters.postgres.telling import Told
from domain.ports import StoreFailed

__all__ = ["CHANNELS", "Listener", "Notifier"]

CHANNELS = {
    "troth_lane": "lane", "troth_work": "work", "troth_answer": "answer", "troth_shares": "shares",
}  # fmt: skip
"""Each with the kind that its listeners are told; payloads are a lane's number, a participant, the
process that asked, and the one that gave lanes away."""

PAYLOADS_MAX = 1_000
"""Of one transaction of the notifier; the rest goes with the next one."""

GATHER_S = 0.005
"""How long a notification waits for others: a commit with one takes a lock of the whole server."""

LOOK_S = 0.5
"""How often a thread looks whether it is to end."""

_LISTEN = tuple(f"LISTEN {channel}" for channel in CHANNELS)
_NOTIFY = "SELECT pg_notify(channel, payload) FROM unnest(%s, %s) AS n (channel, payload)"


class Notifier:
    """Sends what commits concern, gathered, on a connection and thread of its own.

    NOTIFY within the lanes' transactions would make all their commits stand in one line.
    """

    def __init__(self, url: str, process: str) -> None:
        self._pid = 0
        self._link = Link(url, f"troth {process} notifier", settings="-c synchronous_commit=off")
        self._told = Told()
        self._wake = threading.Condition()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def tell(self, told: Told) -> None:
        """Have it sent soon; the call returns at once."""
        if told:
            with self._wake:
                self._told.add(told)
                self._wake.notify()

    def is_own(self, pid: int) -> bool:
        """Whether a notification came from here: who sent it knows already."""
        return pid == self._pid

    def close(self) -> None:
        """End the thread. What was not sent yet is found by polling."""
        with self._wake:
            self._is_over.set()
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()
        self._link.drop()

    def _run(self) -> None:
        while not self._is_over.is_set():
            with self._wake:
                self._wake.wait_for(lambda: self._told or self._is_over.is_set())
            self._is_over.wait(GATHER_S)
            with self._wake:
                told, self._told = self._told, Told()
            try:
                self._send(told)
            except (*FAULTS, StoreFailed):
                # A wake-up is worth no retry: whoever missed it polls.
                self._is_over.wait(self._link.pause_s)

    def _send(self, told: Told) -> None:
        pairs = [("troth_lane", str(lane)) for lane in sorted(told.lanes)]
        pairs += [("troth_work", participant) for participant in sorted(told.participants)]
        pairs += [("troth_answer", asker) for asker in sorted(told.askers)]
        for first in range(0, len(pairs), PAYLOADS_MAX):
            channels, payloads = zip(*pairs[first : first + PAYLOADS_MAX], strict=True)
            db = self._link.db()
            self._pid = db.info.backend_pid
            db.execute(_NOTIFY, (texts(channels), texts(payloads)))


class Listener:
    """Hears what other processes told, on a connection and thread of its own.

    `on_heard(kind, value)` is called on that thread: kind is one of CHANNELS. What `is_own` is
    left out: given is the server's process that sent it. After a time without a connection it is
    called with ("missed", ""): anything may have happened meanwhile.
    """

    def __init__(
        self,
        url: str,
        process: str,
        on_heard: Callable[[str, str], None],
        is_own: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self._link = Link(url, f"troth {process} listener")
        self._is_own = is_own
        self._on_heard = on_heard
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._link.drop()

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                self._listen()
            except (psycopg.Error, StoreFailed):
                self._link.drop()
                self._is_over.wait(self._link.pause_s)

    def _listen(self) -> None:
        db = self._link.db()
        for statement in _LISTEN:
            db.execute(statement.encode())
        self._on_heard("missed", "")
        while not self._is_over.is_set():
            for heard in db.notifies(timeout=LOOK_S):
                if not self._is_own(heard.pid):
                    self._on_heard(CHANNELS.get(heard.channel, heard.channel), heard.payload)
                if self._is_over.is_set():
                    return
