"""A process that writes batches until it is killed: `python -m tests.integration.sqlite_writer`.

Every batch holds events, mail, timers, dispatches, a snapshot, a view row and one receipt whose
root is the number of the batch. After each commit the batch and the head go to standard output.
"""

import sys
from random import Random

from eventsourcing.persistence import StoredEvent

from adapters.sqlite import SqliteStore
from domain.chain import event_hash
from domain.ports import LaneWrite, Receipt, SnapshotRow, Transaction
from tests.contract.store_world import dispatch, mail, step_row, stream

STREAMS = 12
EVENTS_MAX = 30


def fill(write: LaneWrite, transaction: Transaction, chance: Random) -> None:
    """Append some events to some streams."""
    for number in chance.sample(range(STREAMS), chance.randint(1, STREAMS)):
        name = f"s{number}"
        found = transaction.load(stream(name))
        version, prev = found.version, found.hash
        for _ in range(chance.randint(1, EVENTS_MAX)):
            version += 1
            state = b'{"x":"%s"}' % (b"y" * chance.randint(0, 2_000))
            write.events.append(StoredEvent(stream(name), version, "node.done", state))
            write.prevs.append(prev)
            prev = event_hash(prev, stream(name).bytes, version, "node.done", state)
        write.snapshots.append(SnapshotRow(write.events[-1], prev))
        write.timers[stream(name)] = chance.randint(1, 10**9)
        write.views.append(step_row(name, version))
        write.inbox.append(mail(name))


def main(path: str, seed: int) -> None:
    """Write until the end of the process."""
    chance = Random(seed)
    store = SqliteStore.open(f"sqlite:///{path}", now_us=1)
    belief = store.belief(0)
    while True:
        transaction = store.begin(belief)
        write = LaneWrite()
        root = transaction.next_root()
        fill(write, transaction, chance)
        write.receipts.append(Receipt("north", "test", str(root), b"d" * 32, root, 1))
        write.inbox_done.extend(row.id for row in transaction.inbox(5))
        write.offered.append(dispatch(f"b{root}", position=belief.head + 1))
        write.outcomes.append((root, {"head": belief.head + len(write.events)}))
        (belief,) = transaction.write(write, clock_us=root)
        transaction.commit()
        sys.stdout.write(f"{root} {belief.head}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
