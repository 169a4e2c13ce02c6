"""Signal's own client library takes the strict server for Signal's, on both its roads."""

from typing import Callable, Iterator

import pytest

from lib.certs import Authority
from lib.process import JsonPeer
from lib.signal_peer import Account, SignalPeer

StartPeer = Callable[..., JsonPeer]


@pytest.fixture
def account(signal: SignalPeer) -> Account:
    return signal.new_account()


@pytest.fixture(params=["http1", "http2"])
def start_libsignal(
    request: pytest.FixtureRequest, json_peer: StartPeer, signal: SignalPeer, authority: Authority
) -> Iterator[Callable[[], JsonPeer]]:
    """All of a test's connections take the same road."""
    port, version = (signal.port, "1") if request.param == "http1" else (signal.http2_port, "2")

    def start() -> JsonPeer:
        peer = json_peer("libsignal_proof.mjs", str(port), str(authority.file), version)
        peer.wait_event("ready")
        return peer

    yield start
    roads = {handshake.version for handshake in signal.handshakes}
    assert roads <= {"HTTP/1.1" if version == "1" else "HTTP/2"}


@pytest.fixture
def libsignal(start_libsignal: Callable[[], JsonPeer]) -> JsonPeer:
    return start_libsignal()


def connect(libsignal: JsonPeer, account: Account) -> None:
    libsignal.do("connect", username=account.key, password=account.password)
    libsignal.wait_event("connected")


def test_it_connects_drains_and_acknowledges(
    signal: SignalPeer, account: Account, libsignal: JsonPeer
) -> None:
    queued = [signal.queue(account.key, urgent=urgent) for urgent in (True, False, None)]
    connect(libsignal, account)
    for index, number in enumerate(queued):
        event = libsignal.wait_event("message", lambda event: event["index"] == index)
        assert bytes.fromhex(event["envelope"]) == signal.message(number).envelope
        assert event["timestamp"] > 0
        assert not libsignal.events("queue_empty")
        libsignal.do("ack", index=index, status=200)
    libsignal.wait_event("queue_empty")
    signal.wait_acked(*queued)

    live = signal.queue(account.key)
    libsignal.wait_event("message", lambda event: event["index"] == len(queued))
    libsignal.do("ack", index=len(queued), status=200)
    signal.wait_acked(live)


def test_it_reads_fragmented_messages(
    signal: SignalPeer, account: Account, libsignal: JsonPeer
) -> None:
    number = signal.queue(account.key, size=1 << 20)
    connect(libsignal, account)
    event = libsignal.wait_event("message")
    assert event["size"] == len(signal.message(number).envelope)


@pytest.mark.parametrize("start_libsignal", ["http2"], indirect=True)
def test_it_reads_headers_and_frames_in_pieces(
    signal: SignalPeer, account: Account, libsignal: JsonPeer
) -> None:
    # Not many of them: it takes a flood of short frames for an attack.
    signal.set_behaviour(data_piece=21, header_piece=20, huffman=True)
    number = signal.queue(account.key, size=300)
    connect(libsignal, account)
    event = libsignal.wait_event("message")
    assert event["size"] == len(signal.message(number).envelope)


@pytest.mark.parametrize("start_libsignal", ["http2"], indirect=True)
def test_it_sees_a_stream_that_ends_alone_and_load_that_is_shed(
    signal: SignalPeer, account: Account, libsignal: JsonPeer
) -> None:
    connect(libsignal, account)
    signal.wait_connected(account)
    signal.reset_streams(8, account.key)
    libsignal.wait_event("disconnected")
    signal.set_behaviour(shed_load=True)
    libsignal.do("connect", username=account.key, password=account.password)
    libsignal.wait_event("failed")


def test_its_keepalive_is_answered(
    signal: SignalPeer, account: Account, libsignal: JsonPeer
) -> None:
    connect(libsignal, account)
    libsignal.do("fetch", verb="GET", path="/v1/keepalive")
    event = libsignal.wait_event("fetched")
    assert event["status"] == 200
    assert "x-signal-timestamp" in {name.lower() for name, _ in event["headers"]}


def test_it_takes_a_wrong_password_for_an_unlinked_device(
    signal: SignalPeer, account: Account, libsignal: JsonPeer
) -> None:
    libsignal.do("connect", username=account.key, password="wrong")
    assert libsignal.wait_event("failed")["code"] == "DeviceDelinked"


def test_it_takes_499_for_an_app_that_expired(
    signal: SignalPeer, account: Account, libsignal: JsonPeer
) -> None:
    signal.set_behaviour(require_spqr=True)
    signal.change_account(account.key, spqr=False)
    libsignal.do("connect", username=account.key, password=account.password)
    assert libsignal.wait_event("failed")["code"] == "AppExpired"


def test_it_understands_displacement(
    account: Account, libsignal: JsonPeer, start_libsignal: Callable[[], JsonPeer]
) -> None:
    connect(libsignal, account)
    connect(start_libsignal(), account)
    assert libsignal.wait_event("disconnected")["code"] == "ConnectedElsewhere"


def test_it_understands_revocation(
    signal: SignalPeer, account: Account, libsignal: JsonPeer
) -> None:
    connect(libsignal, account)
    signal.wait_connected(account)
    signal.revoke(account.key)
    assert libsignal.wait_event("disconnected")["code"] == "ConnectionInvalidated"


def test_an_anonymous_connection_gets_nothing_but_answers(
    signal: SignalPeer, account: Account, libsignal: JsonPeer
) -> None:
    signal.queue(account.key)
    libsignal.do("connect_anonymously")
    libsignal.wait_event("connected")
    libsignal.do("fetch", verb="GET", path="/v1/keepalive")
    libsignal.wait_event("fetched")
    assert not libsignal.events("message") and not libsignal.events("queue_empty")
