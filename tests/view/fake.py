"""The operator's view as far as the page needs it: the page's own files, with the headers that the server sends, and answers that
the operator's types have written."""

import http.server
import json
import pathlib
import re
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
KINDS = {"/": ("page.html", "text/html; charset=utf-8"), "/view.js": ("view.js", "text/javascript; charset=utf-8"),
         "/view.css": ("view.css", "text/css; charset=utf-8")}


def policy():
    """The Content-Security-Policy of src/view/server.rs."""
    text = re.search(r'const POLICY: &str = "(.*?)";', (ROOT / "src/view/server.rs").read_text(), re.S)[1]
    return re.sub(r"\\\n\s*", "", text)


class Fake:
    """`pools` is the answer to the list, `one` that to each pool; `status` 0 hangs up."""

    def __init__(self):
        self.pools = self.one = {}
        self.status, self.asked, self.changed = 200, 0, {}
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path in KINDS:
                    file, kind = KINDS[self.path]
                    text = fake.changed.get(file) or (ROOT / "src/view" / file).read_text()
                    return self.reply(200, kind, text)
                if self.path == "/troubleshooting.md":
                    return self.reply(200, "text/plain; charset=utf-8", (ROOT / "docs/troubleshooting.md").read_text())
                fake.asked += 1
                if fake.status == 0:
                    return self.close_connection
                answer = fake.pools if self.path == "/api/v1/pools" else fake.one
                return self.reply(fake.status, "application/json", answer if isinstance(answer, str) else json.dumps(answer))

            def reply(self, status, kind, text):
                body = text.encode()
                self.send_response(status)
                for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), ("Content-Security-Policy", policy()),
                                    ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-store")):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # A browser that leaves in the middle of an answer is no news.
        self.server.handle_error = lambda *_: None
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
