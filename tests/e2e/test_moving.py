"""To another version and back, as docs/moving.md says. To another host: test_backup.py."""

import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

from lib.doorbell import Doorbell
from lib.linked import Linked
from lib.push_peer import PushPeer
from lib.signal_peer import SignalPeer

EARLIER = 3  # a schema without what the test drops


@pytest.fixture
def linked(doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer) -> Linked:
    return Linked(doorbell, signal, ntfy)


def sql(doorbell: Doorbell, *statements: str) -> list[tuple]:
    database = sqlite3.connect(doorbell.settings["store.path"])
    try:
        with database:
            return [row for one in statements for row in database.execute(one).fetchall()]
    finally:
        database.close()


def version(doorbell: Doorbell) -> int:
    return sql(doorbell, "PRAGMA user_version")[0][0]


def test_an_upgrade_takes_the_store_over_and_keeps_a_copy_to_go_back_to(linked: Linked) -> None:
    doorbell = linked.doorbell
    doorbell.stop()
    now = version(doorbell)
    sql(
        doorbell,
        *(
            f"ALTER TABLE accounts DROP COLUMN {column}"
            for column in (
                "endpoint_retry_unix",
                "endpoint_floor_unix",
                "endpoint_repeated",
                "spent_day",
                "spent",
            )
        ),
        f"PRAGMA user_version = {EARLIER}",
    )
    doorbell.start()
    linked.signal.wait_connected(linked.account, 2)
    linked.expect_rings_in_all(0)
    doorbell.stop()
    assert version(doorbell) == now
    store = Path(doorbell.settings["store.path"])
    copy = Path(f"{store}.before-v{now}")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    database = sqlite3.connect(copy)
    assert database.execute("PRAGMA user_version").fetchone() == (EARLIER,)
    assert database.execute("SELECT count(*) FROM accounts").fetchone() == (1,)
    database.close()


def test_an_older_program_stops_at_a_newer_store_and_goes_on_with_the_copy(linked: Linked) -> None:
    doorbell = linked.doorbell
    doorbell.stop()
    store = Path(doorbell.settings["store.path"])
    now = version(doorbell)
    copy = Path(f"{store}.before-v{now + 1}")
    shutil.copy2(store, copy)  # as the newer program would have made it
    sql(doorbell, f"PRAGMA user_version = {now + 1}")
    newer = store.read_bytes()
    doorbell.spawn()
    doorbell.finish(1)
    told = "\n".join(doorbell.lines)
    assert "was written by a newer Doorbell" in told and str(copy) in told
    assert store.read_bytes() == newer
    done = doorbell.command("backup", "x.backup", "--without-secrets")
    assert done.returncode == 1 and "was written by a newer Doorbell" in done.stderr

    store.rename(f"{store}.newer")
    for suffix in ("-wal", "-shm"):
        Path(f"{store}{suffix}").unlink(missing_ok=True)
    shutil.copy2(copy, store)
    doorbell.start()
    linked.signal.wait_connected(linked.account, 2)
    linked.expect_rings_in_all(0)
