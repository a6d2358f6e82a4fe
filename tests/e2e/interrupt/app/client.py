"""The test's client in the cluster: publishes, and asks workers and broker, with Celery's own client.

Requests come as JSON in the list `asked` of the recording Redis, each answer goes to the list that its request names. One
process for all of them: to start Python costs more than everything that it does here.
"""
import base64
import json
import threading
import time
import traceback
import urllib.request
import uuid

import plans
from nap import QUEUE, SETTINGS, app, nap, record, records


def publish(plan, offset=0, **settings):
    """Publishes a plan, its tasks numbered from `offset`; the answer comes when all of it is published."""
    begin = time.time()
    naps = getattr(plans, plan)(**settings)
    for number, (at, seconds) in enumerate(naps, offset):
        time.sleep(max(0, begin + at - time.time()))
        record("submitted", number=number, id=(id := str(uuid.uuid4())), seconds=seconds)
        nap.apply_async((number, seconds), task_id=id, retry=True)
    return len(naps)


def look(workers, patience=1.0):
    """What each worker says: the queues it consumes from, and how many tasks it runs and holds back."""
    # Where fewer answer, each question takes its whole patience.
    inspect = app.control.inspect(timeout=patience, limit=workers)
    said = [inspect.active_queues() or {}, inspect.active() or {}, inspect.reserved() or {}]
    complete = set.intersection(*[set(answers) for answers in said])
    # `celery@POD`
    return {
        node.split("@", 1)[1]: {
            "queues": [queue["name"] for queue in said[0][node]],
            "running": len(said[1][node]),
            "reserved": len(said[2][node]),
        }
        for node in complete
    }


def cancel():
    """All workers stop fetching and work off what they hold."""
    app.control.cancel_consumer(QUEUE)


def limit(deliveries):
    """A policy: a task of a quorum queue that was given back so often is dropped."""
    host = SETTINGS["broker"].split("@")[1].split(":")[0]
    policy = {"pattern": f"^{QUEUE}$", "definition": {"delivery-limit": deliveries}, "apply-to": "quorum_queues"}
    request = urllib.request.Request(
        f"http://{host}:15672/api/policies/%2F/limit",
        json.dumps(policy).encode(),
        {"Authorization": "Basic " + base64.b64encode(b"guest:guest").decode(), "Content-Type": "application/json"},
        method="PUT",
    )
    urllib.request.urlopen(request, timeout=10).close()


def remaining():
    """What waits in the RabbitMQ queue, one by one: number of the task, and how often it was given back. It all goes back
    at the end, which counts as one more time: to be asked once, at the end."""
    found = []
    with app.connection_for_write() as connection:
        with connection.channel() as channel:
            queue = app.amqp.queues[QUEUE].bind(channel)
            while (message := queue.get(no_ack=False)) is not None:
                number = json.loads(message.body)[0][0]
                found.append([number, message.headers.get("x-delivery-count", 0)])
    return found


CALLS = {call.__name__: call for call in (publish, look, cancel, limit, remaining)}


def answer(request):
    try:
        said = {"done": CALLS[request["call"]](**request["with"])}
    except Exception:
        said = {"failed": traceback.format_exc()}
    records.rpush(request["answer"], json.dumps(said))


if __name__ == "__main__":
    while True:
        asked = records.blpop("asked", timeout=2)
        if asked:
            threading.Thread(target=answer, args=(json.loads(asked[1]),), daemon=True).start()
