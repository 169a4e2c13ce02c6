"""Backups of a server that runs, and the place that they are restored to: docs/moving.md."""

import signal as signals
import sqlite3
import stat
import subprocess
import termios
from pathlib import Path
from typing import Callable

import pytest

from lib.doorbell import BINARY, Doorbell
from lib.linked import Linked
from lib.push_peer import PushPeer
from lib.secrecy import secrecy
from lib.signal_peer import SignalPeer
from lib.terminal import Terminal

MakeDoorbell = Callable[..., Doorbell]
DONE, NOT_DONE, WRONG_WORDS = 0, 1, 2
PASSPHRASE = "a passphrase of the tests"


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    file = tmp_path / "passphrase"
    file.touch(mode=0o600)
    file.write_text(f"{PASSPHRASE}\n")
    return file


@pytest.fixture
def elsewhere(make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer) -> Doorbell:
    """Another place, with the settings of this one, where nothing is yet."""
    return make_doorbell(signal__url=signal.url, push__allowed_endpoints=["*", ntfy.origin])


@pytest.fixture
def linked(doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer) -> Linked:
    return Linked(doorbell, signal, ntfy)


class Backup:
    def __init__(self, doorbell: Doorbell, passphrase: Path, *words: str):
        self.file = doorbell.folder.parent / "doorbell.backup"
        self.passphrase = passphrase
        given = words or ("--passphrase-file", str(passphrase))
        done = doorbell.command("backup", str(self.file), *given)
        assert (done.returncode, done.stderr) == (DONE, ""), done.stderr
        self.said = done.stdout

    def restore(self, place: Doorbell, *words: str) -> subprocess.CompletedProcess:
        given = words or ("--passphrase-file", str(self.passphrase))
        return place.command("restore", str(self.file), *given)

    def refused(self, place: Doorbell, because: str) -> None:
        """And nothing is there that was not."""
        before = sorted(place.folder.iterdir())
        done = self.restore(place)
        assert (done.returncode, done.stdout) == (NOT_DONE, ""), done
        assert because in done.stderr and done.stderr.count("\n") == 1, done.stderr
        left = {file.name for file in set(place.folder.iterdir()) - set(before)}
        assert left <= {"doorbell.yaml", "doorbell.db.lock"}


def knows_secrets_of(linked: Linked, place: Doorbell) -> None:
    place.secrets |= linked.doorbell.secrets | {PASSPHRASE}


# Over to another place


def test_what_is_backed_up_while_the_server_runs_rings_elsewhere(
    linked: Linked, elsewhere: Doorbell, passphrase: Path
) -> None:
    knows_secrets_of(linked, elsewhere)
    backup = Backup(linked.doorbell, passphrase)
    assert "1 account with its device password, the VAPID key and the files" in backup.said
    assert stat.S_IMODE(backup.file.stat().st_mode) == 0o600
    linked.queue()
    linked.wait_rings(1)  # the server has gone on
    linked.doorbell.stop()

    done = backup.restore(elsewhere)
    assert (done.returncode, done.stderr) == (DONE, "")
    assert "Restored 1 account" in done.stdout and "stopped for good" in done.stdout
    keys = [place.folder / "vapid.key" for place in (linked.doorbell, elsewhere)]
    assert keys[0].read_bytes() == keys[1].read_bytes()
    elsewhere.start()
    linked.signal.wait_connected(linked.account)
    linked.queue()
    signs = [ring.get("authorization").rpartition("k=")[2] for ring in linked.wait_rings(2)]
    assert signs[0] == signs[1]


def test_a_debt_goes_along_and_is_paid_elsewhere(
    elsewhere: Doorbell,
    make_doorbell: MakeDoorbell,
    signal: SignalPeer,
    ntfy: PushPeer,
    passphrase: Path,
) -> None:
    doorbell = make_doorbell(
        signal__url=signal.url,
        push__allowed_endpoints=["*", ntfy.origin],
        push__hold="300ms",
        push__timeout="10s",
    )
    linked = Linked(doorbell.start(), signal, ntfy)
    knows_secrets_of(linked, elsewhere)
    ntfy.answer_with("hang")
    signal.wait_acked(linked.queue())  # by the debt alone: the messenger has nothing left
    assert doorbell.debts() == 1
    backup = Backup(doorbell, passphrase)
    doorbell.stop()
    rung = len(linked.rings())
    ntfy.answer_with(200)

    assert "of which 1 is owed a ring" in backup.restore(elsewhere).stdout
    elsewhere.start()
    linked.wait_rings(rung + 1)
    elsewhere.changes.wait_for(lambda: elsewhere.debts() == 0, "the end of the debt")


def test_a_store_whose_server_rests_is_backed_up_as_well(
    linked: Linked, elsewhere: Doorbell, passphrase: Path
) -> None:
    knows_secrets_of(linked, elsewhere)
    linked.doorbell.stop()
    backup = Backup(linked.doorbell, passphrase)
    assert backup.restore(elsewhere).returncode == DONE
    assert elsewhere.rows() == 1


def test_what_only_the_server_knows_is_in_it_or_named(
    make_doorbell: MakeDoorbell, passphrase: Path, tmp_path: Path
) -> None:
    """The command itself runs without that environment."""
    doorbell = make_doorbell()
    key = doorbell.command("vapid", "generate").stdout.strip()
    doorbell.secrets.add(key)
    doorbell.environment = {"DOORBELL_PUSH_VAPID_KEY": key, "DOORBELL_ALERT_TOKEN": "tk_abcdefghi"}
    doorbell.start()
    doorbell.environment = {}
    backup = Backup(doorbell, passphrase)
    assert "the VAPID key" in backup.said
    assert "stand in no file: the settings alert.token, in the environment" in backup.said
    assert "signal.ca_file" in backup.said
    place = make_doorbell()
    assert backup.restore(place).returncode == DONE
    assert (place.folder / "vapid.key").read_text() == f"{key}\n"


def test_settings_come_along_and_those_of_the_operator_wait_to_be_looked_at(
    doorbell: Doorbell, elsewhere: Doorbell, passphrase: Path
) -> None:
    (doorbell.folder / "setup.yaml").write_text("web:\n  public_url: https://push.example.org/\n")
    backup = Backup(doorbell, passphrase)
    done = backup.restore(elsewhere)
    assert "doorbell.yaml.restored" in done.stdout
    theirs = (elsewhere.folder / "doorbell.yaml.restored").read_bytes()
    assert theirs == (doorbell.folder / "doorbell.yaml").read_bytes()
    effective = elsewhere.command("config").stdout
    assert "https://push.example.org/" in effective


def test_ten_thousand_accounts_are_no_burden(
    make_doorbell: MakeDoorbell, passphrase: Path
) -> None:
    """And none is missing."""
    doorbell, count = make_doorbell(), 10_000
    doorbell.start()
    doorbell.stop()
    database = sqlite3.connect(doorbell.settings["store.path"])
    with database:
        database.executemany(
            "INSERT INTO accounts(messenger, uuid, device, password, endpoint, refused,"
            " endpoint_proven, endpoint_state, registered_unix, owed_since_unix)"
            " VALUES (1, ?, 2, ?, ?, 1, 1, 0, 1, ?)",
            (
                (number.to_bytes(16, "big"), f"p{number}", f"https://localhost/{number}", number % 2)
                for number in range(count)
            ),
        )
    database.close()
    doorbell.start()
    backup = Backup(doorbell, passphrase)
    assert f"{count} accounts with their device passwords" in backup.said
    place = make_doorbell()
    assert f"{count} accounts" in backup.restore(place).stdout
    assert (place.rows(), place.debts()) == (count, count // 2)


# Without secrets


def test_without_secrets_nothing_secret_is_in_the_file(
    linked: Linked, elsewhere: Doorbell, passphrase: Path
) -> None:
    knows_secrets_of(linked, elsewhere)
    backup = Backup(linked.doorbell, passphrase, "--without-secrets")
    assert "Left out: 1 account with its device password, the VAPID key" in backup.said
    content = backup.file.read_bytes()
    key = (linked.doorbell.folder / "vapid.key").read_text().strip()
    for secret in {*linked.doorbell.secrets, key}:
        assert secret.encode() not in content
    backup.refused(elsewhere, "is not encrypted")  # it was expected to be
    done = elsewhere.command("restore", str(backup.file))
    assert "settings only" in done.stdout and "1 account has to be linked anew" in done.stdout
    assert not (elsewhere.folder / "doorbell.db").exists()
    written = elsewhere.folder / "doorbell.yaml.restored"
    assert "signal:\n" in written.read_text() and "# default" not in written.read_text()
    assert elsewhere.command("--config", str(written), "config").returncode == DONE


# The file


def test_a_file_that_is_there_stays_unless_it_is_to_be_replaced(
    doorbell: Doorbell, passphrase: Path, tmp_path: Path
) -> None:
    file, words = tmp_path / "there", ("--passphrase-file", str(passphrase))
    file.write_text("something else")
    done = doorbell.command("backup", str(file), *words)
    assert done.returncode == NOT_DONE and "exists already and was left as it is" in done.stderr
    assert file.read_text() == "something else"
    assert doorbell.command("backup", str(file), *words, "--replace").returncode == DONE
    assert file.read_bytes().startswith(b"doorbell-backup\n")
    assert not list(tmp_path.glob("there.*"))


def test_standard_output_and_input_will_do(
    doorbell: Doorbell, elsewhere: Doorbell, passphrase: Path
) -> None:
    words = ["--passphrase-file", str(passphrase)]

    def run(place: Doorbell, *given: str, stdin: bytes = b"") -> subprocess.CompletedProcess:
        file = str(place.write_configuration())
        command = [str(BINARY), "--config", file, *given, *words]
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            cwd=place.folder,
            env=place.clean_environment(),
            timeout=60,
        )
        secrecy.command(done, given)
        return done

    made = run(doorbell, "backup", "-")
    assert made.returncode == DONE and b"Backed up, encrypted" in made.stderr
    done = run(elsewhere, "restore", "-", stdin=made.stdout)
    assert (done.returncode, done.stderr) == (DONE, b"")


def test_there_is_no_third_way(doorbell: Doorbell, passphrase: Path, tmp_path: Path) -> None:
    file = tmp_path / "doorbell.backup"
    done = doorbell.command("backup", str(file))
    assert done.returncode == NOT_DONE and "--passphrase-file" in done.stderr
    both = ("--without-secrets", "--passphrase-file", str(passphrase))
    assert doorbell.command("backup", str(file), *both).returncode == WRONG_WORDS
    passphrase.write_text("\n")
    done = doorbell.command("backup", str(file), "--passphrase-file", str(passphrase))
    assert done.returncode == NOT_DONE and "is no passphrase" in done.stderr
    assert not file.exists()


# A person


def at_terminal(doorbell: Doorbell, *words: str) -> Terminal:
    file = str(doorbell.write_configuration())
    command = [str(BINARY), "--config", file, *words]
    return Terminal(doorbell.changes, command, doorbell.folder, doorbell.clean_environment())


def test_a_person_types_it_twice_and_it_is_never_shown(
    doorbell: Doorbell, elsewhere: Doorbell
) -> None:
    making = at_terminal(doorbell, "backup", "x.backup")
    making.answer("Passphrase for the backup:", PASSPHRASE)
    making.answer("The same once more:", PASSPHRASE)
    assert making.process.wait(60) == DONE
    restoring = at_terminal(elsewhere, "restore", str(doorbell.folder / "x.backup"))
    restoring.answer("Passphrase of the backup:", PASSPHRASE)
    assert restoring.process.wait(60) == DONE
    assert PASSPHRASE not in making.shown() + restoring.shown()


def test_two_that_differ_make_no_file(doorbell: Doorbell) -> None:
    making = at_terminal(doorbell, "backup", "x.backup")
    making.answer("Passphrase for the backup:", PASSPHRASE)
    making.answer("The same once more:", f"{PASSPHRASE}.")
    making.wait_for("The two passphrases differ")
    assert making.process.wait(60) == NOT_DONE
    assert not (doorbell.folder / "x.backup").exists()


@pytest.mark.parametrize("number", ["SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_question_and_the_terminal_shows_again_what_is_typed(
    doorbell: Doorbell, number: str
) -> None:
    making = at_terminal(doorbell, "backup", "x.backup")

    def shows_what_is_typed() -> bool:
        return bool(termios.tcgetattr(making.ours)[3] & termios.ECHO)

    making.wait_for("Passphrase for the backup:")
    assert not shows_what_is_typed()
    making.process.send_signal(signals.Signals[number])
    making.wait_for("No passphrase was entered")
    assert making.process.wait(60) == NOT_DONE
    assert shows_what_is_typed()


# Refused


def test_a_backup_that_cannot_be_right_changes_nothing(
    doorbell: Doorbell, elsewhere: Doorbell, passphrase: Path
) -> None:
    backup = Backup(doorbell, passphrase)
    whole = backup.file.read_bytes()
    for content, because in {
        whole[:-1]: "truncated",
        whole[:40]: "truncated",
        whole + b"x": "altered or damaged",
        whole[:-1] + bytes([whole[-1] ^ 1]): "altered or damaged",
        whole[:16] + b"\x02" + whole[17:]: "made by a newer Doorbell",
        b"": "no backup",
        b"SQLite format 3\0" + bytes(4096): "no backup",
    }.items():
        backup.file.write_bytes(content)
        backup.refused(elsewhere, because)
    backup.file.write_bytes(whole)
    passphrase.write_text("another\n")
    backup.refused(elsewhere, "not the passphrase of this backup")
    backup.file.unlink()
    backup.refused(elsewhere, "cannot be read")


def test_a_place_with_a_store_or_a_server_is_left_as_it_is(
    doorbell: Doorbell, elsewhere: Doorbell, passphrase: Path
) -> None:
    backup = Backup(doorbell, passphrase)
    backup.refused(doorbell, "A server runs on the store")
    elsewhere.start()
    elsewhere.stop()
    backup.refused(elsewhere, "There is a store already")
