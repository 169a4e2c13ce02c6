"""What may befall a link, with the whole program: a machine that sleeps, a server that is dead,
silent, busy, picky or hostile, and strangers who take every descriptor that they can get.
"""

import contextlib
import json
import re
import socket
import stat
import threading
from pathlib import Path
from typing import Any, Callable

import pytest

import lib.doorbell
from lib.background import Background, Changes
from lib.certs import Authority
from lib.doorbell import Doorbell
from lib.push_peer import PushPeer
from lib.signal_peer import Account, SignalPeer
from lib.sleeper import Sleeper

MakeDoorbell = Callable[..., Doorbell]

pytestmark = pytest.mark.both_roads
HOUR_MS = 3600 * 1000


@pytest.fixture
def make(make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer) -> MakeDoorbell:
    """Running, with these settings on top of what is needed."""

    def start(**settings: Any) -> Doorbell:
        needed = {"signal__url": signal.url, "push__allowed_endpoints": [ntfy.origin]}
        return make_doorbell(**{**needed, **settings}).start()

    return start


def registered(doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer) -> tuple[Account, str]:
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert doorbell.register(account, endpoint) == "ok"
    signal.wait_connected(account)
    return account, endpoint


def is_rung(signal: SignalPeer, ntfy: PushPeer, account: Account, endpoint: str) -> None:
    before = len(ntfy.rings(endpoint))
    number = signal.queue(account.key)
    ntfy.wait_rings(before + 1, endpoint)
    signal.wait_acked(number)


def statuses(signal: SignalPeer, account: Account) -> list:
    """101 is a websocket, over either road."""
    found = [handshake.status for handshake in signal.handshakes_of(account)]
    return [101 if status == 200 else status for status in found]


def wait_statuses(signal: SignalPeer, account: Account, expected: list) -> None:
    signal.changed.wait_for(
        lambda: statuses(signal, account) == expected, f"handshakes that end {expected}"
    )


def lines_with(doorbell: Doorbell, text: str) -> list[str]:
    return [line for line in doorbell.output() if text in line]


# Sleep


def test_after_sleep_a_link_that_died_meanwhile_is_noticed_at_once(
    make: MakeDoorbell, sleeper: Sleeper, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(signal__keepalive="10m", signal__keepalive_timeout="300ms")
    account, endpoint = registered(doorbell, signal, ntfy)
    signal.end("freeze")
    sleeper.sleep(8 * HOUR_MS)
    signal.wait_connected(account, 2)
    assert doorbell.has_logged("This machine slept for 28800 s: all links are tested.")
    assert doorbell.has_logged("did not answer a keep-alive")
    is_rung(signal, ntfy, account, endpoint)


def test_after_sleep_a_link_that_lives_is_tested_and_stays(
    make: MakeDoorbell, sleeper: Sleeper, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(signal__keepalive="10m")
    account, endpoint = registered(doorbell, signal, ntfy)
    session = signal.sessions_of(account)[0]
    before = len(session.keepalives)
    sleeper.sleep(30 * 1000)
    signal.changed.wait_for(lambda: len(session.keepalives) > before, "a keep-alive")
    sleeper.sleep(5 * 1000)  # a nap is nothing
    is_rung(signal, ntfy, account, endpoint)
    assert statuses(signal, account) == [101]
    assert len(lines_with(doorbell, "This machine slept")) == 1


def test_after_sleep_waits_end_but_for_those_that_were_demanded(
    make: MakeDoorbell, sleeper: Sleeper, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(
        signal__reconnect_min="20m",
        signal__reconnect_max="1h",
        signal__contested_min="1h",
        signal__contested_max="1h",
    )
    lost, contested = (registered(doorbell, signal, ntfy)[0] for _ in range(2))
    signal.end("eof", lost.key)
    signal.close(4409, "Connected elsewhere", contested.key)
    doorbell.changes.wait_for(
        lambda: len(lines_with(doorbell, "not connected (")) == 2, "the end of both links"
    )
    assert statuses(signal, lost) == statuses(signal, contested) == [101]
    sleeper.sleep(60 * 1000)
    signal.wait_connected(lost, 2)
    assert statuses(signal, contested) == [101]
    sleeper.sleep(2 * HOUR_MS)  # longer than it had to wait
    signal.wait_connected(contested, 2)
    assert statuses(signal, lost) == [101, 101]


# Servers that are away in their own ways


def test_a_connection_that_died_without_a_word_is_noticed_by_its_keepalive(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(signal__keepalive="200ms", signal__keepalive_timeout="300ms")
    account, endpoint = registered(doorbell, signal, ntfy)
    signal.end("freeze")
    number = signal.queue(account.key)
    signal.wait_connected(account, 2)
    signal.wait_acked(number)
    assert doorbell.has_logged("(lost): Signal's server did not answer a keep-alive.")
    ntfy.wait_rings(1, endpoint)


@pytest.mark.parametrize(
    "behaviour, text",
    [
        ({"tcp": "silent"}, "no answer to the TLS handshake in time"),
        ({"handshake": "stall"}, "no answer to the request in time"),
        ({"tcp": "reset"}, "Signal's server cannot be reached"),
    ],
)
def test_a_server_that_takes_connections_and_says_nothing_is_given_up_and_tried_again(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, behaviour: dict, text: str
) -> None:
    doorbell = make(net__handshake_timeout="200ms")
    account, endpoint = registered(doorbell, signal, ntfy)
    signal.set_behaviour(**behaviour)
    signal.end("eof")
    signal.end_connections("reset")  # over HTTP/2 the next try would be made on it
    doorbell.changes.wait_for(lambda: len(lines_with(doorbell, text)) >= 3, "three attempts")
    signal.reset_behaviour()
    signal.changed.wait_for(lambda: statuses(signal, account)[-1] == 101, "a link")
    is_rung(signal, ntfy, account, endpoint)


@pytest.mark.parametrize("behaviour", [{"deliver": False}, {"forget_authorization": True}])
def test_a_link_that_is_accepted_and_stays_silent_is_no_link_and_is_tried_again(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, behaviour: dict
) -> None:
    doorbell = make(signal__proof="300ms")
    account, endpoint = registered(doorbell, signal, ntfy)
    signal.set_behaviour(**behaviour)
    signal.end("eof")
    doorbell.changes.wait_for(lambda: doorbell.has_logged("(silent)"), "the word that it is silent")
    (line,) = lines_with(doorbell, "(silent)")
    assert " warn " in line and "said nothing of messages for 1 s" in line
    shown = json.loads(doorbell.command("status", "--json").stdout)
    (seen,) = shown["accounts"]
    assert seen["link"]["state"] in ("connecting", "backing-off") and not seen["link"]["proven"]
    assert seen["link"]["reason"] == "silent" and seen["health"] == "broken"
    assert "let this machine reach Signal's server directly" in seen["advice"]
    report = doorbell.command("doctor")
    assert report.returncode == 1
    assert "takes the link and never shows" in " ".join(report.stdout.split())
    tries = len(statuses(signal, account))
    signal.changed.wait_for(lambda: len(statuses(signal, account)) > tries, "another try")
    signal.reset_behaviour()
    is_rung(signal, ntfy, account, endpoint)


@pytest.mark.parametrize("fault", ["a stranger's root", "an expired certificate", "no TLS"])
def test_a_server_that_cannot_prove_itself_is_an_alarm_and_never_a_hot_loop(
    make_doorbell: MakeDoorbell,
    background: Background,
    changes: Changes,
    authority: Authority,
    signal: SignalPeer,
    ntfy: PushPeer,
    tmp_path: Path,
    fault: str,
) -> None:
    roots, url, http2_url = authority.file, signal.url, signal.http2_url
    expected = {
        "a stranger's root": "its certificate is not accepted: ",
        "an expired certificate": "certificate has expired; is this machine's clock right?",
        "no TLS": "there is no TLS on this port",
    }[fault]
    with contextlib.ExitStack() as stack:
        if fault == "a stranger's root":
            (tmp_path / "other").mkdir()
            roots = Authority(tmp_path / "other", "Somebody else").file
        elif fault == "an expired certificate":
            expired = SignalPeer(background, changes, authority.leaf("late", expired=True))
            stack.callback(expired.stop)
            url, http2_url = expired.url, expired.http2_url
        else:
            place = f"://localhost:{port_without_tls(stack)}/v1/websocket/"
            url, http2_url = "wss" + place, "https" + place
        doorbell = make_doorbell(
            signal__url=url,
            signal__http2_url=http2_url,
            signal__ca_file=str(roots),
            push__allowed_endpoints=[ntfy.origin],
            signal__reconnect_min="100ms",
            signal__reconnect_max="10s",
        ).start()
        for _ in range(4):
            account = signal.new_account()
            added = doorbell.command(
                "connection", "add", account.uuid, "2", account.password, ntfy.endpoint()
            )
            assert added.returncode == 0, added.stderr
        tries = "cannot prove that it is Signal: "
        changes.wait_for(lambda: len(lines_with(doorbell, tries)) >= 20, "five attempts of each")
        lines = lines_with(doorbell, tries)
        assert all(expected in line for line in lines)
        (alarm,) = [line for line in lines if " error " in line]
        assert "All accounts meet the same fault" in alarm
        assert len([line for line in lines if " warn " in line]) == 2  # those before the alarm
        waits = [int(wait) for wait in re.findall(r"Next try in (\d+) s", "\n".join(lines))]
        assert max(waits) <= 10
        doorbell.stop()


def port_without_tls(stack: contextlib.ExitStack) -> int:
    """A port that answers everything in clear text."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client, contextlib.suppress(OSError):
                    client.recv(65536)
                    client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                    client.recv(65536)

    threading.Thread(target=serve, daemon=True).start()
    stack.callback(listener.shutdown, socket.SHUT_RDWR)
    return listener.getsockname()[1]


# Servers that say when, or whom they want


def test_a_server_that_says_when_to_come_again_is_not_hurried(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    account, endpoint = registered(doorbell, signal, ntfy)
    signal.set_behaviour(reject={"status": 429, "headers": {"Retry-After": "1"}, "times": 1})
    signal.end("eof")
    wait_statuses(signal, account, [101, 429, 101])
    refused, let_in = signal.handshakes_of(account)[1:]
    assert let_in.time - refused.time >= 1.0
    is_rung(signal, ntfy, account, endpoint)


def test_a_server_that_says_in_a_year_is_asked_again_within_hours(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    account, _ = registered(doorbell, signal, ntfy)
    signal.set_behaviour(reject={"status": 429, "headers": {"Retry-After": "31536000"}})
    signal.end("eof")
    wait_statuses(signal, account, [101, 429])
    said = "asks us to come again in 60 min (429)"
    doorbell.changes.wait_for(lambda: doorbell.has_logged(said), "the wait")
    (wait,) = re.findall(r"\(429\)\. Next try in (\d+) min", "\n".join(doorbell.output()))
    assert 60 <= int(wait) <= 90


def test_the_user_agent_that_worked_is_used_from_then_on(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    account, endpoint = registered(doorbell, signal, ntfy)
    signal.set_behaviour(require_spqr=True)
    signal.change_account(account.key, spqr=False)
    for number in (2, 3):
        signal.end("eof")
        signal.wait_connected(account, number)
    assert statuses(signal, account) == [101, 499, 101, 101]
    agents = [
        (handshake.get("User-Agent") or "").partition("/")[0]
        for handshake in signal.handshakes_of(account)
    ]
    assert agents == ["Doorbell", "Doorbell", "Signal-Android", "Signal-Android"]
    assert doorbell.has_logged("the other User-Agent is tried next")
    is_rung(signal, ntfy, account, endpoint)


def test_both_user_agents_are_the_operators_to_set(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    first, second = "Signal-iOS/7.0 iOS/18.1", "Signal-Android/9.1.0 Android/37"
    signal.set_behaviour(minimum_versions={"ios": "99.0.0"})
    doorbell = make(signal__user_agent=first, signal__user_agent_fallback=second)
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert doorbell.register(account, endpoint) == "ok"
    agents = [handshake.get("User-Agent") for handshake in signal.handshakes_of(account)]
    assert agents == [first, second]
    is_rung(signal, ntfy, account, endpoint)


def test_a_client_that_is_refused_to_everybody_is_one_alarm_with_one_end(
    make: MakeDoorbell, sleeper: Sleeper, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    accounts = [registered(doorbell, signal, ntfy)[0] for _ in range(5)]
    signal.set_behaviour(require_spqr=True, minimum_versions={"android": "99.0.0"})
    for account in accounts:
        signal.change_account(account.key, spqr=False)
    signal.end("eof")
    for account in accounts:
        wait_statuses(signal, account, [101, 499, 499])
    alarm = "refuses all accounts alike"
    doorbell.changes.wait_for(
        lambda: len(lines_with(doorbell, "(client_refused)")) == len(accounts), "five refusals"
    )
    signal.reset_behaviour()
    sleeper.sleep(3 * HOUR_MS)  # it waits for minutes
    for account in accounts:
        signal.wait_connected(account, 2)
    end = "lets accounts in again"
    doorbell.changes.wait_for(lambda: doorbell.has_logged(end), "the end of the alarm")
    doorbell.stop()
    assert len(lines_with(doorbell, alarm)) == len(lines_with(doorbell, end)) == 1
    warnings = [line for line in lines_with(doorbell, "(client_refused)") if " warn " in line]
    assert len(warnings) <= 2  # those before it was everybody


# Hostile servers


def field(tag: int, content: bytes) -> bytes:
    length, encoded = len(content), b""
    while length > 127:
        encoded += bytes([length & 127 | 128])
        length >>= 7
    return bytes([tag]) + encoded + bytes([length]) + content


def resident_kib(doorbell: Doorbell) -> int:
    assert doorbell.process
    text = Path(f"/proc/{doorbell.process.popen.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s*(\d+)", text)[0])


def test_messages_that_are_too_big_end_the_link_with_1009_and_cost_no_memory(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    account, endpoint = registered(doorbell, signal, ntfy)
    message = b"\x08\x01" + field(0x12, field(0x1A, bytes(2 << 20)))
    before = resident_kib(doorbell)
    for number in range(1, 6):
        session = signal.wait_connected(account, number)
        signal.send_message(account.key, message.hex())
        signal.changed.wait_for(lambda: session.ended, "the end of the link")
        assert session.client_close and session.client_close[0] == 1009
        assert resident_kib(doorbell) - before < 4096
    signal.wait_connected(account, 6)
    is_rung(signal, ntfy, account, endpoint)


def test_a_message_that_cannot_be_read_ends_the_link_with_1007(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    account, endpoint = registered(doorbell, signal, ntfy)
    session = signal.wait_connected(account)
    signal.send_message(account.key, "ff" * 64)
    signal.wait_connected(account, 2)
    assert session.client_close and session.client_close[0] == 1007
    is_rung(signal, ntfy, account, endpoint)


def test_a_flood_of_messages_that_nobody_asked_for_does_no_harm(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    """A thousand at once, beyond every window: each is answered or the link is made anew, and the
    phone is rung a few times only."""
    doorbell = make()
    account, endpoint = registered(doorbell, signal, ntfy)
    before = resident_kib(doorbell)
    for number in range(1000):
        head = field(0x0A, b"PUT") + field(0x12, b"/api/v1/message") + field(0x1A, b"\x08\x01")
        identifier = bytes([0x20, number & 127 | 128, number >> 7])
        signal.send_message(account.key, (b"\x08\x01" + field(0x12, head + identifier)).hex())
    ntfy.wait_rings(1, endpoint)
    is_rung(signal, ntfy, account, endpoint)
    assert resident_kib(doorbell) - before < 4096
    assert len(ntfy.rings(endpoint)) < 20
    doorbell.stop()
    signal.violations.clear()  # answers to what the server itself never queued


# Descriptors


def test_strangers_never_take_the_descriptors_of_links(
    make_doorbell: MakeDoorbell,
    signal: SignalPeer,
    ntfy: PushPeer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrapper = tmp_path / "few-descriptors"
    wrapper.write_text(f'#!/bin/sh\nulimit -n 128\nexec {lib.doorbell.BINARY} "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(lib.doorbell, "BINARY", wrapper)
    doorbell = make_doorbell(
        signal__url=signal.url, push__allowed_endpoints=[ntfy.origin], web__timeout="1m"
    ).start()
    assert doorbell.has_logged("the web server takes 16 connections at most")
    pairs = [registered(doorbell, signal, ntfy) for _ in range(10)]
    with contextlib.ExitStack() as strangers:
        for _ in range(200):
            client = socket.create_connection(("127.0.0.1", doorbell.port))
            strangers.enter_context(client).sendall(b"GET / HTTP/1.1\r\n")
        signal.end("eof")
        for account, endpoint in pairs:
            signal.wait_connected(account, 2)
            is_rung(signal, ntfy, account, endpoint)
        assert not doorbell.has_logged("accepts no connections for a while")
    doorbell.reload(log__level="info")
    assert doorbell.has_logged("The configuration was loaded again")
    is_rung(signal, ntfy, *pairs[0])
