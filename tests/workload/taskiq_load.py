"""The taskiq application of the tests: naps, and a record of each in a Redis of its own (tests/support/app.rs).

Settings come as JSON in the variable LOAD: name, broker, queue, kind (list or stream), options (the broker's own:
consumer_group_name, maxlen, approximate, idle_timeout, xread_count, additional_streams...), record.

As a worker, where this file lies (without `--workers` there are two processes; without `--max-async-tasks` each runs 100 tasks):
  `taskiq worker --workers 1 taskiq_load:broker`
  `taskiq worker --workers 1 --max-async-tasks 2 --max-prefetch 1 taskiq_load:broker`
As a client: `python3 taskiq_load.py '[{"tasks": 40, "seconds": 600}]'`. It declares the stream's group first, as an application
does that calls `broker.startup()`; not with `"startup": false`. A task that is `held` ends when `released:NAME` is there.
"""
import asyncio
import json
import os
import sys
import time
import uuid
from typing import Annotated

import redis
from taskiq import Context, TaskiqDepends
from taskiq_redis import ListQueueBroker, RedisStreamBroker

LOAD = json.loads(os.environ["LOAD"])
KINDS = {"list": ListQueueBroker, "stream": RedisStreamBroker}

# redis-py 8 gives up reading after 5 s, and a list's worker waits without an end: after 5 s without a message it would die, with
# the tasks that run.
OPTIONS = {"socket_timeout": None, **LOAD.get("options", {})}
broker = KINDS[LOAD.get("kind", "list")](LOAD["broker"], queue_name=LOAD["queue"], **OPTIONS)


def record(which, *lines):
    now = time.time()
    lines = [json.dumps({"at": now, **line}) for line in lines]
    redis.Redis.from_url(LOAD["record"]).rpush(f"{which}:{LOAD['name']}", *lines)


# By its name: as a client this module is __main__, which no worker knows.
@broker.task(task_name="taskiq_load:nap")
async def nap(seconds: float, held: bool, context: Annotated[Context, TaskiqDepends()]) -> None:
    id = context.message.task_id
    record("started", {"id": id})
    await asyncio.sleep(seconds)
    released = redis.Redis.from_url(LOAD["record"])
    while held and not released.exists("released:" + LOAD["name"]):
        await asyncio.sleep(0.2)
    record("ended", {"id": id})


async def publish(tasks, seconds, startup=True, held=False):
    ids = [uuid.uuid4().hex for _ in range(tasks)]
    record("published", *[{"id": id} for id in ids])
    if startup:
        await broker.startup()
    for id in ids:
        await nap.kicker().with_task_id(id).kiq(seconds, held)
    await broker.shutdown()


if __name__ == "__main__":
    for load in json.loads(sys.argv[1]):
        asyncio.run(publish(**load))
