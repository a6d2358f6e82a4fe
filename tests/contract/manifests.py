"""The examples in deploy/: they can be built, use images that exist, fit together, and name what is there. Needs kubectl
(TWP_KUBECTL, else the one in the PATH), and no cluster.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import yaml

import schema
from kstatus import kstatus

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
EXAMPLES, GITOPS = ROOT / "deploy/examples", ROOT / "deploy/gitops"
KUBECTL = os.environ.get("TWP_KUBECTL", "kubectl")
PUBLIC = {"django-celery:1", "python:3.13-slim", "redis:8", "rabbitmq:4-management"}
KIND = "taskworkerpool.dev/v1alpha1", "TaskWorkerPool"

passed, failed = 0, []


def check(what, is_so, seen=""):
    global passed
    passed += bool(is_so)
    if not is_so:
        failed.append(f"{what}{f': {seen}' if seen else ''}")


def build(folder):
    """The objects that this kustomization makes, by kind and name."""
    built = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True)
    check(f"{folder.relative_to(ROOT)} is built", built.returncode == 0 and not built.stderr, built.stderr.strip())
    return {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(built.stdout)}


def documents(path):
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


def containers(objects):
    for (kind, name), one in objects.items():
        if kind == "Deployment":
            pod = one["spec"]["template"]["spec"]
            yield from ((name, pod, container) for container in pod["containers"])


def images(objects):
    return {container["image"] for _, _, container in containers(objects)}


def is_restricted(pod, container):
    whole, own = pod["securityContext"], container["securityContext"]
    return (
        whole["runAsNonRoot"] is True
        and whole["seccompProfile"] == {"type": "RuntimeDefault"}
        and own["allowPrivilegeEscalation"] is False
        and own["capabilities"] == {"drop": ["ALL"]}
    )


def shops():
    settings = (ROOT / "tests/testbed/versions.env").read_text()
    of_bed = {name: f"localhost/{image}" for name, image in re.findall(r"^(IMAGE_\w+)=(\S+)", settings, re.M)}
    built, of_brokers = {}, {}
    for broker in ("redis", "rabbitmq"):
        shop, bed = build(EXAMPLES / broker), build(EXAMPLES / "testbed" / broker)
        built[broker] = shop
        check(f"{broker}: public images", images(shop) <= PUBLIC, images(shop) - PUBLIC)
        wanted = {of_bed["IMAGE_APP"], of_bed[f"IMAGE_{broker.upper()}"]}
        check(f"testbed/{broker}: the bed's images", images(bed) == wanted, images(bed))
        check(f"testbed/{broker}: the same objects", shop.keys() == bed.keys())
        for name, pod, container in containers(shop):
            check(f"{broker}: {name} is as restricted as Pod Security wants it", is_restricted(pod, container))
        of_brokers[broker] = {key for key in shop if broker in key[1]} | {("Secret", "django-env")}
    rest = [{key: one for key, one in built[broker].items() if key not in of_brokers[broker]} for broker in built]
    check("one application, whatever the broker", rest[0] == rest[1] and len(rest[0]) == 7, rest[0].keys() ^ rest[1].keys())
    worker, beat = (rest[0]["Deployment", name]["spec"] for name in ("mail-worker", "beat"))
    limit = int(re.search(r"^CELERY_TASK_TIME_LIMIT = (\d+)$", (EXAMPLES / "django-celery/shop/settings.py").read_text(), re.M)[1])
    grace = worker["template"]["spec"]["terminationGracePeriodSeconds"]
    check("a task's time limit is below its worker's grace period", limit < grace, f"{limit} s, {grace} s")
    check("one beat, never two", (beat["replicas"], beat["strategy"]["type"]) == (1, "Recreate"), beat)
    return built


def pools(built):
    (crd,) = documents(ROOT / "crds/taskworkerpools.taskworkerpool.dev.yaml")
    crd = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    pool = build(EXAMPLES / "pool")["TaskWorkerPool", "mail"]
    faults = schema.faults(pool["spec"], crd["properties"]["spec"])
    check("the pool is as the CRD wants it", not faults, faults)
    secret = pool["spec"]["broker"]["urlFrom"]["secretKeyRef"]
    for broker, shop in built.items():
        check(f"{broker}: the pool's target is there", ("Deployment", pool["spec"]["targetRef"]["name"]) in shop)
        check(f"{broker}: its Secret has the key", secret["key"] in shop["Secret", secret["name"]]["stringData"])
    return build(GITOPS / "shop")


def gitops(shop):
    worker = shop["Deployment", "mail-worker"]
    check("gitops/shop: nobody but the operator says how many workers", "replicas" not in worker["spec"])
    check("gitops/shop: it has its pool", ("TaskWorkerPool", "mail") in shop)
    check("gitops/shop: public images", images(shop) <= PUBLIC, images(shop) - PUBLIC)
    spaces = {one["metadata"].get("namespace") for (kind, _), one in shop.items() if kind != "Namespace"}
    check("gitops/shop: one namespace", spaces == {"shop"}, spaces)

    files = sorted(GITOPS.glob("argocd/*.yaml")) + sorted(GITOPS.glob("flux/**/*.yaml"))
    every = [(path, one) for path in files for one in documents(path)]
    named = {(one.get("kind"), one["metadata"]["name"]) for _, one in every if "metadata" in one}
    for path, one in every:
        where = path.relative_to(GITOPS)
        spec = one.get("spec", {})
        if one.get("kind") == "Application":
            check(f"{where}: its path exists", (ROOT / spec["source"]["path"]).is_dir(), spec["source"]["path"])
            values_are_known(where, spec["source"].get("helm", {}).get("valuesObject", {}))
        elif one.get("kind") == "HelmRelease":
            chart = spec["chart"]["spec"]
            check(f"{where}: its chart exists", (ROOT / chart["chart"] / "Chart.yaml").is_file(), chart["chart"])
            check(f"{where}: its source is there", (chart["sourceRef"]["kind"], chart["sourceRef"]["name"]) in named)
            values_are_known(where, spec["values"])
        elif one.get("apiVersion", "").startswith("kustomize.toolkit.fluxcd.io/"):
            check(f"{where}: its path exists", (ROOT / spec["path"] / "kustomization.yaml").is_file(), spec["path"])
            check(f"{where}: it waits", spec["wait"] is True)
            check(f"{where}: its source is there", (spec["sourceRef"]["kind"], spec["sourceRef"]["name"]) in named)
            for on in spec.get("dependsOn", []):
                check(f"{where}: {on['name']} is there", ("Kustomization", on["name"]) in named)
    build(GITOPS / "flux/operator")

    application = documents(GITOPS / "argocd/shop.yaml")[0]["spec"]
    (ignored,) = application["ignoreDifferences"]
    wanted = {"group": "apps", "kind": "Deployment", "name": "mail-worker", "jsonPointers": ["/spec/replicas"]}
    check("argocd/shop.yaml: it ignores the worker's replicas", ignored == wanted, ignored)
    check("argocd/shop.yaml: also when it syncs", "RespectIgnoreDifferences=true" in application["syncPolicy"]["syncOptions"])
    expressions(documents(GITOPS / "flux/shop.yaml")[0]["spec"]["healthCheckExprs"])


def values_are_known(where, values, chart=None, at=""):
    chart = documents(ROOT / "charts/twp-operator/values.yaml")[0] if chart is None else chart
    for name, value in values.items():
        check(f"{where}: the chart has the value {at}{name}", name in chart)
        if isinstance(value, dict) and isinstance(chart.get(name), dict):
            values_are_known(where, value, chart[name], f"{at}{name}.")


def expressions(listed):
    """Flux' expressions say of each pool of the contract what kstatus says."""
    (mine,) = listed
    check("flux/shop.yaml: the pools' kind", (mine["apiVersion"], mine["kind"]) == KIND, mine)
    form = r"status\.conditions\.exists\(c, c\.type == '(\w+)' && c\.status == 'True'\)"
    kinds = {verdict: re.fullmatch(form, mine[verdict]) for verdict in ("failed", "current")}
    check("flux/shop.yaml: expressions of a form that this test can read", all(kinds.values()), mine)
    for path in sorted(HERE.glob("*.yaml")):
        pool = documents(path)[0]
        if path.name == "expected.yaml" or "deletionTimestamp" in pool["metadata"] or not all(kinds.values()):
            continue
        true = {one["type"] for one in pool["status"]["conditions"] if one["status"] == "True"}
        found = "Failed" if kinds["failed"][1] in true else "Current" if kinds["current"][1] in true else "InProgress"
        check(f"flux/shop.yaml: {path.stem}", found == kstatus(pool), f"{found}, not {kstatus(pool)}")


def main():
    try:
        subprocess.run([KUBECTL, "version", "--client"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        sys.exit(f"no kubectl at {shlex.quote(KUBECTL)}; set TWP_KUBECTL")
    gitops(pools(shops()))
    for line in failed:
        print(f"FAIL {line}")
    print(f"manifests: {passed} passed, {len(failed)} failed")
    sys.exit(bool(failed))


main()
