"""Pattern 36, Dynamic Partial Join for Multiple Instances: how many are enough is known late.

The list is open, so instances are added while it runs, and `close_when` and `join` say when it has
enough: here by vars that each sample and an event may change. Those still open run on to their end.
"""

from pydantic import BaseModel

from troth import App, Participant, add, each, event, on, saga, scope, set_, var


@event("sample.wanted", version=1, key="species")
class SampleWanted(BaseModel):
    species: str
    sites: list[str]
    enough: int


@event("sample.site-found", version=1, key="species")
class SiteFound(BaseModel):
    species: str
    site: str


@event("sample.enough-said", version=1, key="species")
class EnoughSaid(BaseModel):
    species: str
    enough: int


biologists = Participant("biologists")


@biologists.step("take-sample", timeout="30d")
def take_sample(site: str) -> None: ...


@biologists.step("sequence-genome")
def sequence_genome(species: str) -> None: ...


@saga("pattern-dynamic-join-of-instances", version=1, starts_on=SampleWanted)
def study(wanted: SampleWanted) -> None:
    enough = var("enough", int, 1)
    taken = var("taken", int, 0)
    set_(enough=wanted.enough, name="note_enough")
    with scope("collecting", deadline="180d"):
        with on("said", EnoughSaid, wanted.species) as said:
            set_(enough=said.enough)
        sites = each(
            "sites",
            wanted.sites,
            at_most=100,
            key=lambda site: site,
            open=True,
            close_when=taken >= enough,
            join=lambda _: taken >= enough,
            losers="run_on",
        )
        for site in sites:
            take_sample(site)
            set_(taken=taken + 1, name="count")
        with on("further", SiteFound, wanted.species, when=lambda _: taken < enough) as found:
            add(sites, [found.site])
        sequence_genome(wanted.species)


app = App(sagas=[study], participants=[biologists])
