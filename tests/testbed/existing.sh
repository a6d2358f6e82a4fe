# TESTBED=existing: your own cluster by your own KUBECONFIG; images come from a registry that it can pull from.

existing_registry() { [ -n "${TWP_REGISTRY:-}" ] || die "TWP_REGISTRY is not set" "Name the registry your cluster pulls from, e.g. TWP_REGISTRY=registry.example.com/twp"; }

existing_up() {
  local kubectl
  kubectl=$(command -v kubectl) || die "no kubectl on PATH"
  "$kubectl" --request-timeout=10s get --raw /readyz >/dev/null || die "your cluster does not answer" "Check KUBECONFIG (${KUBECONFIG:-~/.kube/config}) and the current context."
  progress "your cluster answers; the bed starts nothing"
}

# Copies with skopeo when it is there; else says what must be pushed.
existing_load() {
  local archive reference
  existing_registry
  for archive; do
    reference=$(tar -xOf "$archive" --occurrence=1 manifest.json | jq -r '.[0].RepoTags[0]')
    if command -v skopeo >/dev/null; then
      skopeo copy "docker-archive:$archive" "docker://$TWP_REGISTRY/${reference#localhost/}"
    else
      echo "images come from the registry: push $archive as $TWP_REGISTRY/${reference#localhost/} (skopeo is not installed)"
    fi
  done
}
