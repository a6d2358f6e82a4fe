# One certificate authority and a certificate for each component: ECDSA P-256, thrown away with the cache.

private_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

# certificate NAME SUBJECT USAGE [SUBJECT-ALTERNATIVE-NAMES]
certificate() {
  local name=$1 subject=$2 usage=$3 names=${4:-}
  private_key "$name"
  openssl req -new -key "$name.key" -subj "$subject" |
    openssl x509 -req -CA ca.crt -CAkey ca.key -set_serial "0x$(openssl rand -hex 8)" -days 3650 -out "$name.crt" -extfile <(
      printf 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=%s\n' "$usage"
      [ -z "$names" ] || printf 'subjectAltName=%s\n' "$names"
    )
}

# kubeconfig NAME SERVER
kubeconfig() {
  cat >"$1.kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: twp, cluster: {server: "https://$2:6443", certificate-authority: "$PKI/ca.crt"}}]
users: [{name: $1, user: {client-certificate: "$PKI/$1.crt", client-key: "$PKI/$1.key"}}]
contexts: [{name: twp, context: {cluster: twp, user: $1}}]
current-context: twp
YAML
}

# Runs in a subshell: it changes the directory.
make_certificates() (
  mkdir -p "$PKI"
  cd "$PKI" || exit
  private_key ca
  openssl req -x509 -new -key ca.key -subj /CN=twp-ca -days 3650 -out ca.crt \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
  local service=kubernetes.default.svc
  certificate apiserver /CN=kube-apiserver serverAuth "DNS:kubernetes,DNS:kubernetes.default,DNS:$service,DNS:$service.cluster.local,DNS:localhost,IP:127.0.0.1,IP:$API_SERVICE_IP,IP:$POD_GATEWAY,IP:$NODE_IP"
  certificate kubelet-server "/CN=$NODE_NAME" serverAuth "DNS:$NODE_NAME,IP:127.0.0.1,IP:$NODE_IP"
  certificate admin /O=system:masters/CN=admin clientAuth
  certificate controller-manager /CN=system:kube-controller-manager clientAuth
  certificate scheduler /CN=system:kube-scheduler clientAuth
  certificate proxy /CN=system:kube-proxy clientAuth
  certificate node "/O=system:nodes/CN=system:node:$NODE_NAME" clientAuth
  certificate front-proxy /CN=front-proxy-client clientAuth
  openssl genrsa -out service-account.key 2048
  openssl rsa -in service-account.key -pubout -out service-account.pub
  kubeconfig admin "$NODE_IP"
  for user in controller-manager scheduler proxy node; do kubeconfig $user 127.0.0.1; done
  : >complete
)

ensure_certificates() {
  [ ! -f "$PKI/complete" ] || return 0
  rm -rf "$PKI"
  mkdir -p "$LOGS"
  logged "$LOGS/certificates.log" make_certificates
  progress "certificates"
}
