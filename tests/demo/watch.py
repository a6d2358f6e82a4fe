#!/usr/bin/env python3
"""Sends mails through the shop's view and looks, second by second, until all have arrived and no worker is left. Standard library
only; $KUBECTL is the command to reach the cluster by.

    watch.py BROKER NAMESPACE MAILS FILE    the samples go to FILE, a line for each to the terminal
    watch.py --summary FILE...              what came of it, once more
"""

import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
import urllib.request

SYSTEM = "twp-system"
PATIENCE = 300  # seconds
FIGURES = pathlib.Path("target/figures/main-job.json")  # the tests' own file


class Cluster:
    """The API server, by `kubectl proxy`: a process for each look would take the machine from the shop."""

    def __init__(self):
        command = [*os.environ["KUBECTL"].split(), "proxy", "--port=0"]
        self.proxy = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.proxy.stdout.readline()
        found = re.search(r"127\.0\.0\.1:\d+", line)
        if not found:
            sys.exit(f"demo: kubectl proxy does not start: {line}")
        self.url = f"http://{found[0]}"
        # Not by the proxy of the environment.
        self.http = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def open(self, path, method="GET", timeout=30):
        return self.http.open(urllib.request.Request(self.url + path, method=method), timeout=timeout)

    def text(self, path):
        with self.open(path) as answer:
            return answer.read().decode()

    def json(self, path):
        return json.loads(self.text(path))

    def metrics(self):
        """Of the replica that holds the Lease: it has the live numbers."""
        lease = self.json(f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/twp-operator")
        return self.text(f"/api/v1/namespaces/{SYSTEM}/pods/{lease['spec']['holderIdentity']}:8080/proxy/metrics")


def number(metrics, name, namespace):
    """Summed over the queues."""
    lines = (line for line in metrics.splitlines() if line.startswith(name + "{") and f'namespace="{namespace}"' in line)
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines)


class Shop:
    def __init__(self, cluster, namespace):
        self.cluster, self.namespace = cluster, namespace
        self.deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        self.writes = []  # time and number, each time the replicas change
        threading.Thread(target=self.follow, daemon=True).start()
        while not self.writes:
            time.sleep(0.05)

    def follow(self):
        watch = f"{self.deployments}?watch=true&fieldSelector=metadata.name%3Dmail-worker"
        with self.cluster.open(watch, timeout=2 * PATIENCE) as events:
            for event in events:
                replicas = json.loads(event)["object"]["spec"]["replicas"]
                if not self.writes or self.writes[-1][1] != replicas:
                    self.writes.append((time.time(), replicas))

    def service(self, name, path, method="GET"):
        with self.cluster.open(f"/api/v1/namespaces/{self.namespace}/services/{name}/proxy/{path}", method) as answer:
            return json.load(answer)

    def sample(self, begun):
        metrics = self.cluster.metrics()
        worker = self.cluster.json(f"{self.deployments}/mail-worker")
        pool = self.cluster.json(f"/apis/taskworkerpool.dev/v1alpha1/namespaces/{self.namespace}/taskworkerpools/mail")
        return {
            "t": round(time.time() - begun, 1),
            "waiting": number(metrics, "twp_queue_waiting_tasks", self.namespace),
            "in_flight": number(metrics, "twp_pool_in_flight_tasks", self.namespace),
            "replicas": worker["spec"]["replicas"],
            "ready": worker["status"].get("readyReplicas", 0),
            "mails": self.service("sink:8026", "counts")["unique"],
            "why": pool["status"]["message"],
        }


def run(broker, namespace, mails):
    cluster = Cluster()
    try:
        shop = Shop(cluster, namespace)
        shop.service("sink:8026", "reset", "POST")  # a demo before this one may have left its shop
        begun, started = time.time(), datetime.datetime.now(datetime.timezone.utc)
        shop.service("web:8000", f"send?count={mails}", "POST")
        sent = time.time()
        print("{:>6} {:>8} {:>9} {:>9} {:>6} {:>6}  {}".format("TIME", "WAITING", "IN-FLIGHT", "REPLICAS", "READY", "MAILS", "WHY"))
        samples = []
        while time.time() < begun + PATIENCE:
            samples.append(one := shop.sample(begun))
            print("{t:>4.0f} s {waiting:>8} {in_flight:>9} {replicas:>9} {ready:>6} {mails:>6}  {why}".format(**one), flush=True)
            if one["mails"] >= mails and one["replicas"] == 0:
                break
            time.sleep(1)
        writes = [(round(at - begun, 2), replicas) for at, replicas in shop.writes if at >= begun]
        counts = shop.service("sink:8026", "counts")
    finally:
        cluster.proxy.terminate()
    return {
        "broker": broker,
        "at": started.isoformat(timespec="seconds"),
        "sent": mails,
        "received": counts["unique"],
        "duplicates": counts["duplicates"],
        "request_ms": round((sent - begun) * 1000),
        "first_write_ms": next((round(at * 1000) for at, replicas in writes if replicas > 0), None),
        "peak": max((replicas for _, replicas in writes), default=0),
        "writes": writes,
        "samples": samples,
    }


def summary(run):
    last = run["samples"][-1]
    return (
        f"{run['broker']:<9} {run['sent']} sent, {run['received']} received, {run['duplicates']} twice; first write of the replicas "
        f"{run['first_write_ms']} ms after the request (which took {run['request_ms']} ms); {run['peak']} at most, "
        f"{last['replicas']} after {last['t']:.0f} s"
    )


def record(run):
    figures = json.loads(FIGURES.read_text() or "{}") if FIGURES.exists() else {}
    figures.setdefault(run["broker"], {}).update({key: run[key] for key in ("sent", "received", "duplicates")})
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n")


def main(arguments):
    if arguments[:1] == ["--summary"]:
        for file in arguments[1:]:
            print(summary(json.loads(pathlib.Path(file).read_text())))
        return 0
    broker, namespace, mails, file = arguments
    found = run(broker, namespace, int(mails))
    pathlib.Path(file).write_text(json.dumps(found) + "\n")
    record(found)
    print(summary(found))
    if found["received"] != found["sent"] or found["duplicates"]:
        print("demo: mails are missing, or were sent twice", file=sys.stderr)
    elif found["samples"][-1]["replicas"]:
        print("demo: the workers did not go back to zero", file=sys.stderr)
    else:
        return 0
    return 1


sys.exit(main(sys.argv[1:]))
