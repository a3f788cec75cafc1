"""Each official SDK sends over HTTP, in both modes, and a commitment starts."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.engine.test_command_line import Running, running
from tests.integration.engine.world import PARTNER
from tests.integration.producers.building import (
    BUILD_TIMEOUT_S,
    LANGUAGES,
    Command,
    ProducerFailed,
    send,
)

pytestmark = pytest.mark.timeout(BUILD_TIMEOUT_S + 60)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("engine")
    with running(folder) as engine:
        with engine.client("operator") as client:
            path = f"/v1/definitions/{PARTNER['saga']}/{PARTNER['version']}"
            answer = client.put(path, json=PARTNER)
            assert answer.status_code in {200, 201}, answer.text
        yield engine


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_event_of_each_sdk_starts_a_commitment(
    engine: Running, producer: Callable[[str], Command], language: str
) -> None:
    """Binary and structured: what each sends as it is, with the content types it chooses."""
    command = producer(language)
    for mode in ("binary", "structured"):
        company = f"{language}-{mode}"
        told = send(
            command, engine.told["url"], mode, engine.told["keys"]["producer"],
            type="partner.applied", source="urn:example:crm", id=f"{company}-1", key=company,
            data=json.dumps({"company": company}), time="2026-11-30T09:40:12.114Z",
        )  # fmt: skip
        assert json.loads(told)["accepted"] == [f"{company}-1"]
        with engine.client("reader") as client:
            path = f"/v1/sagas/partner-activation/keys/{company}"
            step = client.get(path, params={"after": f"{company}-1"})
        assert step.status_code == 200, step.text
        assert (step.json()["key"], step.json()["step"]) == (company, "check_company")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_refused_event_is_told_with_its_code(
    engine: Running, producer: Callable[[str], Command], language: str
) -> None:
    """The program ends with what the engine said."""
    with pytest.raises(ProducerFailed, match="TR307"):
        send(
            producer(language), engine.told["url"], "structured", engine.told["keys"]["producer"],
            type="nobody.knows", source="urn:example:crm", id=f"{language}-2", key="k", data="{}",
        )  # fmt: skip
