"""Broken decisions of people: who decided what, for how long, and about which action."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from domain import seats
from sagas.decide import approvals, effects
from sagas.decide.machine import Machine
from tests.simulation.mutants.harness import mutant, replaced, wrapped

Json = Any


@mutant(promise=4)
def ignores_an_expired_decision() -> Iterator[None]:
    """A decision holds for ever."""

    def without_end(real: Any, m: Any, path: str, node: Any, args: Any, actions: Any, _: Any,
                    by: Any) -> None:  # fmt: skip
        real(m, path, node, args, actions, None, by)

    def usable(real: Any, m: Machine, binding: Any, action: str) -> bool:
        return real(m, replace(binding, not_after_us=None), action)

    with wrapped(effects, "command", without_end), wrapped(approvals, "usable", usable):
        yield


@mutant(promise=4)
def asks_for_no_decision() -> Iterator[None]:
    """Any decision will do."""
    with replaced(approvals, "usable", lambda m, binding, action: True):
        yield


@mutant(promise=4)
def skips_the_digest_of_a_decision() -> Iterator[None]:
    """A decision about one action allows another one."""

    def usable(real: Any, m: Machine, binding: Any, action: str) -> bool:
        return real(m, replace(binding, digest=action), action)

    with wrapped(approvals, "usable", usable):
        yield


@mutant(promise=4)
def commands_without_an_approval() -> Iterator[None]:
    """A gated step is dispatched like any other."""

    def ask(m: Machine, path: str, node: Any, _: Any) -> None:
        args, actions = effects.action_of(m, path, node)
        effects.command(m, path, node, args, actions, None, None)

    with replaced(approvals, "binding_of", lambda m, path: None), \
         replaced(approvals, "ask_again", ask):  # fmt: skip
        yield


@mutant(promise=4)
def lets_one_person_take_two_seats() -> Iterator[None]:
    """Nobody looks whether the second seat is the first one's."""

    def refuse(real: Any, m: Machine, message: Any, found: Any) -> Any:
        refused = real(m, message, found)
        if refused is None or refused[0] != "decision.twice":
            return refused
        free = seats.free_seat(found[1].asked, message.seats)
        return None if free is not None else ("decision.seat", "wanted: another one")

    with wrapped(approvals, "_refuse", refuse):
        yield


@mutant(promise=4)
def lets_an_agent_decide() -> Iterator[None]:
    """Who may not decide does."""
    with _not_refused("decision.actor"):
        yield


@mutant(promise=4)
def takes_a_decision_about_something_else() -> Iterator[None]:
    """The digest that a person saw is not compared."""
    with _not_refused("decision.changed"):
        yield


def _not_refused(alias: str) -> Any:
    def refuse(real: Any, *args: Any) -> Any:
        found = real(*args)
        return None if found is not None and found[0] == alias else found

    return wrapped(approvals, "_refuse", refuse)


@mutant(promise=4)
def grants_with_a_seat_empty() -> Iterator[None]:
    """One seat is enough."""
    with replaced(approvals, "missing_seats", lambda asked: seats.missing_seats(asked)[1:]):
        yield


@mutant(promise=4)
def takes_a_reject_for_a_grant() -> Iterator[None]:
    """No is heard as yes."""

    def reject(m: Machine, path: str, message: Any) -> None:
        asked = m.c.nodes[path].asked
        assert asked is not None
        approvals._grant(m, path, asked, message)

    with replaced(approvals, "_reject", reject):
        yield
