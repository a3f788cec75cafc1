"""What the two distributions hold: the SDK's name alone, and the engine with all its data."""

import subprocess
import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests import tidy

ENGINE_PACKAGES = (
    "domain",
    "sagas",
    "projections",
    "consumers",
    "api",
    "schemas",
    "adapters",
    "engine",
)
BUILD_TIMEOUT_S = 90


def wheel_of(project: Path, out: Path) -> list[str]:
    """Builds the wheel of a project without the network and lists its files."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)],
        cwd=project,
        capture_output=True,
        timeout=BUILD_TIMEOUT_S,
        check=True,
    )
    [wheel] = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        return [name for name in opened.namelist() if ".dist-info/" not in name]


def tracked_below(*folders: str) -> set[str]:
    return {name for name in tidy.tracked() if name.startswith(tuple(f"{f}/" for f in folders))}


def test_the_sdk_wheel_holds_the_name_troth_alone(tmp_path: Path) -> None:
    """A user's project has its own domain/ and api/: a second name would break them."""
    names = wheel_of(tidy.ROOT / "sdk", tmp_path)
    assert {name.split("/")[0] for name in names} == {"troth"}
    wanted = {name.removeprefix("sdk/src/") for name in tracked_below("sdk/src")}
    assert wanted - set(names) == set()
    assert "troth/py.typed" in names


def test_the_engine_wheel_holds_every_file_of_its_packages(tmp_path: Path) -> None:
    """Schemas, SQL and migrations are files too; nothing of the SDK or the tests comes along."""
    names = wheel_of(tidy.ROOT, tmp_path)
    assert tracked_below(*ENGINE_PACKAGES) - set(names) == set()
    assert {name.split("/")[0] for name in names} == set(ENGINE_PACKAGES)


@pytest.mark.parametrize(
    ("script", "target"), [("troth-engine", "engine.cli:main"), ("troth", "troth.cli:main")]
)
def test_the_console_scripts_are_installed(script: str, target: str) -> None:
    """Both command lines lie beside the Python that `make setup` made."""
    [entry] = entry_points(group="console_scripts", name=script)
    assert entry.value == target
    assert Path(sys.executable).with_name(script).is_file()
