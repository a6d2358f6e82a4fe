"""Checks what an installation is if nobody sets a value but the image: how it is labelled, what it may do, what it takes, whom it
talks to.

defaults.py HELM...
"""
import sys

from common import Checks, documents, render

# The brokers' ports as in values.yaml, the API server's, DNS.
EGRESS = {53, 443, 6443, 6379, 6380, 26379, 5671, 5672, 15671, 15672}
SELECTOR = {"app.kubernetes.io/name": "twp-operator", "app.kubernetes.io/instance": "twp-operator"}
LABELS = {*SELECTOR, "app.kubernetes.io/version", "app.kubernetes.io/component", "app.kubernetes.io/managed-by", "helm.sh/chart"}
READS, WRITES = {"get", "list", "watch"}, {"create", "delete", "deletecollection", "patch", "update"}


def one(things, kind, name="twp-operator"):
    (thing,) = [thing for thing in things if thing["kind"] == kind and thing["metadata"]["name"] == name]
    return thing


def labels(things):
    for thing in things:
        missing = LABELS - set(thing["metadata"].get("labels", {}))
        if missing and thing["kind"] != "CustomResourceDefinition":
            yield f"{thing['kind']} {thing['metadata']['name']}: no {sorted(missing)}"
    # It can never be changed, so nothing is in it that changes with a version.
    if (chosen := one(things, "Deployment")["spec"]["selector"]["matchLabels"]) != SELECTOR:
        yield f"the selector is {chosen}"


def people(things):
    """The roles that the cluster's own roles view, edit and admin take up."""
    for name, to, verbs in (("view", {"view", "edit", "admin"}, READS), ("edit", {"edit", "admin"}, WRITES)):
        role = one(things, "ClusterRole", f"twp-operator-{name}")
        prefix = "rbac.authorization.k8s.io/aggregate-to-"
        found = {label.removeprefix(prefix) for label in role["metadata"]["labels"] if label.startswith(prefix)}
        if found != to:
            yield f"{name} goes to {sorted(found)}"
        for rule in role["rules"]:
            if set(rule["verbs"]) != verbs or rule["apiGroups"] != ["taskworkerpool.dev"] or "taskworkerpools" not in rule["resources"]:
                yield f"{name}: {rule}"


def pod(things):
    spec = one(things, "Deployment")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    own, account = container["securityContext"], one(things, "ServiceAccount")
    if own.get("readOnlyRootFilesystem") is not True or "runAsUser" in {**own, **spec["securityContext"]}:
        yield f"security context: {own}, {spec['securityContext']}"
    if account["automountServiceAccountToken"] is not False or spec["automountServiceAccountToken"] is not True:
        yield "the account's token is not for the operator's pods alone"
    if spec["enableServiceLinks"] is not False:
        yield "the Services of the namespace are in its environment"
    requests, limits = container["resources"].get("requests", {}), container["resources"].get("limits", {})
    if set(requests) != {"cpu", "memory"} or set(limits) != {"memory"}:
        yield f"resources: {container['resources']}"
    over = [spread["topologyKey"] for spread in spec["topologySpreadConstraints"]]
    if over != ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]:
        yield f"spread over {over}"
    strategy = one(things, "Deployment")["spec"]["strategy"]["rollingUpdate"]
    if strategy != {"maxSurge": 1, "maxUnavailable": 0}:
        yield f"a rollout: {strategy}"


def webhooks(things):
    yield from (thing["kind"] for thing in things if "Webhook" in thing["kind"])


def policy(things):
    spec = one(things, "NetworkPolicy")["spec"]
    if sorted(spec["policyTypes"]) != ["Egress", "Ingress"]:
        yield spec["policyTypes"]
    for way, wanted in (("ingress", {8080, 8081}), ("egress", EGRESS)):
        ports = [port for rule in spec[way] for port in rule.get("ports", [])]
        if {port["port"] for port in ports} != wanted or not all(rule.get("ports") for rule in spec[way]):
            yield f"{way}: {ports}"


def view(helm):
    """Where the view listens, and whom the network policy lets in to it."""
    peers = [{"podSelector": {"matchLabels": {"looks": "at-it"}}}]
    for values, listens, wanted in (
        ({}, None, None),
        ({"view": {"enabled": True}}, "127.0.0.1:8082", None),
        ({"view": {"enabled": True, "listen": "Loopback"}, "http": {"address": "[::]"}}, "127.0.0.1:8082", None),
        ({"view": {"enabled": True, "listen": "Pod"}}, "0.0.0.0:8082", None),
        ({"view": {"enabled": True, "listen": "Pod", "port": 9000}, "networkPolicy": {"viewFrom": peers}}, "0.0.0.0:9000", peers),
        ({"view": {"enabled": True}, "networkPolicy": {"viewFrom": peers}}, "127.0.0.1:8082", None),
        ({"view": {"listen": "Pod"}, "networkPolicy": {"viewFrom": peers}}, None, None),
    ):
        things = documents(render(helm, {**values, "networkPolicy": {"enabled": True, **values.get("networkPolicy", {})}})[1])
        (container,) = one(things, "Deployment")["spec"]["template"]["spec"]["containers"]
        env = {variable["name"]: variable.get("value") for variable in container["env"]}
        port = next((port["containerPort"] for port in container["ports"] if port["name"] == "view"), None)
        if env.get("TWP_VIEW_LISTEN") != listens or (port and f":{port}") != (listens and listens[listens.rindex(":"):]):
            yield f"{values}: listens at {env.get('TWP_VIEW_LISTEN')}, port {port}"
        rules = one(things, "NetworkPolicy")["spec"]["ingress"]
        found = [rule.get("from", "everybody") for rule in rules for at in rule["ports"] if at["port"] not in (8080, 8081)]
        if found != ([wanted] if wanted else []):
            yield f"{values}: let in {found}"


def old_kubernetes(helm):
    for version, accepted in (("1.29.9", False), ("1.30.0", True), ("1.36.3-gke.1", True)):
        good, _, why = render(helm, {}, "--kube-version", version)
        if good != accepted or not good and "incompatible with Kubernetes" not in why:
            yield f"{version}: {good} {why}"


def main(helms):
    checks = Checks()
    for helm in helms:
        things = documents(render(helm, {})[1])
        checks.say(f"the usual labels, and a selector that stays, by {helm}", labels(things))
        checks.say(f"people may see and change pools by their roles, by {helm}", people(things))
        checks.say(f"the pod takes and may little, by {helm}", pod(things))
        checks.say(f"no webhook, by {helm}", webhooks(things))
        checks.say(f"only the ports that it needs, by {helm}", policy(documents(render(helm, {"networkPolicy": {"enabled": True}})[1])))
        checks.say(f"nobody reaches the view who was not let in, by {helm}", view(helm))
        checks.say(f"an old Kubernetes is refused, by {helm}", old_kubernetes(helm))
    checks.end()


if __name__ == "__main__":
    main(sys.argv[1:])
