"""ARCHITECTURE.md, the glossary and the decisions speak of what is there."""

import re

import pytest

from tests import tidy

PAGES_LINES_MAX = 120  # two printed pages
PAGES = ["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/glossary.md"]
PATH_IN_TEXT = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[A-Z]+\.md)`")


def pages() -> list[str]:
    decisions = [name for name in tidy.tracked() if name.startswith("docs/adr/")]
    return [*PAGES, *decisions]


def read(name: str) -> str:
    return (tidy.ROOT / name).read_text("utf-8")


@pytest.mark.parametrize("page", pages())
def test_every_path_that_a_page_names_exists(page: str) -> None:
    """A map with a street that was renamed sends the reader into a field."""
    named = {path for path in PATH_IN_TEXT.findall(read(page)) if not path.startswith("/")}
    # Names that a user's project has, contracts and sagas look like paths.
    foreign = {"api/", "domain/", "crm/create-account", "partner-activation/acme"}
    missing = sorted(p for p in named - foreign if not (tidy.ROOT / p).exists())
    assert missing == []


def test_the_architecture_fits_on_two_pages() -> None:
    """Who needs more reads the code; the map must stay a map."""
    assert len(read("ARCHITECTURE.md").splitlines()) <= PAGES_LINES_MAX


def test_the_way_of_one_message_has_at_most_eight_stops() -> None:
    """More than eight files between a message and its answer is a design that got away."""
    way = read("ARCHITECTURE.md").split("## The way of one message")[1].split("\n## ")[0]
    stops = re.findall(r"^\d+\. ", way, re.MULTILINE)
    assert 1 <= len(stops) <= 8


def test_the_architecture_names_every_package() -> None:
    """A package that is not on the map is found by nobody."""
    packages = {
        name.split("/")[0]
        for name in tidy.tracked()
        if name.count("/") == 1 and name.endswith("/__init__.py")
    } - {"tests", "examples", "benchmarks"}
    text = read("ARCHITECTURE.md")
    assert [name for name in sorted(packages) if f"`{name}/`" not in text] == []


def test_every_decision_is_listed_and_says_when_it_would_be_wrong() -> None:
    """A decision without a sign of its failure is a belief."""
    listed = set(re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", read("docs/adr/README.md")))
    there = {name.split("/")[-1] for name in pages() if re.search(r"adr/\d{4}-", name)}
    assert listed == there
    for name in sorted(there):
        text = read(f"docs/adr/{name}")
        for part in ("## Situation", "## What was weighed", "## Decision", "## How we would know"):
            assert part in text, f"{name} lacks {part}"


def test_the_glossary_has_the_statuses_of_a_commitment() -> None:
    """The words that users see in every answer are explained."""
    text = read("docs/glossary.md")
    statuses = (
        "open waiting paused held compensating in_debt fulfilled failed compensated cancelled"
    )
    assert [status for status in statuses.split() if status not in text] == []
