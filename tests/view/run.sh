#!/bin/bash
# The page of the view in a headless Chromium, against answers that the operator's own types write. A minute and a half, no
# cluster. On Debian as root it installs the browser where it is missing; elsewhere it says what to install, and fails: a test that
# did not run has not passed. `run.sh --pictures docs/images` draws the pictures of docs/view.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if ! { command -v chromium && command -v chromedriver; } >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing chromium (100 MB)"
    log=$(mktemp)
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install chromium chromium-driver fonts-dejavu-core; } >"$log" 2>&1 ||
      { tail -n 20 "$log" >&2; echo "page: NOT RUN: apt-get could not install chromium (whole log: $log)" >&2; exit 1; }
    rm -f "$log"
  fi
fi
cargo test --quiet --locked --all-features --lib view::json::tests::pools_for_the_page >/dev/null
cargo build --quiet --locked --all-features --bin twp-operator
PYTHONDONTWRITEBYTECODE=1 exec python3 tests/view/page.py "$@"
