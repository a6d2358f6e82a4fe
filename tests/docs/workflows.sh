#!/bin/bash
# Checks .github/workflows with actionlint, which is built once and kept in the cache.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=1.7.7
tools=${TWP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/twp}/tools/actionlint-$version
command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
[ -x "$tools/actionlint" ] || GOBIN=$tools go install "github.com/rhysd/actionlint/cmd/actionlint@v$version"
"$tools/actionlint" -shellcheck= -pyflakes=
