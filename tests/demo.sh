#!/bin/bash
# The main job, shown: a Django + Celery shop sends mails, and its workers are scaled 0 → N → 0 by the operator, first on
# Redis, then on RabbitMQ. `make demo` runs it on the test bed, `make demo-kind` on a cluster that kind makes in Docker; there it
# has to do with the bash 3.2 and the tools of macOS. KEEP=1 leaves everything running.
set -euo pipefail
cd "$(dirname "$0")/.."
where=${1:-bed}
bed=tests/testbed/bed
system=twp-system
mails=200
out=target/demo
port=8082
fail() { echo "demo: $*" >&2; exit 1; }

# Step, seconds from an empty cache and when all is built, what it is. On two cores; the first figure of `build` is the sum of its
# parts, each measured by itself, less what running side by side saves.
case $where in
  bed)
    kubectl="$bed kubectl" helm="$bed helm" the_end="make down (on a cluster of yours: helm uninstall, delete the namespaces)"
    steps="
      tools     10   1  what Debian has
      build    690  12  Kubernetes and the operator, built side by side; the cluster
      install   15  15  two shops without a pool; the operator, by Helm
      redis     60  60  $mails mails, with Redis
      rabbitmq  60  60  $mails mails, with RabbitMQ" ;;
  kind) # nobody has measured these
    kubectl=kubectl helm=helm the_end="kind delete cluster --name twp-demo"
    for tool in docker kind kubectl helm python3; do type -P $tool >/dev/null || fail "missing: $tool"; done
    steps="
      images     ?   ?  two images, built by Docker
      cluster    ?   ?  a cluster in Docker, by kind
      install    ?   ?  two shops without a pool; the operator, by Helm
      redis     60  60  $mails mails, with Redis
      rabbitmq  60  60  $mails mails, with RabbitMQ" ;;
  *) fail "where? tests/demo.sh bed | kind" ;;
esac
kube() { $kubectl "$@"; }

bold() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
as_minutes() { awk -v s="$1" 'BEGIN {if (s == "?") print s; else if (s < 100) printf "%d s", s; else printf "%.1f min", s / 60}'; }
budget() {
  local step first again text all_first=0 all_again=0 line='%-62s %12s %8s\n'
  # shellcheck disable=SC2059  # the format above
  while read -r step first again text; do
    if [ -z "$step" ]; then printf "$line" "what it takes" "the 1st time" again; continue; fi
    printf "$line" "$text" "$(as_minutes "$first")" "$(as_minutes "$again")"
    if [ "$first" = '?' ] || [ $all_first = '?' ]; then all_first='?' all_again='?'; continue; fi
    all_first=$((all_first + first)) all_again=$((all_again + again))
  done <<<"$steps"
  # shellcheck disable=SC2059
  printf "$line" sum "$(as_minutes $all_first)" "$(as_minutes $all_again)"
}

# step NAME : the one before has ended. Without a name: the last one has.
text='' began=0 took='' sum=0
step() {
  if [ -n "$text" ]; then
    took+=$(printf '%-62s %5s s' "$text" $((SECONDS - began)))$'\n'
    sum=$((sum + SECONDS - began))
  fi
  text=$(sed -n "s/^ *${1:-none}  *[0-9?]*  *[0-9?]*  *//p" <<<"$steps") began=$SECONDS
  [ -z "$text" ] || bold "$text"
}

clean_up() {
  local code=$?
  [ -z "${compiler:-}" ] || kill "$compiler" 2>/dev/null || true
  [ -z "${forward:-}" ] || kill "$forward" 2>/dev/null || true
  if [ "${KEEP:-}" = 1 ]; then
    bold "left running (KEEP=1)"
    cat <<TEXT
  export KUBECONFIG=${KUBECONFIG:-}
  $kubectl get twp -A                              why so many workers?
  $kubectl -n shop-redis describe twp mail         the whole story
  $kubectl create --raw '/api/v1/namespaces/shop-redis/services/web:8000/proxy/send?count=50' -f /dev/null
                                                       50 more mails
  $kubectl -n $system port-forward ${leader:-deployment/twp-operator} $port
                                                       all pools on a page: http://localhost:$port
  $kubectl -n $system logs -l app.kubernetes.io/name=twp-operator -f
  $the_end
                                                   the end
TEXT
    exit "$code"
  fi
  bold "cleaning up"
  if [ "$where" = kind ]; then
    kind delete cluster --name twp-demo --kubeconfig "$out/kind.kubeconfig"
  elif [ "${TESTBED:-}" = existing ]; then
    kube delete namespace shop-redis shop-rabbitmq --ignore-not-found --wait=false >/dev/null || true
    $helm uninstall twp-operator -n $system >/dev/null 2>&1 || true
    kube delete namespace $system --ignore-not-found --wait=false >/dev/null || true
    echo "the CRD stays: $kubectl delete -f crds/"
  else
    $bed down
  fi
  exit "$code"
}

# The operator is compiled while Go compiles Kubernetes: each has times when it uses one processor only.
prepare_bed() {
  eval "$($bed env)"
  step tools
  $bed prerequisites
  step build
  make --no-print-directory operator >$out/operator.log 2>&1 &
  compiler=$!
  $bed up --demo
  wait $compiler || { tail -n 25 $out/operator.log >&2; fail "the operator could not be compiled (whole log: $out/operator.log)"; }
  compiler=''
  $bed image-operator "${OPERATOR:?is the binary to pack: run this by make demo}"
}

prepare_kind() {
  export KUBECONFIG=$PWD/$out/kind.kubeconfig
  export TWP_IMAGE_OPERATOR=twp-operator:dev
  step images
  docker build -f Containerfile -t $TWP_IMAGE_OPERATOR .
  docker build -t django-celery:1 deploy/examples/django-celery
  step cluster
  kind get clusters | grep -qx twp-demo || kind create cluster --name twp-demo --kubeconfig "$KUBECONFIG" --wait 5m
  kind load docker-image --name twp-demo $TWP_IMAGE_OPERATOR django-celery:1
}

# The shop's manifests with images that this cluster can pull, or has.
manifests() { # BROKER
  if [ "$where" = kind ]; then
    kube kustomize "deploy/examples/$1"
  else
    kube kustomize "deploy/examples/testbed/$1" |
      sed -e "s|localhost/redis:8|$TWP_IMAGE_REDIS|; s|localhost/rabbitmq:4|$TWP_IMAGE_RABBITMQ|; s|localhost/django-celery:1|$TWP_IMAGE_APP|"
  fi
}

# The shops come up while Helm waits. An operator that is there already, perhaps with an image of the same name, is replaced.
install() {
  local broker deployment more=''
  for broker in redis rabbitmq; do
    kube get namespace shop-$broker >/dev/null 2>&1 || kube create namespace shop-$broker >/dev/null
    manifests $broker | kube -n shop-$broker apply -f - >/dev/null
  done
  [ "$where" = kind ] || more=--take-ownership
  # shellcheck disable=SC2086  # one word or none
  $helm upgrade --install twp-operator charts/twp-operator --namespace $system --create-namespace \
    --set image.repository="${TWP_IMAGE_OPERATOR%:*}" --set image.tag="${TWP_IMAGE_OPERATOR##*:}" \
    --set view.enabled=true --set view.port=$port --set-string podAnnotations.startedAt="$(date +%s)" --wait --timeout 300s $more >/dev/null
  kube -n $system get pods
  for broker in redis rabbitmq; do
    for deployment in $broker web beat sink; do
      kube -n shop-$broker rollout status "deployment/$deployment" --timeout=300s >/dev/null || fail "$deployment does not start with $broker"
    done
  done
}

# The page of the replica that leads, while this runs. Nothing depends on it: the port may be taken.
look() {
  local tries=30
  until leader=$(kube -n $system get lease twp-operator -o 'jsonpath={.spec.holderIdentity}' 2>/dev/null) && [ -n "$leader" ]; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || { leader='' && echo "no page: nobody leads yet" && return; }
    sleep 1
  done
  leader=pod/$leader
  $kubectl -n $system port-forward "$leader" $port >$out/port-forward.log 2>&1 &
  forward=$!
  tries=10
  until grep -q '^Forwarding from' $out/port-forward.log 2>/dev/null; do
    tries=$((tries - 1))
    if [ $tries -le 0 ] || ! kill -0 $forward 2>/dev/null; then
      echo "no page: $(tail -n 1 $out/port-forward.log)"
      return
    fi
    sleep 0.5
  done
  bold "all pools on a page, while this runs: http://localhost:$port"
}

show() { # BROKER
  local ns=shop-$1
  cat deploy/examples/pool/pool.yaml
  kube -n "$ns" apply -k deploy/examples/pool >/dev/null
  kube -n "$ns" wait twp/mail --for=condition=Ready --for=condition=SourceAvailable --timeout=60s >/dev/null || {
    kube -n "$ns" describe twp mail
    fail "the pool does not become Ready"
  }
  KUBECTL=$kubectl python3 tests/demo/watch.py "$1" "$ns" $mails $out/"$1".json
  python3 tests/demo/draw.py $out/"$1".json >$out/"$1".svg
}

mkdir -p $out
budget
trap clean_up EXIT
prepare_"$where"
step install
install
look
for broker in redis rabbitmq; do
  step $broker
  show $broker
done
step
bold "summary"
python3 tests/demo/watch.py --summary $out/redis.json $out/rabbitmq.json
echo "pictures: $out/redis.svg $out/rabbitmq.svg"
bold "time"
printf '%s%-62s %5s s\n' "$took" sum $sum
