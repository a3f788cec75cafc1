"""What every tier shares: no settings of the machine leak in, no deadline depends on its load."""

import os

import pytest
from hypothesis import settings

pytest_plugins = ["tests.servers"]

# A time limit for each example would fail on a busy machine; pytest's timeout bounds the whole.
settings.register_profile("troth", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "troth"))


@pytest.fixture(autouse=True)
def no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's TROTH_URL or TROTH_STORE_URL must not steer a test."""
    for name in list(os.environ):
        if name.startswith("TROTH_"):
            monkeypatch.delenv(name)
