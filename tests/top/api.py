"""An API server and an operator behind it, as far as `kubectl twp top` asks them: pools as objects, the operator's pods, and its read
API through `pods/portforward`. What the operator answers its own types have written, in tests/view/."""

import base64
import datetime
import hashlib
import http.server
import json
import pathlib
import re
import struct
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
POOLS, ONE, STANDBY = (json.loads((ROOT / "tests/view" / name).read_text()) for name in ("pools.json", "pool.json", "standby.json"))
LEADER, OTHER, PORT = POOLS["leader"]["pod"], "twp-operator-7c9d6b5f4-stand", 8082
OBJECTS = "/apis/taskworkerpool.dev/v1alpha1"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CHUNK = 32 << 10


def recent(answer):
    """The same as of now, and two minutes on: so that ages in minutes are the same while the tests run."""
    shift = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(answer["at"]) - datetime.timedelta(seconds=130)
    moved = lambda found: (datetime.datetime.fromisoformat(found[1]) + shift).strftime('"%Y-%m-%dT%H:%M:%SZ"')
    return re.sub(r'"(\d{4}-\d\d-\d\dT[\d:]+Z)"', moved, json.dumps(answer))


def item(pool):
    """The object of a pool: what the operator wrote into its status."""
    work = pool["work"] and {key: pool["work"][key] for key in ("waiting", "running", "inFlight", "scheduled", "oldestWaitSeconds")}
    conditions = [{"type": one["type"], "status": one["status"], "reason": one["reason"], "message": one["message"],
                   "lastTransitionTime": one["since"]} for one in pool["conditions"]]
    replicas = pool["replicas"]
    return {
        "apiVersion": "taskworkerpool.dev/v1alpha1", "kind": "TaskWorkerPool",
        "metadata": {"namespace": pool["namespace"], "name": pool["name"], "uid": pool["name"]},
        "spec": {"targetRef": {"name": "worker"}, "broker": {"url": "redis://redis:6379/0"}, "maxReplicas": replicas["max"],
                 "target": {"waitSeconds": pool["promise"]["waitSeconds"]}},
        "status": {"message": pool["message"], "replicas": replicas["set"], "readyReplicas": replicas["ready"],
                   "desiredReplicas": replicas["wanted"], "work": work, "conditions": conditions},
    }


def pod(name, view):
    env = [{"name": "TWP_VIEW_LISTEN", "value": f"0.0.0.0:{PORT}"}] if view else []
    return {"metadata": {"namespace": "twp-system", "name": name, "labels": {"app.kubernetes.io/name": "twp-operator"}},
            "spec": {"containers": [{"name": "operator", "env": env}]}, "status": {"phase": "Running"}}


class Api:
    """`way`: `live`, `off` (no view), `broken` (every connection is closed) or `silent` (nobody answers)."""

    def __init__(self):
        self.pools, self.one = list(POOLS["pools"]), dict(ONE["pool"])
        self.way, self.asked, self.ended = "live", {}, threading.Event()
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = self.path.split("?")[0]
                api.asked[path] = api.asked.get(path, 0) + 1
                if api.way == "silent":
                    api.ended.wait()
                if api.way in ("broken", "silent"):
                    self.close_connection = True
                elif path.endswith("/portforward"):
                    self.forward(path.split("/")[-2])
                elif path == "/api/v1/pods":
                    # The first one does not act, and says who does.
                    self.reply({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod(OTHER, api.way != "off"), pod(LEADER, api.way != "off")]})
                elif path.startswith(OBJECTS):
                    self.objects(path.removeprefix(OBJECTS).strip("/").split("/"))
                else:
                    self.refuse()

            def objects(self, parts):
                namespace = parts[1] if parts[0] == "namespaces" else None
                found = [item(pool) for pool in api.pools if namespace in (None, pool["namespace"])]
                if len(parts) == 4:
                    named = [one for one in found if one["metadata"]["name"] == parts[3]]
                    return self.reply(named[0]) if named else self.refuse()
                return self.reply({"kind": "TaskWorkerPoolList", "apiVersion": "taskworkerpool.dev/v1alpha1", "metadata": {}, "items": found})

            def refuse(self):
                self.reply({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "", "reason": "NotFound", "code": 404}, 404)

            def reply(self, value, status=200):
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def forward(self, name):
                """The read API of a pod, within a websocket: channel 0 is the port's data, channel 1 its errors."""
                self.close_connection = True
                accept = base64.b64encode(hashlib.sha1((self.headers["Sec-WebSocket-Key"] + GUID).encode()).digest()).decode()
                self.send_response(101)
                for header, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept),
                                      ("Sec-WebSocket-Protocol", "v4.channel.k8s.io")):
                    self.send_header(header, value)
                self.end_headers()
                for channel in (0, 1):
                    self.send(bytes([channel]) + struct.pack("<H", PORT))
                request = b""
                while b"\r\n\r\n" not in request:
                    got = self.receive()
                    if got is None:
                        return
                    request += got[1:]
                status, body = api.answer(name, request.split(b" ")[1].decode())
                head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
                data = head.encode() + body
                for at in range(0, len(data), CHUNK):
                    self.send(b"\0" + data[at:at + CHUNK])
                while self.receive() is not None:
                    pass

            def send(self, data):
                size = len(data)
                head = bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size)
                self.wfile.write(b"\x82" + head + data)
                self.wfile.flush()

            def receive(self):
                """Payload of the next frame; `None`: there is none any more."""
                head = self.rfile.read(2)
                if len(head) < 2 or head[0] & 0x0f == 8:
                    return None
                size = head[1] & 0x7f
                size = {126: lambda: struct.unpack(">H", self.rfile.read(2))[0], 127: lambda: struct.unpack(">Q", self.rfile.read(8))[0]}.get(size, lambda: size)()
                mask, data = self.rfile.read(4), self.rfile.read(size)
                return bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # A program that ends in the middle of an answer is no news.
        self.server.handle_error = lambda *_: None
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, name, path):
        """What the operator's pod answers."""
        if name != LEADER:
            return 503, json.dumps(STANDBY).encode()
        if path == "/api/v1/pools":
            return 200, recent(POOLS | {"pools": self.pools}).encode()
        return 200, recent(ONE | {"pool": self.one}).encode()

    def kubeconfig(self, folder):
        path = pathlib.Path(folder) / f"kubeconfig-{self.server.server_port}"
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "fake", "users": [{"name": "fake", "user": {}}],
            "clusters": [{"name": "fake", "cluster": {"server": f"http://127.0.0.1:{self.server.server_port}"}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake", "namespace": "shop"}}]}))
        return path

    def close(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
