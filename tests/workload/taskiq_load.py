"""The taskiq application of the tests: naps, and a record of every start and end in a Redis of its own.

Settings come as JSON in the variable LOAD: broker, queue, kind (list or stream), options (the broker's own: consumer_group_name,
maxlen, approximate, idle_timeout, xread_count, additional_streams...), name, record.

As a worker, where this file lies (without `--workers` there are two processes; without `--max-async-tasks` each runs 100 tasks):
  `taskiq worker --workers 1 taskiq_load:broker`
  `taskiq worker --workers 1 --max-async-tasks 2 --max-prefetch 1 taskiq_load:broker`
  `taskiq worker --workers 1 --ack-type when_received taskiq_load:broker`
As a client, which prints the tasks' ids: `python3 taskiq_load.py '{"count": 40, "seconds": 600}'`. It declares the stream's group
first, as an application does that calls `broker.startup()`; not with `"startup": false`.
"""
import asyncio
import json
import os
import sys
from typing import Annotated

import redis.asyncio as redis
from taskiq import Context, TaskiqDepends
from taskiq_redis import ListQueueBroker, RedisStreamBroker

LOAD = json.loads(os.environ["LOAD"])
KINDS = {"list": ListQueueBroker, "stream": RedisStreamBroker}

# redis-py 8 gives up reading after 5 s, and a list's worker waits without an end: after 5 s without a message it would die, with
# the tasks that run.
OPTIONS = {"socket_timeout": None, **LOAD.get("options", {})}
broker = KINDS[LOAD.get("kind", "list")](LOAD["broker"], queue_name=LOAD["queue"], **OPTIONS)


# By its name: as a client this module is __main__, which no worker knows.
@broker.task(task_name="taskiq_load:nap")
async def nap(seconds: float, context: Annotated[Context, TaskiqDepends()], fail: bool = False) -> None:
    record = redis.Redis.from_url(LOAD["record"])
    await record.rpush("started:" + LOAD["name"], context.message.task_id)
    await asyncio.sleep(seconds)
    if fail:
        raise RuntimeError("as told")
    await record.rpush("ended:" + LOAD["name"], context.message.task_id)
    await record.aclose()


async def publish(count, seconds=600, labels=None, fail=False, startup=True):
    """`labels` go with each message: `queue_name` is another list or stream, `ack_type` when it is acknowledged."""
    if startup:
        await broker.startup()
    kicker = nap.kicker().with_labels(**labels or {})
    tasks = [await kicker.kiq(seconds, fail=fail) for _ in range(count)]
    await broker.shutdown()
    return [task.task_id for task in tasks]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(publish(**json.loads(sys.argv[1])))))
