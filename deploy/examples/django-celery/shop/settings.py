"""Everything that differs between clusters comes from the environment."""

import os


def flag(name):
    return os.environ.get(name, "").lower() in ("1", "true", "yes", "on")


SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "demo-only")
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["mail"]
MIDDLEWARE = []
DATABASES = {}
USE_TZ = True

# redis://:password@host:6379/0 or amqp://user:password@host:5672//
CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0")
# redis://… or rpc://
CELERY_RESULT_BACKEND = os.environ.get("CELERY_RESULT_BACKEND", "rpc://")
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_ACKS_LATE = flag("CELERY_TASK_ACKS_LATE")

EMAIL_HOST = os.environ.get("EMAIL_HOST", "localhost")
EMAIL_PORT = int(os.environ.get("EMAIL_PORT", "8025"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = "shop@example.com"

# How long a task works before it sends its mail: gives the operator something to scale.
TASK_SECONDS = float(os.environ.get("TASK_SECONDS", "0"))
