"""The schemas are schemas, strict, and agree with the format and with each other."""

import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest

import schemas
from domain.cloudevents import attributes

ROOT = Path(__file__).parents[2]
OURS = ("definition.v1.json", "envelope.v1.json", "fact.v1.json", "wire.v1.json")


@pytest.mark.parametrize("name", OURS)
def test_every_schema_compiles_and_resolves(name: str) -> None:
    schema = schemas.load(name)
    jsonschema_rs.meta.validate(schema)
    text = orjson.dumps(schema).decode()
    for found in re.findall(r'"#/\$defs/([^"]+)"', text):
        assert found in schema["$defs"]


def test_only_schemas_are_loaded() -> None:
    assert set(OURS) <= set(schemas.names())
    for name in ("nothing.json", "../pyproject.toml", "__init__.py"):
        with pytest.raises(FileNotFoundError):
            schemas.load(name)
    with pytest.raises(KeyError):
        schemas.part("wire.v1.json", "nothing")


def test_the_envelope_has_the_attributes_of_the_format() -> None:
    """docs/format.md section 6, and those that CloudEvents itself has."""
    text = (ROOT / "docs/format.md").read_text()
    section = text.partition("## 6. CloudEvents")[2].partition("## 7.")[0]
    named = set(re.findall(r"^\| \w+ \| `(\w+)` \|", section, re.MULTILINE))
    assert named <= attributes()
    assert attributes() - named == {"datacontenttype", "dataschema", "partitionkey", "tracestate"}
    assert all(re.fullmatch("[a-z0-9]+", name) for name in attributes())


def test_the_definition_has_the_nodes_of_the_format() -> None:
    """docs/format.md section 3: every node kind, and no member that it does not name."""
    text = (ROOT / "docs/format.md").read_text()
    section = text.partition("## 3. The definition document")[2].partition("**Paths.**")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \| [^|]*\|$", section, re.MULTILINE))
    found = schemas.load("definition.v1.json")["$defs"]
    kinds = {name.removeprefix("node_") for name in found if name.startswith("node_")}
    assert kinds <= set(rows)
    common = {"node", "name", "when", "within", "on_expiry"}
    for kind in kinds:
        members = set(found[f"node_{kind}"]["properties"]) - common
        told = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`]*)`", rows[kind]))))
        assert members <= told, kind


@pytest.mark.parametrize("path", sorted((ROOT / "sagas/catalogue").glob("*.json")), ids=str)
def test_the_catalogue_fits_the_schema(path: Path) -> None:
    schema = schemas.load("definition.v1.json")
    assert jsonschema_rs.is_valid(schema, orjson.loads(path.read_bytes()))


def test_no_object_of_the_definition_takes_unknown_members() -> None:
    """But schemas of users, and those whose names users choose."""

    def open_ones(value: Any, where: str) -> list[str]:
        if isinstance(value, list):
            return [one for n, v in enumerate(value) for one in open_ones(v, f"{where}/{n}")]
        if not isinstance(value, dict):
            return []
        inner = [one for name, v in value.items() for one in open_ones(v, f"{where}/{name}")]
        is_open = "properties" in value and value.get("additionalProperties") is not False
        return [where, *inner] if is_open else inner

    # A node is closed by the definition of its kind.
    found = open_ones(schemas.load("definition.v1.json"), "")
    assert [one for one in found if not one.startswith("/$defs/node")] == []


def test_the_channels_refer_to_schemas_that_are_there() -> None:
    text = (ROOT / "schemas/asyncapi.yaml").read_text()
    assert text.startswith("asyncapi: 3.0.0\n")
    for found in re.findall(r"\$ref: '([^'#]+)'", text):
        assert (ROOT / "schemas" / found).is_file()
    for found in re.findall(r"\$ref: '#/components/messages/(\w+)'", text):
        assert re.search(rf"^    {found}:$", text, re.MULTILINE)
