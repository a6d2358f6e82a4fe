"""A task that takes its time and says when it starts and ends, in two lists of a Redis of its own."""
import os
import socket
import time

import redis
from celery import Celery

app = Celery("nap", broker=os.environ["BROKER"])
app.conf.update(
    task_acks_late=os.environ.get("ACKS_LATE") == "1",
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
)
records = redis.Redis.from_url(os.environ["RECORDS"])


@app.task
def nap(number, seconds):
    records.rpush("started", f"{number} {socket.gethostname()}")
    time.sleep(seconds)
    records.rpush("ended", number)
