"""The data room: people come and go while it is open, and nobody has access when it is closed."""

from __future__ import annotations

from typing import Any

from tests.replay.flows import Stories, opened
from tests.semantics.language import Story

__all__ = ["STORIES"]

Json = Any
DOCUMENTS = [{"document_id": d, "path": f"/seller/{d}"} for d in ("accounts", "leases")]
ROOM = {"room_id": "room-1"}


def _party(person: str) -> Json:
    return {"person": person, "email": f"{person}@buyer.example", "group": "finance"}


def _created() -> Story:
    request = {"deal": "d-1", "documents": DOCUMENTS, "parties": [_party("ann"), _party("bob")]}
    return opened("dd_room", request, "d-1").done("create_room", ROOM)


def _loaded(story: Story, document: str) -> Story:
    at = f"documents[{document}]"
    story.done(f"{at}/classify", {"document_id": document, "label": "finance"})
    return story.done(f"{at}/load", f"loaded-{document}")


def asked_the_board() -> Story:
    return _loaded(_loaded(_created(), "accounts"), "leases")


def _open() -> Story:
    story = asked_the_board().decides("board", "eve", "executive")
    return story.done("open", {"opening_id": "o-1"})


def _admitted(story: Story, person: str) -> Story:
    ask = f"diligence/parties[{person}]/entry/asked/admit"
    story.decides(ask, "hal", "function_head").decides(ask, "leo", "legal")
    return story.done(f"diligence/parties[{person}]/entry/asked/grant", {"grant_id": f"g-{person}"})


def open_for_two() -> Story:
    return _admitted(_admitted(_open(), "ann"), "bob")


def _with_a_third() -> Story:
    """Somebody is named later, access is reported, and somebody has to leave."""
    story = open_for_two().asks("invite", party=_party("cem"))
    report = {"deal": "d-1", "day": "2026-11-23", "person": "ann", "documents": 3}
    story.happens("room.access-reported", report).done("log_access")
    story = _admitted(story, "cem").asks("dismiss", person="bob")
    return story.undone("diligence/parties[bob]/entry/asked/grant")


def closing() -> Story:
    story = _with_a_third().asks("close", reason="signed")
    return story.undone("diligence/parties[ann]/entry/asked/grant")


def closed() -> Story:
    story = closing().undone("diligence/parties[cem]/entry/asked/grant").undone("open")
    return story.done("file_room", {"archive_id": "a-1"})


def closed_before_somebody_was_let_in() -> Story:
    story = _admitted(_open(), "ann").asks("close", reason="signed")
    return story.undone("grant").undone("open").done("file_room", {"archive_id": "a-1"})


def somebody_rejected() -> Story:
    """The others stay."""
    story = _admitted(_open(), "ann")
    at = "diligence/parties[bob]/entry/asked/admit"
    return story.decides(at, "leo", "legal", answer="reject", reason="a competitor")


def nobody_decides_on_somebody() -> Story:
    return _admitted(_open(), "ann").after("5d")


def board_rejects() -> Story:
    story = asked_the_board().decides("board", "eve", "executive", answer="reject", reason="wait")
    return story.undone("documents[leases]/load", "documents[accounts]/load", "create_room")


def board_does_not_decide() -> Story:
    return asked_the_board().after("30d").undone("documents[leases]/load")


def privileged() -> Story:
    """A document that may be in no room: nothing was loaded of it."""
    story = _loaded(_created(), "accounts").failed("documents[leases]/classify", "privileged")
    return story.undone("documents[accounts]/load", "create_room")


def no_room() -> Story:
    request = {"deal": "d-1", "documents": DOCUMENTS, "parties": []}
    return opened("dd_room", request, "d-1").failed("create_room", "full")


def opening_unknown() -> Story:
    """The room may be open and nobody knows: it is looked up, and not opened twice."""
    story = asked_the_board().decides("board", "eve", "executive").started("open")
    return story.lost("open").answers("open", "present", result={"opening_id": "o-1"})


def expired() -> Story:
    """All access is revoked before the room closes."""
    story = open_for_two().after("90d")
    parties = [f"diligence/parties[{p}]/entry/asked/grant" for p in ("ann", "bob")]
    story.undone(*parties).undone("open", "documents[leases]/load", "documents[accounts]/load")
    return story.undone("create_room")


def buyer_walks_away() -> Story:
    story = open_for_two().happens("room.buyer-left", {"deal": "d-1", "reason": "price"})
    return story.undone("diligence/parties[ann]/entry/asked/grant")


def cancelled_while_loading() -> Story:
    return _loaded(_created(), "accounts").cancelled()


def cancelled_while_open() -> Story:
    return open_for_two().cancelled()


def revoking_fails() -> Story:
    """Somebody still has access: that is a debt, and the room is not closed over it."""
    story = open_for_two().cancelled().undone("diligence/parties[ann]/entry/asked/grant")
    return story.failed("diligence/parties[bob]/entry/asked/grant", "locked")


def not_loaded() -> Story:
    story = _loaded(_created(), "accounts")
    story.done("documents[leases]/classify", {"document_id": "leases", "label": "finance"})
    return story.failed("documents[leases]/load", "full").undone("documents[accounts]/load")


def not_opened() -> Story:
    return asked_the_board().decides("board", "eve", "executive").failed("open", "closed")


def not_granted() -> Story:
    """Somebody cannot be let in; the others stay."""
    story = _admitted(_open(), "ann")
    at = "diligence/parties[bob]/entry/asked"
    story.decides(f"{at}/admit", "hal", "function_head").decides(f"{at}/admit", "leo", "legal")
    return story.failed(f"{at}/grant", "no-account")


def not_logged() -> Story:
    """A room whose access cannot be logged is closed."""
    report = {"deal": "d-1", "day": "2026-11-23", "person": "ann", "documents": 3}
    story = _admitted(_open(), "ann").happens("room.access-reported", report)
    return story.failed("log_access", "sealed").undone("grant", "open")


def not_filed() -> Story:
    story = _admitted(_open(), "ann").asks("close", reason="signed").undone("grant", "open")
    return story.failed("file_room", "sealed").undone("documents[leases]/load")


def not_filed_in_time() -> Story:
    story = _admitted(_open(), "ann").asks("close", reason="signed").undone("grant", "open")
    return story.after("30d").nobody_starts("file_room")


def cancelled() -> Story:
    return cancelled_while_loading().undone("documents[accounts]/load", "create_room")


STORIES: Stories = {
    "dd_room_asked_the_board": asked_the_board,
    "dd_room_open_for_two": open_for_two,
    "dd_room_closing": closing,
    "dd_room_closed": closed,
    "dd_room_closed_before_somebody_was_let_in": closed_before_somebody_was_let_in,
    "dd_room_somebody_rejected": somebody_rejected,
    "dd_room_nobody_decides_on_somebody": nobody_decides_on_somebody,
    "dd_room_board_rejects": board_rejects,
    "dd_room_board_does_not_decide": board_does_not_decide,
    "dd_room_privileged": privileged,
    "dd_room_no_room": no_room,
    "dd_room_opening_unknown": opening_unknown,
    "dd_room_expired": expired,
    "dd_room_buyer_walks_away": buyer_walks_away,
    "dd_room_cancelled_while_loading": cancelled_while_loading,
    "dd_room_cancelled_while_open": cancelled_while_open,
    "dd_room_revoking_fails": revoking_fails,
    "dd_room_not_loaded": not_loaded,
    "dd_room_not_opened": not_opened,
    "dd_room_not_granted": not_granted,
    "dd_room_not_logged": not_logged,
    "dd_room_not_filed": not_filed,
    "dd_room_not_filed_in_time": not_filed_in_time,
    "dd_room_cancelled": cancelled,
}
