"""The lock files pin what the two projects ask for, with hashes and nothing else."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import tidy

PIN = re.compile(r"^([a-z0-9-]+)==(\S+)(?: ; .+)? \\$", re.MULTILINE)


def asked(project: str) -> list[Requirement]:
    """Dependencies of a pyproject.toml, its dev group included, without the workspace's own."""
    read = tomllib.loads((tidy.ROOT / project).read_text("utf-8"))
    texts = [*read["project"]["dependencies"], *read.get("dependency-groups", {}).get("dev", [])]
    return [Requirement(text) for text in texts if text != "troth"]


def needed(project: str) -> list[Requirement]:
    """Dependencies of a pyproject.toml without its dev group."""
    read = tomllib.loads((tidy.ROOT / project).read_text("utf-8"))
    return [Requirement(text) for text in read["project"]["dependencies"]]


def pinned(lock: str) -> dict[str, str]:
    return dict(PIN.findall((tidy.ROOT / lock).read_text("utf-8")))


def test_every_dependency_is_pinned_within_its_range() -> None:
    """Who edits a range runs `make lock` too."""
    for project, lock in [
        ("pyproject.toml", "requirements.lock"),
        ("sdk/pyproject.toml", "requirements.lock"),
        ("sdk/pyproject.toml", "requirements-sdk.lock"),
    ]:
        pins = pinned(lock)
        for requirement in asked(project):
            version = pins.get(canonicalize_name(requirement.name))
            assert version is not None, f"{lock} lacks {requirement.name}"
            assert requirement.specifier.contains(version), f"{requirement} against {version}"


def test_every_range_has_an_upper_end() -> None:
    """An open range lets the next major version in on somebody's first day."""
    for project in ("pyproject.toml", "sdk/pyproject.toml"):
        for requirement in asked(project):
            operators = {specifier.operator for specifier in requirement.specifier}
            assert operators & {"<", "=="}, f"{project}: {requirement}"


def test_every_pin_has_hashes_and_no_address() -> None:
    """What is installed is what was locked, wherever it is fetched from."""
    for lock in ("requirements.lock", "requirements-sdk.lock", "deploy/requirements.lock"):
        text = (tidy.ROOT / lock).read_text("utf-8")
        assert "://" not in text
        for block in re.split(r"\n(?=[a-z0-9])", text.split("\n", 2)[2]):
            assert "--hash=sha256:" in block, block.splitlines()[0]


def test_the_sdk_is_locked_to_the_versions_the_engine_is_tested_with() -> None:
    """Both environments of the repository agree, and the SDK's holds nothing of the engine."""
    engine, sdk = pinned("requirements.lock"), pinned("requirements-sdk.lock")
    assert {name: engine.get(name) for name in sdk} == sdk
    of_the_engine = {"eventsourcing", "sqlalchemy", "alembic", "fastapi", "uvicorn", "aiokafka"}
    assert of_the_engine & set(sdk) == set()


def test_an_image_holds_what_the_engine_needs_as_it_was_tested() -> None:
    """And neither the tools of this repository nor the SDK."""
    image, tested = pinned("deploy/requirements.lock"), pinned("requirements.lock")
    assert {name: tested.get(name) for name in image} == image
    assert {canonicalize_name(one.name) for one in needed("pyproject.toml")} <= set(image)
    assert {"pytest", "ruff", "pyyaml", "hypothesis"} & set(image) == set()


def test_no_tool_is_configured_to_fetch_from_one_place() -> None:
    """Where packages come from is a setting of the machine."""
    for project in ("pyproject.toml", "sdk/pyproject.toml"):
        tool = tomllib.loads(Path(tidy.ROOT / project).read_text("utf-8")).get("tool", {})
        assert {"index", "index-url", "find-links"} & set(tool.get("uv", {})) == set()
