#!/bin/sh
# Makes what is derived from the chart and the generated CRD: the chart's copy of the CRD, and deploy/install.yaml.
#   charts/render.sh                into the repository
#   charts/render.sh --stdout       install.yaml to standard output, nothing else touched (a drift test compares it)
# Needs helm 3 or 4, named by TWP_HELM if it is not in the PATH.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
chart=$root/charts/twp-operator

install_yaml() {
    rendered=$("${TWP_HELM:-helm}" template twp-operator "$chart" --namespace twp-system --set crds.keep=false)
    cat <<'YAML'
# TaskWorkerPool operator: kubectl apply -f install.yaml
# Made by charts/render.sh from charts/twp-operator; do not edit.
apiVersion: v1
kind: Namespace
metadata:
  name: twp-system
  labels:
    pod-security.kubernetes.io/enforce: restricted
YAML
    # Helm's own marks say nothing here: the CRD goes in as it was generated, and no label names Helm as the manager.
    printf '%s\n' "$rendered" | sed -e '/^ *app.kubernetes.io\/managed-by: Helm$/d' -e '/^ *helm.sh\/chart: /d'
}

if [ "${1:-}" = --stdout ]; then
    install_yaml
else
    cp "$root/crds/taskworkerpools.taskworkerpool.dev.yaml" "$chart/files/taskworkerpools.yaml"
    install_yaml >"$root/deploy/install.yaml.new"
    mv "$root/deploy/install.yaml.new" "$root/deploy/install.yaml"
fi
