import time

from celery import shared_task
from django.conf import settings
from django.core.mail import send_mail


@shared_task
def send_email_task(subject, message, recipient_list):
    time.sleep(settings.TASK_SECONDS)
    return send_mail(subject, message, None, recipient_list)
