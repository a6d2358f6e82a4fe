"""Runs Python whenever a test asks for it, in a fork of this process, for to import a framework costs more than everything
that it does here. The arguments are the modules that it imports beforehand.

Requests come as JSON in the list `asked` of the Redis RECORDS: `program`, a file, with its `argument` and its LOAD, or `code`;
and where the answer goes, which is what was printed.
"""
import contextlib
import importlib
import io
import json
import os
import runpy
import signal
import sys
import traceback

import redis


def run(asked):
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            if "code" in asked:
                exec(asked["code"], {})
            else:
                os.environ["LOAD"], sys.argv = asked["load"], [asked["program"], asked["argument"]]
                runpy.run_path(asked["program"], run_name="__main__")
        said = {"done": printed.getvalue()}
    except BaseException:
        said = {"failed": traceback.format_exc()}
    redis.Redis.from_url(os.environ["RECORDS"]).rpush(asked["answer"], json.dumps(said))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    requests = redis.Redis.from_url(os.environ["RECORDS"])
    while True:
        try:
            asked = requests.blpop("asked:" + os.environ["CLIENT"], timeout=2)
        except redis.ConnectionError:
            # Some tests break every connection that there is.
            continue
        if asked and os.fork() == 0:
            run(json.loads(asked[1]))
            # As a program ends: connections are closed in order, or RabbitMQ drops what it has not taken in yet.
            sys.exit(0)
