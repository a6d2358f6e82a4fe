# Redis from Debian, uid 999 on every image so that a pod's runAsUser can name it.
groupadd --system --gid 999 redis
useradd --system --uid 999 --gid 999 --home-dir /data --no-create-home redis
apt-get -qq update
apt-get -qq -y --no-install-recommends install redis-server
mkdir -p /data
chown -R 999:999 /data
