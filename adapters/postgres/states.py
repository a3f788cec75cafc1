"""How the bytes of an event's state lie in their column: one leading byte says the form.

Names of members and the context of an actor are most of a state and alike in every event; deflate
with a dictionary that holds them leaves a third. Lossless: the audit chain is over the state.

Measured on the events of five-step sagas (650 to 770 bytes, a payload of 300): 10 us to pack and 3
to unpack; an event takes 446 bytes in its table with its indexes instead of 976, and the server
2.7 us less for it.
"""

from __future__ import annotations

import zlib

__all__ = ["pack", "unpack"]

_PLAIN = b"\0"
_DEFLATED = b"\1"
"""Deflate with `_NAMES`. Another dictionary is another form: stored states need theirs for ever."""

PLAIN_MAX = 64
"""States up to this many bytes are left as they are."""

_LEVEL = 1
_WINDOW_BITS = -12
"""Of raw deflate: no header, no checksum (the pages and the chain have theirs)."""
_MEMORY = 5

# What is met most often stands last.
_NAMES = (
    b'"reason":""message":""error":{"class":"business","code":""details":"input":{"params":{"vars":'
    b'{"definition":"originator_topic":"commitment","saga_version":1,"status":"fulfilled","result":'
    b'"input_digest":"commitment":"taken":[{"key":"types":["due_us":"early":"keep""approval":""leve'
    b'l":"A2""digests":{"decision":{"decision":"approve","by":"undoes":"not_after_us":"heartbeat_us'
    b'":"timers":{"guards":{"branch":"round":"out":""start":{"id":"","source":"urn:","type":"","tim'
    b'e":"2026-","specversion":"1.0","fact":{"data":{"value":{""retry_us":"unanswered":true"next":"'
    b'worker":"verified":false,"pivot":false,"result_digest":""token":"1.0."result":{"id":"""digest'
    b'":"","attempt":1,"timeout_us":60000000,"start_by_us":1,"classes":{"A":"A0","R":"R1","S":"S1"}'
    b',"undo":{"contract":""originator_topic":"sagakey","tenant":"default","saga":"","key":"","run"'
    b':1,"commitment":""node":"","effect":"","kind":"do","contract":"/@1","participant":"","args":{'
    b'"{"timestamp":"2026-00:00.000000Z","ctx":{"tenant":"default","actor":"system","actor_type":"a'
    b'utomated_workflow","actor":"","actor_type":"executor_system","actor":"","actor_type":"human",'
    b'"correlation":"","causation":"","trace":"00-'
)


def pack(state: bytes) -> bytes:
    """The stored form of a state, whichever is shorter."""
    if len(state) > PLAIN_MAX:
        deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW_BITS, _MEMORY, zdict=_NAMES)
        packed = deflate.compress(state) + deflate.flush()
        if len(packed) < len(state):
            return _DEFLATED + packed
    return _PLAIN + state


def unpack(stored: bytes) -> bytes:
    """The state of a stored form. Raises ValueError for one cut off, or of a later release."""
    form = stored[:1]
    if form == _DEFLATED:
        inflate = zlib.decompressobj(_WINDOW_BITS, zdict=_NAMES)
        state = inflate.decompress(stored[1:]) + inflate.flush()
        if not inflate.eof:
            raise ValueError("a state ends before its end")
        return state
    if form == _PLAIN:
        return stored[1:]
    raise ValueError(f"a state has the form {form.hex()}, which this release does not know")
