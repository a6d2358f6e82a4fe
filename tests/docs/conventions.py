"""Kubernetes' API conventions, on the CRD: names, references, units, switches, lists, and the words of what is refused.
(sig-architecture's api-conventions.md; sizes of numbers and bounds are tests/crd.rs'.)
"""

import re

import crd

CRD = "crds/taskworkerpools.taskworkerpool.dev.yaml"
# Names that kubectl knows for Kubernetes' own kinds, and the category of everything.
BUILT_IN = set("all cm crd crds cs csr cj deploy ds ep ev hpa ing limits netpol no ns pc pdb po pv pvc quota rc rs sa sc sts svc".split())
# What can only be so or not. Anything else is an enum: a third way may come.
SWITCHES = {"spec.suspend", "spec.protectFromDisruption", "spec.broker.tls.enabled", "status.queues[].missing"}
# Words that are not ours: the schemes of URLs.
OTHERS_WORDS = {"spec.broker.parts.scheme"}
# As in a HorizontalPodAutoscaler: who applies one applies the whole list.
WHOLE_LISTS = {"spec.behavior.scaleUp.policies", "spec.behavior.scaleDown.policies"}


def fields(node, above):
    """Path, name and schema of each field below; of what lists hold, too."""
    for name, child in node.get("properties", {}).items():
        path = f"{above}.{name}"
        yield path, name, child
        yield from fields(child, path)
        yield from fields(child.get("items", {}), f"{path}[]")


def faults_of_a_field(path, name, child):
    kind, text = child.get("type"), child.get("description", "")
    inner = child.get("properties", {})
    if not re.fullmatch(r"[a-z][A-Za-z0-9]*", name):
        yield "its name is not in camelCase"
    if path.startswith("spec.") and name == "namespace":
        yield "what a pool names is in the pool's own namespace"
    if ("name" in inner) != name.endswith("Ref") and kind == "object":
        yield "an object that is named is a `…Ref`, and nothing else is"
    if kind == "integer" and re.search(r"\b(milli)?seconds\b", text, re.I) and not re.search(r"(Seconds|PerMinute|Milliseconds)$", name):
        yield "its name does not say its unit"
    if kind == "string" and child.get("format") != "date-time" and re.search(r"(Duration|Timeout|Interval|Period|Delay|Seconds)$", name):
        yield "a time is a whole number of `…Seconds`"
    if kind == "integer" and path.startswith("spec.") and child.get("format") != "int32":
        yield "a number of the spec is an int32"
    if kind == "boolean" and path not in SWITCHES:
        yield "a boolean that may need a third value one day is an enum"
    if path not in OTHERS_WORDS:
        yield from (f"the word {word} is not in CamelCase" for word in child.get("enum", []) if not re.fullmatch(r"[A-Z][A-Za-z]*", str(word)))
    items = child.get("items", {})
    if items.get("type") == "object" and path not in WHOLE_LISTS:
        keys = child.get("x-kubernetes-list-map-keys", [])
        if child.get("x-kubernetes-list-type") != "map" or not keys or set(keys) - set(items.get("required", [])):
            yield "a list of objects is a map by keys that each of them has"


def faults_of_rules(node):
    for rule in node.get("x-kubernetes-validations", []):
        message = rule.get("message", "")
        if not re.search(r"\b(must|needs)\b", message) or "`" not in message or message.endswith("."):
            yield f"the rule {rule['rule']} does not say which field must be what: {message!r}"


def faults(custom):
    spec = custom["spec"]
    (version,) = spec["versions"]
    own = {*spec["names"]["shortNames"], *spec["names"]["categories"], spec["names"]["plural"], spec["names"]["singular"]}
    yield from (f"kubectl has another meaning for {name}" for name in sorted(own & BUILT_IN))
    if spec["scope"] != "Namespaced":
        yield "pools are of a namespace"
    if set(version["subresources"]) != {"status"}:
        yield "with `scale` others would write to the spec: a default there differs from Git for ever"
    if {"jsonPath": ".spec.targetRef.name"} not in version.get("selectableFields", []):
        yield "pools cannot be selected by their target"
    schema = version["schema"]["openAPIV3Schema"]
    known = set()
    for root in ("spec", "status"):
        every = [(root, root, schema["properties"][root]), *fields(schema["properties"][root], root)]
        for path, name, child in every:
            known.add(path)
            both = [*faults_of_a_field(path, name, child), *faults_of_rules(child), *faults_of_rules(child.get("items", {}))]
            yield from (f"{path}: {fault}" for fault in both)
    yield from (f"there is no {path} any more" for path in sorted((SWITCHES | OTHERS_WORDS | WHOLE_LISTS) - known))


def conventions(tree):
    """The CRD follows Kubernetes' API conventions."""
    yield from (f"{CRD}: {fault}" for fault in faults(crd.parse(tree.read(CRD))))
