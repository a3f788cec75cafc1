"""Approval, reversibility and sensitivity: three types, so that an editor sees a swapped class."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

__all__ = [
    "A0",
    "A1",
    "A2",
    "A3",
    "R0",
    "R1",
    "R2",
    "R3",
    "S0",
    "S1",
    "S2",
    "S3",
    "ApprovalClass",
    "ReversibilityClass",
    "SensitivityClass",
]


class ApprovalClass(StrEnum):
    """Who must allow it: nobody, a manager, function head plus legal or finance, the board."""

    A0 = "A0"
    A1 = "A1"
    A2 = "A2"
    A3 = "A3"


class ReversibilityClass(StrEnum):
    """What taking it back costs: automatic, limited operations, costly, irreversible."""

    R0 = "R0"
    R1 = "R1"
    R2 = "R2"
    R3 = "R3"


class SensitivityClass(StrEnum):
    """The data it carries: public, internal, confidential, regulated or personal.

    It also marks a field of a model: `passport: Annotated[str, S3]`.
    """

    S0 = "S0"
    S1 = "S1"
    S2 = "S2"
    S3 = "S3"

    def __get_pydantic_json_schema__(
        self, core: Any, schema_of: Callable[[Any], dict[str, Any]]
    ) -> dict[str, Any]:
        """The mark in the schema of a field, where the checks of a saga look for it."""
        return {**schema_of(core), "x-sensitivity": self.value}


A0: Final = ApprovalClass.A0
A1: Final = ApprovalClass.A1
A2: Final = ApprovalClass.A2
A3: Final = ApprovalClass.A3
R0: Final = ReversibilityClass.R0
R1: Final = ReversibilityClass.R1
R2: Final = ReversibilityClass.R2
R3: Final = ReversibilityClass.R3
S0: Final = SensitivityClass.S0
S1: Final = SensitivityClass.S1
S2: Final = SensitivityClass.S2
S3: Final = SensitivityClass.S3
