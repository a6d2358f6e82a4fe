#!/bin/bash
# Pid 1 of the bed: runs inside its own net, mount and pid namespaces and starts every component.
# When it dies the kernel ends all it started and drops the mounts, links and packet rules: that is `down`.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=build.sh
. "$HERE/build.sh"

# Fresh directories over those that components insist on, so that the machine's own stay untouched. The missing ones
# were made, and noted for `down`, by up.
private_directories() {
  local directory
  mount --make-rshared /
  mount -t tmpfs tmpfs /run
  mkdir -p /run/netns /run/lock
  for directory in $PRIVATE_DIRECTORIES; do mount -t tmpfs tmpfs "$directory"; done
}

# The kubelet rewrites settings of the whole MACHINE (vm.overcommit_memory, kernel.panic ...) when they differ from what
# it wants. Files with the wanted values over them, in this mount namespace only: it sees them and writes nothing outside.
private_sysctls() {
  local setting file
  for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    file=/run/sysctl-${setting//\//-}
    echo "${setting#*=}" >"$file"
    mount --bind "$file" "/proc/sys/${setting%=*}"
  done
}

# No default route: what is not a pod, a Service or the machine's end of the link is unreachable.
network() {
  ip link set lo up
  wait_for 10 "$LOGS/inner.log" "the link to the machine" ip link show "$NODE_LINK"
  ip addr add "$NODE_IP/$LINK_PREFIX" dev "$NODE_LINK"
  ip link set "$NODE_LINK" up
  # The bridge before any pod: the API server advertises its address, which pods can reach.
  ip link add pods0 type bridge
  ip addr add "$POD_GATEWAY/16" dev pods0
  ip link set pods0 up
  # kube-proxy rewrites Service addresses, but a process of the node needs some route to them first.
  ip route add "$SERVICE_CIDR" dev pods0
  # bridge-nf-call-iptables: a pod that calls a Service whose pod is on the same bridge must pass kube-proxy's rules.
  [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] || modprobe br_netfilter
  sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
}

# start NAME COMMAND... : a component in the background; if it ever ends, its name lands in $RUN/exited.
start() {
  local name=$1
  shift
  (
    status=0
    "$@" >"$LOGS/$name.log" 2>&1 </dev/null || status=$?
    echo "$name (exit status $status)" >>"$RUN/exited"
  ) &
}

start_etcd() { # of 3.6 or newer: older ones cannot serve watch lists. No fsync: the data lives as long as the bed.
  local client=http://127.0.0.1:2379 peer=http://127.0.0.1:2380
  start etcd "$KUBERNETES_BIN/etcd" --data-dir="$RUN/etcd" --listen-client-urls=$client --advertise-client-urls=$client \
    --listen-peer-urls=$peer --initial-advertise-peer-urls=$peer --initial-cluster=default=$peer --unsafe-no-fsync
}

start_apiserver() {
  start apiserver "$KUBERNETES_BIN/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 \
    --secure-port=6443 --bind-address=0.0.0.0 --advertise-address="$POD_GATEWAY" --service-cluster-ip-range="$SERVICE_CIDR" \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
    --client-ca-file="$PKI/ca.crt" --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-account-key-file="$PKI/service-account.pub" --service-account-signing-key-file="$PKI/service-account.key" \
    --kubelet-client-certificate="$PKI/admin.crt" --kubelet-client-key="$PKI/admin.key" \
    --kubelet-certificate-authority="$PKI/ca.crt" --kubelet-preferred-address-types=InternalIP \
    --requestheader-client-ca-file="$PKI/ca.crt" --requestheader-allowed-names=front-proxy-client \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --proxy-client-cert-file="$PKI/front-proxy.crt" --proxy-client-key-file="$PKI/front-proxy.key" --enable-aggregator-routing=true \
    --audit-policy-file="$HERE/manifests/audit-policy.yaml" --audit-log-path="$RUN/audit.log"
}

# The default rate limits (20/s) would delay the `default` ServiceAccount, and with it all pods, by 5 s.
start_controllers() {
  local name binary
  for name in controller-manager scheduler; do
    binary=("$KUBERNETES_BIN/kube-$name" --kubeconfig="$PKI/$name.kubeconfig" --authentication-kubeconfig="$PKI/$name.kubeconfig"
      --authorization-kubeconfig="$PKI/$name.kubeconfig" --leader-elect=false --bind-address=127.0.0.1 --kube-api-qps=200 --kube-api-burst=400)
    if [ $name = controller-manager ]; then
      binary+=(--service-account-private-key-file="$PKI/service-account.key" --root-ca-file="$PKI/ca.crt"
        --use-service-account-credentials=true --cluster-cidr="$POD_CIDR")
    fi
    start $name "${binary[@]}"
  done
}

start_node() {
  start kubelet "$KUBERNETES_BIN/kubelet" --config="$RUN/etc/kubelet.yaml" --kubeconfig="$PKI/node.kubeconfig" \
    --root-dir=/var/lib/kubelet --cert-dir=/var/lib/kubelet/pki --node-ip="$NODE_IP" --hostname-override="$NODE_NAME"
  start proxy "$KUBERNETES_BIN/kube-proxy" --config="$RUN/etc/proxy.yaml" --hostname-override="$NODE_NAME"
}

api_ready() { curl -sf --noproxy '*' --cacert "$PKI/ca.crt" https://127.0.0.1:6443/readyz | grep -q ^ok; }

ulimit -n 65536 2>/dev/null || true # an unlimited number makes Erlang reserve a table for a billion files
private_directories
private_sysctls
network
start containerd containerd --config "$RUN/etc/containerd.toml"
start_etcd
start_apiserver
wait_for 60 "$LOGS/apiserver.log" "API server" api_ready
start_controllers
# `up` imports the images meanwhile: the pause image must be there before the first pod.
wait_for 600 "$LOGS/containerd.log" "images" test -e "$RUN/images-imported"
start_node
while :; do wait -n || true; sleep 0.2; done # reaps what containerd's shims leave behind
