"""An API of external metrics, as an adapter serves it to HorizontalPodAutoscalers: the length of a list in Redis, which is what
KEDA's scaler for Redis and most adapters ask for. The list is the value of the metric's only label.
"""
import http.server
import json
import os
import ssl
import time
import urllib.parse

import redis

GROUP = "/apis/external.metrics.k8s.io/v1beta1"
broker = redis.Redis.from_url(os.environ["BROKER"])


class Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        if url.path == GROUP:
            resource = {"name": "*", "singularName": "", "namespaced": True, "kind": "ExternalMetricValueList", "verbs": ["get"]}
            self.answer({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": GROUP[6:], "resources": [resource]})
        elif url.path.startswith(GROUP + "/namespaces/"):
            label = urllib.parse.parse_qs(url.query)["labelSelector"][0]
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            value = {
                "metricName": url.path.rsplit("/", 1)[1],
                "metricLabels": {},
                "timestamp": now,
                "value": str(broker.llen(label.split("=")[1])),
            }
            self.answer({"kind": "ExternalMetricValueList", "apiVersion": GROUP[6:], "metadata": {}, "items": [value]})
        else:
            self.answer({}, 404)

    def answer(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.pem", "server.key")
server = http.server.ThreadingHTTPServer(("", 6443), Metrics)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
