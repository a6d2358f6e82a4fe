#!/usr/bin/env python3
"""Writes a docker-archive from layer directories; no Docker, no registry.

mkimg.py --out FILE.tar --name NAME:TAG [options] LAYER_DIRECTORY...   (bottom layer first)

The tar of a layer and its hash are kept beside the directory, so a shared base is packed once.
"""
import argparse
import hashlib
import io
import json
import os
import subprocess
import tarfile

DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CREATED = "2026-01-01T00:00:00Z"


def packed(directory):
    """The layer's tar and its sha256, made once."""
    archive = directory.rstrip("/") + ".tar"
    checksum = archive + ".sha256"
    if not os.path.exists(checksum):
        subprocess.check_call(["tar", "--sort=name", "--numeric-owner", "-C", directory, "-cf", archive, "."])
        digest = subprocess.check_output(["sha256sum", archive], text=True).split()[0]
        with open(checksum, "w") as file:
            file.write(digest)
    with open(checksum) as file:
        return archive, file.read().strip()


def image_config(options, digests):
    env = list(options.env)
    if not any(item.startswith("PATH=") for item in env):
        env.insert(0, DEFAULT_PATH)
    config = {"Env": env, "WorkingDir": options.workdir, "User": options.user}
    if options.entrypoint:
        config["Entrypoint"] = json.loads(options.entrypoint)
    if options.cmd:
        config["Cmd"] = json.loads(options.cmd)
    if options.label:
        config["Labels"] = dict(item.split("=", 1) for item in options.label)
    return {
        "architecture": options.architecture,
        "os": "linux",
        "created": CREATED,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest for digest in digests]},
        "history": [{"created": CREATED} for _ in digests],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--entrypoint", help="JSON list")
    parser.add_argument("--cmd", help="JSON list")
    parser.add_argument("--env", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--label", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--user", default="")
    parser.add_argument("--workdir", default="/")
    parser.add_argument("--architecture", default="amd64")
    parser.add_argument("layers", nargs="+")
    options = parser.parse_args()

    layers = [packed(directory) for directory in options.layers]
    config = json.dumps(image_config(options, [digest for _, digest in layers])).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [options.name], "Layers": [digest + "/layer.tar" for _, digest in layers]}]

    with tarfile.open(options.out, "w") as out:
        # the manifest first: `bed load` reads only the head of the archive
        for name, content in (("manifest.json", json.dumps(manifest).encode()), (config_name, config)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
        for archive, digest in layers:
            out.add(archive, arcname=digest + "/layer.tar")


if __name__ == "__main__":
    main()
