#!/usr/bin/env bash
# Packs the plugin for one platform, as krew and people download it: pack.sh OS ARCH PROGRAM OUT, for example
#   deploy/krew/pack.sh linux amd64 target/release/kubectl-twp out
# makes out/kubectl-twp-linux-amd64.tar.gz (for windows a .zip), with the licence in it.
set -euo pipefail
[ $# = 4 ] || { echo "usage: $0 OS ARCH PROGRAM OUT" >&2; exit 1; }
os=$1 arch=$2 program=$3 out=$4
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT
install -m 644 "$here/LICENSE" "$files/LICENSE"
mkdir -p "$out"
name=kubectl-twp-$os-$arch
if [ "$os" = windows ]; then
  install -m 755 "$program" "$files/kubectl-twp.exe"
  archive=$(cd "$out" && pwd)/$name.zip
  # A zip knows no time before 1980.
  touch --date=1980-01-01T00:00:00Z "$files"/*
  (cd "$files" && TZ=UTC python3 -m zipfile -c "$archive" kubectl-twp.exe LICENSE)
else
  install -m 755 "$program" "$files/kubectl-twp"
  archive=$out/$name.tar.gz
  # The same program gives the same bytes.
  tar -C "$files" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -c kubectl-twp LICENSE | gzip -n >"$archive"
fi
echo "$archive"
