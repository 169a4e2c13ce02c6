"""From MollySocket to Doorbell, back, and forth again, as docs/migrate-from-mollysocket.md says."""

import sqlite3
import time
from pathlib import Path
from typing import Callable

import pytest

from lib.certs import Authority
from lib.doorbell import Doorbell
from lib.drop_in import MollySocket, key_pair, put_in_its_place, rings
from lib.push_peer import PushPeer
from lib.signal_peer import Account, SignalPeer

DONE = 0
Person = tuple[Account, str]  # with the endpoint

# What MollySocket does with its database: makes it where it is missing, reads all of it when it
# starts, and writes a registration.
COLUMNS = [
    ("uuid", "TEXT", 0),
    ("device_id", "INTEGER", 0),
    ("password", "TEXT", 0),
    ("endpoint", "TEXT", 0),
    ("forbidden", "BOOLEAN", 1),
    ("last_registration", "INTEGER", 0),
]
READ = "SELECT uuid, device_id, password, endpoint, forbidden, last_registration FROM connections"
WRITE = "INSERT INTO connections VALUES(?, ?, ?, ?, ?, ?)"


class GoneBack:
    """MollySocket on a database that we have written."""

    def __init__(self, file: Path):
        self.database = sqlite3.connect(file)
        (version,) = self.database.execute("PRAGMA user_version").fetchone()
        (journal,) = self.database.execute("PRAGMA journal_mode").fetchone()
        assert (version, journal) == (0, "delete")
        told = self.database.execute("PRAGMA table_info(connections)").fetchall()
        assert [(name, kind, needed) for _, name, kind, needed, _, _ in told] == COLUMNS

    def rows(self) -> list[tuple]:
        """As 1.7.1 reads them, which ends at a date that is none."""
        rows = sorted(self.database.execute(READ).fetchall())
        assert all(isinstance(date, int) and date >= 0 for *_, date in rows), rows
        return rows

    def register(self, account: Account, endpoint: str) -> None:
        """Replaces the row that is there."""
        with self.database:
            self.database.execute(
                WRITE,
                (
                    account.uuid,
                    account.device,
                    account.password,
                    endpoint,
                    False,
                    int(time.time()),
                ),
            )


def configure(doorbell: Doorbell, form: str, key: str, database: Path, ntfy: PushPeer) -> None:
    """As it was for MollySocket: once it is its file, once the variables of a compose file."""
    if form == "file":
        (doorbell.folder / "conf.toml").write_text(
            f"db = '{database}'\nport = {doorbell.port}\nvapid_privkey = '{key}'\n"
            f"allowed_endpoints = ['*', '{ntfy.origin}']\n"
        )
        doorbell.environment["MOLLY_CONF"] = str(doorbell.folder / "conf.toml")
        return
    doorbell.environment.update(
        {
            "MOLLY_DB": f'"{database}"',
            "MOLLY_PORT": str(doorbell.port),
            "MOLLY_VAPID_PRIVKEY": key,
            "MOLLY_ALLOWED_ENDPOINTS": f'["*","{ntfy.origin}"]',
        }
    )


@pytest.mark.parametrize("form", ["file", "variables"])
def test_there_back_and_there_again(
    make_doorbell: Callable[..., Doorbell],
    authority: Authority,
    signal: SignalPeer,
    ntfy: PushPeer,
    form: str,
) -> None:
    doorbell = put_in_its_place(make_doorbell(), signal, authority)
    data = doorbell.folder / "data"
    data.mkdir()
    private, public = key_pair()

    def person() -> Person:
        account, endpoint = signal.new_account(), ntfy.endpoint()
        doorbell.secrets |= {account.uuid, account.password, private}
        return account, endpoint

    def rung(people: list[Person]) -> None:
        """By a message, with the key that their phones know."""
        for account, endpoint in people:
            rings(signal, ntfy, account, endpoint)
            said = ntfy.rings(endpoint)[-1].get("authorization") or ""
            assert said.endswith(f"k={public}"), said

    # What MollySocket leaves.
    first, second, undated = person(), person(), person()
    theirs = MollySocket(data / "mollysocket.db")
    theirs.add(*first)
    theirs.add(*second, forbidden=True)
    theirs.add(*undated, registered=None)  # by one of its older versions
    left = theirs.picture()
    configure(doorbell, form, private, theirs.file, ntfy)

    # Doorbell takes over; another phone registers.
    doorbell.start()
    signal.wait_connected(first[0])
    signal.wait_connected(second[0])
    signal.wait_connected(undated[0])
    rung([first, second, undated])
    third = person()
    assert doorbell.register(*third) == "ok"
    rung([third])

    # The way back.
    exported = doorbell.command("export", "--mollysocket", str(data / "back.db"))
    assert exported.returncode == DONE, exported.stderr
    doorbell.stop()
    assert theirs.picture() == left
    back = GoneBack(data / "back.db")
    people = [first, second, third, undated]
    expected = [
        (account.uuid, account.device, account.password, endpoint) for account, endpoint in people
    ]
    assert [row[:4] for row in back.rows()] == sorted(expected)
    assert all(forbidden == 0 for *_, forbidden, _ in back.rows())
    assert [row[0] for row in back.rows() if row[-1] == 0] == [undated[0].uuid]
    first = first[0], ntfy.endpoint()
    fourth = person()
    for changed in (first, fourth):
        back.register(*changed)
    assert len(back.rows()) == 5
    back.database.close()

    # And there again, with the configuration that MollySocket has now.
    configure(doorbell, form, private, data / "back.db", ntfy)
    doorbell.start()
    people = [first, second, third, undated, fourth]
    for account, _ in people:
        signal.wait_connected(account, 1 if account is fourth[0] else 2)
    rung(people)
    assert doorbell.has_logged(", 1 of them because it was registered there later than here.")
