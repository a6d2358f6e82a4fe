# The images: Debian roots and layers over them, packed as docker-archives. Everything is cached by what went into it.

LAYERS=$CACHE/layers
ARCHIVES=$CACHE/images
APP_SOURCE=$REPO/deploy/examples/django-celery
WORKLOADS=$REPO/tests/workload

apt_mirror() {
  command -v apt-get >/dev/null || return 0
  # shellcheck disable=SC2016  # apt fills these in
  apt-get indextargets --format '$(LABEL) $(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian" && $2 !~ /-(updates|backports|security)/ && !found {print $3; found = 1}'
}
# The mirror of the machine's own apt sources, so that a configured mirror is used.
debian_mirror() {
  local mirror
  mirror=${TWP_DEBIAN_MIRROR:-$(apt_mirror)}
  if [ -z "$mirror" ] && command -v apt-get >/dev/null; then # the lists were never fetched, or were cleaned
    apt-get -qq update
    mirror=$(apt_mirror)
  fi
  [ -n "$mirror" ] || die "no Debian mirror in /etc/apt/sources.list*" "Set TWP_DEBIAN_MIRROR to the address of one."
  echo "$mirror"
}

# Runs a command quietly with its output in a log; shows the end of the log when it fails.
logged() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 9>&- || { tail -n 25 "$log" >&2; die "failed: $* (whole log: $log)"; }
}
isolated() { unshare --mount --pid --fork --kill-child "$@"; }

# keep_three PATH-WITHOUT-KEY [SUFFIX] : a changed input makes a new layer or archive each time; only the three used last stay.
keep_three() {
  local old
  # shellcheck disable=SC2012  # our own names
  ls -dt "$1"-????????????????"${2:-}" 2>/dev/null | tail -n +4 | while read -r old; do rm -rf "$old" "$old.tar" "$old.tar.sha256"; done
}
# finish_layer PART : the finished part becomes the layer
finish_layer() {
  mv "$1" "$LAYER"
  keep_three "${LAYER%-*}"
}
# is_cached PATH : and marks it as used
is_cached() { [ -e "$1" ] && touch -c "$1"; }

# root_layer NAME SUITE EXTRA-PACKAGES : a minimal Debian. Sets LAYER.
root_layer() {
  local name=$1 suite=$2 include=$3 part
  LAYER=$LAYERS/$name-$(key "$suite" "$include" "$HERE/images/trim.sh")
  ! is_cached "$LAYER" || return 0
  need_root
  progress "layer $name: debootstrap $suite"
  part=$LAYERS/.part-$name
  rm -rf "$part"
  mkdir -p "$part"
  # In namespaces of its own: debootstrap mounts /proc and a broken one must not stay mounted.
  logged "$LAYERS/$name.log" isolated debootstrap --variant=minbase --include="$include" "$suite" "$part" "$(debian_mirror)"
  logged "$LAYERS/$name.log" chroot "$part" sh -eu <"$HERE/images/trim.sh"
  finish_layer "$part"
}

# layer NAME RECIPE INPUT LOWER... : a layer over others (top one first). RECIPE: names of files in images/, run one after another. Sets LAYER.
layer() {
  local name=$1 recipes=$2 input=$3 file part
  shift 3
  local -a parts=("${@##*/}" "$HERE/layer.sh")
  for file in $recipes; do parts+=("$HERE/images/$file"); done
  [ "$input" = - ] || parts+=("$(tree_key "$input")")
  LAYER=$LAYERS/$name-$(key "${parts[@]}")
  ! is_cached "$LAYER" || return 0
  need_root
  progress "layer $name"
  part=$LAYERS/.part-$name
  (for file in $recipes; do cat "$HERE/images/$file"; done) >"$LAYERS/.recipe-$name"
  logged "$LAYERS/$name.log" isolated bash "$HERE/layer.sh" "$part" "$LAYERS/.recipe-$name" "$input" "$@"
  rm -f "$LAYERS/.recipe-$name"
  finish_layer "$part"
}

# files_layer NAME SOURCE TARGET ... : a layer that holds just these files. Sets LAYER.
files_layer() {
  local name=$1 part
  shift
  LAYER=$LAYERS/$name-$(key "$@")
  ! is_cached "$LAYER" || return 0
  part=$LAYERS/.part-$name
  rm -rf "$part"
  while [ $# -gt 0 ]; do
    install -D --mode="$(stat -Lc %a "$1")" "$1" "$part/$2"
    shift 2
  done
  finish_layer "$part"
}

# image NAME:TAG MKIMG-OPTIONS... -- LAYER... : an archive; its short name links to it.
image() {
  local name=$1 archive
  local -a options=()
  shift
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  archive=$ARCHIVES/${name/:/-}-$(key "$HERE/mkimg.py" "$name" "${options[@]}" "${@##*/}").tar
  if ! is_cached "$archive"; then
    progress "image localhost/$name"
    mkdir -p "$ARCHIVES"
    python3 "$HERE/mkimg.py" --out "$archive.part" --name "localhost/$name" "${options[@]}" "$@"
    mv "$archive.part" "$archive"
    keep_three "$ARCHIVES/${name/:/-}" .tar
  fi
  ln -sfn "${archive##*/}" "$ARCHIVES/${name/:/-}.tar"
}

app_requirements() {
  cat "$APP_SOURCE/requirements.txt"
  tr ' ' '\n' <<<"$GREEN_REQUIREMENTS"
}

# python_packages NAME WHAT REQUIREMENTS : fetched by the machine's pip for the image's Python. Sets PACKAGES.
python_packages() {
  local name=$1 what=$2 requirements=$3 part=$LAYERS/.part-$1
  PACKAGES=$LAYERS/$name-$(key "$requirements" "$IMAGE_PYTHON" "$HERE/images/check-requirements.py")
  ! is_cached "$PACKAGES" || return 0
  progress "Python packages of $what"
  rm -rf "$part"
  mkdir -p "$part"
  echo "$requirements" >"$part/requirements.txt"
  logged "$LAYERS/$name.log" python3 -m pip install --quiet --no-compile --target "$part/opt/python" --python-version "$IMAGE_PYTHON" \
    --implementation cp --platform manylinux2014_x86_64 --only-binary=:all: -r "$part/requirements.txt"
  rm "$part/requirements.txt"
  cp "$HERE/images/check-requirements.py" "$part/"
  mv "$part" "$PACKAGES"
  keep_three "$LAYERS/$name"
}

# python_image NAME:TAG LAYER... : what runs as nobody in particular, with the packages on both paths.
python_image() {
  local name=$1
  shift
  image "$name" --cmd '["python3","--version"]' --user 10001:10001 --workdir /app --env PYTHONPATH=/app:/opt/python \
    --env PATH=/opt/python/bin:/usr/local/bin:/usr/bin:/bin --env PYTHONUNBUFFERED=1 --env HOME=/tmp -- "$@"
}

# workload_image NAME NAME:TAG BASE : a framework's packages alone; a test mounts the program, tests/workload/NAME_load.py.
workload_image() {
  local name=$1 image=$2 base=$3
  python_packages "pip-$name" "$name" "$(cat "$WORKLOADS/$name-requirements.txt")"
  layer "python-packages-$name" python-packages.sh "$PACKAGES" "$base"
  python_image "$image" "$base" "$LAYER"
}

# The example's own files, at /app. Sets APP.
app_files() {
  APP=$LAYERS/.app
  rm -rf "$APP"
  mkdir -p "$APP/app"
  cp -rL "$APP_SOURCE/." "$APP/app/"
  find "$APP/app" \( -name __pycache__ -o -name '*.yaml' -o -name '*.yml' -o -name '*.md' -o -name '*file' \) -prune -exec rm -rf {} +
}

build_images() {
  local base bookworm packages
  mkdir -p "$LAYERS"

  logged "$LAYERS/pause.log" build_pause
  files_layer pause "$CACHE/tools/pause" /pause
  image "$IMAGE_PAUSE" --cmd '["/pause"]' --user 65535:65535 -- "$LAYER"

  root_layer base "$DEBIAN_SUITE" python3,ca-certificates; base=$LAYER

  layer redis "redis.sh trim.sh" - "$base"
  image "$IMAGE_REDIS" --cmd '["redis-server","--protected-mode","no","--save",""]' --user 999:999 --workdir /data -- "$base" "$LAYER"

  layer rabbitmq "rabbitmq.sh trim.sh" - "$base"
  rabbitmq_image "$IMAGE_RABBITMQ" "$base" "$LAYER"

  python_packages pip "the example application" "$(app_requirements)"
  layer python-packages python-packages.sh "$PACKAGES" "$base"; packages=$LAYER
  app_files
  layer app app.sh "$APP" "$packages" "$base"
  python_image "$IMAGE_APP" "$base" "$packages" "$LAYER"
  [ -n "$FOR_TESTS" ] || return 0

  root_layer bookworm "$DEBIAN_OLD_SUITE" ca-certificates; bookworm=$LAYER
  layer rabbitmq3 "rabbitmq.sh trim.sh" - "$bookworm"
  rabbitmq_image "$IMAGE_RABBITMQ3" "$bookworm" "$LAYER"

  workload_image rq "$IMAGE_RQ" "$base"
  workload_image taskiq "$IMAGE_TASKIQ" "$base"
}

# /usr/sbin/rabbitmq-server is Debian's wrapper and wants to be root; the real one is in /usr/lib.
rabbitmq_image() {
  local name=$1
  shift
  image "$name" --cmd '["/usr/lib/rabbitmq/bin/rabbitmq-server"]' --user 999:999 --workdir /var/lib/rabbitmq \
    --env HOME=/var/lib/rabbitmq --env RABBITMQ_LOGS=- --env PATH=/usr/lib/rabbitmq/bin:/usr/local/bin:/usr/bin:/bin -- "$@"
}

build_pause() {
  local source="$HERE/images/pause.c" out=$CACHE/tools/pause
  mkdir -p "$CACHE/tools"
  [ "$out" -nt "$source" ] || musl-gcc -static -O2 -s -o "$out" "$source"
}

# Cluster DNS needs only the binary that build.sh made.
build_coredns_image() {
  files_layer coredns "$KUBERNETES_BIN/coredns" /coredns
  image "$IMAGE_COREDNS" --entrypoint '["/coredns"]' -- "$LAYER"
}

# cargo_field NAME : a field of the package.
cargo_field() { sed -n "s/^$1 = \"\(.*\)\"$/\1/p" "$REPO/Cargo.toml" | head -n 1; }

# The operator under test: a static binary and the certificate authorities, nothing else; as Containerfile makes it.
# build_operator_image BINARY [ARCHITECTURE] : other architectures than the bed's have it in the tag. Sets ARCHIVE.
build_operator_image() {
  local binary=$1 architecture=${2:-amd64} name=$IMAGE_OPERATOR base
  [ -x "$binary" ] || die "no executable at $binary" "Make it by: rustup target add x86_64-unknown-linux-musl; cargo build --release --target x86_64-unknown-linux-musl --bin twp-operator"
  [ "$architecture" = amd64 ] || name+=-$architecture
  root_layer base "$DEBIAN_SUITE" python3,ca-certificates; base=$LAYER
  files_layer operator "$binary" /twp-operator "$base/etc/ssl/certs/ca-certificates.crt" /etc/ssl/certs/ca-certificates.crt
  image "$name" --architecture "$architecture" --entrypoint '["/twp-operator"]' --user 65532:65532 \
    --label org.opencontainers.image.title=twp-operator --label org.opencontainers.image.licenses=Apache-2.0 \
    --label "org.opencontainers.image.description=$(cargo_field description)" \
    --label "org.opencontainers.image.version=$(cargo_field version)" -- "$LAYER"
  ARCHIVE=$ARCHIVES/${name/:/-}.tar
  progress "the operator's image: $ARCHIVE"
}
