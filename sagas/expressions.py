"""Expressions as data (CEL): compiled, checked against schemas, evaluated over plain values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal, TypeAlias

# The package has stubs for its module and none for itself.
from cel_expr_python import cel  # pyright: ignore[reportMissingTypeStubs]

from domain.canonical import Json
from sagas.cel_check import check
from sagas.cel_env import TypeEnv
from sagas.cel_errors import ErrorKind, ExprError, compile_error, readable_types
from sagas.cel_functions import extensions
from sagas.cel_plan import Bind, Facts, Plan, Result, plan_of
from sagas.cel_reads import Path, Read, path_of, reads_of, refuse_strangers
from sagas.cel_syntax import Tree, read_parsed
from sagas.cel_types import TIMESTAMP, CelTypes
from sagas.cel_values import MISSING, RESULT_BYTES_MAX, Data, Missing, plain_json, timestamp_text

__all__ = [
    "EXPR_BYTES_MAX",
    "ITERATIONS_MAX",
    "KEY_TEXT_MAX",
    "MISSING",
    "RESULT_BYTES_MAX",
    "TIMESTAMP",
    "Bind",
    "CelTypes",
    "Data",
    "ErrorKind",
    "Expect",
    "Expr",
    "ExprError",
    "Missing",
    "Path",
    "Read",
    "TypeEnv",
    "compile_expr",
    "timestamp_text",
]

EXPR_BYTES_MAX = 4 * 1024
"""Bytes of the text of one expression."""

ITERATIONS_MAX = 9_999
"""Steps of macros in one evaluation; fixed in the library."""

KEY_TEXT_MAX = 256
"""Characters of a key value."""

Expect: TypeAlias = Literal[
    "json", "bool", "string", "int", "number", "list", "object", "key", "timestamp", "duration"
]
"""What the place of an expression wants. `key` is text or an integer and yields text."""


class Expr:
    """A compiled expression. Made by compile_expr.

    `text`: as written. `reads`: (root, name) in the order of the text, the name None for `input`,
    `event`, `args`, `error`, `result`; `("deadline", "signed")` for a function of a node.
    `guarded`: those of `reads` that only happen where has() holds. `path`: set when the whole
    expression is one selection. `type_schema`: the best JSON Schema known for the value.
    """

    __slots__ = ("_finish", "_run", "expect", "guarded", "path", "reads", "text", "type_schema")

    def __init__(
        self, text: str, tree: Tree, plan: Plan, *, expect: Expect, type_schema: Json
    ) -> None:
        found = reads_of(tree.root)
        self.text = text
        self.reads: tuple[Read, ...] = found.all
        self.guarded: frozenset[Read] = found.guarded
        self.path: Path | None = path_of(tree.root)
        self.expect: Expect = expect
        self.type_schema = type_schema
        self._run = plan.run
        self._finish = _FINISH[expect]

    def __repr__(self) -> str:
        return f"Expr({self.text!r})"

    def evaluate(self, bind: Bind) -> Result:
        """Return the value; `bind(root, name)` answers each read with a value or MISSING.

        Times of the engine are bound as datetimes in UTC. The value is JSON, except for the
        expectations `timestamp` (datetime in UTC) and `duration` (timedelta). A selection yields
        the bound object itself: do not change it. Raises ExprError, kind value or cost.
        """
        return self._finish(self._run(bind))


def compile_expr(text: str, env: TypeEnv | None, *, expect: Expect = "json") -> Expr:
    """Return `text` ready for evaluation.

    With `env` it is checked first: every name must be in reach, every field declared, and the
    type what is expected. Without, only its form is looked at, and numbers of the schema kind
    `number` are not brought into floating form: pass the env wherever there is one.
    Raises ExprError, kind syntax, type, name or cost.
    """
    tree = _parsed(text)
    if env is None:
        return Expr(text, tree, plan_of(tree.root, _NO_FACTS), expect=expect, type_schema={})
    checked = check(text, tree, env)
    _refuse_type(checked.type_text, expect)
    plan = plan_of(tree.root, checked.facts)
    return Expr(text, tree, plan, expect=expect, type_schema=checked.schema)


_NO_FACTS = Facts({}, frozenset(), frozenset())


@lru_cache(maxsize=1)
def _parse_env() -> cel.Env:
    return cel.NewEnv(extensions=list(extensions()))


def _parsed(text: str) -> Tree:
    if not text.strip():
        raise ExprError("syntax", "the expression is empty")
    if len(text.encode(errors="replace")) > EXPR_BYTES_MAX:
        raise ExprError("cost", f"the expression is longer than {EXPR_BYTES_MAX} bytes")
    try:
        serialized = _parse_env().compile(text, disable_check=True).serialize()
    except RuntimeError as error:
        kind, message, _, _ = compile_error(str(error))
        raise ExprError(kind, message) from error
    tree = read_parsed(serialized)
    refuse_strangers(tree.root)
    return tree


# --- What is expected ---------------------------------------------------------------------------

_ALLOWED: dict[Expect, tuple[str, ...]] = {
    "bool": ("bool",),
    "string": ("string",),
    "int": ("int",),
    "number": ("int", "double"),
    "key": ("string", "int"),
    "timestamp": ("timestamp",),
    "duration": ("duration",),
    "list": ("list<",),
    "object": ("map<", "troth."),
}
_FAMILIES = ("list<", "map<", "troth.")
_NOT_JSON = frozenset({"duration", "bytes", "type", "uint"})


def _refuse_type(type_text: str, expect: Expect) -> None:
    if type_text == "dyn":
        return
    if expect == "json":
        if type_text in _NOT_JSON:
            raise ExprError("type", f"is {type_text}, JSON is needed")
        return
    for allowed in _ALLOWED[expect]:
        if type_text == allowed or (allowed in _FAMILIES and type_text.startswith(allowed)):
            return
    wanted = "text or an integer" if expect == "key" else expect
    raise ExprError("type", f"is {_type_words(type_text)}, {wanted} is needed")


def _type_words(type_text: str) -> str:
    if type_text.endswith("?"):
        return f"{type_text[:-1]} or null"
    if type_text.startswith("map<"):
        return "object"
    return "list" if type_text.startswith("list<") else readable_types(type_text)


def _finish_as(wanted: str, *kinds: type) -> Callable[[Result], Result]:
    def finish(value: Result) -> Result:
        if type(value) in kinds:
            return value
        raise ExprError("value", f"is {_value_words(value)}, {wanted} is needed")

    return finish


def _value_words(value: Result) -> str:
    if value is None:
        return "null"
    words = {"dict": "object", "str": "string", "datetime": "timestamp", "timedelta": "duration"}
    kind = type(value).__name__
    return words.get(kind, kind)


def _finish_json(value: Result) -> Result:
    if isinstance(value, datetime):
        return plain_json(value)
    if isinstance(value, timedelta):
        raise ExprError("value", "a duration is not JSON: use string(x)")
    return value


def _finish_key(value: Result) -> Result:
    key = str(value) if type(value) is int else value
    if type(key) is not str:
        raise ExprError("value", f"is {_value_words(value)}, text or an integer is needed")
    if not 0 < len(key) <= KEY_TEXT_MAX:
        raise ExprError("value", f"a key has 1 to {KEY_TEXT_MAX} characters, got {len(key)}")
    return key


_FINISH: dict[Expect, Callable[[Result], Result]] = {
    "json": _finish_json,
    "bool": _finish_as("bool", bool),
    "string": _finish_as("string", str),
    "int": _finish_as("int", int),
    "number": _finish_as("number", int, float),
    "list": _finish_as("list", list),
    "object": _finish_as("object", dict),
    "key": _finish_key,
    "timestamp": _finish_as("timestamp", datetime),
    "duration": _finish_as("duration", timedelta),
}
