# The configuration files of the components, written at every `up`.

write_configs() {
  mkdir -p "$RUN/etc/cni" "$LOGS"

  # No ipMasq: a host process sees the pod's own address, and there is nowhere else to go.
  cat >"$RUN/etc/cni/10-twp.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "twp", "plugins": [
  {"type": "bridge", "bridge": "pods0", "isGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "/run/cni-ipam", "ranges": [[{"subnet": "$POD_CIDR"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON

  # restrict_oom_score_adj: without CAP_SYS_RESOURCE runc may not lower the score and every pod would fail with
  # "can't get final child's PID from pipe: EOF".
  cat >"$RUN/etc/containerd.toml" <<TOML
version = 2
root = "$CACHE/containerd"
state = "/run/containerd-state"
[grpc]
  address = "$CONTAINERD_SOCKET"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/$IMAGE_PAUSE"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$RUN/etc/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
TOML

  # failCgroupV1 + cgroupfs: machines with the old cgroups work too. imageGCHighThresholdPercent 100: imported images
  # have no registry to come back from, so the kubelet must never delete one.
  cat >"$RUN/etc/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: "$PKI/ca.crt"}}
authorization: {mode: Webhook}
tlsCertFile: "$PKI/kubelet-server.crt"
tlsPrivateKeyFile: "$PKI/kubelet-server.key"
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: "unix://$CONTAINERD_SOCKET"
imageServiceEndpoint: "unix://$CONTAINERD_SOCKET"
clusterDNS: ["$DNS_SERVICE_IP"]
clusterDomain: cluster.local
resolvConf: "$RUN/etc/resolv.conf"
maxPods: 250
serializeImagePulls: false
kubeAPIQPS: 200
kubeAPIBurst: 400
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: "100Mi", nodefs.available: "1%", imagefs.available: "1%"}
YAML
  echo "nameserver 127.0.0.1" >"$RUN/etc/resolv.conf"

  # conntrack zeros: kube-proxy must not write machine-wide limits.
  cat >"$RUN/etc/proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clusterCIDR: "$POD_CIDR"
clientConnection: {kubeconfig: "$PKI/proxy.kubeconfig"}
iptables: {minSyncPeriod: 100ms}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
YAML
}
