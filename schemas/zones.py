"""Time zones, from the package `tzdata` alone and never from the machine.

Where a due time falls must not depend on which files an operating system has: every engine of one
release reads the same release of the data, which its requirements name exactly.
"""

from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

__all__ = ["zone", "zone_names"]


@cache
def zone_names() -> tuple[str, ...]:
    """The names that `zone` takes, such as `Europe/Berlin`, sorted."""
    return tuple(sorted(files("tzdata").joinpath("zones").read_text("utf-8").split()))


@cache
def zone(name: str) -> ZoneInfo:
    """The rules of a zone. Raises KeyError for a name that is none."""
    if name not in zone_names():
        raise KeyError(name)
    place = files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with place.open("rb") as stream:
        return ZoneInfo.from_file(stream, key=name)
