"""Which function applies which kind of request to a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from consumers import accept, logged, steering, work
from consumers.batch import Batch
from consumers.registry import Registry
from domain.requests import (
    ControlRequest,
    DecideRequest,
    HeartbeatsRequest,
    Logged,
    Publish,
    RedriveRequest,
    RepliesRequest,
    StartRequest,
    StartsRequest,
    TaskRequest,
    UpdateRequest,
)

__all__ = ["Handlers", "handlers_of"]

Json = Any
Handlers = dict[type, Callable[[Batch, Any], Json]]


def handlers_of(registry: Registry, is_event_time: bool) -> Handlers:
    """The table. `is_event_time`: accept times come from the events."""
    acceptance = accept.Acceptance(registry, is_event_time)
    handlers: Handlers = {
        Publish: lambda b, r: accept.publish(acceptance, b, r),
        StartRequest: lambda b, r: accept.start(acceptance, b, r),
        RedriveRequest: lambda b, r: steering.redrive(acceptance, b, r),
        DecideRequest: steering.decide,
        TaskRequest: steering.task,
        UpdateRequest: steering.update,
        ControlRequest: steering.control,
        StartsRequest: work.starts,
        HeartbeatsRequest: work.heartbeats,
        RepliesRequest: work.replies,
    }
    handlers[Logged] = lambda b, r: logged.take(handlers, b, r)
    return handlers
