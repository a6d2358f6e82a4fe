#!/bin/bash
# layer.sh OUT RECIPE INPUT LOWER... : makes the image layer OUT = what changes when RECIPE runs over the layers LOWER (top one first).
# INPUT is a directory that is copied in before, or "-". RECIPE is a script run in a chroot, or "-".
# Run it by `unshare --mount --pid --fork --kill-child`: then no mount and no stray daemon of a package can outlive it.
set -euo pipefail
out=$1 recipe=$2 input=$3
shift 3
lowers=$(IFS=:; echo "$*")
# A process that is just ending may keep a mount busy for a moment.
unmount() { for _ in $(seq 50); do umount "$1" 2>/dev/null && return; sleep 0.1; done; umount "$1"; }
work=$out.work root=$out.root
rm -rf "$out" "$work" "$root"
mkdir -p "$out" "$work" "$root"
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$lowers,upperdir=$out,workdir=$work" "$root"
[ "$input" = - ] || cp -a "$input/." "$root/"
if [ "$recipe" != - ]; then
  # /proc must be there while packages install (systemd-tmpfiles of some of them), daemons must not start.
  mount -t proc proc "$root/proc"
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  # the machine's proxy and clock settings hold for packages in the chroot too
  apt-config dump --format '%f "%v";%n' Acquire | grep -E 'Proxy|Check-(Valid-Until|Date)' >"$root/etc/apt/apt.conf.d/99host" || true
  cp "$recipe" "$root/recipe.sh"
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 HOME=/root \
    chroot "$root" bash -euo pipefail /recipe.sh </dev/null
  rm -f "$root/recipe.sh" "$root/etc/resolv.conf" "$root/etc/apt/apt.conf.d/99host" "$root/usr/sbin/policy-rc.d"
  unmount "$root/proc"
fi
unmount "$root"
# An upper directory marks deleted files of the layers below by character devices, which a layer archive must not hold.
find "$out" -type c -delete
rm -rf "$work" "$root"
