"""A bystander: the application's own `inspect ping` beside everything that an operator does, and what workers say of themselves.

Workers call `attend` when their application is made: when they are ready, when they end and what they log as an ERROR goes to
the lists `words` and `errors` of a Redis. A client calls `stand_by`: each round goes to the list `pings`. Names of lists begin
with what is given.
"""
import collections
import json
import logging
import sys
import time
import traceback

from celery import signals

EVERY = 2
# On a busy machine; a full round does not take it.
PATIENCE = 8
# Who is connected may not forget it.
kept = []


def push(records, key, **what):
    line = json.dumps({"at": time.time(), **what})
    green = sys.modules.get("gevent") or sys.modules.get("eventlet")
    if green:
        # Signals come in its main loop, which may not wait for an answer.
        green.spawn(records.rpush, key, line)
    else:
        records.rpush(key, line)


class Errors(logging.Handler):
    """Logs of pods that have gone cannot be read any more: errors are recorded where they happen."""

    def __init__(self, records, key, pod):
        super().__init__(logging.ERROR)
        self.records, self.key, self.pod = records, key, pod

    def emit(self, line):
        push(self.records, self.key, pod=self.pod, text=self.format(line)[-2000:])


def attend(records, pod, name=""):
    """Of this worker, if the process is one."""
    ends = []

    def ready(sender=None, **_):
        # One that is told to end while it starts becomes ready all the same, and goes at once.
        if sender.hostname in ends:
            return
        push(records, name + "words", what="ready", node=sender.hostname, pod=pod)

    def ending(sender=None, **_):
        ends.append(sender)
        push(records, name + "words", what="ending", node=sender, pod=pod)

    def listen(logger=None, **_):
        logger.addHandler(Errors(records, name + "errors", pod))

    kept.extend([ready, ending, listen])
    signals.worker_ready.connect(ready)
    signals.worker_shutting_down.connect(ending)
    signals.after_setup_logger.connect(listen)
    signals.after_setup_task_logger.connect(listen)


def up(records, name):
    """The nodes that ought to answer, by their own words, and how many workers each is: two may share a name."""
    workers = collections.Counter()
    for line in records.lrange(name + "words", 0, -1):
        said = json.loads(line)
        place = said["pod"], said["node"]
        workers[place] = workers[place] + 1 if said["what"] == "ready" else 0
    nodes = collections.Counter()
    for (_, node), number in workers.items():
        nodes[node] += number
    return +nodes


def ping(app, records, name=""):
    """One round. It is over as soon as those have answered who must; others are not asked, or they would take their place."""
    nodes = up(records, name)
    said = {"begin": time.time(), "answered": [], "failed": None}
    try:
        whom = {"destination": list(nodes), "limit": nodes.total(), "timeout": PATIENCE} if nodes else {"timeout": 1}
        answers = app.control.ping(**whom)
        said["answered"] = [node for answer in answers or [] for node in answer]
    except Exception:
        said["failed"] = traceback.format_exc()[-600:]
    push(records, name + "pings", **said, end=time.time())


def stand_by(app, records, name="", closed=lambda: False):
    """Round after round."""
    while not closed():
        begin = time.time()
        ping(app, records, name)
        time.sleep(max(0, begin + EVERY - time.time()))
