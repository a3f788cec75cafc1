"""Bringing a store and the topics of its bus to the form of this release."""

from __future__ import annotations

from contextlib import closing

from engine.offline import bring_forward, name_of, open_offline
from engine.settings import Settings

__all__ = ["migrated"]


def migrated(settings: Settings) -> list[str]:
    """Make what is missing; a line for people about each part. Raises StoreFailed and Refusal."""
    before, after = bring_forward(settings.store_url, settings.lanes)
    told = "is there already" if before == after else f"from {before or 'nothing'}"
    lines = [f"{name_of(settings.store_url)}: revision {after}, {told}"]
    if settings.has_kafka:
        from engine.kafka_bus import migrate_topics

        with closing(open_offline(settings.store_url)) as store:
            lanes = len(store.lanes())
        lines += migrate_topics(settings, lanes)
    return lines
