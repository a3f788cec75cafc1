"""Whoever watches a simulated world knows what is committed before anything is judged by it."""

from collections.abc import Iterator
from contextlib import contextmanager

import orjson

from domain.ports import Asked
from domain.requests import RegisterRequest, StartRequest
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
