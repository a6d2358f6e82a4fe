"""The Celery application of tests/e2e/brokers: naps, and a record of each in a Redis of its own (tests/support/app.rs).

Settings come as JSON in the variable LOAD: name, broker, queue, kind (classic or quorum), late, options (transport), settings
(Celery's own), record, stamped (with the lines of docs/celery.md).
As a worker: `celery -A load worker`. As a client: `python3 load.py '[{"tasks": 40, "seconds": 600}]'`.
"""
import json
import os
import sys
import time
import uuid

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


def record(which, *lines):
    now = time.time()
    lines = [json.dumps({"at": now, **line}) for line in lines]
    redis.Redis.from_url(LOAD["record"]).rpush(f"{which}:{LOAD['name']}", *lines)


@app.task(name="nap", bind=True)
def nap(self, seconds):
    record("started", {"id": self.request.id})
    time.sleep(seconds)
    record("ended", {"id": self.request.id})


def publish(tasks, seconds, countdown=None, priorities=(None,)):
    naps = [(str(uuid.uuid4()), priority) for priority in priorities for _ in range(tasks)]
    due = {} if countdown is None else {"due": time.time() + countdown}
    record("published", *[{"id": id, **due} for id, _ in naps])
    with app.producer_pool.acquire(block=True) as producer:
        for id, priority in naps:
            more = {} if priority is None else {"priority": priority}
            nap.apply_async((seconds,), task_id=id, countdown=countdown, producer=producer, **more)


if __name__ == "__main__":
    for load in json.loads(sys.argv[1]):
        publish(**load)
