#!/usr/bin/env bash
# Checks the chart and what is derived from it: what single values do, here; in check/ what it is without any; the sets of values, under
# Helm 4 and 3 and against Kubernetes' schemas; the queries of alerts and dashboard; what people paste. Needs python3 with pip, and helm 4
# or 3: TWP_HELM names it if it is not in the PATH, TWP_HELM3 names a second one. `eval "$(tests/testbed/bed env)"` sets both. What else
# it takes is fetched once.
set -u
cd "$(dirname "$0")/.."
helm=${TWP_HELM:-helm}
helms=("$helm")
[ ! -x "${TWP_HELM3:-}" ] || helms+=("$TWP_HELM3")
chart=charts/twp-operator
crd=crds/taskworkerpools.taskworkerpool.dev.yaml
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
passed=0
failed=0

command -v "$helm" >/dev/null || { echo "charts/check.sh: no helm at '$helm'; set TWP_HELM"; exit 2; }
command -v python3 >/dev/null || { echo "charts/check.sh: python3 is missing"; exit 2; }
# shellcheck source=charts/check/tools.sh
. charts/check/tools.sh
# No *.pyc beside the sources.
export PYTHONDONTWRITEBYTECODE=1

# check WHAT COMMAND...: counts one check, prints the command's output only if it fails.
check() {
    local what=$1
    shift
    if "$@" >"$out/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $what"
        sed 's/^/     /' "$out/log" | head -n 20
    fi
}
# part NAME ARGS...: a script of check/, which prints what fails and, last, how many checks it made.
part() {
    python3 "charts/check/$1.py" "${@:2}" >"$out/$1" 2>&1
    local code=$? good bad
    if read -r good bad < <(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$out/$1"); then
        sed '$d' "$out/$1"
        passed=$((passed + good)) failed=$((failed + bad))
    else
        echo "FAIL charts/check/$1.py ends with $code"
        sed 's/^/     /' "$out/$1" | tail -n 20
        failed=$((failed + 1))
    fi
}
image=registry.example/twp-operator
render() { "$helm" template twp-operator "$chart" --namespace twp-system --set image.repository=$image "${@:2}" >"$out/$1.yaml"; }
has() { grep -qE -- "$2" "$out/$1.yaml" || { echo "not in $1: $2"; return 1; }; }
count() { # NAME PATTERN N
    local n
    n=$(grep -cE -- "$2" "$out/$1.yaml") || true
    [ "$n" = "$3" ] || { echo "$1: $n times, not $3: $2"; return 1; }
}
same() { cmp "$1" "$2" || { echo "run charts/render.sh"; return 1; }; }

for each in "${helms[@]}"; do check "lint" "$each" lint --strict "$chart"; done
check "package" "$helm" package "$chart" --destination "$out"

check "default renders" render default
check "  one ClusterRole and its two aggregated ones" count default '^kind: ClusterRole$' 3
check "  one ClusterRoleBinding" count default '^kind: ClusterRoleBinding$' 1
check "  only the lease's Role" count default '^kind: Role$' 1
check "  two replicas" has default '^  replicas: 2$'
check "  a disruption budget" count default '^kind: PodDisruptionBudget$' 1
check "  the CRD, kept" has default '^    helm.sh/resource-policy: keep$'
check "  the chart's image" has default 'image: "registry\.example/twp-operator:0\.1\.0"$'
check "  the operator's own log filter" count default 'RUST_LOG' 0
check "  nothing for Prometheus and Grafana" count default '^kind: (Service|ServiceMonitor|PodMonitor|PrometheusRule|ConfigMap)$' 0
check "  watches everything" bash -c "grep -A1 TWP_WATCH_NAMESPACES '$out/default.yaml' | grep -q 'value: \"\"'"

check "  an admission policy and its binding, for the operator's account" python3 - "$out/default.yaml" <<'PY'
import sys
docs = [d for d in open(sys.argv[1]).read().split("\n---\n") if "\nkind: ValidatingAdmissionPolicy" in d]
names = ["\n  name: twp-operator.twp-system\n" in d for d in docs]
sys.exit(not (names == [True, True] and "request.userInfo.username == 'system:serviceaccount:twp-system:twp-operator'" in docs[0] + docs[1]))
PY
check "another account renders" render account --set serviceAccount.create=false --set serviceAccount.name=mine
check "  the admission policy concerns it" has account "== 'system:serviceaccount:twp-system:mine'$"
check "without what has no namespace renders" render local --set 'watchNamespaces={a}' --set crds.enabled=false --set admissionPolicy.enabled=false
check "  only kinds that have one" python3 - "$out/local.yaml" <<'PY'
import re, sys
kinds = set(re.findall(r"^kind: (.*)$", open(sys.argv[1]).read(), re.M))
sys.exit(str(more) if (more := kinds - {"ServiceAccount", "Role", "RoleBinding", "Deployment", "PodDisruptionBudget", "Pod"}) else 0)
PY

check "watchNamespaces renders" render namespaced --set 'watchNamespaces={a,b}'
check "  no ClusterRole, no ClusterRoleBinding" count namespaced '^ *kind: ClusterRole' 0
check "  a Role per namespace and the lease's" count namespaced '^kind: Role$' 3
check "  a RoleBinding for each" count namespaced '^kind: RoleBinding$' 3
check "  both namespaces" has namespaced 'value: "a,b"$'
check "  the same rights as in the ClusterRole" python3 - "$out" <<'PY'
import re, sys
def rules(name, kind):
    docs = open(f"{sys.argv[1]}/{name}.yaml").read().split("\n---\n")
    return [d.split("\nrules:\n")[1].strip() for d in docs if f"\nkind: {kind}\n" in d and re.search(r"^  name: twp-operator$", d, re.M)]
everywhere, by_namespace = rules("default", "ClusterRole"), rules("namespaced", "Role")
sys.exit(not (len(everywhere) == 1 and by_namespace == everywhere * 2))
PY

check "crds.enabled=false renders" render without_crd --set crds.enabled=false
check "  no CRD" count without_crd 'CustomResourceDefinition' 0
check "  no wildcard" count without_crd "verbs:.*\*|resources:.*\*|apiGroups:.*\*|^ *- ['\"]?\*" 0
check "  Secrets only by name" bash -c "! grep -A1 'secrets' '$out/without_crd.yaml' | grep -E 'list|watch'"
check "  no user id" count without_crd 'runAsUser' 0
check "crds.keep=false renders" render bare_crd --set crds.keep=false
check "  the CRD's own bytes" python3 - "$out/bare_crd.yaml" "$chart/files/taskworkerpools.yaml" <<'PY'
import sys
rendered, crd = (open(f).read() for f in sys.argv[1:])
sys.exit(crd.removeprefix("---\n").strip() not in rendered)
PY
check "crds.annotations renders" render crd_note --set crds.annotations.owner=me
check "  both annotations" bash -c "grep -A2 '^  annotations:$' '$out/crd_note.yaml' | grep -q 'owner: me'"

check "digest renders" render digest --set image.tag=v9 --set "image.digest=sha256:$(printf '0%.0s' {1..64})"
check "  the digest wins" has digest 'image: "registry\.example/twp-operator@sha256:0{64}"$'
check "a log level renders" render loud --set log.level=debug
check "  it is in the environment" bash -c "grep -A1 'name: RUST_LOG$' '$out/loud.yaml' | grep -q 'value: \"debug\"'"
check "one replica renders" render single --set replicaCount=1
check "  no disruption budget" count single 'PodDisruptionBudget' 0
check "one replica without leader election renders" render alone --set replicaCount=1 --set leaderElection.enabled=false
check "  it ends before another begins" has alone 'type: Recreate$'
check "  no right on leases" count alone 'leases' 0
check "rbac.aggregate=false renders" render plain --set rbac.aggregate=false
check "  one ClusterRole" count plain '^kind: ClusterRole$' 1
check "  nothing of StatefulSets" count default 'statefulsets' 0
check "rbac.statefulSets=true renders" render sets --set rbac.statefulSets=true
check "  the right to see and to scale them" count sets 'resources: .statefulsets(/scale)?.$' 2
check "rbac.create=false renders" render no_rbac --set rbac.create=false
check "  no role" count no_rbac 'rbac.authorization' 0
check "  a port for metrics, one for probes" python3 - "$out/default.yaml" <<'PY'
import sys
text = " ".join(open(sys.argv[1]).read().split())
wanted = ["name: metrics containerPort: 8080", "name: probes containerPort: 8081", 'TWP_LISTEN value: "0.0.0.0:8080"',
          'TWP_PROBES value: "0.0.0.0:8081"', "{path: /livez, port: probes}", "{path: /readyz, port: probes}"]
sys.exit(str(missing) if (missing := [w for w in wanted if w not in text]) else 0)
PY
check "IPv6 renders" render ipv6 --set 'http.address=[::]' --set http.port=9090 --set http.probesPort=9091
check "  the addresses" bash -c "grep -q 'value: \"\[::\]:9090\"$' '$out/ipv6.yaml' && grep -q 'value: \"\[::\]:9091\"$' '$out/ipv6.yaml'"
check "a network policy renders" render policy --set networkPolicy.enabled=true
check "  in from anywhere" count policy '^      from:' 0
check "  and on both ports" bash -c "sed '/egress:/,\$d' '$out/policy.yaml' | grep -c 'port: 808[01], protocol: TCP' | grep -qx 2"
check "a network policy with ingressFrom renders" render readers --set networkPolicy.enabled=true --set 'networkPolicy.ingressFrom[0].podSelector.matchLabels.app=prometheus'
check "  it is about the metrics alone" python3 - "$out/readers.yaml" <<'PY'
import sys
policy = next(d for d in open(sys.argv[1]).read().split("\n---\n") if "kind: NetworkPolicy" in d)
metrics, probes = " ".join(policy.split("ingress:")[1].split("egress:")[0].split()).split("# /livez")
sys.exit(not ("port: 8080" in metrics and "from: - podSelector: matchLabels: app: prometheus" in metrics and "port: 8081" in probes and "from:" not in probes))
PY

cat >"$out/all.values" <<'YAML'
commonLabels: {team: a}
podLabels: {app.kubernetes.io/name: not-mine, color: blue}
podAnnotations: {note: b}
imagePullSecrets: [{name: pull}]
image: {pullPolicy: Always}
priorityClassName: system-cluster-critical
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{operator: Exists}]
affinity: {nodeAffinity: {}}
extraEnv: [{name: HTTPS_PROXY, value: "http://proxy"}]
extraArgs: [--verbose]
extraVolumes: [{name: ca, configMap: {name: ca}}]
extraVolumeMounts: [{name: ca, mountPath: /ca}]
extraObjects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: one}}, "{apiVersion: v1, kind: ConfigMap, metadata: {name: '{{ .Release.Name }}-two'}}"]
serviceAccount: {annotations: {role: r}}
serviceMonitor: {enabled: true, labels: {release: prometheus}}
prometheusRule: {enabled: true}
dashboard: {enabled: true, annotations: {grafana_folder: Workers}}
service: {annotations: {scraped: by-me}}
topologySpreadConstraints: [{topologyKey: rack, maxSkew: 1, whenUnsatisfiable: DoNotSchedule}]
podSecurityContext: {fsGroup: 4711}
securityContext: {runAsUser: 4712}
brokerCidrs: [10.0.0.0/8, "fd00::/8"]
clusterDomain: k8s.example
view: {enabled: true, listen: Pod, hosts: [api.example.com]}
networkPolicy: {enabled: true, ingressFrom: [{namespaceSelector: {}}], viewFrom: [{podSelector: {matchLabels: {looks: at-it}}}], brokerPeers: [{ipBlock: {cidr: 10.0.0.0/8}}]}
global: {from: parent}
YAML
check "every optional value renders" render all --values "$out/all.values"
check "  reaches its place" python3 - "$out/all.yaml" <<'PY'
import sys
text = open(sys.argv[1]).read()
wanted = ["team: a", "color: blue", "note: b", "name: pull", "imagePullPolicy: Always", "priorityClassName: system-cluster-critical", "kubernetes.io/os: linux",
          "operator: Exists", "nodeAffinity: {}", "name: HTTPS_PROXY", "- --verbose", "mountPath: /ca", "name: one", "twp-operator-two",
          "role: r", 'value: "10.0.0.0/8,fd00::/8"', 'value: "k8s.example"', "release: prometheus", "kind: ServiceMonitor", "kind: PrometheusRule", 'grafana_dashboard: "1"', "grafana_folder: Workers", '"uid": "taskworkerpool"',
          "scraped: by-me", "topologyKey: rack", "fsGroup: 4711", "runAsUser: 4712", "runAsNonRoot: true", "kind: NetworkPolicy", "port: metrics", "namespaceSelector: {}", "cidr: 10.0.0.0/8", "{port: 6379, protocol: TCP}", 'value: "0.0.0.0:8082"', "looks: at-it", 'value: "api.example.com"']
missing = [w for w in wanted if w not in text]
print(missing, "not-mine" in text)
sys.exit(bool(missing) or "not-mine" in text or "topology.kubernetes.io/zone" in text)
PY
other() { "$helm" template x "$chart" --namespace y --set image.repository=$image --set prometheusRule.enabled=true >"$out/other.yaml"; }
check "alerts of another release render" other
check "  they are about its own Lease" has other 'leader_election_master_status\{namespace="y",name="x-twp-operator"\}'
check "  and about no other namespace" count other twp-system 0

check "values, comments and schema agree" python3 - "$chart" <<'PY'
import json, re, sys
schema = json.load(open(f"{sys.argv[1]}/values.schema.json"))
not_ours = {"global", "enabled"}
problems, path, previous, keys = [], [], "", set()
for line in open(f"{sys.argv[1]}/values.yaml").read().splitlines():
    m = re.match(r"( *)([A-Za-z]+):(.*)", line)
    if m:
        depth = len(m[1]) // 2
        path = path[:depth] + [m[2]]
        keys.add(tuple(path))
        group = not m[3].strip()
        if not group and not previous.lstrip().startswith("#") and path[0] != "resources":
            problems.append(f"no comment above {'.'.join(path)}")
    previous = line
def walk(node, at):
    for name, child in node.get("properties", {}).items():
        if at or name not in not_ours:
            if (*at, name) not in keys and at != ("resources",) and at[:1] != ("imagePullSecrets",):
                problems.append(f"in the schema only: {'.'.join((*at, name))}")
        walk(child, (*at, name))
    if "properties" in node and node.get("additionalProperties") is not False:
        problems.append(f"open: {at}")
walk(schema, ())
print("\n".join(problems))
sys.exit(bool(problems))
PY

check "docs/reference/values.md is what values.yaml says" bash -c "python3 charts/values.py | cmp - docs/reference/values.md"
check "the chart's CRD is the generated one" same "$crd" "$chart/files/taskworkerpools.yaml"
check "install.yaml has no CRD: who deletes it keeps the pools" bash -c "! grep -n 'CustomResourceDefinition' deploy/install.yaml"
for each in install install-namespaced; do
    for by in "${helms[@]}"; do
        check "$each.yaml renders" bash -c "TWP_HELM='$by' charts/render.sh $each >'$out/$each.yaml'"
        check "deploy/$each.yaml is what the chart renders" same "deploy/$each.yaml" "$out/$each.yaml"
    done
done

part defaults "${helms[@]}"
part sets "${helms[@]}"
part queries ${PROMTOOL:+"$PROMTOOL"}
case $("$helm" version --template '{{.Version}}') in v3*) part derived ;; *) part derived "$helm" ;; esac

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
