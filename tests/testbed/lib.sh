# Progress, errors, waiting, hashes. Sourced by every script of the bed.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(cd "$HERE/../.." && pwd)
CACHE=${TWP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/twp}
RUN=$CACHE/run                      # state of the running bed
PKI=$RUN/pki
LOGS=$RUN/log
CONTAINERD_SOCKET=$RUN/containerd.sock
# shellcheck source=versions.env
. "$HERE/versions.env"

microseconds() { echo "${EPOCHREALTIME//[.,]/}"; }
STARTED=$(microseconds)

elapsed() { local us=$(($(microseconds) - STARTED)); printf '%d.%02d' $((us / 1000000)) $((us % 1000000 / 10000)); }
progress() { printf '[%7ss] %s\n' "$(elapsed)" "$*" >&2; }
die() { printf '[%7ss] error: %s\n' "$(elapsed)" "$1" >&2; shift; for line; do printf '            %s\n' "$line" >&2; done; exit 1; }

# wait_for SECONDS LOGFILE WHAT COMMAND... : polls COMMAND; at the deadline shows the end of LOGFILE.
wait_for() {
  local seconds=$1 log=$2 what=$3 deadline
  shift 3
  deadline=$(($(microseconds) + seconds * 1000000))
  until "$@" >/dev/null 2>&1; do
    if [ -s "$RUN/exited" ] || [ "$(microseconds)" -gt "$deadline" ]; then
      if [ -s "$RUN/exited" ]; then echo "ended by itself: $(tr '\n' ' ' <"$RUN/exited")" >&2; fi
      echo "--- last lines of $log" >&2
      tail -n 20 "$log" >&2 || true
      die "$what: not after $seconds s (or a component ended)" \
        "All logs are in $LOGS. Try: $HERE/bed down && $HERE/bed up" \
        "If the images are damaged: $HERE/bed down --wipe, then up."
    fi
    sleep 0.05
  done
}

# key FILE-OR-TEXT... : a short hash of what went in. Files count by content, anything else as text.
key() {
  local input
  for input; do
    if [ -f "$input" ]; then cat "$input"; else printf '%s\0' "$input"; fi
  done | sha256sum | cut -c1-16
}

# tree_key DIR : hash of the names and contents of all files below DIR.
tree_key() { (cd "$1" && find . -type f ! -path '*/__pycache__/*' -print0 | sort -z | xargs -0r sha256sum | sha256sum | cut -c1-16); }

# A process is named by its id AND its start time: ids are reused.
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
bed_init() { # prints the id of the bed's pid 1 when it lives
  local pid started
  [ -f "$RUN/init" ] && read -r pid started <"$RUN/init" && [ -n "${started:-}" ] &&
    [ "$(start_time "$pid")" = "$started" ] && echo "$pid"
}
is_up() { [ -n "$(bed_init)" ]; }

# One at a time: build, images, up and down share a lock. `9>&-` keeps long-lived children from inheriting it.
lock() {
  mkdir -p "$CACHE"
  exec 9>"$CACHE/lock"
  flock --nonblock 9 && return
  progress "another bed command is running; waiting for it"
  flock 9
}
need_root() { [ "$(id -u)" = 0 ] || die "root is needed (namespaces, mounts, containerd)" "Run it with sudo, or use your own cluster: TESTBED=existing"; }
