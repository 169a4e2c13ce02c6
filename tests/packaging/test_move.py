"""An account of the package's service through an upgrade and to another host, as docs/moving.md leads there:
each host is a clean root with its own systemd, between the strict Signal server and the fake push server on
loopback. `check` makes the roots and names them in ROOT_HERE and ROOT_THERE.
"""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest

from booted_root import DEADLINE, BootedRoot
from lib.background import Changes
from lib.certs import Authority
from lib.doorbell import Doorbell, to_yaml
from lib.linked import Linked
from lib.push_peer import PushPeer
from lib.signal_peer import SignalPeer

BACKUP, PASSPHRASE = "/root/doorbell.backup", "/root/passphrase"
SETTINGS = "etc/doorbell/doorbell.yaml"
STORE_KEY = "etc/credstore/doorbell.store.key"
CA = "etc/ssl/certs/peers.pem"

Boot = Callable[[str], BootedRoot]


@pytest.fixture
def boot(changes: Changes) -> Iterator[Boot]:
    booted: list[BootedRoot] = []

    def boot(name: str) -> BootedRoot:
        booted.append(BootedRoot(changes, Path(os.environ[name])))
        return booted[-1]

    yield boot
    for root in booted:
        if root.process.is_running():
            root.leave()


def settings(signal: SignalPeer, ntfy: PushPeer) -> str:
    return to_yaml(
        {
            "signal.url": signal.url,
            "signal.ca_file": f"/{CA}",
            "push.ca_file": f"/{CA}",
            "push.allowed_endpoints": ["*", ntfy.origin],
        }
    )


def bring_peers(host: BootedRoot, authority: Authority) -> None:
    (host.root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    shutil.copy(authority.file, host.root / CA)
    (host.root / CA).chmod(0o644)
    (host.root / PASSPHRASE.lstrip("/")).write_text("a passphrase of the tests\n")


def wait_well(host: BootedRoot) -> None:
    """`systemctl start` returns when it listens."""

    def links() -> list[str]:
        status = json.loads(host.run("doorbell", "status", "--json"))
        return [account["link"]["state"] for account in status["accounts"]]

    deadline = time.monotonic() + DEADLINE
    while links() != ["up"]:
        assert time.monotonic() < deadline, host.run("doorbell", "status")
        time.sleep(0.1)


def signs(linked: Linked) -> set[str]:
    return {ring.get("authorization").rpartition("k=")[2] for ring in linked.rings()}


def test_an_account_rings_through_an_upgrade_and_at_another_host(
    boot: Boot,
    make_doorbell: Callable[..., Doorbell],
    authority: Authority,
    signal: SignalPeer,
    ntfy: PushPeer,
) -> None:
    here = boot("ROOT_HERE")
    bring_peers(here, authority)
    here.run("dpkg", "-i", "/packages/1.deb")
    (here.root / SETTINGS).write_text(settings(signal, ntfy))
    here.run("systemctl", "restart", "doorbell")

    phone = make_doorbell()  # what it registers at is the service, not a program of the tests
    phone.port = 8020
    linked = Linked(phone, signal, ntfy)
    linked.queue()
    linked.wait_rings(1)

    here.run("dpkg", "-i", "/packages/2.deb")
    wait_well(here)
    linked.expect_rings_in_all(1)

    here.run("systemctl", "disable", "--now", "doorbell")
    waits = linked.queue()
    made = here.run("doorbell", "backup", BACKUP, "--passphrase-file", PASSPHRASE)
    assert "1 account with its device password, the VAPID key" in made
    here.leave()

    there = boot("ROOT_THERE")
    bring_peers(there, authority)
    there.run("dpkg", "-i", "/packages/1.deb")
    there.run("systemctl", "stop", "doorbell")
    there.run("mkdir", "/root/unused")
    there.run("sh", "-c", "mv /var/lib/doorbell/* /root/unused")
    shutil.copy2(here.root / BACKUP.lstrip("/"), there.root / BACKUP.lstrip("/"))
    done = there.run("doorbell", "restore", BACKUP, "--passphrase-file", PASSPHRASE)
    assert "Restored 1 account" in done
    there.run("mv", "/var/lib/doorbell/doorbell.yaml.restored", f"/{SETTINGS}")
    there.run("chmod", "644", f"/{SETTINGS}")
    there.run("doorbell", "config", "check")
    there.run("systemctl", "start", "doorbell")
    wait_well(there)
    linked.wait_rings(3)
    signal.wait_acked(waits)
    linked.expect_rings_in_all(3)
    assert len(signs(linked)) == 1
    assert (here.root / STORE_KEY).read_bytes() != (there.root / STORE_KEY).read_bytes()
    assert "Device passwords in it are sealed" in there.try_to("doorbell", "doctor").stdout
