"""Running it: stopping, reloading, crashing and coming back, a server that refuses, names that
nobody answers for; and what the log never says.
"""

import base64
import concurrent.futures
import json
import re
import signal as signals
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

import pytest

from lib.background import DEADLINE, Background, Changes
from lib.certs import Authority, Leaf
from lib.doorbell import MOLLY, Doorbell
from lib.nameserver import SILENT, Nameserver
from lib.ports import free_port
from lib.push_peer import CONTESTED, RING, TEST, PushPeer
from lib.signal_peer import Account, SignalPeer, new_account

MakeDoorbell = Callable[..., Doorbell]
PROMPTLY = 10.0  # what has to wait for nobody, on a busy machine
STOPS_WITHIN = 10.0  # a second, and what a busy machine adds
HANDSHAKES_AT_ONCE = 64
CHAT, PUSH = "chat.doorbell.test", "push.doorbell.test"


@pytest.fixture
def make(make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer) -> MakeDoorbell:
    """Running, with these settings on top of what is needed."""

    def start(**settings: Any) -> Doorbell:
        needed = {
            "signal__url": signal.url,
            "push__allowed_endpoints": [ntfy.origin],
            "wake__interval": "50ms",
        }
        return make_doorbell(**{**needed, **settings}).start()

    return start


def registered(doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer) -> tuple[Account, str]:
    """An account with its endpoint, whose test push has been answered."""
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert doorbell.register(account, endpoint) == "ok"
    signal.changed.wait_for(
        lambda: any(push.answered for push in ntfy.matching(lambda push: True, endpoint)),
        "the answer to the test push",
    )
    return account, endpoint


def rings(doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer, key: str, endpoint: str) -> None:
    before = len(ntfy.rings(endpoint))
    number = signal.queue(key)
    ntfy.wait_rings(before + 1, endpoint)
    signal.wait_acked(number)


def state_of(doorbell: Doorbell, account: Account) -> str:
    """As `connection list` tells it."""
    for line in doorbell.command("connection", "list").stdout.splitlines():
        words = line.split()
        if words[0] == account.uuid and words[2] == str(account.device):
            return words[3]
    return "not listed"


def wait_state(doorbell: Doorbell, account: Account, state: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while (found := state_of(doorbell, account)) != state:
        assert time.monotonic() < deadline, f"the account stays {found}, not {state}"


def stop_in_time(doorbell: Doorbell) -> None:
    before = time.monotonic()
    doorbell.stop()  # checks the status and what sanitizers say
    assert time.monotonic() - before < STOPS_WITHIN


def open_links(signal: SignalPeer) -> list[str]:
    """The devices whose websockets are open. What waits must not call to the peers' loop."""
    return [
        session.device.key
        for session in list(signal.sessions)
        if session.state == "open" and session.device
    ]


def errors_of(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if " error " in line]


# SIGTERM


def test_sigterm_ends_links_with_a_close(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    accounts = [registered(doorbell, signal, ntfy)[0] for _ in range(5)]
    stop_in_time(doorbell)
    for account in accounts:
        session = signal.sessions_of(account)[0]
        signal.changed.wait_for(lambda: session.ended, "the end of the link")
        assert session.client_close and session.client_close[0] == 1000


def test_sigterm_waits_for_no_server_that_does_not_close(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    for _ in range(3):
        registered(doorbell, signal, ntfy)
    signal.set_behaviour(answer_close=False)
    signal.end("freeze", signal.sessions[0].device.key)  # type: ignore[union-attr]
    stop_in_time(doorbell)


def test_sigterm_answers_or_ends_registrations_that_are_pending(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(accounts__verdict="30s")
    signal.set_behaviour(handshake="stall")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pending = [
            pool.submit(doorbell.register, signal.new_account(), ntfy.endpoint()) for _ in range(5)
        ]
        signal.changed.wait_for(lambda: len(signal.handshakes) == 5, "five handshakes")
        stop_in_time(doorbell)
        for one in pending:
            try:
                assert one.result(10) == "internal_error"
            except (OSError, EOFError, ValueError) as error:
                assert "timed out" not in str(error)
            except Exception as error:  # http.client's own kinds
                assert type(error).__name__ == "RemoteDisconnected", error
    assert doorbell.rows() == 0


def test_sigterm_waits_for_no_push_that_hangs_and_forgets_no_ring(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    account, endpoint = registered(doorbell, signal, ntfy)
    ntfy.answer_with("hang")
    number = signal.queue(account.key)
    ntfy.wait_rings(1, endpoint)
    registering = signal.new_account()
    assert doorbell.register(registering, ntfy.endpoint()) == "ok"  # a test push hangs, too
    ntfy.wait_pushes(3)
    stop_in_time(doorbell)
    assert signal.message(number).acked is None or doorbell.debts() == 1
    ntfy.answer_with(200)
    doorbell.start()
    ntfy.wait_rings(2, endpoint)
    signal.wait_acked(number)


def test_sigterm_with_handshakes_under_way(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    for _ in range(3):
        registered(doorbell, signal, ntfy)
    for how in ({"handshake": "stall"}, {"tcp": "silent"}):
        signal.set_behaviour(**how)
        before = signal.tcp_connections
        signal.end("reset")
        signal.changed.wait_for(
            lambda: signal.tcp_connections > before, "an attempt to connect again"
        )
        stop_in_time(doorbell)
        signal.reset_behaviour()
        doorbell.start()
        signal.changed.wait_for(lambda: len(open_links(signal)) == 3, "three links")


def test_sigterm_with_clients_that_do_nothing(doorbell: Doorbell) -> None:
    with (
        socket.create_connection(("127.0.0.1", doorbell.port)) as web,
        socket.create_connection(("127.0.0.1", doorbell.port)) as quiet,
        socket.socket(socket.AF_UNIX) as control,
    ):
        web.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        control.connect(str(doorbell.folder / "doorbell.sock"))
        control.sendall(b'{"command":')
        assert doorbell.request("GET", "/discover")[0] == 200
        stop_in_time(doorbell)
        assert quiet.recv(1) == b""
    assert not (doorbell.folder / "doorbell.sock").exists()


def test_sigint_stops_as_well_and_twice_is_no_harm(doorbell: Doorbell) -> None:
    assert doorbell.process
    popen = doorbell.process.popen
    popen.send_signal(signals.SIGINT)
    for _ in range(10_000):  # whatever it is doing on its way out
        if popen.poll() is not None:
            break
        popen.send_signal(signals.SIGTERM)
        popen.send_signal(signals.SIGHUP)
        time.sleep(0.0005)
    doorbell.finish(0)


# Starting



def test_sockets_that_systemd_hands_over_take_the_place_of_web_listen(
    make_doorbell: MakeDoorbell, signal: SignalPeer, tmp_path: Path
) -> None:
    elsewhere = "192.0.2.1:8020"  # no address of this machine
    doorbell = make_doorbell(signal__url=signal.url, web__listen=[elsewhere])
    path = tmp_path / "web.sock"
    network = f"127.0.0.1:{doorbell.port}"
    doorbell.launcher = ["systemd-socket-activate", "--listen", network, "--listen", str(path)]
    process = doorbell.spawn()
    signal.changed.wait_for(
        lambda: any(f"Listening on {path}" in line for line in process.lines), "its sockets"
    )
    assert doorbell.request("GET", "/discover")[0] == 200  # which started it
    for where in (network, f"unix:{path}"):
        assert doorbell.has_logged(f"listens on {where}, a socket handed over at the start")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET /discover HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    assert f"http://{network}" in doorbell.request("GET", "/")[2].decode()  # for a proxy here
    doorbell.stop()
    assert path.exists()  # it is not ours


def test_a_socket_that_is_none_to_listen_on_is_refused_with_the_fix(
    make_doorbell: MakeDoorbell, signal: SignalPeer
) -> None:
    doorbell = make_doorbell(signal__url=signal.url)
    network = f"127.0.0.1:{doorbell.port}"
    doorbell.launcher = ["systemd-socket-activate", "--datagram", "--listen", network]
    process = doorbell.spawn()
    signal.changed.wait_for(
        lambda: any("Listening on" in line for line in process.lines), "its socket"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"wake up", ("127.0.0.1", doorbell.port))
    doorbell.finish(1)
    assert errors_of(doorbell.lines)[-1].endswith(
        "descriptor 3, which was handed over at the start, is not a listening stream socket: a "
        "socket unit for this server has ListenStream= and not Accept=yes"
    )


# SIGHUP


def test_a_reload_keeps_links_and_takes_over_who_may_be_rung(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(push__allowed_endpoints=["https://ntfy.example.org"])
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert doorbell.register(account, endpoint) == "invalid_endpoint"
    doorbell.reload(push__allowed_endpoints=[ntfy.origin])
    assert doorbell.register(account, endpoint) == "ok"
    rings(doorbell, signal, ntfy, account.key, endpoint)
    connections = ntfy.connections
    doorbell.reload(push__allowed_endpoints=["https://ntfy.example.org"])
    number = signal.queue(account.key)
    doorbell.changes.wait_for(
        lambda: doorbell.has_logged("its endpoint is failing. localhost is not listed"),
        "the ring's refusal",
    )
    assert len(ntfy.rings(endpoint)) == 1 and ntfy.connections == connections
    assert doorbell.register(signal.new_account(), ntfy.endpoint()) == "invalid_endpoint"
    doorbell.reload(push__allowed_endpoints=[ntfy.origin])
    ping = doorbell.command("connection", "ping", account.uuid)
    assert ping.returncode == 0, ping.stderr
    ntfy.wait_rings(2, endpoint)  # what was owed
    signal.wait_acked(number)
    assert len(signal.handshakes) == 1 and signal.sessions[0].state == "open"


def test_a_reload_disconnects_who_is_not_allowed_any_more_and_nobody_else(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    staying, endpoint = registered(doorbell, signal, ntfy)
    going, other_endpoint = registered(doorbell, signal, ntfy)
    doorbell.reload(accounts__allowed=[staying.uuid])
    session = signal.sessions_of(going)[0]
    signal.changed.wait_for(lambda: session.ended, "the end of the link")
    assert session.client_close and session.client_close[0] == 1000
    assert state_of(doorbell, going) == "disabled" and state_of(doorbell, staying) == "up"
    assert doorbell.register(going, other_endpoint) == "invalid_uuid"
    rings(doorbell, signal, ntfy, staying.key, endpoint)
    assert len(signal.handshakes) == 2
    doorbell.stop()
    doorbell.start()
    signal.wait_connected(staying, 2)
    assert state_of(doorbell, going) == "disabled" and len(signal.sessions_of(going)) == 1
    doorbell.reload(accounts__allowed=["*"])
    signal.wait_connected(going, 2)
    rings(doorbell, signal, ntfy, going.key, other_endpoint)
    assert len(signal.sessions_of(staying)) == 2


def test_lists_that_are_changed_while_it_is_stopped_hold_from_the_start(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    staying, endpoint = registered(doorbell, signal, ntfy)
    going, _ = registered(doorbell, signal, ntfy)
    doorbell.stop()
    connections = ntfy.connections
    doorbell.settings["accounts.allowed"] = [staying.uuid]
    doorbell.settings["push.allowed_endpoints"] = ["https://ntfy.example.org"]
    doorbell.start()
    signal.wait_connected(staying, 2)
    assert state_of(doorbell, going) == "disabled"
    number = signal.queue(staying.key)
    doorbell.changes.wait_for(
        lambda: doorbell.has_logged("its endpoint is failing. localhost is not listed"),
        "the ring's refusal",
    )
    assert not ntfy.rings() and ntfy.connections == connections
    doorbell.stop()
    assert len(signal.handshakes_of(going)) == 1
    doorbell.settings["push.allowed_endpoints"] = [ntfy.origin]
    doorbell.start()
    ping = doorbell.command("connection", "ping", staying.uuid)
    assert ping.returncode == 0, ping.stderr
    ntfy.wait_rings(1, endpoint)  # what was owed
    signal.wait_acked(number)


def test_a_reload_also_holds_for_who_is_just_being_tried(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(accounts__verdict="20s")
    signal.set_behaviour(deliver=False)
    account = signal.new_account()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pending = pool.submit(doorbell.register, account, ntfy.endpoint())
        signal.changed.wait_for(
            lambda: any(handshake.status == 101 for handshake in list(signal.handshakes)),
            "the trial's link",
        )
        doorbell.reload(accounts__allowed=[new_account().uuid])
        signal.reset_behaviour()
        assert pending.result(30) == "invalid_uuid"
    assert doorbell.rows() == 0


def test_a_broken_file_changes_nothing_and_is_one_error_with_file_and_line(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    account, endpoint = registered(doorbell, signal, ntfy)
    assert doorbell.process
    file = doorbell.folder / "doorbell.yaml"
    good = file.read_text()
    for text, place in (
        ("push:\n  timout: 5s\n", f"{file}:2: "),
        ("push:\n  allowed_endpoints: [nonsense]\n", f"{file}:2: "),
        ("web:\n\tlisten: x\n", f"{file}:2: "),
        (good + "accounts.allowed: [me]\n", f"{file}:{good.count(chr(10)) + 1}: "),
        (good.replace('"push.ca_file"', "x") + 'push.denied: ["a/b"]\n', "push.denied"),
    ):
        before = len(doorbell.process.lines)
        file.write_text(text)
        doorbell.process.popen.send_signal(signals.SIGHUP)
        doorbell.changes.wait_for(
            lambda: errors_of(doorbell.process.lines[before:]), "the word about the file"
        )
        rings(doorbell, signal, ntfy, account.key, endpoint)
        said = errors_of(doorbell.process.lines[before:])
        assert len(said) == 1 and place in said[0], said
        assert "the old one stays in force" in said[0]
    file.unlink()
    before = len(doorbell.process.lines)
    doorbell.process.popen.send_signal(signals.SIGHUP)
    doorbell.changes.wait_for(
        lambda: any(f"{file}: " in line for line in errors_of(doorbell.process.lines[before:])),
        "the word that the file is gone",
    )
    rings(doorbell, signal, ntfy, account.key, endpoint)
    assert len(signal.handshakes) == 1


def unchangeable(folder: Path, authority: Authority) -> dict[str, Any]:
    return {
        "store.path": str(folder / "other.db"),
        "store.mollysocket": str(folder / "other.molly.db"),
        "control.path": str(folder / "other.sock"),
        "web.listen": [f"127.0.0.1:{free_port()}"],
        "web.enabled": False,
        "push.vapid_key_file": str(folder / "other.key"),
        "push.vapid_key": "another",
        "accounts.max": 77,
        "web.connections": 77,
        "signal.url": "wss://chat.example.org/v1/websocket/",
        "signal.ca_file": "",
        "user": "nobody",
    }


def test_what_cannot_change_while_it_runs_says_so_and_changes_nothing(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, authority: Authority
) -> None:
    doorbell = make()
    account, endpoint = registered(doorbell, signal, ntfy)
    assert doorbell.process
    for name, value in unchangeable(doorbell.folder, authority).items():
        before, kept = len(doorbell.process.lines), doorbell.settings.get(name)
        doorbell.reload(**{name.replace(".", "__"): value, "wake__interval": "1h"})
        said = errors_of(doorbell.process.lines[before:])
        assert len(said) == 1 and name in said[0], (name, said)
        assert "cannot change while the server runs; restart it" in said[0]
        if kept is None:
            del doorbell.settings[name]
        else:
            doorbell.settings[name] = kept
    rings(doorbell, signal, ntfy, account.key, endpoint)
    rings(doorbell, signal, ntfy, account.key, endpoint)  # the interval has stayed, too
    doorbell.reload(wake__interval="50ms")
    assert not list(doorbell.folder.glob("other*"))
    assert len(signal.handshakes) == 1


def test_a_ca_that_went_bad_is_told_at_a_reload_and_the_old_one_stays(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, authority: Authority, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.pem"
    copy.write_bytes(authority.file.read_bytes())
    doorbell = make(push__ca_file=str(copy))
    account, endpoint = registered(doorbell, signal, ntfy)
    assert doorbell.process
    before = len(doorbell.process.lines)
    copy.write_text("")
    doorbell.reload()
    said = errors_of(doorbell.process.lines[before:])
    assert len(said) == 1 and "push.ca_file" in said[0] and str(copy) in said[0]
    ntfy.drop_connections()
    rings(doorbell, signal, ntfy, account.key, endpoint)


def test_a_reload_changes_how_much_is_logged_and_how(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(log__level="info")
    assert doorbell.process
    doorbell.reload(log__format="json")
    assert json.loads(doorbell.process.lines[-1])["msg"] == "The configuration was loaded again."
    ntfy.answer_with(500)
    assert doorbell.register(signal.new_account(), ntfy.endpoint()) == "ok"
    doorbell.changes.wait_for(lambda: doorbell.has_logged("endpoint is failing"), "the failure")
    assert not doorbell.has_logged("debug")
    doorbell.reload(log__level="debug", log__format="text")
    assert doorbell.register(signal.new_account(), ntfy.endpoint()) == "ok"
    doorbell.changes.wait_for(lambda: doorbell.has_logged(" debug "), "more words")


# What systemd puts into the environment of a service whose standard error is the journal's.
IN_JOURNAL = 'JOURNAL_STREAM=%s exec "$@"'
OURS, ANOTHERS = "$(stat -L -c %d:%i /proc/self/fd/2)", "$(stat -L -c %d:%i /proc/self/fd/0)"


@pytest.mark.parametrize("stream", [OURS, ANOTHERS, "''", "1:2"])
def test_lines_for_the_journal_carry_their_priority_and_others_their_time_and_level(
    make_doorbell: MakeDoorbell, signal: SignalPeer, stream: str
) -> None:
    doorbell = make_doorbell(signal__url=signal.url)
    trusted = doorbell.settings["signal.ca_file"]
    doorbell.settings["signal.ca_file"] = "/nonexistent.pem"
    doorbell.launcher = ["sh", "-c", IN_JOURNAL % stream, "sh"]
    journal = stream == OURS
    refused = doorbell.spawn()
    assert refused.wait(20) == 1
    assert re.match("<3>[A-Z]" if journal else "20[0-9:TZ-]+ error [A-Z]", refused.lines[-1])
    doorbell.settings["signal.ca_file"] = trusted
    doorbell.start()
    line_of = "<[3467]>[A-Za-z]" if journal else "20[0-9:TZ-]+ (error|warn |info |debug) [A-Za-z]"
    for line in doorbell.output():
        assert re.match(line_of, line), line
    ready = [line for line in doorbell.output() if " is ready" in line][-1]
    assert ready.startswith("<6>Doorbell " if journal else "20")
    doorbell.reload(log__format="json")
    last = doorbell.process.lines[-1]
    assert last.startswith("<6>{") == journal
    told = json.loads(last.removeprefix("<6>"))
    assert told["time"] and told["level"] == "info" and told["msg"]


# SIGKILL


def test_what_was_promised_before_a_kill_is_there_after_it(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    promised: list[tuple[Account, str]] = []
    accounts = [(signal.new_account(), ntfy.endpoint()) for _ in range(12)]

    def register(account: Account, endpoint: str) -> None:
        try:
            if doorbell.register(account, endpoint) == "ok":
                promised.append((account, endpoint))
                signal.changed.notify()
        except Exception as error:  # the connection died with the server
            assert isinstance(error, OSError) or type(error).__name__ == "RemoteDisconnected"

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for account, endpoint in accounts:
            pool.submit(register, account, endpoint)
        signal.changed.wait_for(lambda: len(promised) >= 4, "four registrations")
        doorbell.kill()
    database = sqlite3.connect(doorbell.settings["store.path"])
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    connected = {account.key: len(signal.sessions_of(account)) for account, _ in promised}
    doorbell.start()
    for account, endpoint in promised:
        signal.wait_connected(account, connected[account.key] + 1)
        rings(doorbell, signal, ntfy, account.key, endpoint)
    assert doorbell.rows() >= len(promised)
    assert state_of(doorbell, promised[0][0]) == "up"


# Many accounts


def register_from(doorbell: Doorbell, account: Account, endpoint: str, address: str) -> None:
    """As a client of its own, behind a proxy on this machine."""
    body = {
        "uuid": account.uuid,
        "device_id": account.device,
        "password": account.password,
        "endpoint": endpoint,
    }
    status, _, answer = doorbell.request(
        "POST",
        "/",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "User-Agent": MOLLY, "X-Forwarded-For": address},
    )
    assert status == 200 and json.loads(answer)["mollysocket"]["status"] == "ok", answer


def open_connections(signal: SignalPeer) -> int:
    return sum(not pipe.over for pipe in list(signal.pipes))


def test_200_accounts_connect_at_start_with_64_handshakes_at_once_at_most(
    make: MakeDoorbell, background: Background, signal: SignalPeer, ntfy: PushPeer
) -> None:
    count = 200
    doorbell = make(log__level="info")
    accounts = [signal.new_account() for _ in range(count)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda number: register_from(
                    doorbell, accounts[number], ntfy.endpoint(), f"9.8.{number}.7"
                ),
                range(count),
            )
        )
    doorbell.stop()
    assert doorbell.rows() == count
    signal.changed.wait_for(lambda: open_connections(signal) == 0, "the end of all links")
    signal.set_behaviour(handshake="stall")
    before = len(signal.handshakes)
    doorbell.start()
    signal.changed.wait_for(
        lambda: len(signal.handshakes) - before >= HANDSHAKES_AT_ONCE, "64 handshakes"
    )
    # Time enough for ten more, at a hundred a second.
    for _ in range(5):
        assert doorbell.command("connection", "list").stdout.count("  connecting  ") == count
    assert open_connections(signal) == HANDSHAKES_AT_ONCE == len(signal.handshakes) - before
    signal.reset_behaviour()
    for pipe in list(signal.pipes):
        background.call(pipe.vanish)
    signal.changed.wait_for(lambda: len(open_links(signal)) == count, "200 links")
    assert signal.tls_under_way_most <= HANDSHAKES_AT_ONCE
    assert not signal.displacements


# What the messenger's server says


def test_a_device_that_is_refused_twice_is_given_up_until_it_is_linked_again(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(signal__refused_confirm="300ms")
    account, endpoint = registered(doorbell, signal, ntfy)
    pushes = len(ntfy.pushes)
    signal.remove_account(account.key)
    signal.revoke(account.key)
    doorbell.changes.wait_for(
        lambda: doorbell.has_logged("was probably unlinked"), "the device given up"
    )
    statuses = [handshake.status for handshake in signal.handshakes_of(account)]
    assert statuses == [101, 403, 403]
    first, second = [
        handshake.time for handshake in signal.handshakes_of(account) if handshake.status == 403
    ]
    assert second - first >= 0.3
    assert state_of(doorbell, account) == "refused"
    assert doorbell.register(account, endpoint) == "forbidden"
    doorbell.stop()
    doorbell.start()  # which knows, and asks once more
    signal.changed.wait_for(
        lambda: [handshake.status for handshake in signal.handshakes_of(account)][3:] == [403],
        "a third refusal",
    )
    assert state_of(doorbell, account) == "refused"
    assert doorbell.register(account, endpoint) == "forbidden"
    doorbell.stop()
    signal.add_account(account.uuid, account.device, account.password)  # as if it had been an error
    doorbell.start()
    signal.wait_connected(account, 2)
    wait_state(doorbell, account, "up")
    assert doorbell.register(account, endpoint) == "ok"
    rings(doorbell, signal, ntfy, account.key, endpoint)
    assert len(ntfy.pushes) == pushes + 1


def test_a_refused_device_goes_when_a_new_one_of_the_account_stands_beside_it(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(signal__refused_confirm="200ms")
    old, endpoint = registered(doorbell, signal, ntfy)
    new = signal.new_account(device=3, uuid_text=old.uuid)
    assert doorbell.register(new, endpoint) == "ok"  # linked anew, the same phone
    signal.remove_account(old.key)
    signal.revoke(old.key)
    doorbell.changes.wait_for(
        lambda: doorbell.has_logged("another one has taken its place"), "the old device's end"
    )
    assert state_of(doorbell, old) == "not listed" and state_of(doorbell, new) == "up"
    rings(doorbell, signal, ntfy, new.key, endpoint)


def test_a_403_that_is_not_the_messengers_own_never_gives_up_a_device(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(signal__refused_confirm="1ms")
    account, endpoint = registered(doorbell, signal, ntfy)
    signal.set_behaviour(reject={"status": 403, "timestamp": False})
    signal.end("eof")
    signal.changed.wait_for(lambda: len(signal.handshakes_of(account)) >= 6, "five refusals")
    assert state_of(doorbell, account) in ("backing-off", "connecting")
    assert doorbell.register(account, endpoint) == "ok"
    signal.reset_behaviour()
    signal.wait_connected(account, 2)
    rings(doorbell, signal, ntfy, account.key, endpoint)
    assert not doorbell.has_logged("unlinked")


def test_refusals_of_everybody_alike_are_one_alarm_and_give_up_nobody(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(signal__refused_confirm="500ms")
    accounts = [registered(doorbell, signal, ntfy)[0] for _ in range(3)]
    for account in accounts:
        signal.remove_account(account.key)
    signal.end("eof")
    signal.changed.wait_for(
        lambda: all(
            [handshake.status for handshake in signal.handshakes_of(account)].count(403) >= 2
            for account in accounts
        ),
        "two refusals of each account",
    )
    for account in accounts:
        signal.add_account(account.uuid, account.device, account.password)
    for account in accounts:
        signal.wait_connected(account, 2)
        wait_state(doorbell, account, "up")
    alarms = errors_of(doorbell.output())
    assert len(alarms) == 1 and "refuses all accounts alike" in alarms[0]
    assert not doorbell.has_logged("was probably unlinked")


def test_a_contested_device_waits_longer_each_time_and_tells_the_phone_once(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    least = 0.2
    doorbell = make(signal__contested_min="200ms", signal__contested_max="10s")
    account, endpoint = registered(doorbell, signal, ntfy)
    for number in range(3):
        session = signal.wait_connected(account, number + 1)
        signal.close(4409, "Connected elsewhere", account.key)
        signal.changed.wait_for(lambda: session.ended, "the end of the link")
        assert state_of(doorbell, account) == "contested"
    signal.wait_connected(account, 4)
    sessions = signal.sessions_of(account)
    waits = [later.handshake.time - earlier.ended for earlier, later in zip(sessions, sessions[1:])]
    for number, wait in enumerate(waits):
        # The end is noted here later than it was there.
        assert wait >= 0.75 * least * 2**number, waits
    assert state_of(doorbell, account) == "contested"  # an hour up ends that
    rings(doorbell, signal, ntfy, account.key, endpoint)
    told = ntfy.matching(lambda push: push.body not in (RING, TEST), endpoint)
    assert [push.body for push in told] == [CONTESTED]


def test_a_server_that_refuses_both_user_agents_is_an_alarm_and_is_not_hurried(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    account, endpoint = registered(doorbell, signal, ntfy)
    signal.set_behaviour(require_spqr=True, minimum_versions={"android": "99.0.0"})
    signal.change_account(account.key, spqr=False)
    signal.end("eof")
    doorbell.changes.wait_for(
        lambda: any(
            " warn " in line and "wants a newer client (499): update Doorbell" in line
            for line in doorbell.output()
        ),
        "the alarm",
    )
    handshakes = signal.handshakes_of(account)
    assert [handshake.status for handshake in handshakes] == [101, 499, 499]
    agents = [(handshake.get("User-Agent") or "").partition("/")[0] for handshake in handshakes]
    assert agents == ["Doorbell", "Doorbell", "Signal-Android"]
    assert state_of(doorbell, account) == "backing-off"
    assert doorbell.register(account, endpoint) == "ok"
    assert len(signal.handshakes_of(account)) == 3  # the next try is minutes away


@pytest.mark.parametrize(
    "code, reason",
    [
        (1000, "OK"),
        (1001, "Container being shut down"),
        (1001, "Connection Idle Timeout"),
        (1011, "Failed to retrieve messages"),
        (4401, "Reauthentication required"),
        (4499, "a code of tomorrow"),
    ],
)
def test_a_close_is_followed_by_a_new_link_and_by_nothing_else(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, code: int, reason: str
) -> None:
    doorbell = make()
    account, endpoint = registered(doorbell, signal, ntfy)
    pushes = len(ntfy.pushes)
    signal.close(code, reason, account.key)
    signal.wait_connected(account, 2)
    wait_state(doorbell, account, "up")
    rings(doorbell, signal, ntfy, account.key, endpoint)
    assert len(ntfy.pushes) == pushes + 1
    assert not signal.displacements


def test_1011_straight_after_each_101_is_met_with_growing_patience(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    """Signal's message store is down: a 101 alone must not count as success."""
    doorbell = make(signal__reconnect_min="100ms", signal__reconnect_max="1m")
    account, endpoint = registered(doorbell, signal, ntfy)
    signal.set_behaviour(after_open={"code": 1011, "reason": "Failed to retrieve messages"})
    signal.end("eof")
    signal.changed.wait_for(lambda: len(signal.sessions_of(account)) >= 6, "five new links")
    waits = re.findall(r"Next try in (\d+) s", "\n".join(doorbell.output()))
    assert waits and max(int(wait) for wait in waits) <= 60
    signal.reset_behaviour()
    assert doorbell.register(account, endpoint) == "ok"


def test_a_device_authenticates_anew_from_time_to_time_while_nothing_is_lost(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(signal__reauthenticate="400ms", signal__keepalive="100ms")
    account, endpoint = registered(doorbell, signal, ntfy)
    for number in range(2, 5):
        rings(doorbell, signal, ntfy, account.key, endpoint)
        signal.wait_connected(account, number)
    first = signal.sessions_of(account)[0]
    assert first.client_close and first.client_close[0] == 1000
    assert first.ended - first.opened >= 0.3
    assert not signal.displacements
    assert len(ntfy.matching(lambda push: push.body != RING)) == 1  # the test


# Names


@pytest.fixture(scope="session")
def named_leaf(authority: Authority) -> Leaf:
    return authority.leaf("named", [CHAT, PUSH, "late.doorbell.test"])


class LoneSignal(SignalPeer):
    """The strict server on 127.0.0.1 alone."""

    def start(self, *ports: int) -> None:
        self._background.call(self._target.start, *ports, ("127.0.0.1",))


@pytest.fixture
def chat(background: Background, changes: Changes, named_leaf: Leaf) -> Iterator[LoneSignal]:
    peer = LoneSignal(background, changes, named_leaf)
    yield peer
    peer.stop()
    peer.check()


@pytest.fixture
def push(background: Background, changes: Changes, named_leaf: Leaf) -> Iterator[PushPeer]:
    peer = PushPeer(background, changes, named_leaf)
    yield peer
    peer.stop()


def chat_url(chat: SignalPeer) -> str:
    return f"wss://{CHAT}:{chat.port}/v1/websocket/"


def endpoint_at(push: PushPeer, host: str = PUSH) -> str:
    return push.endpoint().replace("localhost", host)


def at_path(push: PushPeer, endpoint: str, body: bytes) -> list:
    target = "/" + endpoint.split("/", 3)[3]
    return [found for found in list(push.pushes) if found.target == target and found.body == body]


@pytest.fixture
def named(
    make_doorbell: MakeDoorbell, nameserver: Nameserver, chat: LoneSignal, push: PushPeer
) -> MakeDoorbell:
    """A Doorbell that asks the test's own nameserver. Strangers' silent names would hold it up for
    longer than any test waits."""

    def start(**settings: Any) -> Doorbell:
        needed = {
            "signal__url": chat_url(chat),
            "push__allowed_endpoints": ["*", f"https://{PUSH}:{push.port}"],
            "net__nameservers": [nameserver.address],
            "net__dns_timeout": "1m",
        }
        return make_doorbell(**{**needed, **settings}).start()

    return start


def test_a_silent_name_of_a_stranger_delays_neither_messenger_nor_other_endpoints(
    named: MakeDoorbell, nameserver: Nameserver, chat: LoneSignal, push: PushPeer
) -> None:
    nameserver.set(CHAT, ["127.0.0.1"])
    nameserver.set(PUSH, ["127.0.0.1"])
    doorbell = named()
    strangers = [f"silent-{number}.doorbell.test" for number in range(3)]
    for name in strangers:
        nameserver.set(name, SILENT)
        endpoint = f"https://{name}:8443/{push.endpoint().rpartition('/')[2]}"
        assert doorbell.register(chat.new_account(), endpoint) == "ok"
        nameserver.wait_asked(name)
    before = time.monotonic()
    account, endpoint = chat.new_account(), endpoint_at(push)
    assert doorbell.register(account, endpoint) == "ok"
    chat.changed.wait_for(lambda: at_path(push, endpoint, TEST), "the test push")
    number = chat.queue(account.key)
    chat.wait_acked(number)
    assert len(at_path(push, endpoint, RING)) == 1
    assert time.monotonic() - before < PROMPTLY
    stop_in_time(doorbell)


def test_any_number_of_silent_names_delays_no_endpoint_that_has_worked(
    named: MakeDoorbell, nameserver: Nameserver, chat: LoneSignal, push: PushPeer
) -> None:
    nameserver.set(CHAT, ["127.0.0.1"])
    nameserver.set(PUSH, ["127.0.0.1"])
    doorbell = named()
    account, endpoint = chat.new_account(), endpoint_at(push)
    assert doorbell.register(account, endpoint) == "ok"
    chat.changed.wait_for(lambda: at_path(push, endpoint, TEST), "the test push")
    chat.wait_acked(chat.queue(account.key))
    strangers = [f"silent-{number}.doorbell.test" for number in range(12)]
    for name in strangers:
        nameserver.set(name, SILENT)
        stranger = chat.new_account()
        endpoint_there = f"https://{name}:8443/{push.endpoint().rpartition('/')[2]}"
        assert doorbell.register(stranger, endpoint_there) == "ok"
    chat.changed.wait_for(
        lambda: sum(nameserver.asked_for(name) > 0 for name in strangers) == 8,
        "the eight names that are asked for at once",
    )
    doorbell.reload()  # which forgets what was resolved
    asked, connections = nameserver.asked_for(PUSH), push.connections
    push.drop_connections()
    before = time.monotonic()
    number = chat.queue(account.key)
    chat.wait_acked(number)
    assert len(at_path(push, endpoint, RING)) == 2
    assert doorbell.register(chat.new_account(), endpoint) == "ok"
    assert time.monotonic() - before < PROMPTLY
    assert nameserver.asked_for(PUSH) > asked and push.connections > connections
    assert sum(nameserver.asked_for(name) > 0 for name in strangers) == 8


def test_a_name_that_is_answered_late_is_rung_then(
    named: MakeDoorbell, nameserver: Nameserver, chat: LoneSignal, push: PushPeer
) -> None:
    nameserver.set(CHAT, ["127.0.0.1"])
    nameserver.set("late.doorbell.test", SILENT)
    doorbell = named(push__allowed_endpoints=[f"https://late.doorbell.test:{push.port}"])
    account, endpoint = chat.new_account(), endpoint_at(push, "late.doorbell.test")
    assert doorbell.register(account, endpoint) == "ok"
    nameserver.wait_asked("late.doorbell.test")
    number = chat.queue(account.key)
    chat.wait_delivered(number)
    assert push.connections == 0
    nameserver.set("late.doorbell.test", ["127.0.0.1"])
    nameserver.release()
    chat.wait_acked(number)
    assert at_path(push, endpoint, RING)


@pytest.mark.parametrize("what", ["messenger", "endpoint"])
def test_sigterm_waits_for_no_name(
    named: MakeDoorbell, nameserver: Nameserver, chat: LoneSignal, push: PushPeer, what: str
) -> None:
    nameserver.set(CHAT, ["127.0.0.1"])
    nameserver.set(PUSH, SILENT)
    doorbell = named(net__connect_timeout="1m")
    account = chat.new_account()
    assert doorbell.register(account, endpoint_at(push)) == "ok"
    nameserver.wait_asked(PUSH)
    if what == "messenger":
        doorbell.stop()
        nameserver.set(CHAT, SILENT)
        before = nameserver.asked_for(CHAT)
        doorbell.start()
        nameserver.wait_asked(CHAT, before + 1)
    stop_in_time(doorbell)


PRIVATE = {
    "loopback": ["127.0.0.1"],
    "loopback-v6": ["::1"],
    "mapped": ["::ffff:127.0.0.1"],
    "nat64": ["64:ff9b::7f00:1"],
    "other-loopback": ["127.7.7.7"],
    "any": ["0.0.0.0"],
    "any-v6": ["::"],
    "rfc1918": ["10.1.2.3", "192.168.1.5"],
    "link-local": ["169.254.169.254"],
    "ula": ["fd00::1"],
    "mixed": ["203.0.113.7", "127.0.0.1", "::1"],
}


def test_a_name_with_a_private_address_is_refused_without_a_connection(
    named: MakeDoorbell, nameserver: Nameserver, chat: LoneSignal, push: PushPeer
) -> None:
    nameserver.set(CHAT, ["127.0.0.1"])
    doorbell = named()
    for kind, addresses in PRIVATE.items():
        name = f"{kind}.doorbell.test"
        nameserver.set(name, addresses)
        account, endpoint = chat.new_account(), endpoint_at(push, name)
        assert doorbell.register(account, endpoint) == "ok"  # its text is that of a public one
        ping = doorbell.command("connection", "ping", account.uuid)
        assert ping.returncode == 1 and nameserver.asked_for(name), ping.stdout
        assert f"{name} " in ping.stderr, ping.stderr
        if "no setting allows it" not in ping.stderr:
            entry = f'to allow it add "https://{name}:{push.port}" to push.allowed_endpoints'
            assert entry in ping.stderr, ping.stderr
    assert push.connections == 0
    name = "loopback.doorbell.test"
    doorbell.reload(push__allowed_endpoints=["*", f"https://{name}:{push.port}"])
    account = chat.new_account()
    assert doorbell.register(account, endpoint_at(push, name)) == "ok"
    chat.changed.wait_for(lambda: push.connections > 0, "a connection once there is an entry")


def test_a_name_without_an_address_is_told(
    named: MakeDoorbell, nameserver: Nameserver, chat: LoneSignal, push: PushPeer
) -> None:
    nameserver.set(CHAT, ["127.0.0.1"])
    nameserver.set("empty.doorbell.test", [])
    doorbell = named()
    for name, word in (
        ("nowhere.doorbell.test", "does not exist"),
        ("empty.doorbell.test", "exists"),
    ):
        account = chat.new_account()
        assert doorbell.register(account, endpoint_at(push, name)) == "ok"
        ping = doorbell.command("connection", "ping", account.uuid)
        assert ping.returncode == 1 and name in ping.stderr and word in ping.stderr, ping.stderr


@pytest.fixture
def black_hole(chat: LoneSignal) -> Iterator[str]:
    """An address at which the messenger's port swallows connects: its queue is full."""
    address = "127.0.0.3"
    listener = socket.socket()
    listener.bind((address, chat.port))
    listener.listen(0)
    clients = []
    for _ in range(4):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex((address, chat.port))
        clients.append(client)
    yield address
    for opened in [*clients, listener]:
        opened.close()


@pytest.mark.parametrize("dead", ["closed IPv6", "closed IPv4", "black hole", "all of them"])
def test_a_messenger_whose_first_addresses_are_dead_is_reached(
    named: MakeDoorbell,
    nameserver: Nameserver,
    chat: LoneSignal,
    push: PushPeer,
    black_hole: str,
    dead: str,
) -> None:
    addresses = {
        "closed IPv6": ["::1"],
        "closed IPv4": ["127.0.0.2"],
        "black hole": [black_hole],
        "all of them": ["::1", "127.0.0.2", black_hole],
    }[dead]
    nameserver.set(CHAT, [*addresses, "127.0.0.1"])
    nameserver.set(PUSH, ["127.0.0.1"])
    doorbell = named(net__connect_timeout="15s")
    account, endpoint = chat.new_account(), endpoint_at(push)
    before = time.monotonic()
    assert doorbell.register(account, endpoint) == "ok"
    assert time.monotonic() - before < PROMPTLY
    chat.wait_acked(chat.queue(account.key))
    assert len(chat.handshakes) == 1  # never two for one device at a time
    assert chat.handshakes[0].tls["server_name"] == CHAT


@pytest.fixture
def mute(chat: LoneSignal) -> Iterator[socket.socket]:
    """An address at which the messenger's port takes connections and nobody says anything."""
    with socket.create_server(("127.0.0.3", chat.port), backlog=64) as listener:
        listener.setblocking(False)
        yield listener


def arrived(listener: socket.socket) -> int:
    """How many connected since the last count."""
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_a_messenger_whose_first_address_takes_connections_and_is_mute_is_reached(
    named: MakeDoorbell,
    nameserver: Nameserver,
    chat: LoneSignal,
    push: PushPeer,
    mute: socket.socket,
) -> None:
    nameserver.set(CHAT, ["127.0.0.3", "127.0.0.1"])
    nameserver.set(PUSH, ["127.0.0.1"])
    doorbell = named(net__handshake_timeout="300ms", accounts__verdict="20s")
    account, endpoint = chat.new_account(), endpoint_at(push)
    assert doorbell.register(account, endpoint) == "ok"
    assert arrived(mute)
    for count in (2, 3):
        chat.end("eof", account.key)
        chat.wait_connected(account, count)
    chat.wait_acked(chat.queue(account.key))
    assert arrived(mute) == 0  # it is tried last from then on


def test_a_messenger_whose_name_is_away_for_a_while_is_reached_again(
    named: MakeDoorbell, nameserver: Nameserver, chat: LoneSignal, push: PushPeer
) -> None:
    nameserver.set(PUSH, ["127.0.0.1"])
    nameserver.set(CHAT, SILENT)
    doorbell = named(net__connect_timeout="300ms", accounts__verdict="600ms")
    account, endpoint = chat.new_account(), endpoint_at(push)
    assert doorbell.register(account, endpoint) == "internal_error"
    nameserver.set(CHAT, ["127.0.0.1"])
    chat.wait_connected(account)
    doorbell.changes.wait_for(lambda: doorbell.has_logged(": registered."), "the registration")
    assert doorbell.register(account, endpoint) == "ok"


# The log


class Secrets:
    """Everything of an account that must not be in the log, in all its spellings."""

    def __init__(self) -> None:
        self.texts: set[str] = set()

    def note(self, account: Account, endpoint: str) -> None:
        path = endpoint.split("/", 3)[3]
        self.texts |= {
            account.uuid.lower(),
            account.uuid.replace("-", "").lower(),
            account.password.lower(),
            account.authorization().partition(" ")[2].lower(),
            base64.b64encode(account.password.encode()).decode().lower(),
            path.partition("?")[0].lower(),
        }

    def check(self, lines: Sequence[str]) -> None:
        for line in lines:
            found = [text for text in self.texts if text in line.lower()]
            assert not found, f"{found} in: {line}"


def log_of_everything(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, secrets: Secrets
) -> Doorbell:
    """A whole life at the default log level: what goes well and what goes wrong."""
    doorbell = make(
        log__level="info",
        signal__refused_confirm="200ms",
        push__hold="300ms",
        accounts__verdict="2s",
    )

    def account_with_endpoint(endpoint: str = "") -> tuple[Account, str]:
        account, endpoint = signal.new_account(), endpoint or ntfy.endpoint()
        secrets.note(account, endpoint)
        return account, endpoint

    def command(*words: str) -> None:
        done = doorbell.command("connection", *words)
        assert not any(
            text in done.stdout + done.stderr for text in secrets.texts if "/" not in text
        ) or words[0] in ("add", "remove", "list")

    first, endpoint = account_with_endpoint()
    assert doorbell.register(first, endpoint) == "ok"
    rings(doorbell, signal, ntfy, first.key, endpoint)
    assert doorbell.register(first, ntfy.endpoint()) == "ok"  # a new endpoint
    assert doorbell.register(first, endpoint) == "ok"
    for answer in (500, "reset", "garbage", 40301, 50701, 404, 410, 413, 302):
        ntfy.answer_with(answer, times=1)
        command("ping", first.uuid)
    for bad in ("https://10.0.0.1/upSecretOfOne", "ftp://x/upSecretOfTwo", "upSecretOfThree"):
        refused, _ = account_with_endpoint()
        secrets.texts.add(bad.lower()[-13:])
        assert doorbell.register(refused, bad) == "invalid_endpoint"
        command("add", refused.uuid, "2", refused.password, bad)
    stranger = new_account()
    secrets.note(stranger, ntfy.endpoint())
    assert doorbell.register(stranger, ntfy.endpoint()) == "forbidden"
    doorbell.request(
        "POST",
        "/?" + stranger.password,
        f'{{"uuid": "{stranger.uuid}", "password": "{stranger.password}"'.encode(),
        {"Content-Type": "application/json", "User-Agent": stranger.password},
    )
    refused, refused_endpoint = account_with_endpoint()
    command("add", refused.uuid, "2", refused.password, refused_endpoint)
    signal.wait_connected(refused)
    signal.remove_account(refused.key)
    signal.close(4401, f"Reauthentication required for {refused.key}", refused.key)
    doorbell.changes.wait_for(lambda: doorbell.has_logged("probably unlinked"), "a refusal")
    contested, contested_endpoint = account_with_endpoint()
    assert doorbell.register(contested, contested_endpoint) == "ok"
    signal.close(4409, "Connected elsewhere", contested.key)
    signal.wait_connected(contested, 2)
    doorbell.reload(accounts__allowed=[first.uuid])
    doorbell.reload(accounts__allowed=["*"])
    assert doorbell.process
    before = len(doorbell.process.lines)
    (doorbell.folder / "doorbell.yaml").write_text(f"accounts:\n  allowed: [{first.uuid}x]\n")
    doorbell.process.popen.send_signal(signals.SIGHUP)
    doorbell.changes.wait_for(lambda: errors_of(doorbell.process.lines[before:]), "the error")
    command("list")
    command("remove", contested.uuid)
    command("remove", contested.uuid)
    signal.shut_down()
    signal.changed.wait_for(lambda: first.key in open_links(signal), "the link after the restart")
    return doorbell


def test_the_log_of_a_whole_life_names_nobody(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    secrets = Secrets()
    doorbell = log_of_everything(make, signal, ntfy, secrets)
    doorbell.stop()
    assert len(doorbell.lines) > 15 and len(secrets.texts) > 30
    secrets.check(doorbell.lines)
    key = (doorbell.folder / "vapid.key").read_text().strip()
    assert key not in "\n".join(doorbell.lines)
    assert any(re.search(r"Account [0-9a-f]{10}: registered\.", line) for line in doorbell.lines)


@pytest.mark.parametrize("status", [400, 401, 403, 413, 451])
def test_a_push_server_that_repeats_the_endpoint_does_not_bring_it_into_the_log(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, status: int
) -> None:
    doorbell = make(log__level="info")
    account, endpoint = registered(doorbell, signal, ntfy)
    topic = endpoint.split("/", 3)[3].partition("?")[0]
    ntfy.answer_with({"status": status, "body": f"topic {topic} is not for you"})
    ping = doorbell.command("connection", "ping", account.uuid)
    assert ping.returncode == 1 and topic not in ping.stderr
    assert topic not in "\n".join(doorbell.output())


def test_a_server_that_names_the_account_does_not_bring_it_into_the_log(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(log__level="info")
    account, _ = registered(doorbell, signal, ntfy)
    secrets, doorbell.secrets = doorbell.secrets, set()
    signal.close(1011, f"No messages for {account.key}", account.key)
    signal.wait_connected(account, 2)
    assert not any(account.uuid in line for line in doorbell.output())
    doorbell.secrets = secrets
