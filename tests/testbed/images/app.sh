# The example application, compiled by the image's Python.
chown -R 0:0 /app
chmod -R a+rX /app
python3 -m compileall -q --invalidation-mode unchecked-hash /app
