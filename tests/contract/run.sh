#!/bin/bash
# The status contract: what Argo CD's script and kstatus make of each situation's pool, and Argo CD's own tests of the script
# and its actions. Some seconds, no cluster. `run.sh manifests` checks the examples of deploy/ instead (needs kubectl), `run.sh
# golden` what kubectl shows of the pools (needs a cluster that knows them), `run.sh served` what an API server makes of the CRD and
# of the docs' pools (needs a cluster).
# UPDATE=1 writes what follows from the pools and scripts anew: argocd-cm.yaml, the messages in health_test.yaml, the table in
# docs/gitops.md; golden/ and the rows in docs/on-call.md.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${TWP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/twp}
command -v python3 >/dev/null || { echo "missing: python3" >&2; exit 1; }

# Lua 5.1 and a YAML reader, of fixed versions, once for each Python.
key=$({ cat "$here/requirements.txt"; python3 -VV; uname -m; } | sha256sum | cut -c1-16)
packages=$cache/tools/contract-$key
if [ ! -d "$packages" ]; then
  python3 -m pip --version >/dev/null 2>&1 || { echo "missing: pip for python3 (Debian: python3-pip)" >&2; exit 1; }
  mkdir -p "$cache/tools"
  part=$(mktemp -d "$cache/tools/.part-contract-XXXXXX")
  python3 -m pip install --quiet --no-compile --disable-pip-version-check --root-user-action ignore --only-binary=:all: \
    --target "$part" -r "$here/requirements.txt"
  # Whoever was first.
  mv -T "$part" "$packages" 2>/dev/null || rm -rf "$part"
fi
PYTHONPATH=$packages PYTHONDONTWRITEBYTECODE=1 exec python3 "$here/${1:-contract}.py"
