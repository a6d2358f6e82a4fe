"""The Celery application of tests/e2e/zoo: whatever the set-up says, with a log of its own outside the broker.

The settings come as JSON in the variable SETTINGS: name (of the set-up), records (a Redis), app (Celery's settings), and crash
(the first pod never starts). The broker is the variable BROKER. What is recorded comes from Celery's signals, so that every
message counts: of tasks, of retries, of the body of a chord, of beat.
"""
import json
import os
import signal
import socket
import sys
import time
import uuid

import bystander
import redis
from celery import Celery, signals

SETTINGS = json.loads(os.environ["SETTINGS"])
NAME = SETTINGS["name"]
POD = os.environ.get("POD", socket.gethostname())
# Patient: on a busy machine an answer may take longer than the client library's 5 s.
records = redis.Redis.from_url(SETTINGS["records"], socket_timeout=60)

app = Celery("zoo", broker=os.environ["BROKER"])
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)
app.conf.update(SETTINGS["app"])
running = {}
bystander.attend(records, POD, f"{NAME}:")


def record(which, **what):
    records.rpush(f"{NAME}:{which}", json.dumps({**what, "at": time.time()}))


def crash():
    """One pod of the set-up never gets as far as a worker: the one that came first."""
    key = f"{NAME}:crash"
    records.set(key, POD, nx=True)
    if records.get(key).decode() == POD:
        sys.exit("this pod is the one that fails")


if SETTINGS.get("crash") and "worker" in sys.argv:
    crash()


@app.task(name="nap")
def nap(seconds):
    time.sleep(seconds)


@app.task(name="odd")
def odd(seconds):
    """Its argument is a set, which JSON does not know."""
    time.sleep(max(seconds))


@app.task(name="again", bind=True, max_retries=None)
def again(self, seconds, times, countdown):
    time.sleep(seconds)
    if self.request.retries < times:
        raise self.retry(countdown=countdown)


@app.task(name="total", ignore_result=False)
def total(results):
    return len(results)


@app.task(name="part", ignore_result=False)
def part(seconds):
    time.sleep(seconds)
    return seconds


@app.task(name="die", bind=True)
def die(self, seconds):
    """Its process ends by SIGKILL in the middle, the first time."""
    time.sleep(seconds)
    if records.incr(f"{NAME}:died:{self.request.id}") == 1:
        os.kill(os.getpid(), signal.SIGKILL)


@signals.before_task_publish.connect
def published(headers=None, **_):
    record("published", id=headers["id"], retries=headers["retries"], task=headers["task"])


@signals.after_task_publish.connect
def sent(headers=None, **_):
    record("sent", id=headers["id"])


@signals.task_prerun.connect
def started(task_id=None, task=None, **_):
    running[task_id] = uuid.uuid4().hex
    redelivered = bool((task.request.delivery_info or {}).get("redelivered"))
    record(
        "started", id=task_id, retries=task.request.retries, attempt=running[task_id], task=task.name,
        node=task.request.hostname, pod=POD, redelivered=redelivered,
    )


@signals.task_postrun.connect
def ended(task_id=None, task=None, **_):
    record("ended", id=task_id, retries=task.request.retries, attempt=running.pop(task_id, ""))
