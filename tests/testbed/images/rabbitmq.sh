# RabbitMQ from Debian, uid 999, management plugin on.
groupadd --system --gid 999 rabbitmq
useradd --system --uid 999 --gid 999 --home-dir /var/lib/rabbitmq --no-create-home rabbitmq
apt-get -qq update
apt-get -qq -y --no-install-recommends install rabbitmq-server
# Mount more settings at /etc/rabbitmq/conf.d/*.conf; this file is read as well.
printf 'loopback_users = none\n' >/etc/rabbitmq/rabbitmq.conf
printf '[rabbitmq_management].\n' >/etc/rabbitmq/enabled_plugins
mkdir -p /etc/rabbitmq/conf.d /var/lib/rabbitmq /var/log/rabbitmq
rm -f /var/lib/rabbitmq/.erlang.cookie # one of its own for every pod
chown -R 999:999 /etc/rabbitmq /var/lib/rabbitmq /var/log/rabbitmq
