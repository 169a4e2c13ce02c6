"""The roads to Signal's server: which one is taken, when it is left, and that nothing is lost on
the way (docs/roads.md). What befalls a single link is in test_link_life.py, for both of them.
"""

from pathlib import Path
from typing import Any, Callable, Optional

import pytest

from lib.doorbell import Doorbell
from lib.mock_signal import MockSignal
from lib.phone import Phone
from lib.process import JsonPeer
from lib.prosody import Prosody
from lib.push_peer import RING, TEST, PushPeer
from lib.signal_peer import Account, SignalPeer
from lib.sleeper import Sleeper

MakeDoorbell = Callable[..., Doorbell]
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def make(make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer) -> MakeDoorbell:
    """Running, with both roads named; `files`: how many it may open."""

    def start(files: Optional[int] = None, **settings: Any) -> Doorbell:
        needed = {
            "signal__url": signal.url,
            "signal__http2_url": signal.http2_url,
            "push__allowed_endpoints": [ntfy.origin],
            "signal__reconnect_min": "100ms",
            "signal__reconnect_max": "500ms",
        }
        doorbell = make_doorbell(**{**needed, **settings})
        if files:
            doorbell.launcher = ["prlimit", f"--nofile={files}:{files}"]
        return doorbell.start()

    return start


def registered(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer, count: int = 1
) -> list[tuple[Account, str]]:
    made = [(signal.new_account(), ntfy.endpoint()) for _ in range(count)]
    for account, endpoint in made:
        assert doorbell.register(account, endpoint) == "ok"
        signal.wait_connected(account)
    return made


def all_are_rung(signal: SignalPeer, ntfy: PushPeer, phones: list[tuple[Account, str]]) -> None:
    before = {endpoint: len(ntfy.rings(endpoint)) for _, endpoint in phones}
    numbers = [signal.queue(account.key) for account, _ in phones]
    for _, endpoint in phones:
        ntfy.wait_rings(before[endpoint] + 1, endpoint)
    signal.wait_acked(*numbers)


def versions(signal: SignalPeer, account: Account) -> list[str]:
    return [handshake.version for handshake in signal.handshakes_of(account)]


def wait_version(signal: SignalPeer, account: Account, version: str) -> None:
    """Until the account's newest websocket is carried by this one, with its queue shown."""

    def ready() -> bool:
        sessions = signal.sessions_of(account)
        is_there = bool(sessions) and sessions[-1].state == "open" and sessions[-1].queue_empty
        return is_there and versions(signal, account)[-1] == version

    signal.changed.wait_for(ready, f"a link over {version}")


def lines_with(doorbell: Doorbell, text: str) -> list[str]:
    return [line for line in doorbell.output() if text in line]


# All the way


def e2e_signal_to_phone_over_http2(
    json_peer: Callable[..., JsonPeer],
    make_doorbell: MakeDoorbell,
    prosody: Prosody,
    phone: Phone,
) -> None:
    """Signal's own mock server of the kind that speaks HTTP/2 only, and no stub in between."""
    mock = MockSignal(json_peer, http=2)
    doorbell = make_doorbell(
        signal__url=mock.url,
        signal__http2_url=mock.url.replace("wss:", "https:"),
        signal__transport="http2",
        signal__ca_file=mock.ca_file,
        push__allowed_endpoints=[prosody.origin],
    ).start()
    assert doorbell.register(mock.account, phone.register()) == "ok"
    assert phone.wait_pushes(1) == [TEST]
    mock.wait_acked(mock.send(urgent=True))
    assert phone.wait_pushes(2) == [TEST, RING]
    mock.wait_acked(mock.send(urgent=False))
    mock.wait_acked(mock.send(urgent=True, size=90 * 1024))
    assert phone.wait_pushes(3) == [TEST, RING, RING]


def test_what_came_while_doorbell_was_down_rings_when_it_is_back(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(signal__transport="http2")
    ((account, endpoint),) = registered(doorbell, signal, ntfy)
    doorbell.stop()
    signal.changed.wait_for(lambda: not signal.live_connections(), "the end of the connection")
    number = signal.queue(account.key)
    doorbell.start()
    ntfy.wait_rings(1, endpoint)
    signal.wait_acked(number)


# Connections


def test_accounts_share_a_connection_and_each_is_rung(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(signal__transport="http2")
    phones = registered(doorbell, signal, ntfy, 5)
    (connection,) = signal.live_connections()
    assert len(connection.open) == 5
    all_are_rung(signal, ntfy, phones)
    assert all(handshake.never_indexed for handshake in signal.handshakes)
    said = "reached over HTTP/2: 5 links on 1 connection."
    assert said in doorbell.command("status").stdout
    assert said in " ".join(doorbell.command("doctor").stdout.split())


def test_with_one_account_for_each_connection_none_is_shared(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(signal__transport="http2", signal__accounts_per_connection=1)
    phones = registered(doorbell, signal, ntfy, 3)
    doorbell.stop()
    doorbell.start()
    for account, _ in phones:
        signal.wait_connected(account, 2)
    assert [len(connection.open) for connection in signal.live_connections()] == [1, 1, 1]
    all_are_rung(signal, ntfy, phones)


def test_no_more_streams_are_opened_than_the_server_takes(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    signal.set_behaviour(max_streams=2)
    doorbell = make(signal__transport="http2")
    phones = registered(doorbell, signal, ntfy, 5)
    assert sorted(len(connection.open) for connection in signal.live_connections()) == [1, 2, 2]
    all_are_rung(signal, ntfy, phones)


def test_descriptors_for_a_few_connections_are_enough_for_many_accounts(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    """Over HTTP/1.1 the last ones wait in line, and are in as soon as HTTP/2 is back."""
    doorbell = make(files=64, signal__transport="http2", signal__keepalive="400ms")
    phones = registered(doorbell, signal, ntfy, 20)
    all_are_rung(signal, ntfy, phones)
    assert len(signal.live_connections()) == 1
    doorbell.reload(signal__transport="http1")
    doorbell.changes.wait_for(
        lambda: doorbell.has_logged("Not every account can be connected"), "a lack of room"
    )
    doorbell.reload(signal__transport="http2")
    for account, _ in phones:
        wait_version(signal, account, "HTTP/2")
    all_are_rung(signal, ntfy, phones)


def test_accounts_that_wait_for_room_are_let_in_once_http2_is_back(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, sleeper: Sleeper
) -> None:
    """Links over HTTP/1.1 have all descriptors by then, and the one that tries HTTP/2 is one more."""
    doorbell = make(
        files=64,
        signal__transport="auto",
        signal__accounts_per_connection=2,
        signal__keepalive="400ms",
    )
    phones = registered(doorbell, signal, ntfy, 20)
    signal.set_behaviour(http2={"reject": {"status": 502}})
    signal.end_connections()
    doorbell.changes.wait_for(
        lambda: doorbell.has_logged("Not every account can be connected"), "a lack of room"
    )
    signal.reset_behaviour()
    sleeper.sleep(DAY_MS)
    all_are_rung(signal, ntfy, phones)
    assert doorbell.has_logged("Signal is reached over HTTP/2 again.")


def test_descriptors_that_are_just_enough_are_not_complained_of(
    make_doorbell: MakeDoorbell, signal: SignalPeer
) -> None:
    """512 for the rest of the program, 16 for the web server."""
    for shares, needed in [(1, 628), (100, 529), (99, 530)]:
        doorbell = make_doorbell(
            signal__url=signal.url,
            signal__http2_url=signal.http2_url,
            signal__transport="http2",
            signal__accounts_per_connection=shares,
            accounts__max=100,
            web__connections=16,
        )
        for most in (needed, needed - 1):
            doorbell.launcher = ["prlimit", f"--nofile={most}:{most}"]
            doorbell.start()
            assert doorbell.has_logged("This process may open") == (most < needed)
            doorbell.stop()


@pytest.mark.parametrize("how", ["eof", "reset"])
def test_a_connection_that_is_cut_takes_all_its_links_with_it_and_they_come_back(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, how: str
) -> None:
    doorbell = make(signal__transport="http2")
    phones = registered(doorbell, signal, ntfy, 5)
    signal.end_connections(how)
    all_are_rung(signal, ntfy, phones)
    assert len(signal.live_connections()) == 1


def test_a_peer_that_is_gone_without_a_word_is_found_by_one_ping(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(
        signal__transport="http2", signal__keepalive="600ms", signal__keepalive_timeout="600ms"
    )
    phones = registered(doorbell, signal, ntfy, 3)
    signal.end_connections("freeze")
    all_are_rung(signal, ntfy, phones)


def test_a_server_that_goes_away_in_order_loses_nothing(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(signal__transport="http2")
    phones = registered(doorbell, signal, ntfy, 3)
    (old,) = signal.live_connections()
    signal.goaway(0)
    all_are_rung(signal, ntfy, phones)  # on the streams that are still served
    assert signal.live_connections() == [old]
    more = registered(doorbell, signal, ntfy)
    assert len(signal.live_connections()) == 2
    signal.end("eof", phones[0][0].key)
    all_are_rung(signal, ntfy, phones + more)


# Which road


def test_a_server_of_ones_own_is_reached_over_http2_only_where_it_is_named(
    make_doorbell: MakeDoorbell, make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make_doorbell(
        signal__url=signal.url,
        signal__transport="auto",
        push__allowed_endpoints=[ntfy.origin],
    ).start()
    ((account, _),) = registered(doorbell, signal, ntfy)
    assert versions(signal, account) == ["HTTP/1.1"]
    doorbell.stop()
    refused = make_doorbell(signal__url=signal.url, signal__transport="http2").command("config")
    assert refused.returncode != 0
    assert "name where it takes HTTP/2 with signal.http2_url" in refused.stderr


def test_auto_begins_with_http2_and_says_so_once(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(signal__transport="auto")
    phones = registered(doorbell, signal, ntfy, 2)
    assert {version for account, _ in phones for version in versions(signal, account)} == {"HTTP/2"}
    assert len(lines_with(doorbell, "Signal is reached over HTTP/2.")) == 1


@pytest.mark.parametrize(
    "fault, why",
    [
        ({"reject": {"status": 404}}, "the answer was 404"),
        ({"reject": {"status": 502}}, "the answer was 502"),
        ({"alpn": None}, "it does not speak HTTP/2"),
        ({"extended_connect": False}, "it has no websockets over HTTP/2"),
        ({"shed_load": True}, "it sent us away"),
    ],
)
def test_where_http2_fails_as_a_road_the_other_is_taken_and_nothing_is_lost(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, fault: dict, why: str
) -> None:
    doorbell = make(signal__transport="auto")
    phones = registered(doorbell, signal, ntfy, 3)
    signal.set_behaviour(http2=fault)
    signal.end_connections()
    all_are_rung(signal, ntfy, phones)
    for account, _ in phones:
        assert versions(signal, account)[-1] == "HTTP/1.1"
    (line,) = lines_with(doorbell, "over HTTP/1.1 instead of HTTP/2")
    assert why in line
    for command in ("status", "doctor"):
        told = " ".join(doorbell.command(command).stdout.split())
        assert f"reached over HTTP/1.1, because over HTTP/2: {why}" in told


@pytest.mark.parametrize("status", [403, 499])
def test_what_is_said_of_a_device_or_a_client_is_no_reason_to_leave_http2(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, status: int
) -> None:
    doorbell = make(
        signal__transport="auto",
        signal__refused_confirm="200ms",
        signal__client_refused_min="200ms",
    )
    phones = registered(doorbell, signal, ntfy, 2)
    account = phones[0][0]
    before = len(versions(signal, account))
    signal.set_behaviour(
        account.key, reject={"status": status, "timestamp": status == 403, "times": 1}
    )
    signal.end("eof", account.key)
    signal.changed.wait_for(
        lambda: len(versions(signal, account)) >= before + 2, "another attempt after the refusal"
    )
    assert set(versions(signal, account)) == {"HTTP/2"}
    all_are_rung(signal, ntfy, phones)


def test_http2_is_tried_again_later_by_one_link_and_then_taken_by_all(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, tmp_path: Path, sleeper: Sleeper
) -> None:
    doorbell = make(signal__transport="auto")
    phones = registered(doorbell, signal, ntfy, 3)
    signal.set_behaviour(http2={"reject": {"status": 502}})
    signal.end_connections()
    for account, _ in phones:
        wait_version(signal, account, "HTTP/1.1")
    signal.reset_behaviour()
    sleeper.sleep(DAY_MS)
    doorbell.changes.wait_for(lambda: doorbell.has_logged("This machine slept"), "the end of it")
    signal.end("eof", phones[0][0].key)
    wait_version(signal, phones[0][0], "HTTP/2")
    signal.end("eof", phones[1][0].key)
    wait_version(signal, phones[1][0], "HTTP/2")
    all_are_rung(signal, ntfy, phones)
    assert len(lines_with(doorbell, "Signal is reached over HTTP/2 again.")) == 1


@pytest.mark.parametrize("old, new, version", [("http1", "http2", "HTTP/2"), ("http2", "http1", "HTTP/1.1")])
def test_a_reload_moves_the_links_one_after_the_other_and_every_message_rings(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, old: str, new: str, version: str
) -> None:
    doorbell = make(signal__transport=old, signal__keepalive="400ms")
    phones = registered(doorbell, signal, ntfy, 4)
    doorbell.reload(signal__transport=new)
    all_are_rung(signal, ntfy, phones)
    for account, _ in phones:
        wait_version(signal, account, version)
        assert all(session.state != "open" for session in signal.sessions_of(account)[:-1])
    all_are_rung(signal, ntfy, phones)
    assert not lines_with(doorbell, "4409")
