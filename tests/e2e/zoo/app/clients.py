"""The application's own clients, one process for each set-up, and beside each a bystander that pings.

The names of set-ups come in the list `open` of the recording Redis, with broker and settings; each is a fork of this process,
for to import Celery costs more than everything that it does here. It publishes what comes in `SEAT:asked`, and every two
seconds it asks the workers as `celery inspect ping` does. It ends with the key `SEAT:close`.
"""
import importlib
import json
import os
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request
from base64 import b64encode
from urllib.parse import quote

# What every client needs is imported once.
import bystander
import celery.app.amqp
import celery.app.control
import kombu.transport.pyamqp
import kombu.transport.redis
import redis
from celery import chord

records = redis.Redis.from_url(os.environ["RECORDS"], socket_timeout=60)


class Client:
    def __init__(self, asked):
        os.environ.update(BROKER=asked["broker"], SETTINGS=json.dumps(asked["settings"]), POD="clients")
        self.zoo = importlib.import_module("zoo")
        self.name = asked["settings"]["name"]
        # A second client of the same set-up, on another broker, has another name.
        self.seat = asked["seat"]

    def send(self, item):
        """One item of the load."""
        options = {key: item[key] for key in ("queue", "priority", "countdown", "serializer") if key in item}
        kind, seconds = item.get("task", "nap"), item["seconds"]
        if kind == "chord":
            chord([self.zoo.part.s(seconds) for _ in range(item["parts"])])(self.zoo.total.s())
        elif kind == "again":
            self.zoo.again.apply_async((seconds, item["times"], item["every"]), **options)
        elif kind == "odd":
            self.zoo.odd.apply_async(({seconds},), **options)
        else:
            self.zoo.app.tasks[kind].apply_async((seconds,), **options)

    def publish(self, load):
        begin, sent = time.time(), 0
        for item in sorted(load, key=lambda item: item.get("at", 0)):
            time.sleep(max(0, begin + item.get("at", 0) - time.time()))
            for _ in range(item.get("tasks", 1)):
                self.send(item)
                sent += 1
                time.sleep(item.get("apart", 0))
        return sent

    def closed(self):
        return records.exists(f"{self.seat}:close")

    def stand_by(self, after):
        time.sleep(after)
        bystander.stand_by(self.zoo.app, records, f"{self.name}:", self.closed)

    def answer(self, asked):
        try:
            said = {"done": self.publish(asked["publish"])}
        except Exception:
            said = {"failed": traceback.format_exc()}
        records.rpush(asked["answer"], json.dumps(said))

    def work(self, after):
        threading.Thread(target=self.stand_by, args=(after,), daemon=True).start()
        while not self.closed():
            asked = records.blpop(f"{self.seat}:asked", timeout=2)
            if asked:
                threading.Thread(target=self.answer, args=(json.loads(asked[1]),), daemon=True).start()


def call(base, method, path, body=None):
    """RabbitMQ's management API, as the administrator."""
    credentials = "Basic " + b64encode(b"guest:guest").decode()
    headers = {"Authorization": credentials, "Content-Type": "application/json"}
    request = urllib.request.Request(f"{base}/api/{path}", json.dumps(body or {}).encode(), headers, method=method)
    urllib.request.urlopen(request, timeout=20).close()


def vhost(base, name, users):
    """A virtual host, and who may do what there."""
    call(base, "PUT", f"vhosts/{name}")
    for user in [{"name": "guest", "password": "guest", "rights": [".*"] * 3, "tags": "administrator"}, *users]:
        who = quote(user["name"], safe="")
        call(base, "PUT", f"users/{who}", {"password": user["password"], "tags": user.get("tags", "")})
        configure, write, read = user["rights"]
        call(base, "PUT", f"permissions/{name}/{who}", {"configure": configure, "write": write, "read": read})


def attend(asked):
    if "vhost" in asked:
        try:
            vhost(**asked["vhost"])
            said = {"done": None}
        except urllib.error.HTTPError as error:
            said = {"failed": f"{error}: {error.read()[:300]}"}
        except Exception:
            said = {"failed": traceback.format_exc()}
        records.rpush(asked["answer"], json.dumps(said))
    elif os.fork() == 0:
        try:
            Client(asked).work(asked["bystander"])
        except Exception:
            traceback.print_exc()
            records.rpush(f"{asked['settings']['name']}:pings", json.dumps({
                "begin": time.time(), "end": time.time(), "answered": [], "failed": traceback.format_exc()[-600:]}))
        # What it has open is its parent's, too.
        sys.stdout.flush()
        os._exit(0)


if __name__ == "__main__":
    import signal

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        asked = records.blpop("open", timeout=2)
        if asked:
            attend(json.loads(asked[1]))
