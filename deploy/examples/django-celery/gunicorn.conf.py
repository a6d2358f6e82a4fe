bind = "0.0.0.0:8000"
threads = 4
# The root file system is read-only.
worker_tmp_dir = "/dev/shm"
control_socket_disable = True
