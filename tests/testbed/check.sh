#!/bin/bash
# Proves what README.md promises. Starts from a bed that is down and ends with it down. Half a minute when warm.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
bed=$HERE/bed
failed=0

kube() { "$bed" kubectl -n bedcheck "$@"; }
check() { # check WHAT COMMAND...
  local what=$1 out
  shift
  if out=$("$@" 2>&1); then progress "ok      $what"; else failed=$((failed + 1)); progress "FAILED  $what"; echo "$out" >&2; fi
}

# What a bed could leave on the machine. Other work may come and go, so processes count by name (the components) or by
# their network namespace (whatever ran in pods).
machine() {
  echo "# processes"; ps -eo comm= | grep -E '^(kube|etcd|containerd|coredns|pause|unshare)' | sort | uniq -c || true
  echo "# mounts"; cut -d' ' -f1-3 /proc/mounts | sort
  echo "# links"; ip -o link | cut -d: -f2
  echo "# routes"; ip route; ip -6 route
  echo "# packet rules"; iptables-save 2>/dev/null | grep -v '^#' | sed 's/\[.*//' || true
  echo "# cgroups"; find /sys/fs/cgroup -type d -name '*kubepods*' | sort
  echo "# network namespaces"; for net in /proc/[0-9]*/ns/net; do readlink "$net" || true; done | sort -u
  echo "# settings"; sysctl vm.overcommit_memory kernel.panic kernel.panic_on_oops net.ipv4.ip_forward
  echo "# directories"; ls -d /var/lib/kubelet /var/lib/cni /usr/libexec/kubernetes /var/log/pods /run/netns/cni-* 2>/dev/null || true
}
settings() { sysctl vm.overcommit_memory kernel.panic kernel.panic_on_oops net.ipv4.ip_forward; }

nothing_new() { # at once, but for the kernel's own unmounting in the background
  local new
  for _ in $(seq 50); do
    new=$(comm -13 <(sort <<<"$before") <(machine | sort))
    [ -n "$new" ] || return 0
    sleep 0.1
  done
  echo "new: $new"
  return 1
}

is_noop() { local before; before=$(cat "$RUN/init"); "$bed" up && [ "$before" = "$(cat "$RUN/init")" ]; }
is_ready() { kube wait --for=condition=Ready "pod/$1" --timeout=90s; }
api_of() { # the management API of a RabbitMQ pod answers, from the machine by the pod's own address
  local ip; ip=$(kube get pod "$1" -o 'jsonpath={.status.podIP}')
  curl -sf --retry 20 --retry-delay 1 --retry-all-errors --noproxy '*' -u guest:guest "http://$ip:15672/api/overview" | jq -e --arg v "$2" '.rabbitmq_version | startswith($v)'
}
in_app() { kube exec app -- "$@"; }
service_answers() { # by ClusterIP from the machine, and by name from a pod
  local ip; ip=$(kube get service redis -o 'jsonpath={.spec.clusterIP}')
  [ "$(printf 'PING\r\n' | timeout 5 python3 -c "import socket,sys; s=socket.create_connection(('$ip',6379),5); s.sendall(b'PING\r\n'); print(s.recv(9).decode().strip())")" = +PONG ] &&
    in_app python3 -c 'import redis; assert redis.Redis("redis.bedcheck.svc").ping()'
}
fails_in_app() { # the Python expression must raise an OSError, and nothing else may go wrong
  in_app timeout 10 python3 -c "
import socket
try: $1
except OSError as error: print(error)
else: raise SystemExit('it worked')"
}
no_way_out() { fails_in_app 'socket.create_connection(("1.1.1.1", 443), 3)'; }
no_dns_out() { fails_in_app 'socket.getaddrinfo("example.com", 443)'; }
import_is_idempotent() { local out; out=$("$bed" load "$CACHE/images/redis-8.tar" 2>&1); [ -z "$out" ]; }
calls_are_logged() {
  in_app python3 -c '
import ssl, urllib.request, urllib.error
d = "/var/run/secrets/kubernetes.io/serviceaccount/"
r = urllib.request.Request("https://kubernetes.default.svc/api/v1/namespaces/bedcheck/pods", headers={"Authorization": "Bearer " + open(d + "token").read()})
try: urllib.request.urlopen(r, context=ssl.create_default_context(cafile=d + "ca.crt"), timeout=5)
except urllib.error.HTTPError as e: assert e.code == 403, e.code
else: raise SystemExit("RBAC is off")' && grep -q '"username":"system:serviceaccount:bedcheck:default"' "$RUN/audit.log" && ! grep -q '"username":"admin"' "$RUN/audit.log"
}
fast_down() { local t=$EPOCHREALTIME us; "$bed" down; us=$((${EPOCHREALTIME//[.,]/} - ${t//[.,]/})); echo "$us us"; [ $us -lt 1000000 ]; }

is_up && die "the bed is up: this check needs to see the machine without it" "$bed down && $0"
before=$(machine)
trap '"$bed" down' EXIT

check "up" "$bed" up
check "up again changes nothing" is_noop
check "the node is Ready" "$bed" kubectl wait --for=condition=Ready "node/$NODE_NAME" --timeout=1s
"$bed" kubectl create namespace bedcheck >/dev/null
for pod in "redis $IMAGE_REDIS" "rabbit4 $IMAGE_RABBITMQ" "rabbit3 $IMAGE_RABBITMQ3"; do
  read -r name image <<<"$pod"
  kube run "$name" --image="localhost/$image" --labels="app=$name" --image-pull-policy=Never >/dev/null
done
kube run app --image="localhost/$IMAGE_APP" --image-pull-policy=Never --command -- sleep 1000 >/dev/null
for image in "$IMAGE_RQ" "$IMAGE_TASKIQ"; do
  kube run "${image%:*}" --image="localhost/$image" --image-pull-policy=Never --command -- sleep 1000 >/dev/null
done
kube expose pod redis --port=6379 >/dev/null
for pod in redis rabbit4 rabbit3 app rq taskiq; do check "pod $pod is Ready" is_ready $pod; done
check "DNS in a pod" in_app python3 -c 'import socket; socket.getaddrinfo("kubernetes.default.svc.cluster.local", 443)'
check "a Service answers the machine and a pod" service_answers
check "RabbitMQ 4: management answers" api_of rabbit4 4.
check "RabbitMQ 3: management answers" api_of rabbit3 3.
check "celery runs" in_app celery --version
check "the example's packages" in_app python3 -c 'import django, gunicorn, redis'
check "rq runs" kube exec rq -- rq --version
check "taskiq runs" kube exec taskiq -- taskiq --version
check "no way out of a pod" no_way_out
check "no name outside resolves" no_dns_out
check "ServiceAccounts' calls are in the audit log, others' are not" calls_are_logged
check "an import again does nothing" import_is_idempotent
check "the machine's settings are untouched while it runs" diff <(grep -E '^(vm|kernel|net)\.' <<<"$before") <(settings)
check "down is fast" fast_down
check "nothing is left on the machine" nothing_new
trap - EXIT
[ $failed = 0 ] || die "$failed checks failed"
progress "all good"
