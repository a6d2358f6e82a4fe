# What no container needs. Appended to every recipe that installs packages.
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /usr/share/doc/* /usr/share/man/* /usr/share/info/* /var/log/*.log /var/log/apt
find /usr/share/locale -mindepth 1 -maxdepth 1 -exec rm -rf {} +
