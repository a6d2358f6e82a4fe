import time

from celery import shared_task
from django.conf import settings
from django.core.mail import send_mail

# While the mail server cannot be reached or refuses (SMTP's errors are OSErrors): again after some seconds, twice as many
# each time, five times.
RETRY = {"autoretry_for": (OSError,), "retry_backoff": 2, "retry_backoff_max": 60, "max_retries": 5}


@shared_task(**RETRY)
def send_email_task(subject, message, recipient_list):
    time.sleep(settings.TASK_SECONDS)
    send_mail(subject, message, None, recipient_list)


@shared_task(**RETRY)
def send_newsletter():
    send_mail("This week in the shop", "Nothing new.", None, ["customers@example.com"])
