#!/usr/bin/env bash
# Prints the manifest with which krew installs the plugin: manifest.sh VERSION URL FOLDER, where FOLDER has what pack.sh made
# for each platform and URL is the folder from which they are downloaded, for example
#   deploy/krew/manifest.sh v0.1.0 https://example.com/releases/download/v0.1.0 out >twp.yaml
set -euo pipefail
[ $# = 3 ] || { echo "usage: $0 VERSION URL FOLDER" >&2; exit 1; }
version=$1 url=$2 folder=$3
[[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+ ]] || { echo "a version is like v0.1.0, not $version" >&2; exit 1; }
shopt -s nullglob
archives=("$folder"/kubectl-twp-*-*.tar.gz "$folder"/kubectl-twp-*-*.zip)
[ ${#archives[@]} -gt 0 ] || { echo "$folder has no kubectl-twp-OS-ARCH.tar.gz or .zip" >&2; exit 1; }
cat <<MANIFEST
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: twp
spec:
  version: $version
  homepage: ${HOMEPAGE:-${url%/releases/*}}
  shortDescription: Look at, ask and move pools of task workers
  description: |
    Answers questions about TaskWorkerPools, which scale the workers of Celery,
    RQ and taskiq: why does this pool run so many workers, is my set-up safe,
    and what would this manifest do. It writes a pool for workers that run
    already, and turns KEDA's ScaledObjects and HorizontalPodAutoscalers into
    pools, with a plan that stops no busy worker.
  caveats: |
    lint, convert and simulate need no cluster. status, top, why and doctor ask
    the operator where its view is enabled, and the objects elsewhere.
  platforms:
MANIFEST
for archive in "${archives[@]}"; do
  file=${archive##*/}
  platform=${file#kubectl-twp-}
  platform=${platform%.tar.gz}
  platform=${platform%.zip}
  os=${platform%-*} arch=${platform##*-} bin=kubectl-twp
  [ "$os" != windows ] || bin=kubectl-twp.exe
  read -r sum _ < <(sha256sum "$archive")
  cat <<PLATFORM
  - selector:
      matchLabels:
        os: $os
        arch: $arch
    uri: $url/$file
    sha256: $sum
    bin: $bin
    files:
    - from: $bin
      to: .
    - from: LICENSE
      to: .
PLATFORM
done
