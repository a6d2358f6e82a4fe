"""The application of tests/e2e/versions: tasks that run until they are let go, and a record of each in a Redis of its own.

Settings come as JSON in the variable HELD: broker, queue, late, record. As a worker: `celery -A held worker`. As a client:
`python3 held.py 6`.
"""
import json
import os
import sys
import time

import redis
from celery import Celery

HELD = json.loads(os.environ["HELD"])
app = Celery("held", broker=HELD["broker"])
app.conf.update(
    task_default_queue=HELD["queue"],
    task_acks_late=HELD["late"],
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)


@app.task(name="hold", bind=True)
def hold(self):
    record = redis.Redis.from_url(HELD["record"])
    record.rpush("started", self.request.id)
    while not record.exists("let-go"):
        time.sleep(0.1)
    record.rpush("ended", self.request.id)


if __name__ == "__main__":
    for _ in range(int(sys.argv[1])):
        hold.apply_async()
