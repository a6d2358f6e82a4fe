"""The demo's web server: `python3 -m shop.serve`. Use a real WSGI server in production.

A fixed set of threads, because Celery's rpc:// backend declares one reply queue
per thread that calls `.delay()`.
"""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from django.core.wsgi import get_wsgi_application


class Server(WSGIServer):
    request_queue_size = 128

    def __init__(self, *args, threads=4, **kwargs):
        super().__init__(*args, **kwargs)
        self.threads = ThreadPoolExecutor(threads)

    def process_request(self, request, client_address):
        self.threads.submit(self.process_request_in_thread, request, client_address)

    def process_request_in_thread(self, request, client_address):
        try:
            self.finish_request(request, client_address)
        except Exception:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)


class Handler(WSGIRequestHandler):
    timeout = 10  # a silent client does not keep a thread


def main():
    # As PID 1 of a container a process only dies of the signals it handles.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    server = Server(("0.0.0.0", int(os.environ.get("WEB_PORT", "8000"))), Handler)
    server.set_app(get_wsgi_application())
    server.serve_forever()


if __name__ == "__main__":
    main()
