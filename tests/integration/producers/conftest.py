"""Each producer, as its tests are asked for it."""

import shutil
from collections.abc import Callable

import pytest

from tests.integration.producers.building import NEEDS, Command, built
from tests.servers import leave_out


@pytest.fixture
def producer(pytestconfig: pytest.Config) -> Callable[[str], Command]:
    """The command of a language's producer; where its tools are missing the run says so."""

    def made(language: str) -> Command:
        missing = [name for name in NEEDS[language] if shutil.which(name) is None]
        if missing:
            leave_out(pytestconfig, f"a producer in {language} needs {', '.join(missing)}")
        return built(language)

    return made
