"""Renders every set of sets.yaml by every Helm, and checks what comes out: against Kubernetes' schemas, against the restricted Pod
Security Standard, and that all Helms say the same. Then refused.yaml.

sets.py HELM...
"""
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import importlib_resources
import jsonschema
import referencing
from common import Checks, documents, load, record, render

VERSIONS = ["1.33", "1.34", "1.35", "1.36", "1.37"]
# What has no namespace.
OF_THE_CLUSTER = {
    "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
}  # fmt: skip
# Fields of the Prometheus operator's objects that the chart uses; no schema of them is in Kubernetes'.
MONITORING = {
    "PodMonitor": ({"selector", "podMetricsEndpoints"}, "podMetricsEndpoints"),
    "ServiceMonitor": ({"selector", "endpoints"}, "endpoints"),
    "PrometheusRule": ({"groups"}, None),
}


class Schemas:
    """Kubernetes' JSON schemas, strict: an unknown field is an error. Each is read once."""

    def __init__(self):
        folder = importlib_resources.files("kubernetes_validate").joinpath("kubernetes-json-schema")
        names = [path.name for path in folder.iterdir() if path.name.endswith("-local-strict")]
        self.folders = {}
        for version in VERSIONS:
            (name,) = [name for name in names if name.startswith(f"v{version}.")]
            self.folders[version] = folder.joinpath(name)
        self.registries = {}
        self.validators = {}
        self.seen = {}

    def _validator(self, version, kind, group_version):
        key = (version, kind, group_version)
        if key not in self.validators:
            folder = self.folders[version]
            if version not in self.registries:
                definitions = json.loads(folder.joinpath("_definitions.json").read_text())
                self.registries[version] = referencing.Resource.from_contents(definitions) @ referencing.Registry()
            short = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", group_version)
            path = folder.joinpath(f"{kind.lower()}-{short}.json")
            # A schema that nothing meets, where Kubernetes has no such kind.
            schema = json.loads(path.read_text()) if path.is_file() else {"not": {}}
            registry = referencing.Resource.from_contents(schema) @ self.registries[version]
            self.validators[key] = jsonschema.Draft202012Validator(schema, registry=registry)
        return self.validators[key]

    def problems(self, thing):
        """Problems of an object with any version."""
        if thing["apiVersion"].startswith("monitoring.coreos.com/"):
            return monitoring(thing)
        key = json.dumps(thing, sort_keys=True)
        if key not in self.seen:
            self.seen[key] = [
                f"{version}: {thing['kind']} {'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"
                for version in VERSIONS
                for error in self._validator(version, thing["kind"], thing["apiVersion"]).iter_errors(thing)
            ]
        return self.seen[key]


def monitoring(thing):
    """Problems of an object of the Prometheus operator."""
    fields, endpoints = MONITORING[thing["kind"]]
    found = [] if set(thing["spec"]) == fields else [f"{thing['kind']}: spec has {sorted(thing['spec'])}"]
    for endpoint in thing["spec"].get(endpoints, []):
        if set(endpoint) != {"port", "path", "interval", "honorLabels"} or endpoint["honorLabels"] is not True:
            found.append(f"{thing['kind']}: an endpoint is {endpoint}")
    return found


def restricted(pod):
    """Where a pod does not meet the restricted Pod Security Standard."""
    context = pod.get("securityContext", {})
    if any(pod.get(field) for field in ("hostNetwork", "hostPID", "hostIPC")):
        yield "the node's namespaces"
    allowed = {"name", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    for volume in pod.get("volumes", []):
        if not set(volume) <= allowed:
            yield f"volume {volume}"
    for container in pod["containers"] + pod.get("initContainers", []):
        own = container.get("securityContext", {})
        both = {**context, **own}
        if both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0:
            yield "it may run as root"
        if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            yield "no seccomp profile"
        if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
            yield "privileges may grow"
        if own.get("capabilities", {}).get("drop") != ["ALL"] or set(own["capabilities"].get("add", [])) - {"NET_BIND_SERVICE"}:
            yield "capabilities"
        if any("hostPort" in port for port in container.get("ports", [])):
            yield "a port of the node"


def twice(what, values):
    values = list(values)
    return [f"{what} twice: {value}" for value in sorted({value for value in values if values.count(value) > 1})]


def deployment(thing):
    """Problems of the operator's Deployment."""
    template = thing["spec"]["template"]
    pod = template["spec"]
    yield from restricted(pod)
    (container,) = pod["containers"]
    yield from twice("variable", [variable["name"] for variable in container["env"]])
    yield from twice("volume", [volume["name"] for volume in pod.get("volumes", [])])
    chosen = thing["spec"]["selector"]["matchLabels"].items()
    if not chosen <= template["metadata"]["labels"].items():
        yield "the selector does not choose its own pods"
    for spread in pod["topologySpreadConstraints"]:
        if "labelSelector" not in spread:
            yield f"spread without a selector: {spread}"
    names = {port["name"] for port in container["ports"]}
    probes = {container[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")}
    if not probes <= names:
        yield f"a probe of no port: {probes - names}"


def of_all(things):
    """Problems that concern any object, or several."""
    keys = [(thing["kind"], thing["metadata"].get("namespace"), thing["metadata"]["name"]) for thing in things]
    yield from twice("object", keys)
    for thing, (kind, namespace, name) in zip(things, keys):
        # A DNS label or less for what becomes one; a DNS name for the rest.
        if len(name) > (63 if kind in ("Service", "Deployment") else 253):
            yield f"{kind} {name}: too long"
        if (namespace is None) != (kind in OF_THE_CLUSTER):
            yield f"{kind} {name}: namespace {namespace}"
        for label, value in thing["metadata"].get("labels", {}).items():
            if not isinstance(value, str) or len(value) > 63:
                yield f"{kind} {name}: label {label}: {value}"
        if kind != "CustomResourceDefinition" and "app.kubernetes.io/name" not in thing["metadata"].get("labels", {"app.kubernetes.io/name": ""}):
            yield f"{kind} {name}: not labelled"
    services = [thing for thing in things if thing["kind"] == "Service"]
    pods = [thing["spec"]["template"]["metadata"]["labels"] for thing in things if thing["kind"] == "Deployment"]
    for service in services:
        if not any(service["spec"]["selector"].items() <= labels.items() for labels in pods):
            yield "the Service finds no pod"
    for monitor in [thing for thing in things if thing["kind"] in ("PodMonitor", "ServiceMonitor")]:
        chosen = monitor["spec"]["selector"]["matchLabels"].items()
        found = pods if monitor["kind"] == "PodMonitor" else [service["metadata"]["labels"] for service in services]
        if not any(chosen <= labels.items() for labels in found):
            yield f"the {monitor['kind']} finds nothing"


def problems(schemas, text):
    """Problems of all objects in a text."""
    things = documents(text)
    found = [problem for thing in things for problem in schemas.problems(thing)]
    found += of_all(things)
    found += [problem for thing in things if thing["kind"] == "Deployment" for problem in deployment(thing)]
    return found


def main(helms):
    checks, schemas = Checks(), Schemas()
    sets, refused = load("charts/check/sets.yaml"), load("charts/check/refused.yaml")
    with ThreadPoolExecutor(2) as pool:
        every = [(name, helm) for name in sets for helm in helms]
        done = pool.map(lambda one: render(one[1], sets[one[0]]), every)
        rendered = dict(zip(every, done))
    right = 0
    for name, helm in every:
        good, text, why = rendered[name, helm]
        right += checks.say(f"{name} by {helm}", problems(schemas, text) if good else [why])
    for name in sets:
        texts = {rendered[name, helm][1].strip() for helm in helms if rendered[name, helm][0]}
        checks.say(f"{name}: all Helms render the same", [] if len(texts) < 2 else ["they do not"])
    with ThreadPoolExecutor(2) as pool:
        every = [(name, helm) for name in refused for helm in helms]
        done = list(pool.map(lambda one: render(one[1], refused[one[0]]["values"]), every))
    for (name, helm), (good, _, why) in zip(every, done):
        pattern = refused[name]["says"].replace("additional", "additional propert(y|ies)")
        problem = "accepted" if good else None if re.search(pattern, why, re.IGNORECASE) else f"not for {pattern}: {why}"
        checks.say(f"refuses {name} by {helm}", [problem] if problem else [])
    total = len(sets) * len(helms)
    print(f"{len(sets)} sets of values by {len(helms)} Helms: {right} of {total} renders right under Kubernetes {VERSIONS[0]} to {VERSIONS[-1]}")
    record(renders=[right, total], renders_refused=len(refused) * len(helms))
    checks.end()


if __name__ == "__main__":
    main(sys.argv[1:])
