"""Pattern 31, Blocking Partial Join: n of m let a round go on, and the next waits for the rest.

It is a combination: the partial join of pattern 30 stands in a round of `repeat`. Two weather
stations of three are enough for a forecast; the next one begins when the third has reported too.
"""

from pydantic import BaseModel

from troth import App, Participant, event, parallel, repeat, saga


@event("season.begun", version=1, key="season")
class SeasonBegun(BaseModel):
    season: str
    forecasts: int


weather = Participant("weather")


@weather.step("ask-coast")
def ask_coast(season: str) -> None: ...


@weather.step("ask-plain")
def ask_plain(season: str) -> None: ...


@weather.step("ask-mountain")
def ask_mountain(season: str) -> None: ...


@weather.step("publish-forecast")
def publish_forecast(season: str) -> None: ...


@saga("pattern-blocking-partial-join", version=1, starts_on=SeasonBegun)
def forecast(begun: SeasonBegun) -> None:
    with repeat("forecasts", max=200, until=lambda: now.number >= begun.forecasts) as now:
        with parallel("stations", join=2, losers="run_on"):
            ask_coast(begun.season)
            ask_plain(begun.season)
            ask_mountain(begun.season)
        publish_forecast(begun.season)


app = App(sagas=[forecast], participants=[weather])
