"""An application as charts run it: where its broker is, it puts together from what the chart gives it. Its tasks are nap.py's."""
import os
import ssl
from urllib.parse import quote

from kombu import Queue

given = os.environ


def joined(kind, scheme, path):
    """As settings.py of many an application does it."""
    user, password = (quote(given[f"{kind}_{part}"], safe="") for part in ("USER", "PASSWORD"))
    return f"{scheme}://{user}:{password}@{given[f'{kind}_HOST']}:{given[f'{kind}_PORT']}/{quote(given[path], safe='')}"


def url():
    if "CELERY_BROKER_URL" in given:
        return given["CELERY_BROKER_URL"]
    if "REDIS_HOST" in given:
        return joined("REDIS", "redis", "REDIS_DB")
    return joined("RABBITMQ", "amqp", "RABBITMQ_VHOST")


given["BROKER"] = url()
given["ACKS_LATE"] = "1"
from nap import app  # it reads both

if "BROKER_CA" in given:
    app.conf.broker_use_ssl = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": given["BROKER_CA"]}
if "DECLARED_QUEUES" in given:
    app.conf.task_queues = [Queue(f"queue-{number}") for number in range(int(given["DECLARED_QUEUES"]))]
