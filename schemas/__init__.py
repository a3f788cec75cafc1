"""The schemas of the product, as JSON files, and a tiny loader.

`envelope.v1.json` is the CloudEvents envelope, `wire.v1.json` the bodies of the HTTP API,
`definition.v1.json` the definition document. A loaded schema is shared: do not change it.
"""

from functools import cache
from json import loads
from pathlib import Path
from typing import Any

__all__ = ["load", "names", "part"]

_HERE = Path(__file__).parent


def names() -> tuple[str, ...]:
    """The names that `load` takes, sorted."""
    return tuple(sorted(path.name for path in _HERE.glob("*.json")))


@cache
def load(name: str) -> dict[str, Any]:
    """The schema of that name, for example "wire.v1.json". Raises FileNotFoundError."""
    if "/" in name or not name.endswith(".json"):
        raise FileNotFoundError(name)
    return loads((_HERE / name).read_text("utf-8"))


def part(name: str, definition: str) -> dict[str, Any]:
    """One definition of a schema file as a schema of its own. Raises KeyError if there is none."""
    whole = load(name)
    whole["$defs"][definition]
    return {
        "$schema": whole["$schema"],
        "$ref": f"#/$defs/{definition}",
        "$defs": whole["$defs"],
    }
