"""The keys file: digests only, lines only added, read again when it changes."""

from hashlib import sha256
from pathlib import Path

import pytest

from domain.errors import Refusal
from engine.dev import DEV_KEYS, dev_keys, refuse_foreign
from engine.keys import KeyFile, add_key, default_actor_type, new_text, read_keys, revoke_key


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.jsonl"


def test_a_key_has_256_random_bits_and_is_never_written_down(path: Path) -> None:
    """32 bytes in base64url are 43 characters behind the mark."""
    texts = {new_text() for _ in range(100)}
    assert len(texts) == 100
    assert all(text.startswith("troth_") and len(text) == 6 + 43 for text in texts)
    key, text = add_key(path, roles=["reader"], tenant="north")
    assert text not in path.read_text()
    assert key.sha256 == digest(text)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_is_found_by_its_digest_until_it_is_revoked(path: Path) -> None:
    """A running engine sees additions and revocations with the next request."""
    _, first = add_key(path, roles=["reader"], tenant="north", name="one")
    keys = KeyFile(path)
    _, second = add_key(path, roles=["operator", "producer"], tenant="*", name="two")
    found = keys.find(digest(second))
    assert found is not None
    assert (found.roles, found.tenant, found.actor_type) == (("operator", "producer"), "*", "human")
    revoke_key(path, "one")
    assert keys.find(digest(first)) is None
    assert [one.revoked is None for one in read_keys(path)] == [False, True]
    assert keys.find(digest("troth_nobody")) is None


def test_a_file_that_became_unreadable_locks_nobody_out(path: Path) -> None:
    """The keys that were read before go on, until the file can be read again."""
    _, text = add_key(path, roles=["reader"], tenant="north")
    keys = KeyFile(path)
    good = path.read_text()
    path.write_text(good + "{half a line")
    assert keys.find(digest(text)) is not None
    path.unlink()
    assert keys.find(digest(text)) is not None
    path.write_text(good)
    revoke_key(path, "reader")
    assert keys.find(digest(text)) is None


@pytest.mark.parametrize("content", [None, "", "\n\n"])
def test_no_key_is_no_engine(path: Path, content: str | None) -> None:
    if content is not None:
        path.write_text(content)
    with pytest.raises(Refusal) as refused:
        KeyFile(path)
    assert refused.value.code.number == "TR712"


def test_revoked_keys_are_no_keys(path: Path) -> None:
    key, _ = add_key(path, roles=["reader"], tenant="north")
    revoke_key(path, key.id)
    with pytest.raises(Refusal, match="TR712"):
        KeyFile(path)


@pytest.mark.parametrize("line", ["{", "[]", "7", '{"id": "x"}', '{"revoked": "x", "at": "y"}'])
def test_a_line_that_is_no_key_is_named(path: Path, line: str) -> None:
    add_key(path, roles=["reader"], tenant="north")
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(Refusal) as refused:
        KeyFile(path)
    assert f"{path}:2" in refused.value.detail


@pytest.mark.parametrize(
    "what",
    [
        {"roles": [], "tenant": "north"},
        {"roles": ["king"], "tenant": "north"},
        {"roles": ["reader"], "tenant": "No Tenant"},
        {"roles": ["reader"], "tenant": "north", "seats": ["legal"]},
        {"roles": ["approver"], "tenant": "north", "seats": ["No Seat"]},
        {"roles": ["approver"], "tenant": "north", "actor_type": "robot"},
        {"roles": ["reader"], "tenant": "north", "name": "Somebody Else"},
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(path: Path, what: dict) -> None:
    with pytest.raises(Refusal):
        add_key(path, **what)
    assert not path.exists()


def test_a_seat_may_be_any_name_that_approves_and_tasks_give(path: Path) -> None:
    """The levels know six; `needs`, `roles` and `escalate` may name others."""
    key, _ = add_key(path, roles=["approver"], tenant="north", seats=["legal", "data-officer"])
    assert key.seats == ("legal", "data-officer")


def test_a_name_is_taken_once(path: Path) -> None:
    """The audit trail names actors by it."""
    add_key(path, roles=["reader"], tenant="north", name="one")
    with pytest.raises(Refusal, match="one"):
        add_key(path, roles=["reader"], tenant="north", name="one")


@pytest.mark.parametrize(
    ("roles", "actor"),
    [
        (["approver"], "human"),
        (["operator", "participant"], "human"),
        (["participant"], "executor_system"),
        (["producer"], "automated_workflow"),
        (["reader"], "automated_workflow"),
    ],
)
def test_the_kind_of_actor_follows_from_the_roles(roles: list[str], actor: str) -> None:
    assert default_actor_type(roles) == actor


def test_dev_makes_a_key_per_role_and_two_people_who_decide(tmp_path: Path) -> None:
    """Made once: a second start finds the same; lost texts make new keys."""
    first = dev_keys(tmp_path)
    assert set(first) == set(DEV_KEYS)
    assert dev_keys(tmp_path) == first
    seats = {one.key.name: one.key.seats for one in read_keys(tmp_path / "keys.jsonl")}
    assert "function_head" in seats["function_head"]
    assert seats["legal"] == ("legal",)
    (tmp_path / "keys.json").unlink()
    assert set(dev_keys(tmp_path).values()).isdisjoint(first.values())


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "localhost:1", "[::1]:1", "127.9.9.9:1"])
def test_dev_listens_on_loopback(listen: str) -> None:
    refuse_foreign(listen)


@pytest.mark.parametrize("listen", ["0.0.0.0:1", "10.0.0.1:1", "[::]:1", "example.org:1"])
def test_dev_listens_nowhere_else(listen: str) -> None:
    with pytest.raises(Refusal, match="TR713"):
        refuse_foreign(listen)
