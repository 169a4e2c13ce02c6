"""From MollySocket and back: its database is taken over when the server starts, followed while it is
still used, and written for the way back. It is never changed.
"""

import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import time
from pathlib import Path
from typing import Any, Callable

import pytest

from lib.doorbell import Doorbell
from lib.drop_in import LONG_AGO, MollySocket, rings, shown_key
from lib.push_peer import CONTESTED, PushPeer
from lib.signal_peer import Account, SignalPeer, new_account

MakeDoorbell = Callable[..., Doorbell]
DONE, NOT_DONE, WRONG_WORDS = 0, 1, 2


@pytest.fixture
def make(make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer) -> MakeDoorbell:
    """Configured, not started."""

    def configure(**settings: Any) -> Doorbell:
        return make_doorbell(
            signal__url=signal.url, push__allowed_endpoints=["*", ntfy.origin], **settings
        )

    return configure


@pytest.fixture
def doorbell(make: MakeDoorbell) -> Doorbell:
    return make()


@pytest.fixture
def theirs(doorbell: Doorbell) -> MollySocket:
    """In the folder that both use as /data."""
    return MollySocket(doorbell.folder / "mollysocket.db")


def keep_secret(doorbell: Doorbell, account: Account, endpoint: str) -> None:
    topic = endpoint.rpartition("/")[2].partition("?")[0]
    doorbell.secrets |= {account.uuid, account.password, topic}


def registered(
    doorbell: Doorbell, theirs: MollySocket, signal: SignalPeer, ntfy: PushPeer, **details: Any
) -> tuple[Account, str]:
    """An account that the phone had registered with MollySocket."""
    account, endpoint = signal.new_account(), ntfy.endpoint()
    keep_secret(doorbell, account, endpoint)
    theirs.add(account, endpoint, **details)
    return account, endpoint


def said(doorbell: Doorbell, text: str) -> list[str]:
    return [line for line in doorbell.output() if text in line]


def command(doorbell: Doorbell, *words: str) -> subprocess.CompletedProcess:
    done = doorbell.command(*words)
    for secret in doorbell.secrets:
        assert secret.lower() not in (done.stdout + done.stderr).lower()
    return done


# The first start


def test_the_first_start_takes_over_what_is_there_links_and_rings_it(
    doorbell: Doorbell, theirs: MollySocket, signal: SignalPeer, ntfy: PushPeer
) -> None:
    people = [
        registered(doorbell, theirs, signal, ntfy),
        registered(doorbell, theirs, signal, ntfy, forbidden=True),
        registered(doorbell, theirs, signal, ntfy, registered=None),
    ]
    theirs.run("UPDATE connections SET uuid = upper(uuid) WHERE rowid = 3")
    stranger = new_account(uuid_text="not-an-account-id")
    theirs.add(stranger, ntfy.endpoint())
    doorbell.secrets |= {stranger.uuid, stranger.password}
    before = theirs.picture()
    doorbell.start()
    for account, endpoint in people:
        signal.wait_connected(account)
        rings(signal, ntfy, account, endpoint)
    took = said(doorbell, "Took 3 accounts over from")
    assert len(took) == 1 and str(theirs.file) in took[0]
    assert "; 1 was flagged forbidden there and gets a fresh try." in took[0]
    refused = said(doorbell, "cannot be taken over")
    assert len(refused) == 1 and "row 4: its account id is no UUID" in refused[0]
    assert said(doorbell, "is ready: 3 accounts")
    assert theirs.picture() == before and list(before) == ["mollysocket.db"]


def test_a_second_start_takes_nothing_and_keeps_quiet(
    doorbell: Doorbell, theirs: MollySocket, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account, endpoint = registered(doorbell, theirs, signal, ntfy)
    theirs.add(new_account(device=0), endpoint)
    doorbell.start()
    signal.wait_connected(account)
    doorbell.stop()
    before, log_before = theirs.picture(), len(doorbell.output())
    doorbell.start()
    signal.wait_connected(account, 2)
    rings(signal, ntfy, account, endpoint)
    lines = [line for line in doorbell.output()[log_before:] if "mollysocket.db" in line]
    assert lines and all(" debug " in line for line in lines), lines
    assert doorbell.rows() == 1 and theirs.picture() == before


def test_what_a_kill_left_in_its_log_is_taken_and_not_touched(
    doorbell: Doorbell, theirs: MollySocket, signal: SignalPeer, ntfy: PushPeer
) -> None:
    """WAL mode, with files beside it, one row only in the log."""
    live = MollySocket(doorbell.folder / "live.db")
    database = sqlite3.connect(live.file)
    database.execute("PRAGMA journal_mode = WAL")
    account, endpoint = signal.new_account(), ntfy.endpoint()
    keep_secret(doorbell, account, endpoint)
    database.execute(
        "INSERT INTO connections VALUES(?, ?, ?, ?, 0, ?)",
        (account.uuid, account.device, account.password, endpoint, LONG_AGO),
    )
    database.commit()
    for suffix in ("", "-wal", "-shm"):
        shutil.copy(f"{live.file}{suffix}", f"{theirs.file}{suffix}")
    database.close()
    before = theirs.picture()
    assert len(before) == 3
    left = doorbell.folder / ".doorbell-copy-aB3xY0"  # of a start that was killed as it read
    kept = doorbell.folder / "mollysocket-backup"  # the operator's
    for folder in (left, kept):
        folder.mkdir(0o700)
        (folder / "copy").write_bytes(theirs.file.read_bytes())
    doorbell.start()
    signal.wait_connected(account)
    rings(signal, ntfy, account, endpoint)
    assert theirs.picture() == before
    assert not list(doorbell.folder.glob(".doorbell-copy-*"))
    assert (kept / "copy").read_bytes() == theirs.file.read_bytes()


def test_a_database_that_cannot_be_read_ends_the_start_and_says_the_way_out(
    doorbell: Doorbell,
) -> None:
    file = doorbell.folder / "mollysocket.db"
    file.write_bytes(b"not a database " * 100)
    doorbell.spawn().wait()
    doorbell.finish(1)
    (line,) = said(doorbell, "cannot start")
    assert f"store.mollysocket: {file} is damaged or not a database" in line
    assert "set store.mollysocket to none" in line
    doorbell.settings["store.mollysocket"] = "none"
    doorbell.start()
    assert doorbell.rows() == 0


def test_the_database_is_where_the_setting_says(
    make: MakeDoorbell, tmp_path: Path, signal: SignalPeer, ntfy: PushPeer
) -> None:
    theirs = MollySocket(tmp_path / "ms.db")
    doorbell = make(store__mollysocket=str(theirs.file))
    account, endpoint = registered(doorbell, theirs, signal, ntfy)
    doorbell.start()
    signal.wait_connected(account)
    rings(signal, ntfy, account, endpoint)


def test_a_large_database_is_taken_over_behind_the_sandbox(
    doorbell: Doorbell, theirs: MollySocket, ntfy: PushPeer
) -> None:
    """More than SQLite sorts in memory of its own accord, and no other folder to write to."""
    count, length = 10_000, 260
    database = sqlite3.connect(theirs.file)
    with database:
        for number in range(count):
            account, endpoint = new_account(), f"{ntfy.origin}/{number:05}".ljust(length, "x")
            database.execute(
                "INSERT INTO connections VALUES(?, ?, ?, ?, 0, ?)",
                (account.uuid, account.device, account.password, endpoint, number),
            )
    database.close()
    doorbell.settings["accounts.allowed"] = [new_account().uuid]  # none of them is connected
    doorbell.start()
    assert doorbell.rows() == count and said(doorbell, f"Took {count} accounts over")


# Later


def test_a_registration_with_mollysocket_in_between_is_followed(
    doorbell: Doorbell, theirs: MollySocket, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account, first = registered(doorbell, theirs, signal, ntfy)
    other, others = registered(doorbell, theirs, signal, ntfy)
    doorbell.start()
    signal.wait_connected(account)
    signal.wait_connected(other)
    doorbell.stop()
    second = ntfy.endpoint()
    account.password = new_account().password
    keep_secret(doorbell, account, second)
    signal.change_account(account.key, password=account.password)
    theirs.run(
        "UPDATE connections SET password = ?, endpoint = ?, last_registration = ? WHERE uuid = ?",
        (account.password, second, LONG_AGO + 1, account.uuid),
    )
    doorbell.start()
    signal.wait_connected(account, 2)
    rings(signal, ntfy, account, second)
    signal.wait_connected(other, 2)
    rings(signal, ntfy, other, others)
    assert not ntfy.rings(first)
    assert said(doorbell, "Took 1 account over") and doorbell.rows() == 2


def test_a_registration_with_doorbell_wins_over_an_older_one_there(
    doorbell: Doorbell, theirs: MollySocket, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account, first = registered(doorbell, theirs, signal, ntfy)
    doorbell.start()
    signal.wait_connected(account)
    second = ntfy.endpoint()
    assert doorbell.register(account, second) == "ok"
    theirs.run("UPDATE connections SET last_registration = last_registration + 5")
    doorbell.stop()
    doorbell.start()
    signal.wait_connected(account, 2)
    rings(signal, ntfy, account, second)
    assert not ntfy.rings(first)


def test_an_account_that_the_operator_removed_stays_away_until_it_registers_there_again(
    doorbell: Doorbell, theirs: MollySocket, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account, endpoint = registered(doorbell, theirs, signal, ntfy)
    other, _ = registered(doorbell, theirs, signal, ntfy)
    doorbell.start()
    signal.wait_connected(account)
    done = doorbell.command("connection", "remove", account.uuid)
    assert done.returncode == DONE
    removed = int(time.time())
    for start in (2, 3):
        doorbell.stop()
        # Used there before it was removed here: that is not newer.
        theirs.run("UPDATE connections SET last_registration = ?", (removed - 60 + start,))
        doorbell.start()
        signal.wait_connected(other, start)
        assert doorbell.rows() == 1 and len(signal.handshakes_of(account)) == 1
    doorbell.stop()
    while int(time.time()) <= removed + 1:  # the dates have seconds only
        time.sleep(0.05)
    theirs.run(
        "UPDATE connections SET last_registration = ? WHERE uuid = ?",
        (int(time.time()), account.uuid),
    )
    doorbell.start()
    signal.wait_connected(account, 2)
    rings(signal, ntfy, account, endpoint)


# The key that MollySocket had

MADE = "There was no VAPID key, so a new one was made. If MollySocket had one, put it into"


def make_key(doorbell: Doorbell) -> None:
    key = command(doorbell, "vapid", "generate").stdout
    (doorbell.folder / "vapid.key").write_text(key)
    (doorbell.folder / "vapid.key").chmod(0o600)


def test_a_key_that_was_made_for_their_accounts_is_warned_of(
    doorbell: Doorbell, theirs: MollySocket, signal: SignalPeer, ntfy: PushPeer
) -> None:
    registered(doorbell, theirs, signal, ntfy)
    doorbell.start()
    (line,) = said(doorbell, MADE)
    assert " warn " in line and f"{doorbell.folder}/vapid.key and restart" in line
    doorbell.stop()
    doorbell.start()
    assert len(said(doorbell, MADE)) == 1


def test_it_is_warned_of_also_where_an_earlier_start_made_it_and_failed(
    doorbell: Doorbell, theirs: MollySocket, signal: SignalPeer, ntfy: PushPeer
) -> None:
    registered(doorbell, theirs, signal, ntfy)
    good = theirs.file.read_bytes()
    theirs.file.write_bytes(b"not a database " * 100)
    doorbell.spawn().wait()
    doorbell.finish(1)
    assert (doorbell.folder / "vapid.key").exists() and not said(doorbell, MADE)
    theirs.file.write_bytes(good)
    doorbell.start()
    assert said(doorbell, "Took 1 account over") and len(said(doorbell, MADE)) == 1


def test_it_is_warned_of_also_where_the_power_failed_as_it_was_made(
    doorbell: Doorbell,
    theirs: MollySocket,
    signal: SignalPeer,
    ntfy: PushPeer,
    tmp_path: Path,
) -> None:
    registered(doorbell, theirs, signal, ntfy)
    source, library = Path(__file__).parent / "lib" / "cut_off.c", tmp_path / "cut_off.so"
    words = ["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(words, check=True)
    doorbell.environment.update(LD_PRELOAD=str(library), CUT_OFF_AT="vapid.key")
    doorbell.spawn().wait()
    doorbell.finish(3)
    key = (doorbell.folder / "vapid.key").read_bytes()
    assert doorbell.rows() == 0
    doorbell.environment.clear()
    doorbell.start()
    assert said(doorbell, "Took 1 account over") and len(said(doorbell, MADE)) == 1
    assert (doorbell.folder / "vapid.key").read_bytes() == key


def test_a_start_that_fails_after_it_took_accounts_says_so_all_the_same(
    doorbell: Doorbell, theirs: MollySocket, signal: SignalPeer, ntfy: PushPeer
) -> None:
    registered(doorbell, theirs, signal, ntfy)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", doorbell.port))
        taken.listen()
        doorbell.spawn().wait()
        doorbell.finish(1)
    assert said(doorbell, "Took 1 account over") and len(said(doorbell, MADE)) == 1
    doorbell.start()
    assert doorbell.rows() == 1


def test_a_key_that_was_made_for_an_account_by_hand_is_told_then_and_with_theirs(
    doorbell: Doorbell, theirs: MollySocket, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account, endpoint = signal.new_account(), ntfy.endpoint()
    words = [account.uuid, str(account.device), account.password, endpoint]
    assert MADE in doorbell.command("connection", "add", *words).stderr
    assert MADE not in doorbell.command("connection", "add", *words).stderr
    registered(doorbell, theirs, signal, ntfy)
    doorbell.start()
    assert said(doorbell, "Took 1 account over") and len(said(doorbell, MADE)) == 1


def test_an_import_by_hand_says_that_it_made_a_key(
    make: MakeDoorbell, tmp_path: Path, signal: SignalPeer, ntfy: PushPeer
) -> None:
    theirs = MollySocket(tmp_path / "old.db")
    doorbell = make()
    registered(doorbell, theirs, signal, ntfy)
    assert MADE not in command(doorbell, "import", str(theirs.file), "--dry-run").stderr
    assert MADE in command(doorbell, "import", str(theirs.file)).stderr
    assert MADE not in command(doorbell, "import", str(theirs.file)).stderr
    make_key(doorbell)
    registered(doorbell, theirs, signal, ntfy)
    assert MADE not in command(doorbell, "import", str(theirs.file)).stderr


def test_a_key_that_was_put_there_is_not_warned_of(
    doorbell: Doorbell, theirs: MollySocket, signal: SignalPeer, ntfy: PushPeer
) -> None:
    registered(doorbell, theirs, signal, ntfy)
    make_key(doorbell)
    doorbell.start()
    assert said(doorbell, "Took 1 account over") and not said(doorbell, MADE)


# By hand


def test_a_dry_run_tells_and_changes_nothing_also_beside_a_server(
    make: MakeDoorbell, tmp_path: Path, signal: SignalPeer, ntfy: PushPeer
) -> None:
    theirs = MollySocket(tmp_path / "old.db")
    doorbell = make()
    registered(doorbell, theirs, signal, ntfy)
    theirs.add(new_account(device=200), ntfy.endpoint())
    before = theirs.picture()
    for _ in range(2):
        done = command(doorbell, "import", str(theirs.file), "--dry-run")
        assert done.returncode == DONE, done.stderr
        assert f"Would take 1 account over from {theirs.file}." in done.stdout
        assert "its device is not a number from 1 to 127" in done.stderr
        if not doorbell.process:
            assert not Path(doorbell.settings["store.path"]).exists()
            doorbell.start()
    assert doorbell.rows() == 0 and theirs.picture() == before
    done = command(doorbell, "import", str(theirs.file))
    assert done.returncode == NOT_DONE
    assert "A server holds the store" in done.stderr and "store.mollysocket" in done.stderr


def test_an_import_by_hand_is_done_once_and_the_server_links_it(
    make: MakeDoorbell, tmp_path: Path, signal: SignalPeer, ntfy: PushPeer
) -> None:
    theirs = MollySocket(tmp_path / "old.db")
    doorbell = make()
    account, endpoint = registered(doorbell, theirs, signal, ntfy)
    done = command(doorbell, "import", str(theirs.file))
    assert done.returncode == DONE
    assert done.stdout == f"Took 1 account over from {theirs.file}.\n"
    done = command(doorbell, "import", str(theirs.file))
    assert (done.returncode, done.stdout) == (
        DONE,
        f"Nothing to take over from {theirs.file}.\n",
    )
    doorbell.start()
    signal.wait_connected(account)
    rings(signal, ntfy, account, endpoint)


def test_an_import_by_hand_keeps_what_its_star_allowed_under_a_list_of_ours(
    make: MakeDoorbell, tmp_path: Path, signal: SignalPeer, ntfy: PushPeer
) -> None:
    """As the guide has it, with MollySocket's list copied into ours."""
    theirs, doorbell = MollySocket(tmp_path / "old.db"), make()
    theirs.add(signal.new_account(), "http://push.example.org/upAbCd")
    for words in (["--dry-run"], []):
        done = command(doorbell, "import", str(theirs.file), *words)
        assert done.returncode == DONE and "the settings do not allow" not in done.stderr, done
    assert "not allowed" not in command(doorbell, "connection", "list").stdout


def test_an_import_by_hand_makes_no_key_where_one_was_named(
    make: MakeDoorbell, tmp_path: Path, signal: SignalPeer, ntfy: PushPeer
) -> None:
    theirs, key = MollySocket(tmp_path / "old.db"), tmp_path / "their.key"
    doorbell = make(push__vapid_key_file=str(key))
    registered(doorbell, theirs, signal, ntfy)
    done = command(doorbell, "import", str(theirs.file))
    assert done.returncode == NOT_DONE and "push.vapid_key_file" in done.stderr
    assert not key.exists()
    key.write_text(command(doorbell, "vapid", "generate").stdout)
    assert command(doorbell, "import", str(theirs.file)).returncode == DONE


@pytest.mark.parametrize(
    "words",
    [
        ["import"],
        ["import", "a", "b"],
        ["import", "--dry-run"],
        ["import", "a", "--now"],
        ["export"],
        ["export", "file"],
        ["export", "--mollysocket"],
        ["export", "--mollysocket", "a", "b"],
        ["export", "--mollysocket", "--dry-run"],
    ],
)
def test_wrong_words_are_told_with_the_right_ones(doorbell: Doorbell, words: list[str]) -> None:
    done = doorbell.command(*words)
    assert done.returncode == WRONG_WORDS and "needs" in done.stderr and not done.stdout


def test_what_is_missing_or_no_database_of_mollysockets_is_told(
    doorbell: Doorbell, tmp_path: Path
) -> None:
    missing, other = tmp_path / "missing.db", tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE something(a)").connection.close()
    for words, sentence in (
        (["import", str(missing)], "does not exist"),
        (["import", str(missing), "--dry-run"], "does not exist"),
        (["import", str(other), "--dry-run"], "is not MollySocket's database"),
        (["export", "--mollysocket", str(tmp_path / "new.db")], "There is no store"),
    ):
        done = doorbell.command(*words)
        assert done.returncode == NOT_DONE and sentence in done.stderr, done.stderr
    assert not Path(doorbell.settings["store.path"]).exists()
    assert not (tmp_path / "new.db").exists()


# The way back


def test_an_export_beside_the_server_is_a_database_of_mollysockets(
    make: MakeDoorbell, tmp_path: Path, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make().start()
    people = []
    for _ in range(3):
        account, endpoint = signal.new_account(), ntfy.endpoint()
        assert doorbell.register(account, endpoint) == "ok"
        people.append((account, endpoint))
    file = tmp_path / "back.db"
    done = command(doorbell, "export", "--mollysocket", str(file))
    assert done.returncode == DONE, done.stderr
    assert f"Wrote 3 accounts to {file}.\n" in done.stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [name for name in os.listdir(tmp_path) if name.startswith("back.db")] == ["back.db"]
    database = sqlite3.connect(file)
    rows = database.execute(
        "SELECT uuid, device_id, password, endpoint, forbidden FROM connections"
    ).fetchall()
    (oldest,) = database.execute("SELECT min(last_registration) FROM connections").fetchone()
    database.close()
    assert sorted(rows) == sorted(
        (account.uuid, account.device, account.password, endpoint, 0)
        for account, endpoint in people
    )
    assert abs(oldest - time.time()) < 300

    done = command(doorbell, "export", "--mollysocket", str(file))
    assert done.returncode == NOT_DONE and "exists already" in done.stderr
    for account, endpoint in people:  # the server has not noticed
        rings(signal, ntfy, account, endpoint)
    doorbell.stop()

    again = make(store__mollysocket=str(file)).start()
    for account, endpoint in people:
        signal.wait_connected(account, 2)
        rings(signal, ntfy, account, endpoint)
    assert said(again, "Took 3 accounts over")


def test_an_export_without_a_server_is_the_same(
    doorbell: Doorbell, theirs: MollySocket, tmp_path: Path, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account, _ = registered(doorbell, theirs, signal, ntfy, registered=None)
    doorbell.start()
    signal.wait_connected(account)
    doorbell.stop()
    file = tmp_path / "back.db"
    assert command(doorbell, "export", "--mollysocket", str(file)).returncode == DONE
    back = sqlite3.connect(file).execute("SELECT * FROM connections").fetchall()
    # Where databases of its older versions have no date, 1.7.1 wants one.
    ((*row, date),) = theirs.run("SELECT * FROM connections")
    assert date is None and back == [(*row, 0)]


def test_a_bridge_that_still_runs_is_told_once_with_what_to_stop_and_wakes_nobody(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    other = make(signal__contested_min="100ms", signal__contested_max="200ms").start()
    doorbell = make(signal__contested_min="100ms", signal__contested_max="200ms")
    theirs = MollySocket(doorbell.folder / "mollysocket.db")
    phones = [(signal.new_account(), ntfy.endpoint()) for _ in range(3)]
    for account, endpoint in phones:
        assert other.register(account, endpoint) == "ok"
        theirs.add(account, endpoint)
        keep_secret(doorbell, account, endpoint)
    doorbell.start()
    ours = f"k={shown_key(doorbell)}"
    for account, endpoint in phones:
        signal.changed.wait_for(lambda: len(signal.sessions_of(account)) >= 8, "a fight")
        number = signal.queue(account.key)
        ntfy.wait_rings(1, endpoint)
        signal.wait_acked(number)
    other.stop()
    said = [line for line in doorbell.output() if "same linked device" in line and " warn " in line]
    assert len(said) == 1 and "(4409)" in said[0] and "stop it" in said[0], said
    for _, endpoint in phones:
        for push in ntfy.matching(lambda push: push.body == CONTESTED, endpoint):
            assert ours not in (push.get("authorization") or "")
