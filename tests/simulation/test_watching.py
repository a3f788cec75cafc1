"""Whoever watches a simulated world knows what is committed before anything is judged by it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import UUID

import orjson

from consumers.core import Step
from domain.messages import Mail, Wake
from domain.ports import Asked, InboxRow
from domain.requests import RegisterRequest, StartRequest
from tests.simulation.core import MailOrder
from tests.simulation.dice import Dice
from tests.simulation.kids import KIDS
from tests.simulation.kinds import NEIGHBOUR, kinds_of
from tests.simulation.loop import SimLoop
from tests.simulation.options import Options
from tests.simulation.surroundings import close, folder, knowing, silent
from tests.simulation.world import OPERATOR, World

QUIET = Options.of("bus,catalogue,restore", 0, None)
SEED = next(n for n in range(1000) if len(kinds_of(n, QUIET).tenants) > 1)


@contextmanager
def _world() -> Iterator[tuple[World, SimLoop]]:
    """Two tenants and no faults; everybody has the sagas of children, and nobody acts."""
    dice = Dice(SEED, QUIET)
    loop = SimLoop(dice.random.random)
    with folder() as here, silent(), knowing():
        world = World(loop, dice, here / "troth.db", QUIET)
        dice.is_calm = True
        try:
            world.engine.open()
            for kid in KIDS:
                document = orjson.loads(orjson.dumps(kid.document()))
                register = RegisterRequest(OPERATOR, document)
                assert loop.run_until_complete(world.engine.submit(register))
            yield world, loop
        finally:
            world.engine.close()
            close(loop)


def test_a_definition_is_known_as_soon_as_it_is_committed() -> None:
    """Its work may go on before whoever registered it hears of that."""
    with _world() as (world, _):
        stored = world.engine.connection.execute("SELECT hash FROM definitions").fetchall()
        assert len(stored) == len(KIDS)
        assert all(world.engine.registry.by_hash(hash_.hex()) for (hash_,) in stored)


def test_what_a_tenant_is_shown_is_judged_by_what_is_in_the_store() -> None:
    """A store that was put back shows what nobody has watched come into it again."""
    with _world() as (world, loop):
        asked = Asked(NEIGHBOUR, "shop", "executor_system", ("producer",))
        start = StartRequest(asked, "kid-0", {"number": "n1"}, None, "first")
        answer = loop.run_until_complete(world.engine.submit(start))
        assert answer["created"]
        world.observer.begin_again()
        world.neighbours._look(NEIGHBOUR)
        assert [str(c.id) for c in world.neighbours._theirs(NEIGHBOUR)] == [answer["id"]]


def test_mail_that_overtakes_older_mail_of_its_stream_is_seen() -> None:
    """Whoever asks from outside waits for nothing."""
    stream, ctx = UUID(int=7), {}
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE inbox (id INTEGER PRIMARY KEY, stream BLOB)")
        for number in (1, 2):
            db.execute("INSERT INTO inbox VALUES (?, ?)", (number, stream.bytes))
        order, first, second, sent = MailOrder(db), Wake(1), Wake(2), Wake(3)
        mail: Any = [Mail(stream, "t", message, ctx, 0) for message in (first, second)]
        order.begins()
        order.read([InboxRow(number, one, 0) for number, one in enumerate(mail, 1)])
        assert order.overtakes(stream, second)
        assert not order.overtakes(stream, first)
        order.decided(first, Step((), None, None, [(stream, sent)], None))
        assert not order.overtakes(stream, second)
        assert order.overtakes(stream, sent)
        assert not order.overtakes(stream, Wake(4))
        assert not order.overtakes(UUID(int=8), sent)
        order.decided(second, Step((), None, None, (), None))
        db.execute("INSERT INTO inbox VALUES (3, ?)", (stream.bytes,))
        assert not order.overtakes(stream, sent), "it came since it was looked"
