"""The status contract, checked; see run.sh. Exits 1 on a miss, 2 if the checks themselves would not see one."""

import copy
import fcntl
import json
import os
import sys
from pathlib import Path

import yaml

import argocd
import schema
from kstatus import kstatus, rules

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ARGOCD = ROOT / "deploy/gitops/argocd"
SCRIPTS = ARGOCD / "resource_customizations/taskworkerpool.dev/TaskWorkerPool"
CRD = ROOT / "crds/taskworkerpools.taskworkerpool.dev.yaml"
DOCS = ROOT / "docs/gitops.md"
BEGIN, END = "<!-- contract: UPDATE=1 tests/contract/run.sh -->\n", "<!-- /contract -->\n"


def load(path):
    return yaml.safe_load(path.read_text())


def argo(script):
    """The health that this script finds."""
    return lambda pool: argocd.run(script, pool)["status"]


def missed(pools, expected, who, judge):
    """One line for each pool that this judge does not judge as expected."""
    verdicts = {name: judge(pool) for name, pool in pools.items()}
    return [
        f"{name}: {who} says {verdict}, not {expected[name][who]}"
        for name, verdict in verdicts.items()
        if verdict != expected[name][who]
    ]


def unlike_the_schema(pool, crd):
    spec_and_status = {"type": "object", "properties": {**crd["properties"], "metadata": {"additionalProperties": True}}}
    spec_and_status["properties"] |= {"apiVersion": {"enum": ["taskworkerpool.dev/v1alpha1"]}, "kind": {"enum": ["TaskWorkerPool"]}}
    return schema.faults(pool, spec_and_status)


def self_check(pools, expected, crd):
    """Faults put in on purpose, and whether these checks notice them."""
    working = pools["working"]

    def changed(change):
        pool = copy.deepcopy(working)
        change(pool)
        return pool

    constant = argo('return {status = "Healthy"}')
    unhealthy = [name for name, verdict in expected.items() if verdict["argo"] != "Healthy"]
    stale = changed(lambda pool: pool["metadata"].update(generation=2))
    stalled = {"type": "Stalled", "status": "True", "observedGeneration": 1}
    return {
        "a script that calls everything Healthy": len(missed(pools, expected, "argo", constant)) == len(unhealthy),
        "a kstatus that calls everything Current": missed(pools, expected, "kstatus", lambda _: "Current"),
        "a status about an older spec": kstatus(stale) == "InProgress",
        "Stalled beside Ready": rules(changed(lambda pool: pool["status"]["conditions"].append(stalled))),
        "a field that the CRD does not know": unlike_the_schema(changed(lambda pool: pool["status"].update(x=1)), crd),
        "a reason of two words": unlike_the_schema(
            changed(lambda pool: pool["status"]["conditions"][0].update(reason="two words")), crd
        ),
        "a script that uses a library Argo CD does not open": _fails('return {status = ("x"):upper()}', working),
    }


def _fails(script, pool):
    try:
        argocd.run(script, pool)
    except argocd.lupa.lua51.LuaError:
        return True
    return False


SITUATIONS = {
    "just-created": "just created",
    "working": "works",
    "at-limit": "at `maxReplicas` or `minReplicas`",
    "broker-lost-briefly": "the broker has been unreadable for less than 30 s",
    "broker-lost": "the broker has been unreadable for longer",
    "reference-missing": "a Secret, the Deployment or a right of the operator is missing",
    "key-missing": "the Secret has no such key",
    "permission-denied": "the broker's permissions refuse to count",
    "replicas-overwritten": "somebody else keeps changing the replicas",
    "nothing-starts": "tasks wait and the workers start none",
    "pods-not-ready": "pods that were ordered are not ready",
    "other-queues": "the workers use other queues than the pool counts",
    "observed": "`mode: Observe`",
    "spec-cannot-work": "the spec cannot work",
    "suspended": "`suspend: true`",
    "target-taken": "an older pool scales the same Deployment",
    "deleted": "being deleted",
}


def table(pools, expected):
    """The contract for people: the conditions that the verdicts follow from, and the verdicts."""
    kinds = ["Ready", "Reconciling", "Stalled", "SourceAvailable", "ScalingActive", "Degraded"]
    lines = [["situation", *(f"`{kind}`" for kind in kinds), "kstatus (Flux)", "Argo CD"]]
    lines.append(["---"] * len(lines[0]))
    for name, situation in SITUATIONS.items():
        found = {one["type"]: one["status"] for one in pools[name]["status"]["conditions"]}
        verdicts = expected[name]
        lines.append([situation, *(found.get(kind, "–") for kind in kinds), verdicts["kstatus"], verdicts["argo"]])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def renew_messages(path):
    """The operator's sentences of today in Argo CD's tests, where only the sentence differs."""
    text = path.read_text()
    for _, found, right in argocd.upstream_tests(path.parent):
        if found.get("status") == right.get("status") and "message" in right:
            text = text.replace(f"message: {json.dumps(right['message'])}", f"message: {json.dumps(found['message'])}")
    path.write_text(text)


def record(figures):
    """Beside what the other tests record, under the same lock (tests/support/figures.rs)."""
    path = ROOT / "target/figures/install.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        known = json.loads(file.read() or "{}")
        file.truncate(0)
        json.dump(known | figures, file, indent=2)


def main():
    expected = load(HERE / "expected.yaml")
    pools = {path.stem: load(path) for path in sorted(HERE.glob("*.yaml")) if path.name != "expected.yaml"}
    if set(pools) != set(expected):
        sys.exit(f"expected.yaml and the pools differ: {sorted(set(pools) ^ set(expected))}")
    crd = load(CRD)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    health = (SCRIPTS / "health.lua").read_text()
    argo_missed = missed(pools, expected, "argo", argo(health))
    kstatus_missed = missed(pools, expected, "kstatus", kstatus)
    wrong = argo_missed + kstatus_missed
    for name, pool in pools.items():
        wrong += [f"{name}: {fault}" for fault in rules(pool) + unlike_the_schema(pool, crd)]

    if os.environ.get("UPDATE"):
        renew_messages(SCRIPTS / "health_test.yaml")
    tried = 0
    for what, found, right in argocd.upstream_tests(SCRIPTS):
        tried += 1
        if found != right:
            wrong.append(f"{what}: {found}, not {right}")

    patch, made = ARGOCD / "argocd-cm.yaml", argocd.snippet(SCRIPTS)
    if os.environ.get("UPDATE"):
        patch.write_text(made)
    if not patch.exists() or patch.read_text() != made:
        wrong.append(f"{patch.relative_to(ROOT)} has other scripts: UPDATE=1 tests/contract/run.sh")
    else:
        customized = {
            f"resource.customizations.{what}.taskworkerpool.dev_TaskWorkerPool" for what in ("health", "actions")
        }
        if set(load(patch)["data"]) != customized:
            wrong.append(f"{patch.relative_to(ROOT)}: its keys are not {sorted(customized)}")

    text = DOCS.read_text()
    begin, rest = text.split(BEGIN, 1)
    filled = begin + BEGIN + table(pools, expected) + END + rest.split(END, 1)[1]
    if os.environ.get("UPDATE"):
        DOCS.write_text(filled)
    elif text != filled:
        wrong.append(f"{DOCS.relative_to(ROOT)} has another table: UPDATE=1 tests/contract/run.sh")

    rows = len(pools)
    record({"argo_rows": [rows - len(argo_missed), rows], "kstatus_rows": [rows - len(kstatus_missed), rows]})
    noticed = self_check(pools, expected, crd)
    blind = [fault for fault, is_noticed in noticed.items() if not is_noticed]
    print(
        f"argo {rows - len(argo_missed)}/{rows} kstatus {rows - len(kstatus_missed)}/{rows}"
        f" (tests in Argo CD's layout: {tried}; faults put in and noticed: {len(noticed) - len(blind)}/{len(noticed)})"
    )
    for line in wrong:
        print(f"FAIL {line}")
    for fault in blind:
        print(f"FAIL not noticed: {fault}")
    sys.exit(2 if blind else 1 if wrong else 0)


if __name__ == "__main__":
    main()
