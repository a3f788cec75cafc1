"""A process that owns lanes and writes to them: `python -m tests.integration.postgres.writer`.

    writer URL PROCESS LANES [hold]

It beats, claims the lanes (`0,2`), says `owns HEADS`, and then writes batches until it is killed,
each told as `wrote ROOT HEAD HEAD...` after its commit. With `hold` it stops within its first
transaction, after its writes: it says `holds` and waits for a line; then it commits and tells how
that went.
"""

import sys
import threading

from adapters.postgres import PostgresCluster, PostgresStore
from domain.ports import LaneBelief, LaneLost, LaneWrite, Receipt, StoreFailed
from tests.contract.store_world import event, events, mail
from tests.integration.postgres.names import in_lane

BEAT_S = 0.5


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def keep_beating(cluster: PostgresCluster) -> None:
    """Beat in the background, as an engine does."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_S):
            cluster.beat()

    threading.Thread(target=beat, daemon=True).start()


def batch(beliefs: list[LaneBelief], root: int, process: str, lanes: int) -> LaneWrite:
    """One event in each lane, of streams that are the process's own, with a receipt and mail."""
    names = [f"{in_lane(b.lane, lanes)}" for b in beliefs]
    write = LaneWrite()
    for belief, name in zip(beliefs, names, strict=True):
        one = events(event(f"{name}", belief.head + 1), after=belief.chain)
        write.events += one.events
        write.prevs += one.prevs
        write.inbox.append(mail(name, root=root))
    write.receipts.append(Receipt("north", process, str(root), b"d" * 32, root, 1))
    return write


def main(url: str, process: str, lanes: list[int], holds: bool) -> None:
    store = PostgresStore.open(url, process=process)
    cluster = PostgresCluster(url, process=process, backend=lambda: store.backend)
    cluster.beat()
    beliefs: list[LaneBelief] = []
    for lane in lanes:
        belief = cluster.claim(lane)
        if belief is None:
            say("taken", lane)
            return
        beliefs.append(belief)
    keep_beating(cluster)
    say("owns", *(b.head for b in beliefs))
    while True:
        try:
            transaction = store.begin(*beliefs)
            root = transaction.next_root()
            write = batch(beliefs, root, process, store.lanes)
            after = list(transaction.write(write, clock_us=1))
            if holds:
                say("holds")
                sys.stdin.readline()
            transaction.commit()
            beliefs = after
        except (LaneLost, StoreFailed) as lost:
            say("lost", type(lost).__name__, getattr(lost, "alias", ""))
            try:
                store.begin(*beliefs)
            except (LaneLost, StoreFailed) as again:
                say("again", type(again).__name__, getattr(again, "alias", ""))
            return
        say("wrote", root, *(b.head for b in beliefs))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], [int(n) for n in sys.argv[3].split(",")], "hold" in sys.argv)
