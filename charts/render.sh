#!/bin/sh
# Makes what is derived from the chart and the generated CRD: the chart's copy of the CRD, the manifests in deploy/, the page of values.
#   charts/render.sh                                   into the repository
#   charts/render.sh install | install-namespaced      one of them to standard output, nothing else touched (a drift test compares it)
# Needs python3, and helm 3 or 4, named by TWP_HELM if it is not in the PATH.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
chart=$root/charts/twp-operator
image=registry.example/twp-operator

# No label names Helm as the manager.
rendered() {
    text=$("${TWP_HELM:-helm}" template twp-operator "$chart" --set image.repository=$image --set crds.enabled=false --skip-tests "$@")
    printf '%s\n' "$text" | sed -e '/^ *app.kubernetes.io\/managed-by: Helm$/d' -e '/^ *helm.sh\/chart: /d'
}
tag() { sed -n 's/^appVersion: //p' "$chart/Chart.yaml"; }

# The CRD is not in it: deleting the CRD deletes every pool, and this file may be deleted without a thought.
install() {
    cat <<YAML
# TaskWorkerPool operator. Put your image in place of $image:$(tag); the CRD comes from a file of its own:
#   kubectl apply --server-side -f crds/
#   sed 's|$image:$(tag)|YOUR-IMAGE|' deploy/install.yaml | kubectl apply -f -
# \`kubectl delete -f deploy/install.yaml\` leaves the CRD, all pools and the workers' replicas as they are;
# \`kubectl delete -f crds/\` deletes all pools of the cluster.
# Made by charts/render.sh from charts/twp-operator; do not edit.
apiVersion: v1
kind: Namespace
metadata:
  name: twp-system
  labels:
    pod-security.kubernetes.io/enforce: restricted
YAML
    rendered --namespace twp-system
}

install_namespaced() {
    cat <<YAML
# TaskWorkerPool operator for the one namespace that it runs in: all objects here are of that namespace. The CRD has to be there
# (an administrator applies crds/). Put your namespace in place of my-namespace, and your image in place of
# $image:$(tag):
#   sed 's|my-namespace|YOUR-NAMESPACE|; s|$image:$(tag)|YOUR-IMAGE|' deploy/install-namespaced.yaml | kubectl apply -f -
# Kubernetes lets you grant only rights that you have: these are listed in the Roles below. Nothing narrows the right to patch
# pods here; that takes an admission policy, which has no namespace (admissionPolicy.enabled of the chart).
# Made by charts/render.sh from charts/twp-operator; do not edit.
YAML
    rendered --namespace my-namespace --set 'watchNamespaces={my-namespace}' --set admissionPolicy.enabled=false
}

case ${1:-} in
install) install ;;
install-namespaced) install_namespaced ;;
'')
    cp "$root/crds/taskworkerpools.taskworkerpool.dev.yaml" "$chart/files/taskworkerpools.yaml"
    trap 'rm -f "$root"/deploy/*.new' EXIT
    install >"$root/deploy/install.yaml.new"
    install_namespaced >"$root/deploy/install-namespaced.yaml.new"
    mkdir -p "$root/docs/reference"
    python3 "$root/charts/values.py" >"$root/docs/reference/values.md"
    for each in install install-namespaced; do mv "$root/deploy/$each.yaml.new" "$root/deploy/$each.yaml"; done
    ;;
*)
    echo "usage: charts/render.sh [install | install-namespaced]" >&2
    exit 2
    ;;
esac
