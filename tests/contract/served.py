"""What a real API server makes of the CRD: it takes it by a plain `kubectl apply` and without a warning, shows defaults, selects by the
target, refuses what breaks a rule, and takes every pool that the docs and the examples show. Needs a cluster (KUBECONFIG; TWP_KUBECTL,
else the kubectl in the PATH). The CRD is tried under another name, so that the cluster's own and its pools are left alone.
"""

import copy
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
KUBECTL = os.environ.get("TWP_KUBECTL", "kubectl")
OWN = f"served-{os.getpid()}"
GROUP, PLURAL, KIND = f"{OWN}.example.org", "servedpools", "ServedPool"
NAME = f"{PLURAL}.{GROUP}"

passed, failed = 0, []


def check(what, is_so, seen=""):
    global passed
    passed += bool(is_so)
    if not is_so:
        failed.append(f"{what}{f': {seen}' if seen else ''}")


def kubectl(*args, given=None):
    """Whether it went well, what was printed, what was said besides."""
    done = subprocess.run([KUBECTL, *args], input=given and json.dumps(given), capture_output=True, text=True)
    return done.returncode == 0, done.stdout, done.stderr.strip()


def renamed(crd):
    """Another group and kind; no short name and category, which would find these pools, too."""
    crd = copy.deepcopy(crd)
    crd["metadata"]["name"], crd["spec"]["group"] = NAME, GROUP
    crd["spec"]["names"] = {"kind": KIND, "plural": PLURAL, "singular": KIND.lower()}
    return crd


def as_served(pool, name=None):
    meta = {"name": name or pool["metadata"]["name"], "namespace": OWN}
    return {"apiVersion": f"{GROUP}/v1alpha1", "kind": KIND, "metadata": meta, "spec": pool["spec"]}


def smallest(**spec):
    return {"metadata": {"name": "mail"}, "spec": {"targetRef": {"name": "mail-worker"}, "broker": {"url": "redis://redis:6379/0"}, **spec}}


def shown():
    """Every pool of the docs and of the examples, by the name of its file."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, ROOT / "tests/docs/check.py", "--pools", folder], check=True)
        files = [*sorted(Path(folder).iterdir()), ROOT / "deploy/examples/pool/pool.yaml"]
        return {path.name: yaml.safe_load(path.read_text()) for path in files}


def self_check(crd):
    """Faults put in on purpose, and whether the API server and these checks notice them."""
    odd, dear = renamed(crd), renamed(crd)
    fields = odd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    fields["maxReplicas"]["format"] = "uint32"
    fields = dear["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    del fields["queues"]["maxItems"], fields["queues"]["items"]["maxLength"]
    dry = "create", "--dry-run=server", "--filename=-"
    check("not noticed: a format that Kubernetes does not know", "Warning:" in kubectl(*dry, given=odd)[2])
    good, _, said = kubectl(*dry, given=dear)
    check("not noticed: a rule over a list without an end", not good and "budget" in said, said)


def definition(crd):
    # Client-side: the whole object goes into an annotation, too.
    good, _, said = kubectl("apply", "--filename=-", given=renamed(crd))
    check("the CRD is applied without a warning", good and not said, said)
    good, _, said = kubectl("wait", "--for=condition=Established", f"crd/{NAME}", "--timeout=60s")
    check("it is served", good, said)
    found = json.loads(kubectl("get", "crd", NAME, "--output=json")[1])
    kinds = {one["type"]: one["status"] for one in found["status"]["conditions"]}
    check("nothing is wrong with its schema", kinds == {"NamesAccepted": "True", "Established": "True"}, kinds)


def pools(crd):
    for file, pool in shown().items():
        good, _, said = kubectl("apply", "--filename=-", given=as_served(pool, re.sub(r"[^a-z0-9]+", "-", file.removesuffix(".yaml").lower())))
        check(f"{file} is applied without a warning", good and not said, said)
    kubectl("create", "--filename=-", given=as_served(smallest()))
    stored = json.loads(kubectl("get", NAME, "mail", f"--namespace={OWN}", "--output=json")[1] or "{}")
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    defaults = {name: field["default"] for name, field in schema["spec"]["properties"].items() if "default" in field}
    check("there are defaults", len(defaults) > 5, defaults)
    for name, default in defaults.items():
        value = stored.get("spec", {}).get(name)
        # A default of an object is filled up by those of its fields.
        same = default.items() <= (value or {}).items() if isinstance(default, dict) else value == default
        check(f"the default of {name} is shown", same, value)
    check("a new pool has a status that says so", stored.get("status") == schema["status"]["default"], stored.get("status"))
    kubectl("create", "--filename=-", given=as_served(smallest(targetRef={"name": "other"}), "other"))
    names = kubectl("get", NAME, f"--namespace={OWN}", "--field-selector=spec.targetRef.name=other", "--output=name")
    check("pools are selected by their target", names[1].split() == [f"{KIND.lower()}.{GROUP}/other"], names)


def refusals():
    for what, spec, words in (
        ("a minimum above the maximum", {"minReplicas": 11}, "`minReplicas` must be less than or equal to `maxReplicas`"),
        ("a password in the pool", {"broker": {"url": "redis://:pw@redis:6379/0"}}, "must not carry a password"),
        ("two targets", {"target": {"waitSeconds": 30, "backlogPerReplica": 3}}, "must set exactly one of `waitSeconds`"),
        ("a queue with a NUL in its name", {"queues": ["a\0b"]}, "spec.queues[0]"),
        ("a field that is none", {"minReplica": 1}, 'unknown field "spec.minReplica"'),
    ):
        good, _, said = kubectl("create", "--validate=strict", "--dry-run=server", "--filename=-", given=as_served(smallest(**spec), "bad"))
        check(f"{what} is refused, and the field is named", not good and words in said, said)


def main():
    (crd,) = yaml.safe_load_all((ROOT / "crds/taskworkerpools.taskworkerpool.dev.yaml").read_text())
    good, _, said = kubectl("create", "namespace", OWN)
    if not good:
        sys.exit(said)
    try:
        self_check(crd)
        definition(crd)
        pools(crd)
        refusals()
    finally:
        kubectl("delete", "crd", NAME, "--ignore-not-found")
        kubectl("delete", "namespace", OWN)
    for line in failed:
        print(f"FAIL {line}")
    print(f"served: {passed} passed, {len(failed)} failed")
    sys.exit(bool(failed))


main()
