"""The operator itself, before an API server that has one pool, its Deployment and a Lease, and no broker. For what no recorded answer
shows: that flag, event loop, server and page fit together."""

import http.client
import http.server
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import time

from fake import ROOT

POOL = {"apiVersion": "taskworkerpool.dev/v1alpha1", "kind": "TaskWorkerPool",
        "metadata": {"name": "mail", "namespace": "shop", "uid": "1", "generation": 1, "resourceVersion": "5", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"targetRef": {"name": "mail-worker"}, "broker": {"url": "redis://127.0.0.1:1/0"}, "minReplicas": 2, "maxReplicas": 9}}
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment",
              "metadata": {"name": "mail-worker", "namespace": "shop", "uid": "2", "generation": 1, "resourceVersion": "6"},
              "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "mail"}},
                       "template": {"metadata": {"labels": {"app": "mail"}}, "spec": {"containers": [{"name": "worker", "image": "x"}]}}},
              "status": {"replicas": 2, "readyReplicas": 2, "updatedReplicas": 2, "observedGeneration": 1}}
LISTS = {"/apis/taskworkerpool.dev/v1alpha1/taskworkerpools": ("taskworkerpool.dev/v1alpha1", "TaskWorkerPoolList", [POOL]),
         "/apis/apps/v1/deployments": ("apps/v1", "DeploymentList", [DEPLOYMENT])}
LEASE = "/apis/coordination.k8s.io/v1/namespaces/twp-system/leases/twp-operator"


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path in LISTS:
            version, kind, items = LISTS[path]
            if "watch=" in query:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Connection", "close")
                self.end_headers()
                time.sleep(120)
                self.close_connection = True
                return None
            return self.reply(200, {"apiVersion": version, "kind": kind, "metadata": {"resourceVersion": "7"}, "items": items})
        if path == LEASE:
            now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
            return self.reply(200, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                                    "metadata": {"name": "twp-operator", "namespace": "twp-system", "resourceVersion": str(time.time_ns())},
                                    "spec": {"holderIdentity": "twp-operator-of-others", "leaseDurationSeconds": 15, "renewTime": now, "acquireTime": now}})
        if path.endswith("/taskworkerpools/mail/status"):
            return self.reply(200, POOL | {"status": json.loads(body or "{}").get("status", {})})
        return self.reply(404, {"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404})

    do_GET = do_PATCH = do_POST = do_PUT = answer

    def reply(self, status, value):
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def program():
    target = os.environ.get("CARGO_TARGET_DIR") or ROOT / "target"
    return pathlib.Path(os.environ.get("TWP_OPERATOR") or pathlib.Path(target) / "debug/twp-operator")


class Operator:
    """A process, with the view on a port of loopback."""

    def __init__(self, *more):
        self.api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
        self.api.daemon_threads = True
        self.api.handle_error = lambda *_: None
        threading.Thread(target=self.api.serve_forever, daemon=True).start()
        self.folder = tempfile.TemporaryDirectory()
        config = pathlib.Path(self.folder.name) / "kubeconfig"
        config.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "a", "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "clusters": [{"name": "a", "cluster": {"server": f"http://127.0.0.1:{self.api.server_port}"}}], "users": [{"name": "a", "user": {}}]}))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = open(pathlib.Path(self.folder.name) / "log", "w+")
        self.process = subprocess.Popen(
            [program(), "run", "--listen", "127.0.0.1:0", "--probes", "127.0.0.1:0", "--view-listen", f"127.0.0.1:{self.port}", "--pod-name", "twp-operator-0",
             "--pod-namespace", "twp-system", "--broker-cidr", "127.0.0.0/8", *more],
            env={"PATH": os.environ["PATH"], "KUBECONFIG": str(config)}, stdout=self.log, stderr=self.log)
        self.url = f"http://127.0.0.1:{self.port}/"

    def get(self, path, host="localhost"):
        """Status and JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.putrequest("GET", path, skip_host=True)
        connection.putheader("Host", host)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def until(self, what, path, is_so):
        """The first answer that is so."""
        deadline, said = time.monotonic() + 60, None
        while time.monotonic() < deadline:
            try:
                said = self.get(path)
                if is_so(*said):
                    return said[1]
            except OSError as error:
                said = error
            assert self.process.poll() is None, f"the operator has ended: {self.words()}"
            time.sleep(0.1)
        raise AssertionError(f"not within a minute: {what}: {str(said)[:1000]}; {self.words()}")

    def words(self):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text()[-2000:]

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        self.api.shutdown()
        self.log.close()
        self.folder.cleanup()
