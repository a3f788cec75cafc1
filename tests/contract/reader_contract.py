"""What every reader shows: committed state, by tenant, in pages, with positions and hashes.

A subclass has the fixtures `store`, of one lane, and `reader`, of the same store.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest

from domain.chain import event_hash
from domain.errors import Refusal
from domain.ports import DeadLetter, LaneWrite, Receipt, Store, ViewRow
from domain.requests import Reader
from projections.audit import text_of
from tests.contract.store_world import CTX, ask, commit, event, events, mail, step_row, stream

__all__ = ["AT", "ReaderContract", "fact", "pages", "rows", "search", "state"]

AT = "2026-11-30T09:41:04.377000Z"


def state(**members: Any) -> bytes:
    return orjson.dumps({"timestamp": AT, "ctx": CTX, **members})


def fact(name: str, tenant: str, at: str = AT) -> bytes:
    """The state of an emitted fact."""
    ctx = {**CTX, "tenant": tenant}
    return orjson.dumps({"timestamp": at, "ctx": ctx, "node": "n", "fact": {"id": name}})


def rows(*wanted: ViewRow) -> LaneWrite:
    return LaneWrite(views=list(wanted))


def search(reader: Reader, tenant: str = "north", **wanted: Any) -> Any:
    every = {"saga": None, "status": None, "step": None, "key": None, "cursor": None, "limit": 100}
    return reader.search(tenant, **{**every, **wanted})


def pages(read: Callable[..., Any], **filters: Any) -> list[Any]:
    """All items of a list, read two at a time."""
    found: list[Any] = []
    cursor = None
    for _ in range(20):
        page = read("north", cursor=cursor, limit=2, **filters)
        assert len(page["items"]) <= 2
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            return found
    raise AssertionError("the pages never ended")


class ReaderContract:
    """One lane."""

    def test_the_position_is_that_of_the_last_commit(self, store: Store, reader: Reader) -> None:
        assert reader.position() == "1:0:0"
        commit(store, events(event("a", 1), event("a", 2)))
        assert reader.position() == "1:0:2"

    def test_a_commitment_is_where_its_last_commit_left_it(
        self, store: Store, reader: Reader
    ) -> None:
        row = step_row(
            "a", 3, status="waiting", position=17, body={"status": "waiting", "nodes": [1]}
        )
        commit(store, rows(row))
        found = reader.commitment("north", stream("a"))
        assert found == {"status": "waiting", "nodes": [1], "position": "1:0:17"}
        transaction = store.begin(store.belief(0))
        transaction.write(rows(step_row("a", 4, body={"status": "failed"})), clock_us=1)
        assert reader.commitment("north", stream("a")) == found
        transaction.commit()
        assert reader.commitment("north", stream("a")) == {"status": "failed", "position": "1:0:1"}

    def test_another_tenants_things_are_not_there(self, store: Store, reader: Reader) -> None:
        write = rows(
            step_row("a", 1),
            ViewRow("approvals", {"id": "a1"}, {
                "tenant": "north", "commitment": stream("a"), "status": "open", "asked_us": 1,
                "version": 1, "body": {"id": "a1"}}),
        )  # fmt: skip
        write.dead_letters.append(DeadLetter("north", "crm", "1", "event.schema", "no", b"raw", 1))
        write.events.append(event("a", 1, state(node="n")))
        write.prevs.append(bytes(32))
        commit(store, write)
        for tenant, there in (("north", True), ("south", False)):
            assert (reader.commitment(tenant, stream("a")) is not None) is there
            assert (reader.by_key(tenant, "loan", "a", None) is not None) is there
            assert (reader.history(tenant, stream("a"), after=0, limit=9) is not None) is there
            assert (reader.approval(tenant, "a1") is not None) is there
            assert (reader.dead_letter(tenant, 1) is not None) is there
            assert bool(search(reader, tenant)["items"]) is there
            assert bool(reader.counts(tenant, None)["status"]) is there

    def test_a_key_shows_its_latest_run_unless_one_is_named(
        self, store: Store, reader: Reader
    ) -> None:
        for run in (1, 2, 10):
            commit(store, rows(step_row(f"r{run}", 1, key="k", run=run, body={"run": run})))
        assert reader.by_key("north", "loan", "k", None) == {"run": 10, "position": "1:0:1"}
        assert reader.by_key("north", "loan", "k", 2) == {"run": 2, "position": "1:0:1"}
        assert reader.by_key("north", "loan", "k", 3) is None
        assert reader.by_key("north", "other", "k", None) is None

    def test_search_finds_what_fits_all_that_is_named(self, store: Store, reader: Reader) -> None:
        for number in range(9):
            changed = {
                "saga": "loan" if number % 3 else "sale",
                "status": "waiting" if number % 2 else "failed",
                "step": f"s{number % 4}",
                "body": {"n": number},
            }
            commit(store, rows(step_row(f"c{number}", 1, **changed)))

        def found(**wanted: Any) -> set[int]:
            every = {"saga": None, "status": None, "step": None, "key": None, **wanted}
            return {item["n"] for item in pages(reader.search, **every)}

        assert found() == set(range(9))
        assert found(saga="sale") == {0, 3, 6}
        assert found(status="waiting") == {1, 3, 5, 7}
        assert found(status="waiting", saga="sale") == {3}
        assert found(step="s1") == {1, 5}
        assert found(status="waiting", step="s1", saga="loan", key="c5") == {5}
        assert found(key="c8") == {8}

    @pytest.mark.parametrize(
        "cursor",
        [
            "x",
            "",
            "bm8",
            "WyJ2IixbXV0",
            "WyJ2diIsMSwyXQ",
            "é",
            "WyJ2dnYiLDEsMiwzXQ",
            "WyJ2dnYiLCJhIiwiYiIsImMiXQ",
            "WyJidnYiLCIwMCIsImIiLDFd",
        ],
    )
    def test_a_cursor_of_something_else_is_refused(self, reader: Reader, cursor: str) -> None:
        with pytest.raises(Refusal) as refused:
            search(reader, cursor=cursor)
        assert refused.value.alias == "http.body"

    def test_commitments_are_counted_by_status_and_step(self, store: Store, reader: Reader) -> None:
        for number, (status, step, saga) in enumerate(
            [("waiting", "a", "loan"), ("waiting", "a", "loan"), ("waiting", "b", "sale"),
             ("fulfilled", "", "loan")]
        ):  # fmt: skip
            commit(store, rows(step_row(f"c{number}", 1, status=status, step=step, saga=saga)))
        assert reader.counts("north", None) == {
            "status": {"waiting": 3, "fulfilled": 1},
            "steps": {"a": 2, "b": 1},
            "parked": {},
        }
        assert reader.counts("north", "sale") == {
            "status": {"waiting": 1}, "steps": {"b": 1}, "parked": {},
        }  # fmt: skip

    def test_the_history_has_every_event_with_who_why_and_its_hash(
        self, store: Store, reader: Reader
    ) -> None:
        done = state(
            node="check", effect="e", kind="do", attempt=1, result={"x": 1}, class_version=2
        )
        write = events(event("a", 1, state(reason="no"), "commitment.paused"),
                       event("a", 2, done, "effect.done"))  # fmt: skip
        write.views.append(step_row("a", 2))
        commit(store, write)
        found = reader.history("north", stream("a"), after=0, limit=10)
        assert found is not None
        first, second = found["events"]
        assert found["next"] is None
        assert (first["type"], first["at"], first["actor"]) == ("commitment.paused.v1", AT, "a")
        assert (first["actor_type"], first["causation"], first["node"]) == ("human", None, None)
        assert (first["position"], first["data"]) == ("1:0:1", {"reason": "no"})
        assert first["text"] == text_of("commitment.paused", {"reason": "no"})
        assert second["type"] == "effect.done.v2"
        assert second["node"] == "check"
        assert second["prev_sha256"] == first["sha256"] == write.prevs[1].hex()
        wanted = event_hash(write.prevs[1], stream("a").bytes, 2, "effect.done", done)
        assert second["sha256"] == wanted.hex()

    def test_a_history_is_read_in_pages_by_version(self, store: Store, reader: Reader) -> None:
        write = events(*[event("a", n, state(node="n")) for n in range(1, 6)])
        write.views.append(step_row("a", 5))
        commit(store, write)
        seen: list[int] = []
        after: int | None = 0
        while after is not None:
            page = reader.history("north", stream("a"), after=after, limit=2)
            assert page is not None
            seen += [item["version"] for item in page["events"]]
            after = page["next"]
        assert seen == [1, 2, 3, 4, 5]

    def test_approvals_and_debts_are_listed_oldest_first(
        self, store: Store, reader: Reader
    ) -> None:
        for number in range(5):
            status = "open" if number % 2 == 0 else "granted"
            common = {"tenant": "north", "commitment": stream("a"), "status": status, "version": 4}
            name = f"x{number}"
            commit(store, rows(
                ViewRow("approvals", {"id": name}, {**common, "asked_us": 9 - number // 2,
                                                    "body": {"id": name}}),
                ViewRow("debts", {"id": name}, {**common, "opened_us": number,
                                                "body": {"id": name}}),
            ))  # fmt: skip
        assert [a["id"] for a in pages(reader.approvals, status=None)] == [
            "x4",
            "x2",
            "x3",
            "x0",
            "x1",
        ]
        assert [a["id"] for a in pages(reader.approvals, status="open")] == ["x4", "x2", "x0"]
        assert [d["id"] for d in pages(reader.debts, status="granted")] == ["x1", "x3"]
        assert reader.approval("north", "x1") == {"id": "x1", "version": 4}
        assert reader.approval("north", "none") is None

    def test_approvals_and_tasks_are_listed_by_the_seat_that_was_called(
        self, store: Store, reader: Reader
    ) -> None:
        common = {"tenant": "north", "commitment": stream("a"), "status": "open", "version": 4}
        for number, called in enumerate([None, [], ["legal"], ["legal", "board"]]):
            body = (
                {"id": f"x{number}"}
                if called is None
                else {"id": f"x{number}", "escalated": called}
            )
            commit(store, rows(
                ViewRow("approvals", {"id": body["id"]}, {**common, "asked_us": 1, "body": body}),
                ViewRow("tasks", {"id": body["id"]}, {**common, "offered_us": 1, "body": body}),
            ))  # fmt: skip
        for listed in (reader.approvals, reader.tasks):
            assert [i["id"] for i in pages(listed, status="open", escalated="legal")] == [
                "x2",
                "x3",
            ]
            assert [i["id"] for i in pages(listed, status=None, escalated="board")] == ["x3"]
            assert pages(listed, status="closed", escalated="legal") == []

    def test_parked_events_are_listed_by_reason(self, store: Store, reader: Reader) -> None:
        for number in range(5):
            columns = {
                "tenant": "north", "key": "k", "type": "t", "event_id": f"e{number}",
                "reason": "early" if number % 2 else "finished", "kept_us": 7,
                "expires_us": 1_000_000,
                "body": {"id": f"e{number}"},
            }  # fmt: skip
            row = ViewRow("parked_events", {"stream": stream("k"), "position": number}, columns)
            commit(store, rows(row))
        found = pages(reader.parked, reason=None)
        assert [item["event_id"] for item in found] == [f"e{n}" for n in range(5)]
        assert found[0]["event"] == {"id": "e0"}
        assert found[0]["expires_at"] == "1970-01-01T00:00:01.000000Z"
        assert len(pages(reader.parked, reason="early")) == 2
        assert reader.counts("north", None)["parked"]["early"] == 2

    def test_dead_letters_keep_the_bytes_that_came(self, store: Store, reader: Reader) -> None:
        def letter(raw: bytes, event_id: str) -> DeadLetter:
            return DeadLetter("north", "crm", event_id, "event.json", "not JSON", raw, 1_000_000)

        commit(store, LaneWrite(dead_letters=[letter(b"{", ""), letter(b"\xff", "2")]))
        commit(store, LaneWrite(dead_letters=[letter(b"\xff", "2")]))
        first, second = pages(reader.dead_letters, status="open")
        assert (first["id"], first["code"], first["seen"]) == (1, "event.json", 1)
        assert (second["seen"], second["at"]) == (2, "1970-01-01T00:00:01.000000Z")
        assert "raw" not in first
        assert (reader.dead_letter("north", 1) or {})["raw"] == "{"
        assert (reader.dead_letter("north", 2) or {})["raw_base64"] == "/w=="
        assert (first["remedy"], second["remedy"]) == (None, None)
        ask(store, lambda t: t.redriven(1, "redriven", {"reason": "ticket 812"}))
        assert (reader.dead_letter("north", 1) or {})["remedy"] == {"reason": "ticket 812"}
        assert [item["id"] for item in pages(reader.dead_letters, status="open")] == [2]

    def test_definitions_are_read_by_version_or_the_newest(
        self, store: Store, reader: Reader
    ) -> None:
        for version in (1, 2, 11):
            document = orjson.dumps({"saga": "loan", "version": version})
            ask(store, lambda t, d=document, v=version: t.register(
                d, hash=bytes([v]) * 32, saga="loan", version=v, by="ann", now_us=1))  # fmt: skip
        newest = reader.definition("loan", None)
        assert newest is not None
        assert (newest["version"], newest["document"]["version"]) == (11, 11)
        assert newest["hash"] == "0b" * 32
        assert reader.definition("loan", 3) is None
        listed = reader.definitions()["items"]
        assert [item["version"] for item in listed] == [1, 2, 11]
        assert "document" not in listed[0]

    def test_facts_are_read_in_log_order_by_tenant(self, store: Store, reader: Reader) -> None:
        commit(store, events(
            event("a", 1, fact("f1", "north"), "fact.emitted"), event("a", 2, state()),
            event("b", 1, fact("f2", "south"), "fact.emitted"),
            event("c", 1, fact("f3", "north"), "fact.emitted"),
        ))  # fmt: skip
        first = reader.facts("north", after="", limit=1)
        assert first == {"items": [{"id": "f1", "position": "1:0:1", "version": 1}], "next": "0:1"}
        rest = reader.facts("north", after=first["next"], limit=10)
        assert [item["id"] for item in rest["items"]] == ["f3"]
        assert reader.facts("north", after=rest["next"], limit=10) == {"items": [], "next": "0:4"}

    def test_facts_are_read_on_from_a_number_too(self, store: Store, reader: Reader) -> None:
        """As stores of one lane once gave it; a token of more lanes is of another store."""
        commit(store, events(event("a", 1, fact("f1", "north"), "fact.emitted")))
        assert [item["id"] for item in reader.facts("north", after="0", limit=9)["items"]] == ["f1"]
        assert reader.facts("north", after="1", limit=9) == {"items": [], "next": "0:1"}
        for token in ("0:1,1:1", "x", "0:1,0:1", "9" * 30):
            with pytest.raises(Refusal) as refused:
                reader.facts("north", after=token, limit=9)
            assert refused.value.alias == "http.body"

    def test_a_parked_stream_is_of_whoever_its_first_event_names(
        self, store: Store, reader: Reader
    ) -> None:
        """Where nobody knew it when it was parked; one that cannot be read is nobody's."""
        write = events(event("a", 1, state()), event("b", 1, b"damaged"))
        for name, tenant in (("a", ""), ("b", ""), ("c", "north")):
            write.parked_streams.append((stream(name), tenant, "engine.fault", name))
        write.inbox.append(mail("a"))
        commit(store, write)
        found = pages(reader.parked_streams)
        assert {item["detail"]: item["held"] for item in found} == {"a": 1, "c": 0}
        assert pages(lambda _, **kw: reader.parked_streams("south", **kw)) == []
        assert (reader.parked_stream("north", stream("a")) or {})["detail"] == "a"
        assert reader.parked_stream("south", stream("a")) is None
        assert reader.parked_stream("north", stream("b")) is None

    def test_a_text_that_no_database_holds_finds_nothing(self, reader: Reader) -> None:
        assert reader.by_key("north", "loan", "k\0", None) is None
        assert search(reader, key="k\0")["items"] == []
        assert reader.applied("north", "e\0") is None

    def test_an_acceptance_is_applied_once_no_mail_of_it_waits(
        self, store: Store, reader: Reader
    ) -> None:
        receipts = [Receipt("north", source, "e1" if source == "z" else "x", b"d", root, 1)
                    for root, source in enumerate(("a", "m", "z"), 1)]  # fmt: skip
        commit(store, LaneWrite(receipts=receipts, inbox=[mail("s", root=3)]))
        assert reader.applied("north", "e1") is False
        assert reader.applied("north", "3") is False
        assert reader.applied("north", "x") is True
        assert reader.applied("north", "unknown") is None
        assert reader.applied("north", "9" * 30) is None
        assert reader.applied("south", "e1") is None
        assert reader.applied("south", "3") is None
        (letter,) = ask(store, lambda t: t.inbox(5))
        commit(store, LaneWrite(inbox_done=[letter.id]))
        assert reader.applied("north", "e1") is True

    def test_reads_go_on_beside_a_writer_and_never_see_half_a_batch(
        self, store: Store, reader: Reader
    ) -> None:
        """Two events a batch: the head that readers see is always even."""

        def read(_: int) -> list[str]:
            return [reader.position() for _ in range(50)]

        with ThreadPoolExecutor(max_workers=4) as threads:
            reads = [threads.submit(read, n) for n in range(4)]
            for batch in range(40):
                commit(store, events(event(f"{batch}a", 1), event(f"{batch}b", 1)))
            heads = [int(p.split(":")[2]) for found in reads for p in found.result()]
        assert all(head % 2 == 0 for head in heads)
        assert reader.position() == "1:0:80"
