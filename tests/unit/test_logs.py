"""Logs: one JSON object a line, and only words from the list."""

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from engine.logs import ACTIONS, set_up_logs

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_is_a_json_object_with_its_action(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("json")
    structlog.get_logger("x").warning("lane_lost", lane=0)
    structlog.get_logger("x").debug("engine_started")
    logging.getLogger("somebody").warning("careful: %s", "wet")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert list(first) == ["at", "level", "action", "lane"]
    assert (first["level"], first["action"]) == ("warning", "lane_lost")
    assert (second["action"], second["message"]) == ("library_said", "careful: wet")


def test_what_a_library_says_again_and_again_is_said_once_in_a_while(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_logs("json")
    (handler,) = logging.getLogger().handlers
    for at_s, message in [(0, "gone"), (1, "gone"), (9, "gone"), (9, "slow"), (11, "gone"),
                          (-60, "gone")]:  # fmt: skip
        said = logging.makeLogRecord({"name": "kafka", "levelno": logging.ERROR, "msg": message})
        said.created = 1_000.0 + at_s
        handler.emit(said)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    told = [(line["message"], line.get("left_out", 0)) for line in lines]
    assert told == [("gone", 0), ("slow", 0), ("gone", 2), ("gone", 0)]


def test_a_terminal_gets_text_and_a_trace_only_when_it_is_handed_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_logs("text", "debug")
    structlog.get_logger("x").debug("engine_started", store="x.db")
    structlog.get_logger("x").error("request_failed", exc_info=ValueError("no"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("store=x.db")
    assert lines[-1] == "ValueError: no"


def logged_words() -> Iterator[tuple[str, str]]:
    for package in ("adapters", "api", "consumers", "engine", "projections"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(
                        func=ast.Attribute(value=ast.Name(id="_log"), attr=level),
                        args=[ast.Constant(value=str(word)), *_],
                    ) if level in LEVELS:
                        yield path.name, word
                    case ast.Call(
                        func=ast.Attribute(attr="note"), args=[ast.Constant(value=str(word)), *_]
                    ):
                        yield path.name, word
                    case _:
                        pass


def test_every_word_that_is_logged_is_on_the_list() -> None:
    """An operator searches for these words; a new one is a decision."""
    found = list(logged_words())
    assert found
    assert [(name, word) for name, word in found if word not in ACTIONS] == []
