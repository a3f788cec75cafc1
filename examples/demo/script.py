"""What will happen in a run: who applies, who signs early, who withdraws, whom legal refuses.

All from the seed: the same seed gives the same ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

from examples.partner_activation.systems import Faults

__all__ = ["PARTNERS_MAX", "PARTNERS_MIN", "REASONS", "Script", "written"]

PARTNERS_MIN = 12
PARTNERS_MAX = 5_000
EARLY = 5
"""Partners whose signature comes before anybody waits for it."""
WITHDRAWN = 2
LEGAL_SAYS_NO = 0.10

REASONS = (
    "clause 9 is missing",
    "the signer may not sign alone",
    "the data protection annex is not signed",
)

FIRST = (
    "acme", "globex", "initech", "hooli", "umbrella", "stark", "wayne", "tyrell", "cyberdyne",
    "soylent", "wonka", "gekko", "vandelay", "duff", "oscorp", "aperture", "nakatomi", "monarch",
    "sirius", "virtucon",
)  # fmt: skip
SECOND = (
    "foods", "steel", "labs", "media", "power", "rail", "glass", "paper", "water", "tools",
    "textiles", "timber", "optics", "motors", "seeds",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Script:
    """The partners by name; each of the sets is a part of them."""

    companies: tuple[str, ...]
    early: frozenset[str]
    withdrawn: frozenset[str]
    refused_by_legal: frozenset[str]

    def signs(self, company: str) -> bool:
        """It signs once its account is there."""
        return company not in self.early and company not in self.withdrawn

    def reason(self, company: str) -> str | None:
        """Why legal says no, or None."""
        if company not in self.refused_by_legal:
            return None
        return REASONS[sum(company.encode()) % len(REASONS)]


def written(partners: int, faults: Faults) -> Script:
    """The script of a run."""
    companies = tuple(islice(_names(), partners))
    plain = [
        company
        for company in companies
        if not (
            faults.is_struck_off(company)
            or faults.is_risky(company)
            or faults.has_invoices(company)
        )
    ]
    withdrawn = frozenset(plain[1 : 1 + WITHDRAWN])
    rest = plain[1 + WITHDRAWN :]
    # At least one that nothing else happens to: its audit trail is shown at the end.
    refused = {company for company in companies if faults.share("legal", company) < LEGAL_SAYS_NO}
    refused |= set(rest[:1])
    early = frozenset(rest[1 : 1 + EARLY])
    return Script(companies, early, withdrawn, frozenset(refused) - withdrawn)


def _names() -> Iterator[str]:
    yield from FIRST
    for number in count(1):
        suffix = "" if number == 1 else f"-{number}"
        for second in SECOND:
            for first in FIRST:
                yield f"{first}-{second}{suffix}"
