# What the checks of the chart need beside Helm and python3, fetched into the cache once. Sourced by charts/check.sh.
# Sets PYTHONPATH and PROMTOOL (empty: there is none, and Prometheus' rules are not tested).

tools=${TWP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/twp}/tools
requirements=charts/check/requirements.txt

# Python packages: by pip, pinned; of the schemas only those that are used.
fetch_packages() {
    local key
    key=$( (cat $requirements && python3 --version) | sha256sum | cut -c1-16)
    packages=$tools/chart-check-$key
    [ ! -d "$packages" ] || return 0
    echo "fetching Kubernetes' schemas (23 MB)"
    rm -rf "$tools"/chart-check-*
    mkdir -p "$tools"
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-compile --only-binary=:all: \
        --target "$packages.part" -r $requirements || { rm -rf "$packages.part"; return 1; }
    find "$packages.part/kubernetes_validate/kubernetes-json-schema" -mindepth 1 -maxdepth 1 -type d \
        ! -name 'v1.3[3-7].*-local-strict' -exec rm -rf {} +
    mv "$packages.part" "$packages"
}

# promtool: the machine's own, else the one in Debian's package of Prometheus, of which nothing is installed.
fetch_promtool() {
    PROMTOOL=$(command -v promtool || true)
    [ -z "$PROMTOOL" ] || return 0
    if [ ! -x "$tools/promtool" ] && command -v apt-get >/dev/null; then
        echo "fetching promtool (20 MB)"
        rm -rf "$tools/.part-promtool"
        mkdir -p "$tools/.part-promtool"
        (cd "$tools/.part-promtool" &&
            { apt-get -qq download prometheus || { apt-get -qq update && apt-get -qq download prometheus; }; } &&
            dpkg -x prometheus_*.deb . && mv usr/bin/promtool ../promtool) >"$tools/promtool.log" 2>&1 ||
            echo "promtool could not be fetched: $tools/promtool.log"
        rm -rf "$tools/.part-promtool"
    fi
    [ ! -x "$tools/promtool" ] || PROMTOOL=$tools/promtool
}

fetch_packages || { echo "charts/check.sh: pip could not fetch the packages of $requirements"; exit 2; }
fetch_promtool
[ -n "$PROMTOOL" ] || echo "no promtool: the alerts are parsed but not tried"
export PYTHONPATH=$packages${PYTHONPATH:+:$PYTHONPATH} PROMTOOL
