"""A task that takes its time and says when it is published, starts and ends, in lists of a Redis of its own."""
import json
import os
import socket
import time

import bystander
import redis
from celery import Celery, signals

app = Celery("nap", broker=os.environ["BROKER"])
app.conf.update(
    task_acks_late=os.environ.get("ACKS_LATE") == "1",
    worker_prefetch_multiplier=int(os.environ.get("PREFETCH", "1")),
    broker_transport_options=json.loads(os.environ.get("TRANSPORT", "{}")),
    task_ignore_result=True,
    worker_enable_remote_control=os.environ.get("CONTROL") != "0",
    broker_connection_retry_on_startup=True,
)
records = redis.Redis.from_url(os.environ["RECORDS"])
bystander.attend(records, socket.gethostname())


@app.task
def nap(number, seconds):
    records.rpush("started", f"{number} {socket.gethostname()} {time.time()}")
    again = records.incr(f"starts:{number}") > 1 and os.environ.get("AGAIN")
    time.sleep(float(again or seconds))
    records.rpush("ended", number)


@app.task
def hold(number):
    """Runs until the set `released` has its number."""
    records.rpush("started", f"{number} {socket.gethostname()} {time.time()}")
    while not records.sismember("released", number):
        time.sleep(0.2)
    records.rpush("ended", number)


@app.task
def grow(number):
    """Takes memory until it is killed for it; the second time, with AGAIN, none."""
    records.rpush("started", f"{number} {socket.gethostname()} {time.time()}")
    again = records.incr(f"starts:{number}") > 1 and os.environ.get("AGAIN")
    taken = []
    while not again:
        taken.append(bytearray(os.urandom(1 << 24)))
    records.rpush("ended", number)


@signals.worker_ready.connect
def ready(**_):
    """From now on the worker takes tasks; the file is for a readiness probe."""
    open("/tmp/ready", "w").close()
    records.rpush("ready", f"{socket.gethostname()} {time.time()}")


def later(numbers, countdown):
    """Publishes naps of no length that are due in so many seconds, and says when that is."""
    for number in numbers:
        due = time.time() + countdown
        nap.apply_async((number, 0), countdown=countdown)
        records.rpush("due", f"{number} {due}")


def publish(naps):
    """Second and length of each nap; the seconds count from now."""
    start = time.time()
    for number, (at, seconds) in enumerate(naps):
        time.sleep(max(0, start + at - time.time()))
        records.rpush("published", f"{number} {time.time()}")
        nap.delay(number, seconds)
