"""The RQ application of the tests: naps, and a record of each in a Redis of its own (tests/support/app.rs).

Settings come as JSON in the variable LOAD: name, broker, queue (the one to publish to), record, prefix (RQ_KEY_PREFIX, which a
worker gets as a variable).

As a worker, where this file lies (BROKER, Q1 and Q2 as in LOAD; a worker takes from any number of queues, the first one first):
  `rq worker -u BROKER Q1 Q2`                          a process for each job, one at a time
  `rq worker -u BROKER --with-scheduler Q1`            and it moves jobs that are due: countdown, retry with an interval
  `rq worker -u BROKER -n NAME Q1`                     the worker's name, else 32 random hex digits
  `rq worker -u BROKER -w rq.SimpleWorker Q1`          the job in the worker's own process
  `rq worker-pool -u BROKER -n 3 Q1 Q2`                three workers, which always have schedulers; never with names
As a client: `python3 rq_load.py '[{"tasks": 40, "seconds": 600}]'`.
"""
import datetime
import json
import os
import sys
import time
import uuid

LOAD = json.loads(os.environ["LOAD"])
os.environ.setdefault("RQ_KEY_PREFIX", LOAD.get("prefix") or "rq")

import redis
from rq import Queue, Retry, get_current_job


def record(which, *lines):
    now = time.time()
    lines = [json.dumps({"at": now, **line}) for line in lines]
    redis.Redis.from_url(LOAD["record"]).rpush(f"{which}:{LOAD['name']}", *lines)


def nap(seconds, fail=False, held=False):
    id = get_current_job().id
    record("started", {"id": id})
    time.sleep(seconds)
    released = redis.Redis.from_url(LOAD["record"])
    while held and not released.exists("released:" + LOAD["name"]):
        time.sleep(0.2)
    record("ended", {"id": id})
    if fail:
        raise RuntimeError("as told")


def publish(tasks, seconds, countdown=None, queue=None, front=False, after=False, fail=False, held=False, retry=None):
    """One that is `held` ends when `released:NAME` is there. With `after` all jobs but the first one wait for that one to end; `retry` has `max` and `interval`."""
    connection = redis.Redis.from_url(LOAD["broker"])
    queue = Queue(queue or LOAD["queue"], connection=connection)
    ids = [str(uuid.uuid4()) for _ in range(tasks)]
    due = {} if countdown is None else {"due": time.time() + countdown}
    record("published", *[{"id": id, **due} for id in ids])
    # By its name: here this module is __main__, which no worker could import.
    what = ("rq_load.nap", seconds, fail, held)
    how = {"at_front": front, "retry": retry and Retry(**retry), "job_timeout": int(seconds) + 600}
    if after:
        first = queue.enqueue(*what, job_id=ids[0], **how)
        for id in ids[1:]:
            queue.enqueue(*what, job_id=id, depends_on=first, **how)
        return
    with connection.pipeline() as pipeline:
        for id in ids:
            if countdown is None:
                queue.enqueue(*what, job_id=id, pipeline=pipeline, **how)
            else:
                queue.enqueue_in(datetime.timedelta(seconds=countdown), *what, job_id=id, pipeline=pipeline, **how)
        pipeline.execute()


if __name__ == "__main__":
    for load in json.loads(sys.argv[1]):
        publish(**load)
