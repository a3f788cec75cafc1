"""What of a seed is left out: how a failure is made small, and replayed as such."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["WHOLE", "Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """`without` names kinds of faults and of people; the others happen as the seed says.

    `hits_max` ends all faults after so many, `stories_max` leaves out what producers do later on.
    """

    without: frozenset[str] = frozenset()
    hits_max: int | None = None
    stories_max: int | None = None

    def arguments(self) -> str:
        """As the command line takes them."""
        found: list[str] = []
        if self.without:
            names = ",".join(sorted(self.without)).replace(" ", "-")
            found.append(f"--without {names}")
        if self.hits_max is not None:
            found.append(f"--hits {self.hits_max}")
        if self.stories_max is not None:
            found.append(f"--stories {self.stories_max}")
        return " ".join(found)

    @classmethod
    def of(cls, without: str | None, hits_max: int | None, stories_max: int | None) -> Options:
        """From the command line."""
        names = [n.replace("-", " ") for n in (without or "").split(",") if n]
        return cls(frozenset(names), hits_max, stories_max)


WHOLE = Options()
