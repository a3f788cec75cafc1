"""Logs: JSON lines on stderr with an `action` from one list, or text for a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

__all__ = ["ACTIONS", "set_up_logs"]

ACTIONS: dict[str, str] = {
    "beat_failed": "this process could not say that it lives; others may take its lanes",
    "bus_down": "the brokers cannot be reached: they are waited for",
    "bus_failed": "what reads or publishes to Kafka ended by a fault of ours",
    "bus_refused": "a topic is not as it must be: nothing is read or published",
    "client_given_up": "a client of the driver did not close in time and was left",
    "clock_jumped": "the wall clock ran away from the boot-time clock; timers are held",
    "clock_settled": "the wall clock is back; timers go on",
    "definition_registered": "a definition was registered",
    "engine_draining": "the engine takes nothing new and finishes what is under way",
    "engine_failed": "the engine could not start or go on",
    "engine_started": "the engine takes requests",
    "engine_stopped": "everything is on disk; the process ends",
    "input_begins_late": "records were deleted before this partition was read for the first time",
    "input_down": "Kafka cannot be read; it is tried again",
    "input_loss_accepted": "an operator accepted that records were lost; reading goes on",
    "input_lost": "records were deleted before they were read; a person says how to go on",
    "input_read_again": "a topic is another one, or its records differ; it is read from its start",
    "input_up": "Kafka is read again",
    "keys_unreadable": "the keys file changed and cannot be read; the keys read before go on",
    "lane_fault": "a transaction failed; the lane is read anew",
    "lane_lost": "the lane has another owner",
    "lanes_changed": "these lanes are ours now",
    "lanes_not_claimed": "the database failed while lanes were claimed; it is tried again",
    "lanes_not_released": "lanes could not be given away at the end; others take them over",
    "lanes_opened": "the store is read; the lanes that are ours from the start",
    "lanes_taken": "another process took lanes of ours over while this one was silent",
    "library_said": "a warning of a library",
    "relay_down": "Kafka cannot be written to; what is to be published waits in the store",
    "request_failed": "a fault of ours while answering a request",
    "request_given_up": "a request that was passed on could not be applied; it is refused",
    "store_failed": "the database refused or failed",
    "stream_parked": "deciding raised an error; the stream waits for a person",
    "stream_released": "a parked stream goes on",
    "worker_ended": "a process of work ended; it is started again",
}
"""The words of `action` with what they say; a test holds the code to them."""

SAID_EVERY_S = 10.0
"""A library's warning that comes again in the same words is left out for so long."""
SAID_MAX = 100
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def set_up_logs(log_format: str = "auto", level: str = "info") -> None:
    """Send the logs of this process, and warnings of libraries, to stderr."""
    text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper("iso", utc=True, key="at"),
    ]
    last: list[Any] = (
        [structlog.processors.EventRenamer("action"), _text]
        if text
        else [
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("action"),
            _ordered,
            structlog.processors.JSONRenderer(serializer=_json),
        ]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Library()], force=True)


class _Library(logging.Handler):
    """What libraries log, in our form; what one says again and again, once in a while.

    A client whose broker is gone says so ten times a second.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        said = (record.name, record.getMessage())
        at_s, more = self._said.pop(said, (-SAID_EVERY_S, 0))
        # A clock that jumped back must not keep it quiet.
        is_again = abs(record.created - at_s) < SAID_EVERY_S
        if len(self._said) == SAID_MAX:
            del self._said[next(iter(self._said))]
        self._said[said] = (at_s, more + 1) if is_again else (record.created, 0)
        if not is_again:
            told: dict[str, Any] = {"library": record.name, "message": said[1]}
            if more:
                told["left_out"] = more
            structlog.get_logger("library").log(record.levelno, "library_said", **told)


def _ordered(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    first = {name: event.pop(name) for name in ("at", "level", "action") if name in event}
    return {**first, **event}


def _json(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()


def _text(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    at, level, action = (event.pop(name, "") for name in ("at", "level", "action"))
    fault = event.pop("exc_info", None)
    rest = "  ".join(f"{name}={value}" for name, value in event.items())
    line = f"{str(at)[11:19]} {level!s:7} {action:22} {rest}".rstrip()
    if isinstance(fault, BaseException):
        from traceback import format_exception

        line += "\n" + "".join(format_exception(fault)).rstrip()
    return line
