"""Celery with Redis: a chain of five tasks, prefork with two workers.

`celery_five.py worker URL` is what the worker imports; with an order it is the client. A task is
acknowledged after it ran, its result goes to Redis, and the message of the next task too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import redis
from celery import Celery, chain
from talk import Order, load, order, tell, wait_for_go

WORKERS = 2
PREFETCH = 64
"""Messages a worker takes ahead: what the documentation advises for many short tasks."""
LOOK_S = 0.01
LIMIT_S = 300.0
ENDS = "bench:ends"
URL = os.environ.get("BENCH_REDIS", "")

app = Celery("celery_five", broker=URL, backend=URL)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=PREFETCH,
    task_serializer="json",
    result_serializer="json",
    result_expires=3_600,
    broker_connection_retry_on_startup=True,
)


@cache
def books() -> Any:
    """Where the last task of a chain says that it ended."""
    return redis.Redis.from_url(URL)


@app.task
def work(given: dict[str, str]) -> dict[str, str]:
    return given


@app.task
def last(given: dict[str, str]) -> dict[str, str]:
    books().rpush(ENDS, json.dumps([given["id"], time.time()]))
    return given


@app.task(bind=True)
def refuse(self: Any, given: dict[str, str]) -> Any:
    """The fifth step fails for good: the rest of the chain are four tasks that undo."""
    return self.replace(chain(work.s(given), work.s(), work.s(), last.s()))


def send(given: Order, name: str, number: int) -> None:
    end = refuse.s() if given.workload == "w2" else last.s()
    id = f"{given.name}-{name}-{number}"
    chain(work.s(load(id)), work.s(), work.s(), work.s(), end).apply_async()


def wait_for(wanted: int) -> None:
    limit = time.perf_counter() + LIMIT_S
    while books().llen(ENDS) < wanted:
        if time.perf_counter() > limit:
            raise TimeoutError(f"{books().llen(ENDS)} of {wanted} ended in {LIMIT_S} s")
        time.sleep(LOOK_S)


def main(given: Order) -> None:
    for number in range(given.warm_up):
        send(given, "warm", number)
    wait_for(given.warm_up)
    wait_for_go()
    sent: dict[str, float] = {}
    begun = time.perf_counter()
    for number in range(given.count):
        if given.workload == "w3":
            due = begun + number / given.rate_per_s
            time.sleep(max(0.0, due - time.perf_counter()))
        sent[f"{given.name}-{given.workload}-{number}"] = time.time()
        send(given, given.workload, number)
    wait_for(given.warm_up + given.count)
    ends = [json.loads(text) for text in books().lrange(ENDS, 0, -1)]
    tell(took_ms=[round(1000 * (at - sent[id]), 3) for id, at in ends if id in sent])


def start() -> None:
    given = order()
    os.environ["BENCH_REDIS"] = given.url
    command = [sys.executable, "-m", "celery", "-A", "celery_five", "worker", "--pool", "prefork",
               "-c", str(WORKERS), "--loglevel", "ERROR", "--without-gossip",
               "--without-mingle", "--without-heartbeat"]  # fmt: skip
    worker = subprocess.Popen(command, cwd=Path(__file__).parent, stdout=subprocess.DEVNULL)
    try:
        client = subprocess.run([sys.executable, __file__, sys.argv[1], "client"], check=False)
        sys.exit(client.returncode)
    finally:
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    if sys.argv[2:] == ["client"]:
        main(order())
    else:
        start()
