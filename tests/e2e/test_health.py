"""What tells a container runtime, a load balancer and systemd how well the server is: /healthz and
/readyz, `doorbell health` with and without --links, and sd_notify's protocol.
"""

import contextlib
import re
import secrets
import signal as signals
import socket
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import pytest

from lib.background import DEADLINE, Changes
from lib.doorbell import Doorbell
from lib.linked import Linked
from lib.push_peer import PushPeer
from lib.signal_peer import SignalPeer

MakeDoorbell = Callable[..., Doorbell]


@pytest.fixture
def make(make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer) -> MakeDoorbell:
    """Not started yet."""

    def prepare(**settings: Any) -> Doorbell:
        needed = {"signal__url": signal.url, "push__allowed_endpoints": [ntfy.origin]}
        return make_doorbell(**{**needed, **settings})

    return prepare


def until(predicate: Callable[[], bool], what: str) -> None:
    """By asking again and again: nobody tells."""
    deadline = time.monotonic() + DEADLINE
    while not predicate():
        assert time.monotonic() < deadline, f"in time did not happen: {what}"
        time.sleep(0.05)


def status_of(doorbell: Doorbell, path: str) -> int:
    return doorbell.request("GET", path)[0]


def health(doorbell: Doorbell, *words: str) -> tuple[int, str]:
    """Exit status, and what it says."""
    done = doorbell.command("health", *words)
    assert bool(done.stdout) == (done.returncode == 0) != bool(done.stderr), done
    return done.returncode, done.stdout + done.stderr


def ask_all(doorbell: Doorbell) -> tuple[int, int, int, int]:
    return (
        status_of(doorbell, "/healthz"),
        status_of(doorbell, "/readyz"),
        health(doorbell)[0],
        health(doorbell, "--links")[0],
    )


# Health


def test_a_server_without_accounts_and_without_a_web_server_is_well(make: MakeDoorbell) -> None:
    doorbell = make(web__enabled=False).start()
    assert health(doorbell)[0] == health(doorbell, "--links")[0] == 0


def test_without_a_server_it_says_so(make: MakeDoorbell) -> None:
    status, said = health(make())
    assert status == 1
    assert "No server answers on the control socket" in said and "Start it" in said


def test_a_file_that_was_spoilt_since_the_start_ends_no_server_that_works(
    make: MakeDoorbell,
) -> None:
    """A typo in doorbell.yaml: whoever restarts what is not well would end it for good."""
    doorbell = make()
    doorbell.environment["DOORBELL_STORE_PATH"] = doorbell.settings["store.path"]  # as an image has it
    doorbell.start()
    doorbell.settings["nonsense"] = 1
    for words in ([], ["--links"]):
        status, said = health(doorbell, *words)
        assert status == 0 and "The server works" in said and '"nonsense" is not known' in said
    doorbell.stop()
    status, said = health(doorbell)
    assert status == 1 and '"nonsense" is not known' in said and "works" not in said


def test_where_only_a_spoilt_file_says_where_the_server_is_it_is_not_found(
    make: MakeDoorbell,
) -> None:
    doorbell = make().start()
    doorbell.settings["nonsense"] = 1
    status, said = health(doorbell)
    assert status == 1 and '"nonsense" is not known' in said


def test_a_server_that_is_not_the_one_of_the_named_file_does_not_answer_for_it(
    make: MakeDoorbell,
) -> None:
    other, meant = make(), make()
    other.settings["store.path"] = str(other.folder / "data" / "doorbell.db")  # the default there
    other.start()
    other.settings["nonsense"] = meant.settings["nonsense"] = 1
    other.write_configuration()
    other.words = ["server"]  # it takes the file that lies there
    status, said = health(other)
    assert status == 0 and "The server works" in said and '"nonsense" is not known' in said
    done = other.command("--config", str(meant.write_configuration()), "health")
    assert done.returncode == 1 and '"nonsense" is not known' in done.stderr


def test_wrong_words_are_another_status(make: MakeDoorbell) -> None:
    doorbell = make()
    for words in (["--link"], ["now"], ["--links", "now"]):
        assert health(doorbell, *words)[0] == 2, words


def test_when_all_links_are_down_for_long_it_is_not_ready_but_alive(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(health__links_down_after="100ms").start()
    account = signal.new_account()
    assert ask_all(doorbell) == (200, 200, 0, 0)
    assert doorbell.register(account, ntfy.endpoint()) == "ok"
    assert ask_all(doorbell) == (200, 200, 0, 0)
    signal.set_behaviour(tcp="reset")
    signal.end("reset")
    until(lambda: status_of(doorbell, "/readyz") == 503, "readiness fails")
    assert ask_all(doorbell) == (200, 503, 0, 1)
    assert "No account is connected" in health(doorbell, "--links")[1]
    doorbell.reload(health__links_down_after="1h")
    assert ask_all(doorbell) == (200, 200, 0, 0)
    doorbell.reload(health__links_down_after="100ms")
    assert ask_all(doorbell) == (200, 503, 0, 1)
    signal.reset_behaviour()
    until(lambda: status_of(doorbell, "/readyz") == 200, "readiness is back")
    assert ask_all(doorbell) == (200, 200, 0, 0)


def test_without_a_web_server_links_that_are_down_are_told_as_well(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(web__enabled=False, health__links_down_after="100ms").start()
    account = signal.new_account()
    words = [account.uuid, str(account.device), account.password, ntfy.endpoint()]
    assert doorbell.command("connection", "add", *words).returncode == 0
    signal.wait_connected(account)
    assert health(doorbell, "--links")[0] == 0
    signal.set_behaviour(tcp="reset")
    signal.end("reset")
    until(lambda: health(doorbell, "--links")[0] == 1, "readiness fails")
    assert "No account is connected" in health(doorbell, "--links")[1]
    assert health(doorbell)[0] == 0
    signal.reset_behaviour()
    until(lambda: health(doorbell, "--links")[0] == 0, "readiness is back")


@contextlib.contextmanager
def held(doorbell: Doorbell) -> Iterator[None]:
    """Its store cannot be written: another program does, and does not end."""
    database = sqlite3.connect(doorbell.settings["store.path"], isolation_level=None)
    try:
        database.execute("BEGIN IMMEDIATE")
        yield
    finally:
        database.close()


def test_a_store_that_cannot_be_written_ends_liveness_until_it_can(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(store__retry="100ms").start()
    with held(doorbell):
        assert doorbell.register(signal.new_account(), ntfy.endpoint()) == "internal_error"
        doorbell.changes.wait_for(
            lambda: doorbell.has_logged("The store cannot be written"), "the error"
        )
        assert ask_all(doorbell) == (503, 503, 1, 1)
        assert "make room on its disk" in health(doorbell)[1]
    doorbell.changes.wait_for(
        lambda: doorbell.has_logged("The store can be written again"), "the end of it"
    )
    assert ask_all(doorbell) == (200, 200, 0, 0)


def test_a_server_that_hangs_is_not_well(make: MakeDoorbell) -> None:
    doorbell = make().start()
    assert doorbell.process
    doorbell.process.popen.send_signal(signals.SIGSTOP)
    try:
        status, said = health(doorbell)
    finally:
        doorbell.process.popen.send_signal(signals.SIGCONT)
    assert status == 1 and "it hangs. Restart it." in said
    assert health(doorbell)[0] == 0


def test_strangers_learn_nothing_from_the_probes(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make().start()

    def answers() -> list[tuple[int, dict[str, str], bytes]]:
        found = []
        for method in ("GET", "HEAD"):
            for path in ("/healthz", "/readyz"):
                status, headers, body = doorbell.request(method, path)
                headers.pop("date", None)
                found.append((status, headers, body))
        return found

    before = answers()
    assert [answer[2] for answer in before] == [b"ok\n", b"ok\n", b"", b""]
    assert all(answer[1]["cache-control"] == "no-store" for answer in before)
    for _ in range(2):
        assert doorbell.register(signal.new_account(), ntfy.endpoint()) == "ok"
    assert answers() == before
    assert doorbell.request("POST", "/healthz", b"")[0] == 404


# The service manager


class Systemd:
    """The socket on which systemd listens, by a path or by an abstract name."""

    def __init__(self, changes: Changes, name: str):
        self.changes, self.name = changes, name
        self.address = name.replace("@", "\0", 1) if name.startswith("@") else name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.address)
        self.told: list[str] = []
        self.seen = 0
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        """The kernel keeps ten messages, and there is no room for more until they are read."""
        while message := self.socket.recv(4096):
            self.told.append(message.decode())
            self.changes.notify()

    def next(self, first: str) -> Optional[list[str]]:
        while self.seen < len(self.told):
            lines = self.told[self.seen].split("\n")
            self.seen += 1
            if lines[0] == first:
                return lines
        return None

    def wait(self, first: str) -> list[str]:
        """The lines of the next message that begins with this one."""
        return self.changes.wait_for(lambda: self.next(first), f"{first} after {self.told[-5:]}")

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.address)
        self.reader.join()
        self.socket.close()


@pytest.fixture(params=["path", "abstract"])
def systemd(
    request: pytest.FixtureRequest, changes: Changes, tmp_path: Path
) -> Iterator[Systemd]:
    abstract = request.param == "abstract"
    name = f"@doorbell-{secrets.token_hex(8)}" if abstract else str(tmp_path / "n")
    manager = Systemd(changes, name)
    yield manager
    manager.close()


def test_systemd_is_told_of_a_whole_life(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, systemd: Systemd
) -> None:
    doorbell = make()
    doorbell.environment = {"NOTIFY_SOCKET": systemd.name, "WATCHDOG_USEC": "1000000"}
    doorbell.start()
    assert systemd.wait("READY=1") == ["READY=1", "STATUS=0 accounts, 0 linked"]
    for _ in range(3):
        assert systemd.wait("WATCHDOG=1") == ["WATCHDOG=1"]
    assert doorbell.register(signal.new_account(), ntfy.endpoint()) == "ok"
    before = time.monotonic_ns() // 1000
    doorbell.reload()
    reloading = systemd.wait("RELOADING=1")
    moment = re.fullmatch(r"MONOTONIC_USEC=(\d+)", reloading[1])
    assert moment and before <= int(moment[1]) <= time.monotonic_ns() // 1000
    assert systemd.wait("READY=1") == ["READY=1", "STATUS=1 account, 1 linked"]
    assert systemd.wait("WATCHDOG=1")
    doorbell.reload(store__path="elsewhere.db")  # which cannot change while it runs
    assert systemd.wait("RELOADING=1") and systemd.wait("READY=1")
    doorbell.stop()
    assert systemd.wait("STOPPING=1") == ["STOPPING=1"]


def test_systemds_status_follows_at_once_what_befalls_accounts_links_and_store(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, systemd: Systemd
) -> None:
    doorbell = make(health__links_down_after="500ms", signal__refused_confirm="50ms")
    doorbell.environment = {"NOTIFY_SOCKET": systemd.name}
    doorbell.start()
    moment = time.monotonic()
    first, second, third = (Linked(doorbell, signal, ntfy) for _ in range(3))
    systemd.wait("STATUS=3 accounts, 3 linked")
    third.is_unlinked()
    systemd.wait("STATUS=3 accounts, 2 linked, 1 refused")
    second.answer_with(410)
    second.queue()
    systemd.wait("STATUS=3 accounts, 2 linked, 1 refused, 1 endpoint gone")
    signal.stop_listening()
    signal.end("reset")
    down = "STATUS=3 accounts, 0 linked, 1 refused, 1 endpoint gone, none connected to Signal"
    systemd.wait(down)
    signal.listen_again()
    systemd.wait("STATUS=3 accounts, 2 linked, 1 refused, 1 endpoint gone")
    signal.close(4409, "Connected elsewhere", first.account.key)
    systemd.wait("STATUS=3 accounts, 1 linked, 1 refused, 1 contested, 1 endpoint gone")
    assert time.monotonic() - moment < 90  # six changes, not at the sweeps that come every 30 s


def test_without_a_watchdog_nobody_feeds_one(make: MakeDoorbell, systemd: Systemd) -> None:
    doorbell = make()
    doorbell.environment = {"NOTIFY_SOCKET": systemd.name}
    doorbell.start()
    doorbell.stop()
    systemd.wait("STOPPING=1")
    assert systemd.told == ["READY=1\nSTATUS=0 accounts, 0 linked", "STOPPING=1"]
