"""`kubectl get twp` and `kubectl describe twp` in the situations that expected.yaml has words for (`says`), as golden/ has
them; and the rows in docs/on-call.md. Needs a cluster that knows pools (KUBECONFIG; TWP_KUBECTL, else the kubectl in the PATH):
the pools get a namespace of their own, which is deleted again, and their status is written by kubectl. UPDATE=1 writes anew.
"""

import copy
import difflib
import json
import os
import re
import subprocess
import sys

from contract import HERE, ROOT, load, record

GOLDEN, DOCS = HERE / "golden", ROOT / "docs/on-call.md"
BEGIN = "<!-- golden: UPDATE=1 tests/contract/run.sh golden -->\n<!-- run: tests/contract/golden.py -->\n"
END = "<!-- /golden -->\n"
KUBECTL = os.environ.get("TWP_KUBECTL", "kubectl")
NAMESPACE = f"twp-golden-{os.getpid()}"
CRD = "crd/taskworkerpools.taskworkerpool.dev"
OPERATORS = "deployments", "--all-namespaces", "--selector=app.kubernetes.io/name=twp-operator"
PATIENCE = "--timeout=60s"
# Columns of a terminal that a usual pool's row must fit into.
WIDTH = 160


def kubectl(*args, given=None):
    said = subprocess.run([KUBECTL, *args], input=given and json.dumps(given), capture_output=True, text=True)
    if said.returncode:
        sys.exit(f"kubectl {' '.join(args)}: {said.stderr.strip()}")
    return said.stdout


def store(pools):
    """Stores these pools and their status."""

    def each(change):
        return {"apiVersion": "v1", "kind": "List", "items": [change(copy.deepcopy(pool)) for pool in pools.values()]}

    def before(pool):
        """The spec of the first generation, where the pool is of the second."""
        if pool["metadata"]["generation"] > 1:
            pool["spec"]["suspend"] = not pool["spec"]["suspend"]
        del pool["status"]
        return pool

    kubectl("create", "--filename=-", given=each(before))
    for name, pool in pools.items():
        if pool["metadata"]["generation"] > 1:
            kubectl("patch", "twp", name, f"--namespace={NAMESPACE}", "--type=merge", f"--patch={json.dumps({'spec': pool['spec']})}")
    kubectl("replace", "--subresource=status", "--filename=-", given=each(lambda pool: pool))


def renamed(name, pool):
    kept = {"generation": pool["metadata"]["generation"]}
    return {**pool, "metadata": {**kept, "name": name, "namespace": NAMESPACE}}


def table(*names):
    """What `kubectl get` prints, always half an hour after the pools were made, as their status has it."""
    lines = kubectl("get", "twp", *names, f"--namespace={NAMESPACE}").splitlines()
    age, why = lines[0].index("AGE"), lines[0].index("WHY")
    ages = ["AGE", *["30m"] * (len(lines) - 1)]
    return "".join(f"{line[:age]}{shown}   {line[why:]}\n" for line, shown in zip(lines, ages))


def descriptions():
    """What `kubectl describe` prints of each pool, without what is new each time."""
    text = kubectl("describe", "twp", f"--namespace={NAMESPACE}").replace(NAMESPACE, "shop")
    for what, fixed in [("Creation Timestamp", "2026-11-30T09:00:00Z"), ("Resource Version", "1"), ("UID", "0")]:
        text = re.sub(rf"^(  {what}: +).*$", rf"\g<1>{fixed}", text, flags=re.M)
    found = re.split(r"^(?=Name: )", text, flags=re.M)[1:]
    return {re.match(r"Name: +(\S+)", one)[1]: one.rstrip() + "\n" for one in found}


def shown(pools):
    """Texts by the name of their file in golden/, and the row of the pool that works, alone."""
    kubectl("wait", "--for=create", CRD, PATIENCE)
    kubectl("wait", "--for=condition=Established", CRD, PATIENCE)
    if kubectl("get", *OPERATORS, "--output=name"):
        # It would write the status itself.
        kubectl("wait", "--for=delete", *OPERATORS, PATIENCE)
    kubectl("create", "namespace", NAMESPACE)
    try:
        store(pools)
        described = {f"describe-{name}.txt": text for name, text in descriptions().items()}
        return {"get.txt": table(), **described}, table("working")
    finally:
        kubectl("delete", "namespace", NAMESPACE)


def unsaid(says, description):
    """Words that the status does not have. The spec has some of them anyway."""
    status = description.split("\nStatus:\n", 1)[-1]
    return [words for words in says if words not in status]


def difference(file, found):
    old = file.read_text() if file.exists() else ""
    lines = difflib.unified_diff(old.splitlines(), found.splitlines(), "golden", "found", lineterm="", n=0)
    return "\n     ".join(lines)


def main():
    expected = load(HERE / "expected.yaml")
    says = {name: verdicts["says"] for name, verdicts in expected.items() if "says" in verdicts}
    texts, usual = shown({name: renamed(name, load(HERE / f"{name}.yaml")) for name in says})

    block = f"{BEGIN}```console\n$ kubectl get twp\n{texts['get.txt']}```\n{END}"
    page = DOCS.read_text()
    filled = page[: page.index(BEGIN)] + block + page[page.index(END) + len(END) :]
    if os.environ.get("UPDATE"):
        GOLDEN.mkdir(exist_ok=True)
        for file in GOLDEN.iterdir():
            file.unlink()
        for file, text in texts.items():
            (GOLDEN / file).write_text(text)
        DOCS.write_text(filled)
        page = filled

    wrong, right = [], 0
    rows = {line.split()[0]: line for line in texts["get.txt"].splitlines()[1:]}
    golden = (GOLDEN / "get.txt").read_text() if (GOLDEN / "get.txt").exists() else ""
    for name, words in says.items():
        description = texts.get(f"describe-{name}.txt", "")
        faults = [f"describe does not say {missing!r}" for missing in unsaid(words, description)]
        if changed := difference(GOLDEN / f"describe-{name}.txt", description):
            faults.append(f"describe has changed:\n     {changed}")
        if rows.get(name) not in golden.splitlines():
            faults.append(f"get has another row: {rows.get(name)}")
        wrong += [f"{name}: {fault}" for fault in faults]
        right += not faults
    if changed := difference(GOLDEN / "get.txt", texts["get.txt"]):
        wrong.append(f"get has changed:\n     {changed}")
    if page != filled:
        wrong.append(f"{DOCS.relative_to(ROOT)} has other rows: UPDATE=1 tests/contract/run.sh golden")
    width = max(map(len, usual.splitlines()))
    if width > WIDTH:
        wrong.append(f"the row of a usual pool has {width} columns, {WIDTH} are allowed")
    # Words that a pool says which works would be found everywhere.
    blind = [name for name, words in says.items() if name != "working" and not unsaid(words, texts["describe-working.txt"])]
    record({"golden_rows": [right, len(says)]})
    print(f"golden {right}/{len(says)}, a usual row has {width} columns")
    for line in wrong:
        print(f"FAIL {line}")
    for name in blind:
        print(f"FAIL {name}: a pool that works says the same")
    sys.exit(2 if blind else 1 if wrong else 0)


main()
