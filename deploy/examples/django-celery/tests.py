"""python3 -m unittest tests: view, task, mail and sink, end to end, without a broker."""

import json
import os
import smtplib
import socket
import threading
import unittest
import urllib.error
import urllib.request


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


SMTP_PORT = free_port()
# Before Django and Celery load: both read the environment once.
os.environ.update(
    DJANGO_SETTINGS_MODULE="shop.settings",
    CELERY_BROKER_URL="memory://",
    CELERY_RESULT_BACKEND="cache+memory://",
    CELERY_TASK_ACKS_LATE="true",
    EMAIL_HOST="127.0.0.1",
    EMAIL_PORT=str(SMTP_PORT),
    TASK_SECONDS="0.01",
)

import django  # noqa: E402

django.setup()

from celery.contrib.testing.worker import start_worker  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from mail.tasks import send_email_task  # noqa: E402
from shop import celery_app  # noqa: E402
from shop.serve import Handler, Server  # noqa: E402
from sink import Sink  # noqa: E402


def call(method, url):
    request = urllib.request.Request(url, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


class QuietHandler(Handler):
    def log_message(self, *_):
        pass


class Demo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sink = Sink(SMTP_PORT, 0, host="127.0.0.1")
        cls.sink.start()
        cls.addClassCleanup(cls.sink.stop)
        cls.counts_url = f"http://127.0.0.1:{cls.sink.http.server_port}"

        server = Server(("127.0.0.1", 0), QuietHandler)
        server.set_app(get_wsgi_application())
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        cls.web_url = f"http://127.0.0.1:{server.server_port}"

    def setUp(self):
        self.assertEqual(call("POST", self.counts_url + "/reset")[0], 200)

    def counts(self):
        return json.loads(call("GET", self.counts_url + "/counts")[1])

    def send(self, count):
        status, body = call("POST", f"{self.web_url}/send?count={count}")
        return status, json.loads(body)

    def test_every_order_becomes_one_mail(self):
        self.assertEqual(self.send(20), (200, {"queued": 20}))
        self.assertEqual(self.send(5), (200, {"queued": 5}))
        self.assertEqual(self.counts()["received"], 0, "nothing runs before a worker is there")
        celery_app.conf.broker_transport_options = {"polling_interval": 0.01}
        with start_worker(celery_app, pool="threads", concurrency=2, perform_ping_check=False, shutdown_timeout=30):
            last = send_email_task.delay("order last", "", ["customer@example.com"])
            self.assertEqual(last.get(timeout=30), 1)
            for _ in range(100):
                if self.counts()["received"] == 26:
                    break
                threading.Event().wait(0.1)
        self.assertEqual(self.counts(), {"received": 26, "unique": 26, "duplicates": 0})

    def test_sink_tells_a_duplicate(self):
        with smtplib.SMTP("127.0.0.1", SMTP_PORT, timeout=10) as smtp:
            for number in (1, 2, 2):
                smtp.sendmail("a@example.com", ["b@example.com"], f"Subject: order {number}\r\n\r\nhello")
        self.assertEqual(self.counts(), {"received": 3, "unique": 2, "duplicates": 1})

    def test_view_refuses_what_it_cannot_do(self):
        for count in ("0", "-1", "many", "10001", ""):
            self.assertEqual(self.send(count)[0], 400, count)
        self.assertEqual(call("GET", self.web_url + "/send?count=1")[0], 405)

    def test_healthz(self):
        self.assertEqual(call("GET", self.web_url + "/healthz"), (200, b"ok\n"))

    def test_settings_follow_the_environment(self):
        self.assertTrue(celery_app.conf.task_acks_late)
        self.assertEqual(celery_app.conf.accept_content, ["json"])
        self.assertEqual(celery_app.conf.broker_url, "memory://")


if __name__ == "__main__":
    unittest.main()
