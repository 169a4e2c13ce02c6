"""docs/migrate-from-mollysocket.md followed to the letter, there, back and there again: each command of
its blocks is run, with folders below the test's, and what systemd or Docker would do is done here.
MollySocket itself is its database. Where the tests run as root, its user and that of our service are
users without rights, who have the folders that are theirs.
"""

import os
import re
import shlex
import stat
import subprocess
from pathlib import Path
from typing import Callable

import pytest

from lib.certs import Authority
from lib.doorbell import Doorbell
from lib.drop_in import MollySocket, key_pair, put_in_its_place, rings
from lib.process import REPOSITORY, STOP_DEADLINE
from lib.push_peer import PushPeer
from lib.samples import entries_of
from lib.shell import OpenFolder, as_user, stranger_ids
from lib.signal_peer import Account, SignalPeer

GUIDE = (REPOSITORY / "docs" / "migrate-from-mollysocket.md").read_text()
DOCKER, SYSTEMD, PACKAGE = "With Docker", "With systemd", "With the Debian package"
WAYS = [DOCKER, SYSTEMD, PACKAGE]
DROP_IN = "etc/systemd/system/mollysocket.service.d/zz-doorbell.conf"
DONE = 0
HAS_USERS = os.geteuid() == 0
MOLLYSOCKET = stranger_ids()
SERVICE = 4242, 4242  # of DynamicUser=
ITS_USER = "-u mollysocket "


def blocks(way: str) -> list[list[str]]:
    """Commands of a section, a block for each direction."""
    (section,) = [text for text in GUIDE.split("\n## ") if text.startswith(way)]
    found = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return [text.replace("|\n", "|").splitlines() for text in found]


@pytest.mark.parametrize("way", WAYS)
def test_each_direction_is_short(way: str) -> None:
    assert len(blocks(way)) == 2
    assert all(len(block) <= 10 for block in blocks(way))


class Machine:
    """Has the folders of the guide, and runs what it says."""

    def __init__(self, doorbell: Doorbell, root: Path, meant: dict[str, str]):
        self.doorbell, self.root, self.meant = doorbell, root, meant
        self.has_our_image = True

    def follow(self, block: list[str]) -> None:
        for line in block:
            self.run(line)

    def run(self, line: str) -> None:
        user = as_user(*MOLLYSOCKET) if HAS_USERS and f"sudo {ITS_USER}" in line else []
        line = self.here(line)
        words = shlex.split(line, comments=True)
        if not words or words[0] == "sleep":  # it is waited for
            return
        if words[0] == "chown" and not HAS_USERS:
            return
        if words[0] == "systemctl":
            self.systemctl(words)
        elif words[0] == "docker" and words[2] != "exec":
            self.compose(words[2])
        elif "doorbell" in words:
            self.doorbell.commander = user
            done = self.doorbell.command(*words[words.index("doorbell") + 1 :])
            assert done.returncode == DONE, f"{line}: {done.stderr}"
        else:
            assert not user, line
            subprocess.run(["sh", "-ec", line], check=True, timeout=STOP_DEADLINE)

    def here(self, line: str) -> str:
        line = re.sub(rf"sudo ({ITS_USER})?", "", line)
        line = re.sub(r"(?<=^chown )mollysocket:", "%d:%d" % MOLLYSOCKET, line)
        line = re.sub(r"(?<=[ '=])/(?=etc/|var/|data/)", f"{self.root}/", line)
        for word, value in self.meant.items():
            line = re.sub(rf"\b{word}\b", value, line)
        return line

    def systemctl(self, words: list[str]) -> None:
        verb, unit = words[1], words[-1]
        assert verb in ("daemon-reload", "enable", "disable", "stop", "restart"), words
        if verb != "daemon-reload" and self.serves(unit):
            self.stop()
        if verb in ("enable", "restart") and self.is_ours(unit):
            self.start()

    def is_ours(self, unit: str) -> bool:
        return unit == "doorbell" or (self.root / DROP_IN).exists()

    def serves(self, unit: str) -> bool:
        return self.is_in_its_unit == (unit == "mollysocket")

    @property
    def is_in_its_unit(self) -> bool:
        return "-c" in self.doorbell.words

    def compose(self, verb: str) -> None:
        assert verb in ("up", "stop", "logs"), verb
        if verb == "stop":
            self.stop()
        if verb == "up" and self.has_our_image:
            self.start()

    def start(self) -> None:
        self.doorbell.start()

    def stop(self) -> None:
        if self.doorbell.process:
            self.doorbell.stop()


def give(entry: Path, user: tuple[int, int]) -> None:
    if HAS_USERS:
        os.chown(entry, *user)


class Migration:
    """A MollySocket with one phone, and where it has its settings and database."""

    def __init__(self, doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer):
        self.doorbell, self.signal, self.ntfy = doorbell, signal, ntfy
        self.root = doorbell.folder / "root"
        self.private, self.public = key_pair()
        self.people = [self.person()]
        self.user = (0, 0)  # MollySocket's
        self.machine = Machine(doorbell, self.root, {"ID": self.people[0][0].uuid})

    def person(self) -> tuple[Account, str]:
        account, endpoint = self.signal.new_account(), self.ntfy.endpoint()
        self.doorbell.secrets |= {account.password, self.private}
        return account, endpoint

    def make_database(self, name: str) -> Path:
        file = self.root / name
        file.parent.mkdir(parents=True)
        MollySocket(file).add(*self.people[0])
        return file

    def make_its_folder(self) -> Path:
        """Which nobody else may enter."""
        self.user = MOLLYSOCKET
        file = self.make_database("var/lib/mollysocket/ms.db")
        file.chmod(0o600)
        file.parent.chmod(0o700)
        for entry in (file, file.parent):
            give(entry, MOLLYSOCKET)
        return file

    def make_docker(self) -> None:
        file = self.make_database("data/mollysocket.db")
        self.doorbell.environment.update(
            MOLLY_DB=f'"{file}"',
            MOLLY_PORT=str(self.doorbell.port),
            MOLLY_VAPID_PRIVKEY=self.private,
            MOLLY_ALLOWED_ENDPOINTS=f'["*","{self.ntfy.origin}"]',
        )

    def make_file(self) -> Path:
        file = self.root / "etc/mollysocket/conf.toml"
        file.parent.mkdir(parents=True)
        file.write_text(
            f"db = '{self.make_its_folder()}'\n"
            f"port = {self.doorbell.port}\nvapid_privkey = '{self.private}'\n"
            f"allowed_endpoints = ['*', '{self.ntfy.origin}']\n"
        )
        file.chmod(0o640)
        give(file, (0, MOLLYSOCKET[1]))
        return file

    def make_systemd(self) -> None:
        self.doorbell.words = ["-c", str(self.make_file()), "server"]
        self.doorbell.launcher = as_user(*MOLLYSOCKET) if HAS_USERS else []

    def make_package(self) -> None:
        """Its defaults, and what the operator has moved into doorbell.yaml."""
        self.make_file()
        key = self.doorbell.folder / "their.key"
        key.write_text(self.private)
        key.chmod(0o600)
        folder = self.root / "var/lib/doorbell"
        folder.mkdir(mode=0o700)
        give(folder, SERVICE)
        self.doorbell.launcher = as_user(*SERVICE) if HAS_USERS else []
        self.machine.meant["KEY_FILE"] = str(key)
        self.doorbell.environment.update(
            DOORBELL_STORE_PATH=str(self.root / "var/lib/doorbell/doorbell.db"),
            DOORBELL_WEB_LISTEN=f"127.0.0.1:{self.doorbell.port}",
            DOORBELL_PUSH_ALLOWED_ENDPOINTS=self.ntfy.origin,
        )

    def rung(self) -> None:
        """All, with the key that their phones know."""
        for account, endpoint in self.people:
            self.signal.wait_connected(account)
            rings(self.signal, self.ntfy, account, endpoint)
            said = self.ntfy.rings(endpoint)[-1].get("authorization") or ""
            assert said.endswith(f"k={self.public}"), said

    def belongs(self, folder: str, user: tuple[int, int]) -> None:
        """All that is in there, and to nobody else: what root has made or copied, too."""
        entries = [entry.stat() for entry in (self.root / folder).iterdir()]
        assert len(entries) > 2
        if HAS_USERS:
            assert {(entry.st_uid, entry.st_gid) for entry in entries} == {user}
            assert not any(stat.S_IMODE(entry.st_mode) & 0o077 for entry in entries)

    def went_back(self, file: Path) -> None:
        """MollySocket has everybody, and another phone registers there."""
        assert self.doorbell.process is None
        if HAS_USERS:
            subprocess.run([*as_user(*self.user), "test", "-w", file.parent], check=True)
            subprocess.run([*as_user(*self.user), "test", "-w", file], check=True)
        there = MollySocket(file)
        told = {uuid for (uuid,) in there.run("SELECT uuid FROM connections")}
        assert told == {account.uuid for account, _ in self.people}
        self.people.append(self.person())
        there.add(*self.people[-1])


@pytest.fixture
def migration(
    make_doorbell: Callable[..., Doorbell],
    authority: Authority,
    signal: SignalPeer,
    ntfy: PushPeer,
    open_folder: OpenFolder,
) -> Migration:
    doorbell = put_in_its_place(make_doorbell(), signal, authority)
    trusted = open_folder.copy(authority.file)
    doorbell.environment.update(DOORBELL_SIGNAL_CA_FILE=trusted, DOORBELL_PUSH_CA_FILE=trusted)
    doorbell.folder, doorbell.binary = open_folder.make("machine", 0o755), open_folder.binary
    return Migration(doorbell, signal, ntfy)


def there_and_a_phone_more(migration: Migration, way: str) -> None:
    migration.machine.follow(blocks(way)[0])
    migration.rung()
    migration.people.append(migration.person())
    assert migration.doorbell.register(*migration.people[-1]) == "ok"
    migration.rung()


def test_the_way_by_docker_there_back_and_there_again(migration: Migration) -> None:
    migration.make_docker()
    there_and_a_phone_more(migration, DOCKER)
    migration.machine.has_our_image = False
    there, back = blocks(DOCKER)
    migration.machine.follow(back)
    (name,) = re.findall(r"^# .* MOLLY_DB=/(\S+)$", "\n".join(back), re.MULTILINE)
    migration.went_back(migration.root / name)
    migration.doorbell.environment["MOLLY_DB"] = str(migration.root / name)
    migration.machine.has_our_image = True
    migration.machine.follow(there)
    migration.rung()


def test_the_way_by_mollysockets_unit_there_back_and_there_again(migration: Migration) -> None:
    migration.make_systemd()
    there_and_a_phone_more(migration, SYSTEMD)
    unit = (migration.root / DROP_IN).read_text()
    assert entries_of(unit, "ExecStart") == ["", "/usr/local/bin/doorbell server"]
    migration.belongs("var/lib/mollysocket", MOLLYSOCKET)
    there, back = blocks(SYSTEMD)
    migration.machine.follow(back)
    migration.went_back(database_of(migration))
    migration.machine.follow(there)
    migration.rung()


def test_the_way_by_the_package_there_back_and_there_again(migration: Migration) -> None:
    migration.make_package()
    there_and_a_phone_more(migration, PACKAGE)
    migration.belongs("var/lib/doorbell", SERVICE)
    there, back = blocks(PACKAGE)
    migration.machine.follow(back)
    migration.went_back(database_of(migration))
    again = [line.replace("ms.db", "back.db") for line in there if "KEY_FILE" not in line]
    assert len(again) == len(there) - 1
    migration.machine.follow(again)
    migration.rung()


def database_of(migration: Migration) -> Path:
    """What MollySocket's file names now."""
    text = (migration.root / "etc/mollysocket/conf.toml").read_text()
    (name,) = re.findall(r"^db = '(.*)'$", text, re.MULTILINE)
    assert name.endswith("/back.db")
    return Path(name)
