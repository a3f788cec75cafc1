"""The bounds of the HTTP surface, each with its name."""

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    event_bytes_max: int = 1_048_576
    """One event (TR306)."""
    batch_bytes_max: int = 8_388_608
    """A batch of events, and the batched bodies of participants (TR311, TR406)."""
    batch_events_max: int = 1_000
    body_bytes_max: int = 1_048_576
    """Every other body (TR406)."""
    requests_max: int = 4_096
    """Requests under way in the process, waiting ones too (TR429)."""
    tenant_requests_max: int = 2_048
    streams_max: int = 256
    """Live streams in the process (TR429)."""
    claim_wait_max_s: float = 30.0
    read_wait_default_s: float = 2.0
    read_wait_max_s: float = 30.0
    page_default: int = 100
    page_max: int = 1_000
    stream_pause_s: float = 0.05
    """A live stream reads at most so often."""
    stream_beat_s: float = 15.0
    """A silent stream sends a comment so often, so that proxies keep it open."""
    body_wait_max_s: float = 30.0
    """The whole body must arrive within this time (TR406)."""
