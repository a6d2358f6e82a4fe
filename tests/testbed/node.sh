# up, down, load and status of the bed's node.

export PRIVATE_DIRECTORIES="/var/lib/kubelet /var/lib/cni /var/log /usr/libexec/kubernetes"
export NO_PROXY="$NODE_IP,$POD_CIDR,$SERVICE_CIDR${NO_PROXY:+,$NO_PROXY}" no_proxy="$NODE_IP,$POD_CIDR,$SERVICE_CIDR${no_proxy:+,$no_proxy}"

ctr_bed() { ctr --address "$CONTAINERD_SOCKET" --namespace k8s.io "$@"; }
kubectl_bed() { "$KUBERNETES_BIN/kubectl" --kubeconfig="$PKI/admin.kubeconfig" "$@"; }
api_ready() { curl -sf --noproxy '*' --cacert "$PKI/ca.crt" "https://$NODE_IP:6443/readyz" | grep -q ^ok; }
is_other_network() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }

start_namespaces() {
  local directory holder init
  if ip link show "$HOST_LINK" >/dev/null 2>&1; then
    die "link $HOST_LINK exists: another bed runs on this machine (with another TWP_CACHE)" "Stop that one with its own \`bed down\`, or remove a stale link by: ip link del $HOST_LINK"
  fi
  rm -rf "$RUN/etcd" "$RUN/exited" "$RUN/images-imported" "$RUN/audit.log" "$LOGS"
  mkdir -p "$LOGS" "$CACHE/containerd/imported"
  write_configs
  for directory in $PRIVATE_DIRECTORIES; do
    [ -d "$directory" ] || { mkdir "$directory" && echo "$directory" >>"$RUN/made-directories"; }
  done
  echo "$KUBERNETES_BIN" >"$RUN/binaries"
  setsid unshare --net --mount --pid --fork --kill-child --mount-proc "$HERE/inner.sh" >"$LOGS/inner.log" 2>&1 </dev/null 9>&- &
  holder=$!
  wait_for 10 "$LOGS/inner.log" "namespaces" pgrep -P $holder
  init=$(pgrep -P $holder)
  echo "$init $(start_time "$init")" >"$RUN/init"
  wait_for 10 "$LOGS/inner.log" "network namespace" is_other_network "$init"
  ip link add "$HOST_LINK" type veth peer name "$NODE_LINK" netns "$init"
  ip addr add "$HOST_IP/$LINK_PREFIX" dev "$HOST_LINK"
  ip link set "$HOST_LINK" up
  ip route add "$POD_CIDR" via "$NODE_IP"
  ip route add "$SERVICE_CIDR" via "$NODE_IP"
}

# load ARCHIVE... : imports those whose content is not there yet. The image id (hash of its config) names the content.
load() {
  local archive manifest reference id note present
  present=$(ctr_bed images ls -q)
  for archive; do
    [ -f "$archive" ] || die "no image archive $archive"
    manifest=$(tar -xOf "$archive" --occurrence=1 manifest.json) || die "$archive is no docker-archive"
    reference=$(jq -r '.[0].RepoTags[0]' <<<"$manifest")
    id=$(jq -r '.[0].Config' <<<"$manifest")
    note=$CACHE/containerd/imported/${reference//[\/:]/_}
    if [ "$(cat "$note" 2>/dev/null)" = "$id" ] && grep -qxF "$reference" <<<"$present"; then continue; fi
    logged "$LOGS/import.log" ctr_bed images import "$archive"
    # the image that had this name before
    if [ -f "$note" ] && [ "$(cat "$note")" != "$id" ]; then ctr_bed images rm "sha256:$(basename "$(cat "$note")" .json)" >/dev/null 2>&1 || true; fi
    echo "$id" >"$note"
    progress "imported $reference"
  done
}

default_archives() {
  local name
  local -a names=("$IMAGE_PAUSE" "$IMAGE_COREDNS" "$IMAGE_REDIS" "$IMAGE_RABBITMQ" "$IMAGE_APP" "$IMAGE_OPERATOR")
  [ -z "$FOR_TESTS" ] || names+=("$IMAGE_RABBITMQ3" "$IMAGE_RQ" "$IMAGE_TASKIQ")
  for name in "${names[@]}"; do
    if [ "$name" != "$IMAGE_OPERATOR" ] || [ -e "$ARCHIVES/${name/:/-}.tar" ]; then echo "$ARCHIVES/${name/:/-}.tar"; fi
  done
}

up() {
  local was_up='' archives
  if is_up; then
    was_up=1
    [ ! -s "$RUN/exited" ] || die "the bed runs, but these ended by themselves: $(tr '\n' ' ' <"$RUN/exited")" "Logs: $LOGS. Then: $HERE/bed down && $HERE/bed up"
    [ "$(cat "$RUN/binaries")" = "$KUBERNETES_BIN" ] || die "the running bed has other binaries than this checkout pins" "$HERE/bed down && $HERE/bed up"
  else
    down_quietly # what a crash may have left
    ensure_certificates
    start_namespaces
  fi
  wait_for 20 "$LOGS/containerd.log" containerd ctr_bed version
  mapfile -t archives < <(default_archives)
  load "${archives[@]}"
  : >"$RUN/images-imported"
  [ -n "$was_up" ] || progress "containerd, images"
  wait_for 60 "$LOGS/apiserver.log" "API server" api_ready
  wait_for 30 "$LOGS/controller-manager.log" "ServiceAccount default" kubectl_bed get serviceaccount default
  if [ -z "$was_up" ]; then
    progress "API server"
    logged "$LOGS/apply.log" kubectl_bed apply -f "$HERE/manifests/coredns.yaml"
  fi
  wait_for 60 "$LOGS/kubelet.log" "node Ready" kubectl_bed wait --for=condition=Ready "node/$NODE_NAME" --timeout=1s
  [ -n "$was_up" ] || progress "node"
  wait_for 60 "$LOGS/kubelet.log" "cluster DNS" kubectl_bed -n kube-system wait --for=condition=Available deployment/coredns --timeout=1s
  if [ -n "$was_up" ]; then progress "already up"; else progress "up; KUBECONFIG=$PKI/admin.kubeconfig"; fi
}

# The cgroups of pods are the machine's; empty once their processes are gone.
remove_cgroups() {
  local try
  for try in $(seq 50); do
    find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} + 2>/dev/null || true
    [ -n "$(find /sys/fs/cgroup -maxdepth 2 -name kubepods 2>/dev/null)" ] || return 0
    sleep 0.05
  done
  progress "cgroups named kubepods are left after try $try: is another kubelet on this machine?"
}

down_quietly() {
  local init directory
  init=$(bed_init) || true
  if [ -n "$init" ]; then
    kill -9 "$init"
    # Its parent, `unshare`, is the last in the namespaces: it ends by itself, a second or two later, when the kernel has
    # synced the pods' overlays. There is nothing to do for it, so nobody waits for it.
    while [ -d "/proc/$init" ]; do sleep 0.02; done
  fi
  if [ -f "$RUN/init" ]; then
    remove_cgroups
    rm -f "$RUN/init"
    ip link del "$HOST_LINK" 2>/dev/null || true # its routes go with it
  fi
  if [ -f "$RUN/made-directories" ]; then
    while read -r directory; do rmdir "$directory" 2>/dev/null || true; done <"$RUN/made-directories"
    rm -f "$RUN/made-directories"
  fi
  rm -rf "$RUN/etcd" "$CONTAINERD_SOCKET" "$CONTAINERD_SOCKET.ttrpc"
}

down() {
  down_quietly
  if [ "${1:-}" = --wipe ]; then rm -rf "$CACHE/containerd" "$RUN"; fi
  progress "down"
}
