"""What tests of Doorbell in MollySocket's place share."""

import base64
import hashlib
import re
import sqlite3
import stat
from pathlib import Path
from typing import Any, Iterable, Optional

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lib.certs import Authority
from lib.doorbell import TIMINGS, Doorbell, to_environment
from lib.push_peer import PushPeer
from lib.signal_peer import Account, SignalPeer

LONG_AGO = 1_600_000_000
SCHEMA = """CREATE TABLE IF NOT EXISTS connections(
    uuid TEXT UNIQUE ON CONFLICT REPLACE, device_id INTEGER, password TEXT, endpoint TEXT,
    forbidden BOOLEAN NOT NULL CHECK (forbidden IN (0, 1)), last_registration INTEGER)"""


class MollySocket:
    """Its database, as it would have left it, or goes on with it."""

    def __init__(self, file: Path):
        self.file = file
        self.run(SCHEMA)

    def run(self, sql: str, values: Iterable[Any] = ()) -> list[tuple]:
        database = sqlite3.connect(self.file)
        try:
            with database:
                return database.execute(sql, tuple(values)).fetchall()
        finally:
            database.close()

    def add(
        self,
        account: Account,
        endpoint: Optional[str],
        forbidden: bool = False,
        registered: Optional[int] = LONG_AGO,
    ) -> None:
        self.run(
            "INSERT INTO connections VALUES(?, ?, ?, ?, ?, ?)",
            (account.uuid, account.device, account.password, endpoint, forbidden, registered),
        )

    def picture(self) -> dict[str, tuple]:
        """All that there is to see of it, and of whatever SQLite might put beside it."""
        return {
            file.name: (
                hashlib.sha256(file.read_bytes()).hexdigest(),
                file.stat().st_mtime_ns,
                stat.S_IMODE(file.stat().st_mode),
            )
            for file in self.file.parent.iterdir()
            if file.name.startswith(self.file.name)
        }


def put_in_its_place(doorbell: Doorbell, signal: SignalPeer, authority: Authority) -> Doorbell:
    """`server` and its environment, no file of ours. What a test needs besides (its Signal server,
    its CA) is in variables of ours.
    """
    doorbell.words = ["server"]
    doorbell.environment = to_environment(
        {
            **TIMINGS,
            "metrics.listen": "none",  # all would want the same port
            "signal.url": signal.url,
            "signal.ca_file": authority.file,
            "push.ca_file": authority.file,
        }
    )
    return doorbell


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def public_key(private: str) -> str:
    """As its pages show it, and as a push's Authorization does."""
    scalar = base64.urlsafe_b64decode(private + "=" * (-len(private) % 4))
    key = ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())
    return encoded(
        key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
    )


def key_pair() -> tuple[str, str]:
    """As a file of MollySocket's holds it, and as its pages show it."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = encoded(key.private_numbers().private_value.to_bytes(32, "big"))
    return private, public_key(private)


def shown_key(doorbell: Doorbell) -> str:
    _, _, page = doorbell.request("GET", "/?airgapped", headers={"Host": "m.example.org"})
    found = re.search(r"vapid=([A-Za-z0-9_-]{87})", page.decode())
    assert found, page.decode()
    return found.group(1)


def check_that_it_rings(doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer) -> None:
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert doorbell.register(account, endpoint) == "ok"
    rings(signal, ntfy, account, endpoint)


def rings(signal: SignalPeer, ntfy: PushPeer, account: Account, endpoint: str) -> None:
    before = len(ntfy.rings(endpoint))
    number = signal.queue(account.key)
    ntfy.wait_rings(before + 1, endpoint)
    signal.wait_acked(number)
