"""The Celery application of tests/e2e/interrupt: a task that takes its time and tells a Redis of its own of each attempt.

A second record is Celery's own: the result backend, another database of that Redis. Both must tell the same story.
The settings come as JSON in the variable SETTINGS: broker, records, quorum, late, prefetch, client.
"""
import json
import os
import socket
import time
import uuid

import redis
from celery import Celery
from kombu import Queue

SETTINGS = json.loads(os.environ["SETTINGS"])
QUEUE = "tasks"
KIND = {"x-queue-type": "quorum"} if SETTINGS["quorum"] else None
# A client that had a result backend would subscribe to the result of each task that it publishes.
RESULTS = None if SETTINGS["client"] else SETTINGS["records"] + "/1"

app = Celery("nap", broker=SETTINGS["broker"], backend=RESULTS)
app.conf.update(
    task_default_queue=QUEUE,
    task_queues=[Queue(QUEUE, routing_key=QUEUE, queue_arguments=KIND)],
    task_acks_late=SETTINGS["late"],
    broker_connection_retry_on_startup=True,
)
if SETTINGS["prefetch"]:
    app.conf.worker_prefetch_multiplier = SETTINGS["prefetch"]
# Patient: on a busy machine an answer may take longer than the client library's 5 s.
records = redis.Redis.from_url(SETTINGS["records"] + "/0", socket_timeout=60)
POD = socket.gethostname()


def record(which, **what):
    records.rpush(which, json.dumps({**what, "at": time.time()}))


@app.task(name="nap", bind=True)
def nap(self, number, seconds):
    attempt = uuid.uuid4().hex
    redelivered = bool((self.request.delivery_info or {}).get("redelivered"))
    record("started", number=number, attempt=attempt, pod=POD, redelivered=redelivered)
    time.sleep(seconds)
    record("ended", number=number, attempt=attempt)
    return number
