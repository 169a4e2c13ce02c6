"""Device passwords that are sealed in the store: docs/sealing.md."""

import base64
import os
import sqlite3
import subprocess
from pathlib import Path
from typing import Callable

import pytest

from lib.doorbell import Doorbell
from lib.linked import Linked
from lib.process import REPOSITORY
from lib.push_peer import PushPeer
from lib.secrecy import secrecy
from lib.signal_peer import SignalPeer

MakeDoorbell = Callable[..., Doorbell]
DONE, NOT_DONE = 0, 1
WAYS = ["file", "variable", "credential"]
POSTINST = REPOSITORY / "packaging" / "debian" / "postinst"


def new_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


class Key:
    def __init__(self, folder: Path):
        self.folder, self.text = folder, new_key()
        folder.mkdir(mode=0o700, exist_ok=True)
        self.write(folder / "store.key")
        self.write(folder / "doorbell-key")

    def write(self, file: Path) -> None:
        file.touch(mode=0o600)
        file.write_text(f"{self.text}\n")

    def give(self, doorbell: Doorbell, way: str = "file") -> None:
        doorbell.secrets.add(self.text)
        if way == "file":
            doorbell.settings["store.key_file"] = str(self.folder / "store.key")
        elif way == "variable":
            doorbell.environment["DOORBELL_STORE_KEY"] = self.text
        else:
            doorbell.environment["CREDENTIALS_DIRECTORY"] = str(self.folder)


def take_away(doorbell: Doorbell) -> None:
    doorbell.settings.pop("store.key_file", None)
    doorbell.environment.pop("DOORBELL_STORE_KEY", None)
    doorbell.environment.pop("CREDENTIALS_DIRECTORY", None)


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return Key(tmp_path / "key")


@pytest.fixture
def linked(doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer) -> Linked:
    """Not sealed."""
    return Linked(doorbell, signal, ntfy)


@pytest.fixture
def sealed(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, key: Key
) -> Linked:
    doorbell = make_doorbell(signal__url=signal.url, push__allowed_endpoints=["*", ntfy.origin])
    key.give(doorbell)
    return Linked(doorbell.start(), signal, ntfy)


def in_clear(doorbell: Doorbell, text: str) -> bool:
    store = Path(doorbell.settings["store.path"])
    return any(text.encode() in file.read_bytes() for file in store.parent.glob(f"{store.name}*"))


def kept(doorbell: Doorbell) -> str:
    database = sqlite3.connect(doorbell.settings["store.path"])
    (password,) = database.execute("SELECT password FROM accounts").fetchone()
    database.close()
    return password


def stops(doorbell: Doorbell, because: str) -> None:
    before = Path(doorbell.settings["store.path"]).read_bytes()
    doorbell.spawn()
    doorbell.finish(1)
    assert because in "\n".join(doorbell.lines[-3:]), doorbell.lines[-3:]
    assert Path(doorbell.settings["store.path"]).read_bytes() == before


# With a key


@pytest.mark.parametrize("way", WAYS)
def test_a_store_that_is_given_a_key_is_sealed_at_the_start_and_goes_on_ringing(
    linked: Linked, key: Key, way: str
) -> None:
    doorbell, password = linked.doorbell, linked.account.password
    assert in_clear(doorbell, password)
    doorbell.stop()
    key.give(doorbell, way)
    doorbell.start()
    assert not in_clear(doorbell, password)  # while it runs: nothing is left in the log
    linked.signal.wait_connected(linked.account, 2)
    linked.expect_rings_in_all(0)
    doorbell.stop()
    assert not in_clear(doorbell, password) and kept(doorbell).startswith("sealed ")
    first = kept(doorbell)
    doorbell.start()
    linked.signal.wait_connected(linked.account, 3)
    assert kept(doorbell) == first


def test_whoever_registers_is_sealed_from_the_first_byte(sealed: Linked) -> None:
    assert not in_clear(sealed.doorbell, sealed.account.password)
    sealed.expect_rings_in_all(0)
    assert sealed.doorbell.register(sealed.account, sealed.endpoint) == "ok"  # known, unchanged
    assert len(sealed.signal.handshakes) == 1


# Without the right one


def test_a_missing_or_another_key_stops_the_start_and_changes_nothing(
    sealed: Linked, key: Key, tmp_path: Path
) -> None:
    doorbell = sealed.doorbell
    doorbell.stop()
    take_away(doorbell)
    stops(doorbell, "The store is sealed with a key, and none is given")
    other = Key(tmp_path / "other")
    other.give(doorbell)
    stops(doorbell, "sealed with another key than the one that is given")
    doorbell.settings["store.key_file"] = str(tmp_path / "gone.key")
    stops(doorbell, "The key is never made anew")
    assert not (tmp_path / "gone.key").exists()
    for text in ("", "c2hvcnQ=", new_key() + "AAAA", "no base64 at all!"):
        (other.folder / "store.key").write_text(text)
        doorbell.settings["store.key_file"] = str(other.folder / "store.key")
        stops(doorbell, "it is not a key of 32 bytes in base64")
    key.give(doorbell)
    doorbell.start()
    sealed.signal.wait_connected(sealed.account, 2)


def test_a_password_that_was_given_to_another_row_is_found(sealed: Linked) -> None:
    doorbell = sealed.doorbell
    doorbell.stop()
    database = sqlite3.connect(doorbell.settings["store.path"])
    with database:
        database.execute("UPDATE accounts SET device = device + 1")
    database.close()
    stops(doorbell, "Of the sealed passwords in the store 1 cannot be opened")


def test_a_command_that_has_a_key_leaves_a_store_as_it_is_that_no_server_has_sealed(
    linked: Linked, key: Key
) -> None:
    doorbell = linked.doorbell
    doorbell.stop()
    key.give(doorbell)
    assert doorbell.command("connection", "list").returncode == DONE
    assert kept(doorbell) == linked.account.password
    take_away(doorbell)
    doorbell.start()
    linked.signal.wait_connected(linked.account, 2)


def test_a_key_is_in_no_output_of_the_configuration(sealed: Linked, key: Key) -> None:
    doorbell = sealed.doorbell
    doorbell.environment["DOORBELL_STORE_KEY"] = key.text
    done = doorbell.command("config")
    assert done.returncode == DONE and key.text not in done.stdout + done.stderr
    assert "store.key_file" in doorbell.command("config", "table").stdout
    (key.folder / "store.key").write_text("too short")
    done = doorbell.command("config", "check")
    assert done.returncode == NOT_DONE and "it is not a key of 32 bytes" in done.stderr
    key.write(key.folder / "store.key")


# Commands


def test_commands_go_on_working_beside_the_server_and_without_it(
    sealed: Linked, make_doorbell: MakeDoorbell, key: Key, tmp_path: Path
) -> None:
    doorbell, password = sealed.doorbell, sealed.account.password
    phrase = tmp_path / "passphrase"
    phrase.touch(mode=0o600)
    phrase.write_text("a passphrase\n")
    for number in range(2):
        listed = doorbell.command("connection", "list", "--show-secrets")
        assert f"password {password}" in listed.stdout
        database = tmp_path / f"molly{number}.db"
        assert doorbell.command("export", "--mollysocket", str(database)).returncode == DONE
        rows = sqlite3.connect(database).execute("SELECT password FROM connections").fetchall()
        assert rows == [(password,)]
        told = doorbell.command("import", str(database), "--dry-run")
        assert told.returncode == DONE, told.stderr
        backup = tmp_path / f"{number}.backup"
        words = [str(backup), "--passphrase-file", str(phrase)]
        assert doorbell.command("backup", *words).returncode == DONE
        if number == 0:
            doorbell.stop()
    take_away(doorbell)
    done = doorbell.command("export", "--mollysocket", str(tmp_path / "no.db"))
    assert done.returncode == NOT_DONE and "none is given" in done.stderr
    assert not (tmp_path / "no.db").exists()

    place = make_doorbell()
    place.secrets |= doorbell.secrets
    assert place.command("restore", *words).returncode == DONE
    assert kept(place) == password  # no key is given there
    place = make_doorbell()
    key.give(place)
    assert place.command("restore", *words).returncode == DONE
    assert kept(place).startswith("sealed ") and not in_clear(place, password)


def test_a_way_back_leads_into_the_clear(sealed: Linked) -> None:
    doorbell = sealed.doorbell
    done = doorbell.command("unseal")
    assert done.returncode == NOT_DONE and "A server holds the store" in done.stderr
    doorbell.stop()
    done = doorbell.command("unseal")
    assert done.returncode == DONE, done.stderr
    assert kept(doorbell) == sealed.account.password
    done = doorbell.command("unseal")
    assert done.returncode == NOT_DONE and "is not sealed" in done.stderr
    take_away(doorbell)
    doorbell.start()
    sealed.signal.wait_connected(sealed.account, 2)


def test_doctor_says_what_is_covered(linked: Linked, key: Key) -> None:
    doorbell = linked.doorbell
    words = " ".join(doorbell.command("doctor").stdout.split())
    assert "Device passwords in it are in the clear" in words
    doorbell.stop()
    key.give(doorbell)
    doorbell.start()
    words = " ".join(doorbell.command("doctor").stdout.split())
    assert "Device passwords in it are sealed. Account ids, endpoints and the key" in words


# The package


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace of its own needs root")
@pytest.mark.parametrize("before", ["nothing", "a store", "a key"])
def test_a_first_installation_makes_a_key_and_only_where_there_is_no_store(
    before: str, tmp_path: Path
) -> None:
    made, data = tmp_path / "credstore", tmp_path / "data"
    made.mkdir()
    data.mkdir()
    if before == "a store":
        (data / "doorbell.db").touch()
    if before == "a key":
        (made / "doorbell.store.key").write_text("as it was\n")
    (tmp_path / "etc").mkdir()
    script = f"""set -e
        mount --make-rprivate /
        mkdir -p {tmp_path}/up {tmp_path}/work {tmp_path}/lib {tmp_path}/libwork
        mount -t tmpfs none {tmp_path}/etc
        mkdir {tmp_path}/etc/credstore {tmp_path}/etc/systemd
        mount --bind {made} {tmp_path}/etc/credstore
        mount --rbind {tmp_path}/etc /etc
        mount -t tmpfs none /var/lib
        mkdir /var/lib/doorbell
        mount --bind {data} /var/lib/doorbell
        sh {POSTINST} configure ''
    """
    subprocess.run(["unshare", "-m", "sh", "-c", script], check=True, capture_output=True)
    file = made / "doorbell.store.key"
    if before == "a store":
        assert not file.exists()
    elif before == "a key":
        assert file.read_text() == "as it was\n"
    else:
        assert len(base64.b64decode(file.read_text())) == 32
        assert file.stat().st_mode & 0o777 == 0o600


# Setup


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace of its own needs root")
def test_setup_makes_a_key_where_systemd_hands_it_over_and_a_restart_seals(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, tmp_path: Path
) -> None:
    """In folders that stand for those of the package."""
    etc, data, run = tmp_path / "etc", tmp_path / "data", tmp_path / "run"
    units = etc / "systemd" / "system"
    subprocess.run(["cp", "-a", "/etc", etc], check=True)
    units.mkdir(parents=True, exist_ok=True)
    data.mkdir(mode=0o700)
    run.mkdir()
    script = f"""mount --make-rprivate / && mount -t tmpfs none /var/lib &&
        mkdir /var/lib/doorbell && mount --bind {data} /var/lib/doorbell &&
        mount --bind {run} /run && mount --bind {etc} /etc && exec "$@" """
    inside = ["unshare", "-m", "sh", "-ec", script, "sh"]
    doorbell = make_doorbell(
        signal__url=signal.url,
        push__allowed_endpoints=["*", ntfy.origin],
        store__path="/var/lib/doorbell/doorbell.db",
        sandbox="off",
    )
    doorbell.launcher = inside
    doorbell.start()
    linked = Linked(doorbell, signal, ntfy)

    def setup() -> str:
        file = str(doorbell.write_configuration())
        words = ["setup", "--no-link", "--url", "https://localhost:1/", "--alert", "none"]
        done = subprocess.run(
            [*inside, str(doorbell.binary), "--config", file, *words],
            capture_output=True,
            text=True,
            env=doorbell.clean_environment(),
            timeout=120,
        )
        secrecy.command(done, words)
        assert done.returncode == DONE, (done.stdout, done.stderr)
        return " ".join(done.stdout.split())

    key = etc / "credstore" / "doorbell.store.key"
    assert "sealed" not in setup() and not key.exists()  # nobody would hand it over
    unit = REPOSITORY / "config" / "systemd" / "doorbell.service"
    (units / "doorbell.service").write_bytes(unit.read_bytes())
    assert "sealed" not in setup() and not key.exists()  # it lies there, and systemd does not run
    (run / "systemd" / "system").mkdir(parents=True)
    assert "device passwords will be sealed in the store from the next start" in setup()
    assert key.stat().st_mode & 0o777 == 0o600
    made = key.read_text()
    doorbell.secrets.add(made.strip())
    assert "sealed" not in setup() and key.read_text() == made

    doorbell.stop()
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "doorbell-key").write_text(made)
    doorbell.environment["CREDENTIALS_DIRECTORY"] = str(credentials)
    doorbell.start()
    signal.wait_connected(linked.account, 2)
    password = linked.account.password.encode()
    assert not any(password in file.read_bytes() for file in data.glob("doorbell.db*"))
    assert "sealed" not in setup()
