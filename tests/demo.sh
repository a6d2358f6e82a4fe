#!/bin/bash
# The main job, shown: a Django + Celery shop sends mails, and its workers are scaled 0 → N → 0 by the operator, first on
# Redis, then on RabbitMQ. `make demo` builds what this needs. KEEP=1 leaves everything running.
set -euo pipefail
cd "$(dirname "$0")/.."
bed=tests/testbed/bed
eval "$($bed env)"
mails=200
system=twp-system
kubectl() { $bed kubectl "$@"; }
heading() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
fail() { echo "demo: $*" >&2; exit 1; }
watches=()

clean_up() {
  local code=$?
  for pid in "${watches[@]}"; do kill "$pid" 2>/dev/null || true; done
  if [ "${KEEP:-}" = 1 ]; then
    heading "left running (KEEP=1)"
    cat <<TEXT
  export KUBECONFIG=$KUBECONFIG
  $bed kubectl get twp -A                              why so many workers?
  $bed kubectl -n shop-redis describe twp mail         the whole story
  $bed kubectl create --raw '/api/v1/namespaces/shop-redis/services/web:8000/proxy/send?count=50' -f /dev/null
                                                       50 more mails
  $bed kubectl -n $system logs -l app.kubernetes.io/name=twp-operator -f
  make down                                            the end (on a cluster of yours: helm uninstall, delete the namespaces)
TEXT
    exit "$code"
  fi
  heading "cleaning up"
  if [ "${TESTBED:-}" = existing ]; then
    kubectl delete namespace shop-redis shop-rabbitmq --ignore-not-found --wait=false >/dev/null || true
    $bed helm uninstall twp-operator -n $system >/dev/null 2>&1 || true
    kubectl delete namespace $system --ignore-not-found --wait=false >/dev/null || true
    echo "the CRD stays: $bed kubectl delete -f crds/"
  else
    $bed down
  fi
  exit "$code"
}
trap clean_up EXIT

# The replica that holds the Lease has the live numbers.
metrics() {
  local leader
  leader=$(kubectl -n $system get lease twp-operator -o jsonpath='{.spec.holderIdentity}')
  kubectl get --raw "/api/v1/namespaces/$system/pods/$leader:8080/proxy/metrics"
}
# number METRIC NAMESPACE, summed over queues
number() { awk -v name="$1" -v ns="namespace=\"$2\"" 'index($0, name "{") == 1 && index($0, ns) {n += $NF} END {print n + 0}'; }
sink() { kubectl get --raw "/api/v1/namespaces/$1/services/sink:8026/proxy/counts"; }
now_ms() { date +%s%3N; }

install_operator() {
  heading "the operator, by Helm"
  $bed helm upgrade --install twp-operator charts/twp-operator --namespace $system --create-namespace \
    --set image.repository="${TWP_IMAGE_OPERATOR%:*}" --set image.tag="${TWP_IMAGE_OPERATOR##*:}" \
    --set-string podAnnotations.startedAt="$(now_ms)" --take-ownership --wait --timeout 120s >/dev/null
  kubectl -n $system get pods
}

# The shop's manifests with the images that this cluster can pull.
manifests() { # BROKER
  kubectl kustomize "deploy/examples/testbed/$1" |
    sed -e "s|localhost/redis:8|$TWP_IMAGE_REDIS|; s|localhost/rabbitmq:4|$TWP_IMAGE_RABBITMQ|; s|localhost/django-celery:1|$TWP_IMAGE_APP|"
}

start_shop() { # BROKER NAMESPACE
  local broker=$1 ns=$2
  heading "the shop with $broker"
  kubectl get namespace "$ns" >/dev/null 2>&1 || kubectl create namespace "$ns" >/dev/null
  manifests "$broker" | kubectl -n "$ns" apply -f - >/dev/null
  for deployment in "$broker" web sink; do
    kubectl -n "$ns" rollout status "deployment/$deployment" --timeout=120s >/dev/null || fail "$deployment does not start"
  done
  cat deploy/examples/pool/pool.yaml
  kubectl -n "$ns" apply -k deploy/examples/pool >/dev/null
  kubectl -n "$ns" wait twp/mail --for=condition=Ready --for=condition=SourceAvailable --timeout=60s >/dev/null || {
    kubectl -n "$ns" describe twp mail
    fail "the pool does not become Ready"
  }
}

# The same file that the tests record their figures in.
record() { # BROKER RECEIVED DUPLICATES
  local file=target/figures/main-job.json
  mkdir -p "${file%/*}"
  [ -s $file ] || echo '{}' >$file
  jq --arg broker "$1" --argjson sent $mails --argjson received "$2" --argjson duplicates "$3" \
    '.[$broker] += {$sent, $received, $duplicates}' $file >$file.new
  mv $file.new $file
}

show() { # BROKER
  local broker=$1 ns=shop-$1 writes sent_at begun first peak=0 received=0 duplicates=0 replicas=0 ready why numbers deadline
  start_shop "$broker" "$ns"
  writes=$(mktemp)
  # Each change of the number of replicas, with its time.
  kubectl -n "$ns" get deployment mail-worker -w -o jsonpath='{.spec.replicas}{"\n"}' 2>/dev/null |
    while read -r n; do echo "$(now_ms) $n"; done >"$writes" &
  watches+=($!)
  until [ -s "$writes" ]; do sleep 0.1; done

  heading "$mails mails through the view"
  begun=$(now_ms)
  kubectl create --raw "/api/v1/namespaces/$ns/services/web:8000/proxy/send?count=$mails" -f /dev/null >/dev/null
  sent_at=$(now_ms)
  printf '%-8s %8s %8s %9s %6s %6s  %s\n' TIME WAITING RUNNING REPLICAS READY MAILS WHY
  deadline=$((SECONDS + 300))
  while [ $SECONDS -lt $deadline ]; do
    numbers=$(metrics)
    read -r replicas ready < <(kubectl -n "$ns" get deployment mail-worker -o jsonpath='{.spec.replicas} {.status.readyReplicas}{" 0\n"}')
    why=$(kubectl -n "$ns" get twp mail -o jsonpath='{.status.decision.message}')
    received=$(sink "$ns" | jq .unique)
    printf '%-8s %8s %8s %9s %6s %6s  %s\n' "$(date +%T)" "$(number twp_queue_waiting_tasks "$ns" <<<"$numbers")" \
      "$(number twp_pool_in_flight_tasks "$ns" <<<"$numbers")" "$replicas" "${ready%% *}" "$received" "$why"
    [ "$received" -ge $mails ] && [ "$replicas" = 0 ] && break
    sleep 0.6
  done
  peak=$(awk '$2 > max {max = $2} END {print max + 0}' "$writes")
  first=$(awk -v t="$begun" '$1 >= t && $2 > 0 {print $1 - t; exit}' "$writes")
  duplicates=$(sink "$ns" | jq .duplicates)
  record "$broker" "$received" "$duplicates"
  summary+=("$(printf '%-9s %5s sent  %5s received  %2s twice   first replica write %5s ms after the request (which took %s ms)   peak %s   now %s' \
    "$broker" $mails "$received" "$duplicates" "$first" $((sent_at - begun)) "$peak" "$replicas")")
  [ "$received" = $mails ] && [ "$duplicates" = 0 ] || fail "$broker: $received of $mails mails arrived, $duplicates twice"
  [ "$replicas" = 0 ] || fail "$broker: the workers did not go back to zero"
}

summary=()
$bed up
install_operator
show redis
show rabbitmq
heading "summary"
printf '%s\n' "${summary[@]}"
