"""The RQ application of the tests: naps, and a record of every start and end in a Redis of its own.

Settings come as JSON in the variable LOAD: broker, queue (the one to publish to), name, record, serializer (a dotted path, if
it is another than pickle). RQ itself reads the variable RQ_KEY_PREFIX (`rq`), here and in the worker.

As a worker, where this file lies (BROKER, Q1 and Q2 as in LOAD; a worker takes from any number of queues, the first one first):
  `rq worker -u BROKER Q1 Q2`                          a process for each job, one at a time
  `rq worker -u BROKER --with-scheduler Q1`            and it moves jobs that are due: countdown, retry with an interval
  `rq worker -u BROKER -n NAME Q1`                     the worker's name, else 32 random hex digits
  `rq worker -u BROKER -w rq.SimpleWorker Q1`          the job in the worker's own process
  `rq worker-pool -u BROKER -n 3 Q1 Q2`                three workers, which always have schedulers; never with names
  `rq worker -u BROKER -S rq.serializers.JSONSerializer Q1`
As a client, which prints the jobs' ids: `python3 rq_load.py '{"count": 40, "seconds": 600}'`.
"""
import datetime
import json
import os
import sys
import time

import redis
from rq import Queue, Retry, get_current_job

LOAD = json.loads(os.environ["LOAD"])


def nap(seconds, fail=False):
    record = redis.Redis.from_url(LOAD["record"])
    job = get_current_job()
    record.rpush("started:" + LOAD["name"], job.id)
    time.sleep(seconds)
    if fail:
        raise RuntimeError("as told")
    record.rpush("ended:" + LOAD["name"], job.id)


def publish(count, seconds=600, countdown=None, queue=None, front=False, after=None, fail=False, retry=None, timeout=None):
    """`after` is the id of a job that has to end first, `retry` has `max` and `interval`. All at once, but for `after`."""
    connection = redis.Redis.from_url(LOAD["broker"])
    queue = Queue(queue or LOAD["queue"], connection=connection, serializer=LOAD.get("serializer"))
    # By its name: here this module is __main__, which no worker could import.
    what = ("rq_load.nap", seconds, fail)
    how = {"at_front": front, "retry": retry and Retry(**retry), "job_timeout": timeout or int(seconds) + 60}
    if after is not None:  # watches the other job
        return [queue.enqueue(*what, depends_on=after, **how).id for _ in range(count)]
    with connection.pipeline() as pipeline:
        if countdown is None:
            jobs = [queue.enqueue(*what, pipeline=pipeline, **how) for _ in range(count)]
        else:
            due = datetime.timedelta(seconds=countdown)
            jobs = [queue.enqueue_in(due, *what, pipeline=pipeline, **how) for _ in range(count)]
        pipeline.execute()
    return [job.id for job in jobs]


if __name__ == "__main__":
    print(json.dumps(publish(**json.loads(sys.argv[1]))))
