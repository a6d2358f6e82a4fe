"""Everything that differs between clusters comes from the environment."""

import os

from celery.schedules import crontab


def flag(name):
    return os.environ.get(name, "").lower() in ("1", "true", "yes", "on")


SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "demo-only")
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
INSTALLED_APPS = ["mail.apps.MailConfig"]
MIDDLEWARE = []
DATABASES = {}
TIME_ZONE = "UTC"
USE_TZ = True

# redis://:password@host:6379/0 or amqp://user:password@host:5672//
CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Nobody asks what became of a mail.
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = flag("CELERY_TASK_ACKS_LATE")
# With late acknowledgement: a child that is killed for memory gives its task back.
CELERY_TASK_REJECT_ON_WORKER_LOST = CELERY_TASK_ACKS_LATE
# No worker holds tasks that another one could run.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# A task may clean up at the first limit and is killed at the second one, which is below the workers' grace period.
CELERY_TASK_SOFT_TIME_LIMIT = 40
CELERY_TASK_TIME_LIMIT = 45
# Run by `celery beat`, in a Deployment of its own.
CELERY_BEAT_SCHEDULE = {
    "newsletter": {"task": "mail.tasks.send_newsletter", "schedule": crontab(hour=6, minute=0, day_of_week="monday")},
}

EMAIL_HOST = os.environ.get("EMAIL_HOST", "localhost")
EMAIL_PORT = int(os.environ.get("EMAIL_PORT", "8025"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = "shop@example.com"

# How long a task works before it sends its mail: gives the operator something to scale.
TASK_SECONDS = float(os.environ.get("TASK_SECONDS", "0"))
