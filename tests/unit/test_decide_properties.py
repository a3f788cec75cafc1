"""Whatever happens in whatever order: undoing, endings and decisions keep their promises."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from domain import events as ev
from domain import messages as msg
from domain.ports import Dispatch
from domain.state import binding_paths, is_under
from tests.semantics.world import World
from tests.strategies.flows import documents
from tests.strategies.undo_oracle import UndoOracle

Json = Any
HOUR_US = 3_600_000_000
MOVES_MAX = 40
CLOSING_MOVES_MAX = 600
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
ANSWERS = {
    "do": ("done", "done", "done", "done", "failed", "transient", "lost", "unknown", "not_started"),
    "undo": ("done", "done", "done", "failed", "transient", "lost"),
    "probe": ("present", "absent", "cannot_tell", "lost", "transient"),
}


KIDS = ("begins", "fulfilled", "fulfilled", "failed", "cancelled", "conflict")


class Driver:
    """Makes random moves in a world, then brings the commitment to its end."""

    def __init__(self, document: Json) -> None:
        self.w = World(document).open()
        self.oracle = UndoOracle(document)
        self.read = 0

    def _check(self) -> None:
        self.oracle.read(self.w.events[self.read :])
        self.read = len(self.w.events)

    def answer(self, d: Dispatch, outcome: str) -> None:
        w = self.w
        if outcome in ("lost", "not_started"):
            reason = "lease" if outcome == "lost" else "within"
            if outcome == "not_started" and (d.effect in w.started or d.start_by_us is None):
                return
            del w.dispatches[d.effect]
            w.started.discard(d.effect)
            kind = msg.Lost if outcome == "lost" else msg.NotStarted
            w.send(kind(d.effect, d.attempt, d.kind, reason))
        else:
            w.answer(d, outcome, code="no" if outcome == "failed" else None)

    def move(self, draw: Any) -> str:
        """One random move; which kind it was."""
        w = self.w
        kinds = ["answer"] * 8 * bool(w.dispatches) + ["start"] * 2 * bool(w.dispatches)
        kinds += ["time", "ping", "poke", "late", "decide", "decide", "pause", "resume", "settle"]
        kinds += ["kid"] * 3 * bool(w.kids) + ["ask"] * bool(w.d.updates)
        kinds += ["revoke"] * 3 * bool(w.revoking)
        kind = draw(st.sampled_from([*kinds, "cancel"]))
        if kind in ("answer", "start"):
            d = draw(st.sampled_from(list(w.dispatches.values())))
            outcome = draw(st.sampled_from(ANSWERS[d.kind])) if kind == "answer" else "start"
            note(f"{outcome} {d.kind} {d.body['node']}")
            if kind == "start":
                w.start(d)
            else:
                self.answer(d, outcome)
        elif kind == "kid":
            asked = draw(st.sampled_from(list(w.kids)))
            status = draw(st.sampled_from(KIDS))
            note(f"child {asked} {status}")
            w.kid_says(asked, status)
        elif kind == "revoke":
            node = draw(st.sampled_from(list(w.revoking)))
            status = draw(st.sampled_from(["revoked", "revoked", "refused"]))
            note(f"child of {node} {status}")
            w.kid_undoes(node, status)
        elif kind == "late":
            done = [c for c in w.commands if c.kind == "do"]
            if not done:
                return kind
            d = draw(st.sampled_from(done))
            outcome = draw(st.sampled_from(["done", "failed"]))
            note(f"late {outcome} {d.body['node']}")
            result = draw(st.sampled_from([None, None, 7]))
            w.send(msg.Answered(d.effect, d.attempt, "1.1.1", "do", outcome, "w2", result,
                                current=False))  # fmt: skip
        elif kind == "ask":
            name = draw(st.sampled_from([update.name for update in w.d.updates]))
            note(f"update {name}")
            w.send(msg.Update(name, f"u{w.now.version}", "ann", {}))
        elif kind == "decide":
            self.decide(draw(st.sampled_from(["approve", "approve", "reject"])))
        else:
            note(kind)
            self.happens(kind)
        self._check()
        return kind

    def happens(self, kind: str) -> None:
        w = self.w
        if kind == "time":
            w.pass_time(w.now_us + HOUR_US)
        elif kind in ("ping", "poke"):
            w.arrive(kind)
        elif kind in ("pause", "resume", "cancel"):
            w.send(msg.Control(kind, "ops", "so be it"))
        elif kind == "settle":
            debt = next(iter(w.now.debts), None)
            w.send(msg.Control("settle", "ops", "so be it", debt, "done", None, ["letter"]))

    def decide(self, answer: str) -> None:
        for instance in list(self.w.now.nodes.values()):
            if instance.asked and not instance.branch:
                asked = instance.asked
                self.w.send(msg.Decide(asked.approval, answer, asked.digest, "mia", "human",
                                       ("manager",), "because"))  # fmt: skip
                return

    def work(self) -> None:
        """A person claims the first open task, and does it."""
        found = next((i.task for i in self.w.now.nodes.values() if i.task is not None), None)
        if found is None:
            return
        for action in ("claim", "complete"):
            self.w.send(msg.TaskAct(found.id, action, "mia", "human", ("legal",)))

    def close(self) -> None:
        """Everybody does what is asked of them: now it must come to an end."""
        w = self.w
        for _ in range(CLOSING_MOVES_MAX):
            if w.now.is_over:
                return
            if w.now.paused:
                self.happens("resume")
            elif w.dispatches:
                d = next(iter(w.dispatches.values()))
                self.answer(d, "present" if d.kind == "probe" else "done")
            elif w.kids:
                w.kid_says(next(iter(w.kids)), "fulfilled")
            elif w.revoking:
                w.kid_undoes(next(iter(w.revoking)))
            elif "person" in w.waits():
                self.happens("settle")
                self.decide("approve")
                self.work()
            elif w.due_us is not None:
                w.pass_time(w.due_us)
            else:
                w.arrive("ping")
            self._check()
        raise AssertionError(f"no end: {w.shown()['waits_for']}")


def check_end(driver: Driver) -> None:
    """After the end no completed effect stands that was not undone, sealed, owed or kept."""
    w = driver.w
    done = {e.node for e in w.events if isinstance(e, ev.EffectDone) and e.kind == "do" and e.undo}
    gone = set(driver.oracle.undone)
    gone |= {p for e in w.events if isinstance(e, ev.UndoSealed) for p in e.dropped}
    gone |= {node for _, node in driver.oracle.debts.values()}
    replaced = [e.node for e in w.events if isinstance(e, ev.UndoReplaced)]
    gone |= {path for path in done if any(is_under(path, node) for node in replaced)}
    assert w.now.status == "fulfilled" or done <= gone, done - gone


def check_decisions(w: World) -> None:
    """No command of a gated step without a recorded decision bound to its digest."""
    asked: dict[str, dict[str, str]] = {}
    granted: dict[str, int] = {}
    used: dict[str, int] = {}
    for e in w.events:
        if isinstance(e, ev.ApprovalAsked):
            asked[e.approval] = e.digests
        elif isinstance(e, ev.ApprovalGranted):
            granted[e.approval] = e.originator_version
        elif isinstance(e, ev.EffectIntended) and e.kind == "do":
            if (e.classes or {}).get("R") not in ("R2", "R3"):
                continue
            assert e.approval in granted, e.node
            digests = asked[e.approval]
            assert e.digest in [digests[p] for p in binding_paths(e.node) if p in digests]
            assert e.not_after_us is not None
            assert e.not_after_us >= int(e.timestamp.timestamp() * 1_000_000)
            used[e.approval] = used.get(e.approval, 0) + 1
            assert used[e.approval] == 1


@settings(max_examples=120, suppress_health_check=SLOW)
@given(documents(), st.data())
def test_whatever_happens_undoing_is_ordered_complete_and_once(document: Json, data: Any) -> None:
    """Random definitions, outcomes and orders, with a cancel at any move, come to a right end."""
    driver = Driver(document)
    driver._check()
    for _ in range(data.draw(st.integers(0, MOVES_MAX), label="moves")):
        driver.move(data.draw)
    driver.close()
    check_end(driver)
    check_decisions(driver.w)


@settings(max_examples=60, suppress_health_check=SLOW)
@given(documents(), st.integers(0, 12))
def test_a_cancel_at_any_move_leaves_nothing_done(document: Json, moves: int) -> None:
    """Everything goes well until somebody cancels: then all is undone, or it is past a pivot."""
    driver = Driver(document)
    w = driver.w
    for _ in range(moves):
        if w.now.is_over or not w.dispatches:
            break
        driver.answer(next(iter(w.dispatches.values())), "done")
    w.send(msg.Control("cancel", "ops", "so be it"))
    driver.close()
    driver._check()
    check_end(driver)
    if w.now.cancelling is not None:
        assert w.now.status == "cancelled"
