"""The mail server of the demo: keeps no mail, counts each by the order number in its subject.

GET  /counts  {"received": n, "unique": m, "duplicates": n - m}
POST /reset   starts at zero again
"""

import json
import os
import signal
import sys
import threading
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller


class Counts:
    """Aiosmtpd's handler, and the numbers it keeps."""

    def __init__(self):
        self.lock = threading.Lock()
        self.reset()

    def reset(self):
        with self.lock:
            self.received = 0
            self.subjects = set()

    def read(self):
        with self.lock:
            unique = len(self.subjects)
            return {"received": self.received, "unique": unique, "duplicates": self.received - unique}

    async def handle_DATA(self, server, session, envelope):
        subject = str(message_from_bytes(envelope.content)["Subject"])
        with self.lock:
            self.received += 1
            self.subjects.add(subject)
        return "250 OK"


class Sink:
    """SMTP and HTTP on the given ports. Port 0 of HTTP takes a free one."""

    def __init__(self, smtp_port, http_port, host="0.0.0.0"):
        self.counts = counts = Counts()

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self):
                self.answer(200, counts.read()) if self.path == "/counts" else self.answer(404, {})

            def do_POST(self):
                if self.path != "/reset":
                    return self.answer(404, {})
                counts.reset()
                self.answer(200, counts.read())

            def answer(self, status, body):
                data = json.dumps(body).encode() + b"\n"
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.smtp = Controller(counts, hostname=host, port=smtp_port)
        self.http = ThreadingHTTPServer((host, http_port), Handler)
        self.http.daemon_threads = True

    def start(self):
        self.smtp.start()
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()
        self.smtp.stop()


if __name__ == "__main__":
    # As PID 1 of a container a process only dies of the signals it handles.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Sink(int(os.environ.get("SMTP_PORT", "8025")), int(os.environ.get("HTTP_PORT", "8026"))).start()
    signal.pause()
