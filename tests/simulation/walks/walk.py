"""One walk: moves drawn from its seed, then everybody does what is asked of them until the end.

Every move draws from a die of its own, so one that is left out leaves the draws of all others as
they were: that is how a walk that found something is made small.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

from domain import messages as msg
from projections.current_step import current_step
from tests.simulation.judge import Violation
from tests.simulation.walks.drawn import Drawn
from tests.simulation.walks.ending import check_end, last_words, towards_the_end
from tests.simulation.walks.people import People
from tests.simulation.walks.town import HOUR_US, Town
from tests.simulation.walks.workers import Workers

__all__ = ["Outcome", "Walk", "walked"]

MOVES_MIN, MOVES_MAX = 5, 70
CLOSING_MOVES_MAX = 3_000
SECOND_US, MINUTE_US = 1_000_000, 60_000_000
PAUSES_US = (SECOND_US, MINUTE_US, HOUR_US // 2, HOUR_US, HOUR_US, 3 * HOUR_US)
SAID_OF_KIDS = ("begins", "fulfilled", "fulfilled", "fulfilled", "failed", "cancelled", "conflict")
SAID_LATE = ("done", "done", "done", "failed", "transient")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a walk. `made` are the numbers of its moves, `without` those left out."""

    definition: int
    number: int
    violation: Violation | None
    status: str
    made: tuple[int, ...]
    moves: Counter[str]
    topics: Counter[str]
    covered: set[tuple[str, str]]
    events: int
    lines: list[str] = field(default_factory=list)
    without: frozenset[int] = frozenset()

    @property
    def name(self) -> str:
        """As the command line takes it."""
        return f"{self.definition}.{self.number}"


def walked(
    drawn: Drawn, number: int, without: Iterable[int] = (), *, is_traced: bool = False
) -> Outcome:
    """Walk once. What is wrong is told, not raised; nothing but the numbers decides."""
    walk = Walk(drawn, number, frozenset(without))
    if is_traced:
        walk.town.lines = []
    violation: Violation | None = None
    try:
        walk.run()
    except Violation as found:
        violation = found
    except Exception as error:  # noqa: BLE001 - whatever decide raises is what is looked for
        violation = Violation(f"fault {type(error).__name__}", str(error))
    town = walk.town
    return Outcome(
        drawn.number, number, violation, "none" if town.c is None else town.c.status,
        tuple(walk.made), walk.moves, town.watch.topics, town.watch.covered, len(town.events),
        town.lines or [], walk.without,
    )  # fmt: skip


class Walk:
    """The moves, each by its name; `run` makes them."""

    def __init__(self, drawn: Drawn, number: int, without: frozenset[int] = frozenset()) -> None:
        self._seed = f"{drawn.number}.{number}"
        rng = Random(self._seed)
        self._count = rng.randint(MOVES_MIN, MOVES_MAX)
        self.town = Town(drawn, is_child=not drawn.has_pivot and rng.random() < 0.2)
        self.workers = Workers(self.town, honest=rng.random() < 0.8, good=rng.choice([2, 4, 8, 16]))
        self.people = People(self.town, self.workers)
        self.without = without
        self.made: list[int] = []
        self.moves: Counter[str] = Counter()
        self.rng = rng
        self._moves: dict[str, Callable[[], None]] = {
            "work": self._work, "post": self._post, "time": self._time, "event": self._event,
            "late": self._late, "decide": self._decide, "task": self._task, "kid": self._kid,
            "ask": self._ask, "revoke": self._revoke, "rival": self._rival,
            "operate": self._operate, "parent": self._parent,
        }  # fmt: skip

    def run(self) -> None:
        """Open it, move it, and bring it to its end. Raises Violation."""
        town = self.town.open()
        for number in range(self._count):
            if number in self.without:
                continue
            self.rng = Random(f"{self._seed} {number}")
            self.made.append(number)
            kind = self.rng.choice(self._likely())
            self.moves[kind] += 1
            town.say(f"- move {number}: {kind}")
            self._moves[kind]()
            if town.now.is_over and self.rng.random() < 0.3:
                break
        self._close()
        check_end(town, self.workers)

    def _close(self) -> None:
        town, parts = self.town, (self.town, self.workers, self.people)
        town.say("- everybody does what is asked of them")
        for number in range(CLOSING_MOVES_MAX):
            if not towards_the_end(*parts, Random(f"{self._seed} closing {number}")):
                last_words(*parts, Random(f"{self._seed} last words"))
                return
        waits = current_step(town.d, town.now)["waits_for"]
        raise Violation("ends", f"it is {town.now.status}, waits for {waits}, and never ends")

    def _likely(self) -> list[str]:
        """Kinds of moves that there are now; what is in there more often is likelier."""
        town, c = self.town, self.town.now
        is_stuck = c.paused or bool(c.debts or self.people.unknown)
        weights = {
            "work": 10 * bool(town.dispatches), "post": 6 * bool(town.post), "time": 2, "event": 1,
            "late": 1, "decide": 3 * bool(self.people.asked),
            "task": 2 * any(i.task for i in c.nodes.values()), "kid": 3 * bool(town.kids),
            "ask": int(bool(town.d.updates)), "revoke": 3 * bool(town.revoking),
            "rival": int(bool(town.locks)), "operate": 1 + 3 * is_stuck,
            "parent": 3 * (town.is_child and c.is_over),
        }  # fmt: skip
        return [kind for kind, weight in weights.items() for _ in range(weight)]

    # --- moves -----------------------------------------------------------------------------------

    def _work(self) -> None:
        """Of a command: begin it, lose it, or answer it."""
        rng, town = self.rng, self.town
        d = rng.choice(list(town.dispatches.values()))
        if d.effect not in town.started:
            if not self.workers.begin(d):
                self.workers.sweep()
                return
            if rng.random() < 0.3 or not self.workers.is_current(d):
                return
        if rng.random() < (0.03 if d.kind == "probe" else 0.13):
            if rng.random() < 0.4 and d.kind != "probe":
                self.workers.act(d)  # it happens, and nobody hears of it yet
            self.workers.lose(d)
        else:
            self.workers.reply(d, rng.choice(self.workers.outcomes(d)), rng)

    def _post(self) -> None:
        self.town.deliver(self.rng.choice(list(self.town.post)))

    def _time(self) -> None:
        rng, town = self.rng, self.town
        if town.due_us is not None and rng.random() < 0.3:
            town.pass_time(max(town.due_us, town.now_us))
        else:
            town.pass_time(town.now_us + rng.choice(PAUSES_US))
        if rng.random() < 0.5:
            self.workers.sweep()

    def _event(self) -> None:
        self.town.arrive(self.rng.choice(["ping", "poke"]))

    def _late(self) -> None:
        if late := self.workers.late():
            self.workers.reply(self.rng.choice(late), self.rng.choice(SAID_LATE), self.rng)

    def _decide(self) -> None:
        self.people.decide(self.rng.choice(["approve", "approve", "approve", "reject"]), self.rng)

    def _task(self) -> None:
        self.people.work(self.rng)

    def _kid(self) -> None:
        self.town.kid_says(self.rng.choice(list(self.town.kids)), self.rng.choice(SAID_OF_KIDS))

    def _ask(self) -> None:
        update = self.rng.choice(self.town.d.updates)
        self.town.send(msg.Update(update.name, f"u{self.town.sent}", "ann", {}))

    def _revoke(self) -> None:
        node = self.rng.choice(list(self.town.revoking))
        self.town.kid_undoes(node, self.rng.choice(["revoked", "revoked", "refused"]))

    def _rival(self) -> None:
        self.town.rival(self.rng)

    def _operate(self) -> None:
        self.people.operate(self.rng)

    def _parent(self) -> None:
        self.people.parent(self.rng)
