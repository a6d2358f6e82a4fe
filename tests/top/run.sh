#!/bin/bash
# `kubectl twp top` itself in tmux, against an API server on this machine. Some seconds, no cluster. On Debian as root it installs
# tmux where it is missing; elsewhere it says what to install, and fails: a test that did not run has not passed.
# `run.sh --write` writes what docs/plugin.md shows.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if ! command -v tmux >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing tmux (1 MB)"
    log=$(mktemp)
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install tmux; } >"$log" 2>&1 ||
      { tail -n 20 "$log" >&2; echo "top: NOT RUN: apt-get could not install tmux (whole log: $log)" >&2; exit 1; }
    rm -f "$log"
  else
    echo "top: NOT RUN: missing: tmux" >&2
    exit 1
  fi
fi
cargo build --quiet --locked --all-features --bin kubectl-twp
PANICS=$(cargo test --locked --all-features --test panics --no-run --message-format=json 2>/dev/null |
  python3 -c 'import json, sys
for line in sys.stdin:
    one = json.loads(line)
    if one.get("executable") and one["target"]["name"] == "panics":
        print(one["executable"])')
export PANICS
PYTHONDONTWRITEBYTECODE=1 exec python3 tests/top/top.py "$@"
