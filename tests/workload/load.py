"""The Celery application of tests/e2e/brokers: naps, and a record of every start in a Redis of its own.

Settings come as JSON in the variable LOAD: broker, queue, kind (classic or quorum), late, options (transport), settings
(Celery's own), record, stamped (with the README's lines).
As a worker: `celery -A load worker`. As a client: `python3 load.py '{"count": 40, "seconds": 600}'`.
"""
import json
import os
import sys

import redis
from celery import Celery
from kombu import Queue

LOAD = json.loads(os.environ["LOAD"])
if LOAD.get("stamped"):
    import stamp
QUEUE = LOAD["queue"]
QUORUM = {"x-queue-type": "quorum"} if LOAD.get("kind") == "quorum" else None

app = Celery("load", broker=LOAD["broker"])
app.conf.update(
    task_default_queue=QUEUE,
    task_queues=[Queue(QUEUE, routing_key=QUEUE, queue_arguments=QUORUM)],
    task_acks_late=LOAD.get("late", False),
    task_ignore_result=True,
    broker_transport_options=LOAD.get("options", {}),
    broker_connection_retry_on_startup=True,
    **LOAD.get("settings", {}),
)


@app.task(name="nap", bind=True)
def nap(self, seconds):
    import time

    record = redis.Redis.from_url(LOAD["record"])
    record.rpush("started:" + LOAD["name"], self.request.id)
    time.sleep(seconds)
    record.rpush("ended:" + LOAD["name"], self.request.id)


def publish(count, seconds=600, countdown=None, priorities=(None,)):
    with app.producer_pool.acquire(block=True) as producer:
        for priority in priorities:
            for _ in range(count):
                more = {} if priority is None else {"priority": priority}
                nap.apply_async((seconds,), countdown=countdown, producer=producer, **more)


if __name__ == "__main__":
    publish(**json.loads(sys.argv[1]))
