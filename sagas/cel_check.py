"""Checking an expression against the schemas of what it reads."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The package has stubs for its module and none for itself.
from cel_expr_python import cel  # pyright: ignore[reportMissingTypeStubs]

from domain.canonical import Json
from sagas.cel_env import TypeEnv, schema_below
from sagas.cel_errors import ExprError, compile_error
from sagas.cel_functions import FUNCTIONS, extensions, signatures_yaml
from sagas.cel_numbers import Coercer, coercer_of
from sagas.cel_plan import Facts
from sagas.cel_reads import ASKED, Path, calendar_of, guard_of, path_of
from sagas.cel_syntax import (
    Call,
    Comprehension,
    Const,
    Ident,
    Node,
    Select,
    Tree,
    children,
    read_checked,
)
from sagas.cel_typed import Typed, all_nodes, kind_of
from sagas.cel_types import CelTypes
from sagas.schema import Schema
from sagas.schema_refs import closest

__all__ = ["Checked", "check"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check found: the type as a schema, and what evaluation wants to know."""

    type_text: str
    schema: Json
    facts: Facts


def check(text: str, tree: Tree, env: TypeEnv) -> Checked:
    """Check the parsed expression `tree` of `text` in `env`; raises ExprError."""
    return _Check(text, tree, env).run()


CHECK_ENVS_MAX = 64
"""Environments kept for one document."""

_H_FIELD = "h_.y"
"""Stands for a named root under has(): `has(results.check)` asks for the name itself."""

_INDEX = re.compile(r"\[\s*(?:'([^'\\\n]*)'|\"([^\"\\\n]*)\")\s*\]|\.\s*`([^`\n]*)`")


class _Check:
    def __init__(self, text: str, tree: Tree, env: TypeEnv) -> None:
        self._text = text
        self._tree = tree
        self._env = env
        self._types = env.types
        self._functions: set[str] = set()
        self._variables: dict[str, str] = {}
        self._paths: dict[Path, Json] = {}
        # Replacements keep the length, so offsets mean the same in both texts.
        self._edits: dict[int, tuple[int, str]] = {}

    def run(self) -> Checked:
        self._prepare(self._tree.root)
        checked = self._compile()
        by_place = {
            (checked.offsets.get(node.id, -1), kind_of(node)): checked.types.get(node.id, "dyn")
            for node in all_nodes(checked.root)
        }
        ranges = {
            checked.offsets.get(node.id, -1): checked.types.get(node.iter_range.id, "dyn")
            for node in all_nodes(checked.root)
            if isinstance(node, Comprehension)
        }
        typed = Typed(self._tree, by_place, ranges, self._types, self._paths)
        facts = Facts(self._coercers(), typed.double_sums(), typed.lists())
        typed.check_literals()
        root_type = checked.types.get(checked.root.id, "dyn")
        # Times and durations stand alone: they are no JSON, or not yet.
        alone = root_type in ("timestamp", "duration")
        schema = self._types.schema_of(root_type) if alone else typed.schema_of(self._tree.root)
        return Checked(root_type, schema, facts)

    # --- before the library's check -------------------------------------------------------------

    def _prepare(self, node: Node) -> None:
        guard = guard_of(node)
        path = guard or path_of(node)
        if path is not None:
            self._declare(path, node, guarded=guard is not None)
        if isinstance(node, Call):
            self._note_call(node)
        self._alias(node)
        for child in children(node):
            self._prepare(child)

    def _note_call(self, node: Call) -> None:
        if node.target is None:
            calendar = calendar_of(node)
            if calendar is not None:
                self._env.schema_of(calendar.root, calendar.name)
            self._functions.add(node.function)

    def _declare(self, path: Path, node: Node, *, guarded: bool) -> None:
        schema = self._env.schema_of(path.root, path.name)
        if path.root in ASKED:
            return
        name = path.root if path.name is None else f"{path.root}.{path.name}"
        if name not in self._variables:
            self._variables[name] = self._types.type_of(schema)
        if not guarded:
            self._paths[path] = schema_below(schema, path.steps, self._types.schemas)
        elif path.name is not None and not path.steps:
            self._edit_guard(path, node)

    def _edit_guard(self, path: Path, node: Node) -> None:
        start = self._tree.offsets.get(_innermost(node).id, 0)
        found = re.compile(rf"{path.root}\s*\.\s*{path.name}").match(self._text, start)
        if found is None:
            raise ExprError("syntax", f"write has({path.root}.{path.name}) in one piece")
        self._replace(found.start(), found.end(), _H_FIELD)

    def _alias(self, node: Node) -> None:
        """Let a property be found that no dot can select: input['post-code']."""
        found = _INDEX.match(self._text, self._tree.offsets.get(node.id, len(self._text)))
        match node:
            case Call(function="_[_]", args=(_, Const(value=str() as name))) if found:
                alias = self._types.alias(name)
            case Select(field=name) if found:
                alias = self._types.alias(name.strip("`"))
            case _:
                return
        if alias is not None:
            self._replace(found.start(), found.end(), f".{alias}")

    def _replace(self, start: int, end: int, new: str) -> None:
        self._edits[start] = (end, new.ljust(end - start))

    # --- the library's check --------------------------------------------------------------------

    def _compile(self) -> Tree:
        text = self._text
        for start, (end, new) in self._edits.items():
            text = text[:start] + new + text[end:]
        if self._edits:
            self._variables["h_"] = self._types.type_of(_H_SCHEMA)
        env = _check_env(self._types, self._variables, self._functions & FUNCTIONS)
        try:
            return read_checked(env.compile(text).serialize())
        except RuntimeError as error:
            raise self._told(str(error)) from error

    def _told(self, said: str) -> ExprError:
        kind, message, name, struct = compile_error(said)
        if name is not None and struct is not None:
            original = self._types.original(name)
            near = closest(original, self._types.fields_of(struct))
            message = f"no such field `{original}`{near}"
        return ExprError(kind, message)

    def _coercers(self) -> dict[Path, Coercer]:
        found = {
            path: coercer_of(schema, self._types.schemas) for path, schema in self._paths.items()
        }
        return {path: coerce for path, coerce in found.items() if coerce is not None}


def _check_env(types: CelTypes, variables: dict[str, str], functions: set[str]) -> cel.Env:
    """Return the environment of a check; most expressions of a document share a few."""
    key = (frozenset(variables.items()), frozenset(functions), len(types.message_names()))
    found = types.envs.get(key)
    if found is None:
        if len(types.envs) >= CHECK_ENVS_MAX:
            types.envs.clear()
        yaml = signatures_yaml(types.message_names(), functions)
        found = types.envs[key] = cel.NewEnv(
            types.pool,
            config=cel.NewEnvConfigFromYaml(yaml),
            variables={name: types.cel_type(text) for name, text in variables.items()},
            extensions=list(extensions()),
        )
    return found


_H_SCHEMA: Schema = {"type": "object", "properties": {"y": {"type": "boolean"}}}


def _innermost(node: Node) -> Node:
    while not isinstance(node, Ident):
        node = children(node)[0]
    return node
