"""An application: its sagas and the participants whose steps it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._contract import Contract
from ._contracts import Participant
from ._saga import Saga
from ._schema import JsonObject
from ._text import wrong

__all__ = ["App"]


class App:
    """What `troth check`, `troth register` and `troth worker` are given: `partner:app`.

    Args:
        sagas: the sagas; every (name, version) once.
        participants: those whose handlers a worker of this application runs. A saga may also use
            steps of participants that live elsewhere: leave those out.
    """

    def __init__(
        self,
        *,
        sagas: Sequence[Saga[Any, Any]] = (),
        participants: Sequence[Participant[Any]] = (),
    ) -> None:
        self.sagas = tuple(sagas)
        self.participants = tuple(participants)
        _check_once([f"{saga.name} v{saga.version}" for saga in self.sagas], "saga")
        _check_once([participant.name for participant in self.participants], "participant")

    def __repr__(self) -> str:
        return f"<app of {len(self.sagas)} sagas, {len(self.participants)} participants>"

    def documents(self) -> list[JsonObject]:
        """The definition of every saga, in order. Raises TrothError for the first wrong one."""
        return [saga.document() for saga in self.sagas]

    def contracts(self) -> dict[str, Contract]:
        """All contracts of the participants, undos too, by name."""
        return {
            name: contract
            for participant in self.participants
            for name, contract in participant.contracts.items()
        }


def _check_once(names: list[str], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise wrong("TR204", f"{what} {name} is given twice", "each one once")
