"""python manage.py test: needs no broker and no mail server."""

import logging
import smtplib
import time
from unittest import mock

from celery.contrib.testing.worker import start_worker
from django.core import mail
from django.test import SimpleTestCase
from kombu.exceptions import OperationalError
from shop import celery_app

from .tasks import send_email_task, send_newsletter

logging.disable(logging.CRITICAL)  # what goes wrong here is meant to
ORDER = ("order 1", "Thank you for your order.", ["customer@example.com"])


class InMemory(SimpleTestCase):
    """A broker in this process, and the mailbox of Django's test runner."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        celery_app.conf.update(broker_url="memory://", broker_transport_options={"polling_interval": 0.01})
        cls.addClassCleanup(celery_app.pool.force_close_all)

    def send(self, count):
        return self.client.post(f"/send?count={count}")


class SendView(InMemory):
    def test_every_order_becomes_one_mail(self):
        self.assertEqual(self.send(20).json(), {"queued": 20})
        self.assertEqual(self.send(5).json(), {"queued": 5})
        self.assertEqual(mail.outbox, [], "nothing runs before a worker is there")
        with start_worker(celery_app, pool="threads", concurrency=2, perform_ping_check=False, shutdown_timeout=30):
            deadline = time.monotonic() + 30
            while len(mail.outbox) < 25 and time.monotonic() < deadline:
                time.sleep(0.02)
        # The worker has ended: no mail is on its way.
        self.assertEqual(len(mail.outbox), 25)
        self.assertEqual(len({sent.subject for sent in mail.outbox}), 25)

    def test_refuses_what_it_cannot_do(self):
        for count in ("0", "-1", "many", "10001", ""):
            self.assertEqual(self.send(count).status_code, 400, count)
        self.assertEqual(self.client.get("/send?count=1").status_code, 405)

    def test_says_how_many_were_queued_when_the_broker_goes_away(self):
        with mock.patch.object(send_email_task, "delay", side_effect=[None, None, OperationalError("gone")]):
            answer = self.send(5)
        self.assertEqual((answer.status_code, answer.json()["queued"]), (503, 2))

    def test_healthz(self):
        self.assertEqual(self.client.get("/healthz").content, b"ok\n")


class Tasks(SimpleTestCase):
    def attempts(self, faults, **options):
        """Runs the task in this process; a retry follows at once."""
        with mock.patch("mail.tasks.send_mail", side_effect=faults) as send_mail:
            result = send_email_task.apply(ORDER, **options)
        return send_mail.call_count, result.state

    def test_a_mail_server_that_comes_back_gets_its_mail(self):
        faults = [smtplib.SMTPServerDisconnected(), ConnectionRefusedError(), 1]
        self.assertEqual(self.attempts(faults), (3, "SUCCESS"))

    def test_gives_up_after_five_retries(self):
        self.assertEqual(self.attempts(smtplib.SMTPServerDisconnected()), (6, "FAILURE"))

    def test_a_fault_of_ours_is_not_tried_again(self):
        self.assertEqual(self.attempts(ValueError("a header with a line break")), (1, "FAILURE"))

    def test_beat_names_a_task_that_is_there(self):
        (entry,) = celery_app.conf.beat_schedule.values()
        self.assertEqual(celery_app.tasks[entry["task"]].name, send_newsletter.name)
        send_newsletter()
        self.assertEqual(len(mail.outbox), 1)
