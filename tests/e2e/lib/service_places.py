"""Folders that stand for those of the package's service, in a mount namespace of their own."""

import os
import subprocess
from pathlib import Path

NAMESPACE = ["unshare", "--mount", "--propagation", "private"]
MOUNTS = """
mount -t tmpfs none /var/lib && mkdir /var/lib/doorbell && mount --bind "$0/data" /var/lib/doorbell &&
    mount --bind "$0/run" /run && mount --bind "$0/etc" /etc && exec "$@"
"""


def may_be_had() -> bool:
    if os.geteuid() != 0:
        return False
    return subprocess.run([*NAMESPACE, "true"], stderr=subprocess.DEVNULL).returncode == 0


class ServicePlaces:
    """`credstore` and `credentials` are for tests to put keys in."""

    store = "/var/lib/doorbell/doorbell.db"
    given = "/run/credentials/doorbell.service"

    def __init__(self, folder: Path):
        folder.mkdir()
        subprocess.run(["cp", "-a", "/etc", folder / "etc"], check=True)
        self.data = folder / "data"
        self.credstore = folder / "etc" / "credstore"
        self.credentials = folder / "run" / "credentials" / "doorbell.service"
        for made in (self.data, self.credstore, self.credentials):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.launcher = [*NAMESPACE, "sh", "-c", MOUNTS, str(folder)]
