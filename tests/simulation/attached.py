"""What hangs on an engine's process beside its lanes: what it reads and publishes elsewhere."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Attached"]


class Attached(Protocol):
    """Told by every engine of a world what becomes of it."""

    def opened(self, engine: Any) -> None: ...
    def ended(self, engine: Any) -> None: ...
    def lanes_changed(self, engine: Any) -> None: ...
    def committed(self, engine: Any) -> None: ...
