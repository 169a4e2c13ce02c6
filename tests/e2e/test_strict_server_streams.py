"""The strict server's HTTP/2 road keeps the rules that were measured at Signal's front
(signal-measured.md 4).
"""

import socket
import ssl
from pathlib import Path
from typing import Callable, Iterator

import pytest

import frames
import signal_wire
from lib.certs import Authority
from lib.chat_client import ChatClient
from lib.http2 import PREFACE, Http2
from lib.mock_signal import MockSignal
from lib.process import JsonPeer
from lib.signal_peer import Account, SignalPeer
from lib.stream_client import (
    ENABLE_CONNECT_PROTOCOL,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_HEADER_LIST_SIZE,
    WINDOW,
    Http2Client,
    Stream,
)

Dial = Callable[..., Http2Client]
Connect = Callable[..., Stream]

KEEPALIVE = signal_wire.server_request("GET", "/v1/keepalive", 1, [], None)
UNKNOWN_FIELD = signal_wire.field(99, bytes(9000))


@pytest.fixture
def account(signal: SignalPeer) -> Account:
    return signal.new_account()


@pytest.fixture
def dial(signal: SignalPeer, authority: Authority) -> Iterator[Dial]:
    """A connection without any stream."""
    clients: list[Http2Client] = []

    def dial(**details: object) -> Http2Client:
        client = Http2Client(signal.http2_port, authority.file, **details)  # type: ignore[arg-type]
        clients.append(client)
        return client

    yield dial
    for client in clients:
        client.close()


@pytest.fixture
def connect(dial: Dial, account: Account) -> Connect:
    """A websocket of the account, on a connection of its own."""

    def connect(**details: object) -> Stream:
        stream = dial(**details).open(account.authorization())
        assert stream.status == 200
        return stream

    return connect


def test_the_client_of_these_tests_is_understood_by_signals_own_mock_server(
    json_peer: Callable[..., JsonPeer],
) -> None:
    mock = MockSignal(json_peer, http=2)
    client = Http2Client(mock.port, Path(mock.ca_file))
    client.pong()
    assert client.settings[ENABLE_CONNECT_PROTOCOL] == 1
    stream = client.open(mock.account.authorization())
    assert stream.status == 200
    stream.expect_queue_empty()
    tag = mock.send(size=100_000)
    stream.answer(stream.expect_message())
    mock.wait_acked(tag)
    client.close()


def violated(signal: SignalPeer) -> bool:
    """Takes the list of violations away."""
    found = bool(signal.violations)
    signal.violations.clear()
    return found


# TLS and SETTINGS


def test_the_settings_are_exactly_the_measured_ones(dial: Dial) -> None:
    client = dial()
    client.pong()
    assert client.settings == {
        MAX_CONCURRENT_STREAMS: 100,
        MAX_HEADER_LIST_SIZE: 8192,
        ENABLE_CONNECT_PROTOCOL: 1,
    }


@pytest.mark.parametrize("offer", [[], ["http/1.1"], ["http/1.1", "h2"]])
def test_it_talks_http2_whatever_alpn_says(dial: Dial, account: Account, offer: list[str]) -> None:
    client = dial(alpn=offer)
    assert client.tls.selected_alpn_protocol() == ("h2" if "h2" in offer else None)
    assert client.open(account.authorization()).status == 200


def test_tls_1_2_is_refused(signal: SignalPeer, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=str(authority.file))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", signal.http2_port)) as raw:
        with pytest.raises(ssl.SSLError, match="protocol version"):
            context.wrap_socket(raw, server_hostname="localhost")


def test_a_client_of_http_1_gets_binary_settings_goaway_and_eof(
    signal: SignalPeer, dial: Dial
) -> None:
    client = dial(alpn=["http/1.1"], greets=False)
    client.send(b"GET /v1/websocket/ HTTP/1.1\r\n")
    client.expect_eof()
    assert client.settings and client.goaway == (0, 0)
    assert violated(signal)


def test_alpn_can_be_refused_or_select_http_1(
    signal: SignalPeer, authority: Authority, dial: Dial, account: Account
) -> None:
    signal.set_behaviour(alpn=None)
    assert dial().tls.selected_alpn_protocol() is None
    signal.set_behaviour(alpn="http/1.1")
    both = dial(alpn=["h2", "http/1.1"], greets=False)
    assert both.tls.selected_alpn_protocol() == "http/1.1"
    client = ChatClient(signal.http2_port, authority.file)
    assert client.request(account.authorization())[0] == 101
    client.close()


# Requests


def test_the_200_has_exactly_the_measured_headers(dial: Dial, account: Account) -> None:
    stream = dial().open(account.authorization())
    assert stream.status == 200
    assert sorted(stream.headers) == [":status", "date", "x-signal-timestamp"]
    stream.expect_queue_empty()


def test_wrong_credentials_get_403_and_the_connection_stays(dial: Dial, account: Account) -> None:
    client = dial()
    refused = client.open("Basic !!!")
    assert refused.status == 403 and refused.ended and refused.reset is None
    assert "x-signal-timestamp" in refused.headers and refused.headers["content-length"] == "0"
    assert client.open(account.authorization()).status == 200


def test_499_has_no_timestamp_and_500_has_one(
    signal: SignalPeer, dial: Dial, account: Account
) -> None:
    signal.set_behaviour(backend_failing=True)
    failed = dial().open(account.authorization())
    assert failed.status == 500 and failed.ended and "x-signal-timestamp" in failed.headers
    signal.set_behaviour(require_spqr=True)
    signal.change_account(account.key, spqr=False)
    outdated = dial().open(account.authorization())
    assert outdated.status == 499 and outdated.ended
    assert "x-signal-timestamp" not in outdated.headers


@pytest.mark.parametrize(
    ["headers", "status", "reset"],
    [
        ([("sec-websocket-version", None)], 404, None),
        ([("sec-websocket-version", "12")], 404, None),
        ([(":protocol", None)], 404, None),
        ([(":protocol", "connect-udp")], 404, None),
        ([(":path", "/v1/websocket")], 404, None),
        ([(":path", "/v1/provisioning/")], 404, None),
        ([(":scheme", None)], 400, None),
        ([(":path", "/v1/accounts/whoami")], 502, 8),
    ],
)
def test_what_is_not_the_websocket_is_refused(
    signal: SignalPeer, dial: Dial, account: Account, headers: list, status: int, reset: int
) -> None:
    client = dial()
    stream = client.open(account.authorization(), headers)
    assert stream.status == status and stream.ended
    client.pong()
    assert stream.reset == reset
    assert ("x-signal-timestamp" in stream.headers) == (status == 404)
    assert violated(signal)


def test_a_get_gets_404_and_a_reset(signal: SignalPeer, dial: Dial, account: Account) -> None:
    method = [(":method", "GET"), (":protocol", None)]
    stream = dial().open(account.authorization(), method, end=True)
    assert stream.status == 404
    stream.expect_reset(8)
    assert violated(signal)


def test_a_host_header_will_do_and_a_scheme_is_not_looked_at(
    signal: SignalPeer, dial: Dial, account: Account
) -> None:
    by_host = [(":authority", None), ("host", "localhost")]
    assert dial().open(account.authorization(), by_host).status == 200
    assert not violated(signal)
    assert dial().open(account.authorization(), [(":scheme", "http")]).status == 200
    assert violated(signal)


@pytest.mark.parametrize(
    "header",
    [
        ("X-Upper", "a"),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        (":unknown", "a"),
        ("x-blank", " a"),
    ],
)
def test_a_malformed_request_is_reset(
    signal: SignalPeer, dial: Dial, account: Account, header: tuple[str, str]
) -> None:
    dial().open(account.authorization(), [header]).expect_reset(1)
    assert violated(signal)


def test_headers_may_go_on_in_continuation(dial: Dial, account: Account) -> None:
    assert dial().open(account.authorization(), pieces=5).status == 200


def test_a_header_list_over_8192_gets_431(signal: SignalPeer, dial: Dial, account: Account) -> None:
    stream = dial().open(account.authorization(), [("x-long", "a" * 8000)])
    assert stream.status == 431
    stream.expect_reset(1)
    assert violated(signal)


def test_all_may_come_in_one_flight(dial: Dial, account: Account) -> None:
    first = frames.frame(frames.BINARY, KEEPALIVE, mask=b"abcd")
    greeting = PREFACE + Http2.frame(Http2.SETTINGS)
    client = dial(greets=False)
    stream = client.open(account.authorization(), before=greeting, data=first)
    assert stream.status == 200
    stream.expect_queue_empty()
    assert stream.read_response()["status"] == 200


def test_the_101st_stream_is_refused(signal: SignalPeer, dial: Dial) -> None:
    client = dial()
    streams = [client.open() for _ in range(101)]
    assert all(stream.status == 200 for stream in streams[:100])
    streams[100].expect_reset(7)
    assert not signal.violations  # it did not know the limit yet
    client.pong()
    client.open().expect_reset(7)
    assert violated(signal)
    streams[0].cancel()
    assert client.open().status == 200


def test_the_server_may_allow_fewer_streams_later(signal: SignalPeer, dial: Dial) -> None:
    client = dial()
    streams = [client.open() for _ in range(3)]
    assert all(stream.status == 200 for stream in streams)
    signal.set_behaviour(max_streams=2)
    client.pong()
    assert client.settings[MAX_CONCURRENT_STREAMS] == 2
    client.pong()  # it has our acknowledgement
    client.open().expect_reset(7)
    assert violated(signal)
    assert signal.http2_connections[0].describe()["streams"] == [1, 3, 5]


def test_the_header_table_is_given_up_when_the_client_wants_none(
    dial: Dial, account: Account
) -> None:
    client = dial(settings=[(HEADER_TABLE_SIZE, 0)])
    client.decoder.max_allowed_table_size = 0
    for _ in range(2):
        assert client.open(account.authorization()).status == 200
    blocks = [frame.payload for frame in client.frames if frame.kind == Http2.HEADERS]
    assert blocks[0][0] == 0x20 and b"x-signal-timestamp" in blocks[1]


def test_an_authorization_that_is_never_indexed_is_seen(
    signal: SignalPeer, dial: Dial, account: Account
) -> None:
    client = dial()
    hidden = (b"authorization", account.authorization().encode(), True)
    encode = client.encoder.encode
    client.encoder.encode = lambda headers: encode([*headers, hidden])
    assert client.open().status == 200
    assert signal.handshakes[0].never_indexed == ["authorization"]
    assert signal.handshakes[0].stream == (1, 1)


# Flow control


def test_without_credit_exactly_65535_bytes_arrive(
    signal: SignalPeer, account: Account, connect: Connect
) -> None:
    signal.queue(account.key, size=200_000)
    stream = connect(gives_credit=False)
    stream.send_message(KEEPALIVE)
    stream.connection.read_until(lambda: sum(stream.pieces) >= WINDOW)
    stream.connection.pong()
    assert sum(stream.pieces) == WINDOW
    stream.give(1 << 20)
    stream.connection.pong()
    assert sum(stream.pieces) == WINDOW
    stream.connection.give(1 << 20)
    assert len(stream.expect_message()["sizes"]) == 4
    assert stream.read_response()["status"] == 200


def test_with_a_window_of_10_every_data_frame_has_at_most_10(dial: Dial, account: Account) -> None:
    client = dial(settings=[(INITIAL_WINDOW_SIZE, 10)])
    stream = client.open(account.authorization())
    stream.expect_queue_empty()
    assert max(stream.pieces) == 10 and len(stream.pieces) > 5


def test_a_window_that_shrinks_below_zero_is_kept_to(
    signal: SignalPeer, account: Account, connect: Connect
) -> None:
    stream = connect(gives_credit=False)
    stream.expect_queue_empty()
    before = sum(stream.pieces)
    window = INITIAL_WINDOW_SIZE.to_bytes(2, "big") + bytes(4)
    stream.connection.send(Http2.frame(Http2.SETTINGS, payload=window))
    stream.send_message(KEEPALIVE)
    stream.connection.pong()
    assert sum(stream.pieces) == before
    stream.give(before)
    stream.connection.pong()
    assert sum(stream.pieces) == before
    stream.give(1000)
    assert stream.read_response()["status"] == 200


def test_credit_comes_back_as_it_reads(connect: Connect) -> None:
    stream = connect()
    stream.expect_queue_empty()
    message = frames.frame(frames.BINARY, KEEPALIVE + UNKNOWN_FIELD, mask=b"abcd")
    for count in range(1, 41):
        stream.send(message)
        assert stream.read_response()["status"] == 200
        assert 0 < stream.connection.allowed - count * len(message) <= WINDOW


def test_without_credit_the_client_must_stop(signal: SignalPeer, connect: Connect) -> None:
    signal.set_behaviour(give_credit=False)
    stream = connect()
    stream.expect_queue_empty()
    hundred = frames.frame(frames.PONG, b"x" * 94, mask=b"abcd")
    for _ in range(WINDOW // 100):
        stream.send(hundred)
    stream.connection.pong()
    assert stream.connection.allowed == WINDOW and not signal.violations
    stream.send(hundred)
    stream.connection.expect_eof()
    assert stream.connection.goaway == (1, 0)
    assert violated(signal)


def test_a_frame_over_16384_ends_the_connection(signal: SignalPeer, connect: Connect) -> None:
    stream = connect()
    stream.expect_queue_empty()
    stream.send(bytes(16385))
    stream.connection.expect_eof()
    assert stream.connection.goaway == (1, 0)
    assert violated(signal)


@pytest.mark.parametrize("piece", [1, 21])
def test_websocket_frames_need_not_align_with_data(
    signal: SignalPeer, account: Account, connect: Connect, piece: int
) -> None:
    signal.set_behaviour(data_piece=piece)
    number = signal.queue(account.key, size=300)
    stream = connect()
    request = stream.expect_message()
    assert request["body"] == signal.message(number).envelope
    assert set(stream.pieces[:-1]) == {piece}


def test_headers_can_be_split_and_huffman_coded(
    signal: SignalPeer, dial: Dial, account: Account
) -> None:
    signal.set_behaviour(header_piece=7, huffman=True)
    client = dial()
    assert client.open(account.authorization()).status == 200
    assert any(frame.kind == Http2.CONTINUATION for frame in client.frames)


@pytest.mark.parametrize(
    "broken",
    [
        Http2.frame(Http2.CONTINUATION, 0, 1),
        Http2.frame(Http2.HEADERS, 0, 3) + Http2.frame(Http2.PING, payload=bytes(8)),
        Http2.frame(Http2.HEADERS, Http2.END_HEADERS, 3, b"\xff\xff\xff\xff\xff\x0f"),
        Http2.frame(Http2.HEADERS, Http2.END_HEADERS, 2, b"\x82"),
        Http2.frame(Http2.DATA, 0, 5, b"x"),
        Http2.frame(Http2.RST_STREAM, 0, 5, bytes(4)),
        Http2.frame(Http2.WINDOW_UPDATE, 0, 1, bytes(4)),
        Http2.frame(Http2.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"),
        Http2.frame(Http2.PUSH_PROMISE, Http2.END_HEADERS, 1, bytes(4)),
        Http2.frame(Http2.SETTINGS, Http2.ACK) * 2,
        Http2.frame(Http2.SETTINGS, payload=b"\0\5\0\0\0\1"),
        Http2.frame(Http2.PING, payload=b"short"),
    ],
)
def test_what_breaks_the_connection_gets_goaway_0_and_eof(
    signal: SignalPeer, connect: Connect, broken: bytes
) -> None:
    stream = connect()
    stream.expect_queue_empty()
    stream.connection.send(broken)
    stream.connection.expect_eof()
    assert stream.connection.goaway and stream.connection.goaway[1] == 0
    assert signal.sessions[0].state == "ended" and violated(signal)


def test_data_after_the_end_of_a_stream_is_refused(signal: SignalPeer, dial: Dial) -> None:
    signal.set_behaviour(handshake="stall")
    stream = dial().open()
    stream.end()
    stream.send(b"x")
    stream.expect_reset(5)
    assert violated(signal)


# The websocket


def test_a_close_is_answered_and_then_the_stream_ends(signal: SignalPeer, connect: Connect) -> None:
    stream = connect()
    stream.expect_queue_empty()
    stream.send_frame(frames.CLOSE, (3000).to_bytes(2, "big"))
    assert stream.read_close() == (1000, "OK")
    stream.end()
    stream.connection.pong()
    assert stream.reset is None and stream.connection.open().status == 200


def test_an_end_without_close_is_answered_by_one(
    signal: SignalPeer, account: Account, connect: Connect
) -> None:
    stream = connect()
    stream.expect_queue_empty()
    stream.end()
    stream.expect_eof()
    stream.connection.pong()
    assert stream.reset is None and signal.devices[account.key].session is None


def test_a_reset_drops_presence_silently(
    signal: SignalPeer, account: Account, connect: Connect
) -> None:
    stream = connect()
    stream.expect_queue_empty()
    stream.cancel()
    stream.connection.pong()
    assert not stream.is_over() and signal.devices[account.key].session is None
    assert signal.sessions[0].pipe.reset_by_client == 8


def test_both_roads_displace_each_other_and_a_late_answer_still_deletes(
    signal: SignalPeer, account: Account, connect: Connect, authority: Authority
) -> None:
    number = signal.queue(account.key)
    stream = connect()
    request = stream.expect_message()
    other = ChatClient(signal.port, authority.file)
    assert other.request(account.authorization())[0] == 101
    other.expect_message()
    assert stream.read_close() == (4409, "Connected elsewhere")
    assert stream.reset is None
    stream.answer(request)
    signal.wait_acked(number)
    stream.send_frame(frames.CLOSE, (1000).to_bytes(2, "big"))
    stream.end()
    stream.connection.pong()
    assert signal.sessions[0].state == "ended"
    connect()
    assert other.read_close()[0] == 4409
    other.close()


def test_two_streams_of_a_device_on_one_connection_displace(
    account: Account, connect: Connect
) -> None:
    first = connect()
    first.expect_queue_empty()
    second = first.connection.open(account.authorization())
    second.expect_queue_empty()
    assert first.read_close()[0] == 4409


def test_a_ping_of_http2_does_not_keep_the_websocket_alive(
    signal: SignalPeer, connect: Connect
) -> None:
    signal.set_behaviour(idle_seconds=0.5)
    stream = connect()
    stream.expect_queue_empty()
    heard = signal.sessions[0].heard
    stream.connection.pong()
    assert signal.sessions[0].heard == heard
    assert stream.read_close() == (1001, "Connection Idle Timeout")
    stream.expect_reset(8)
    assert stream.connection.open().status == 200
    assert violated(signal)


def test_an_unmasked_frame_gets_1002_and_a_reset(signal: SignalPeer, connect: Connect) -> None:
    stream = connect()
    stream.expect_queue_empty()
    stream.send_frame(frames.BINARY, b"x", masked=False)
    assert stream.read_close()[0] == 1002
    stream.expect_reset(8)
    assert violated(signal)


def test_shutting_down_ends_connections_without_goaway(
    signal: SignalPeer, connect: Connect
) -> None:
    stream = connect()
    stream.expect_queue_empty()
    signal.shut_down()
    assert stream.read_close() == (1001, "Container being shut down")
    stream.expect_reset(8)
    stream.connection.expect_eof()
    assert stream.connection.goaway is None


# What goes wrong on demand


def test_load_is_shed_with_goaway_0x40(signal: SignalPeer, dial: Dial) -> None:
    signal.set_behaviour(shed_load=True)
    client = dial()
    client.expect_eof()
    assert client.settings and client.goaway == (0, 0x40)


def test_connections_without_traffic_end_without_goaway(signal: SignalPeer, dial: Dial) -> None:
    signal.set_behaviour(connection_idle_seconds=0.1)
    client = dial()
    client.expect_eof()
    assert client.goaway is None


def test_goaway_ends_what_is_newer_and_serves_the_rest(
    signal: SignalPeer, account: Account, connect: Connect
) -> None:
    stream = connect()
    stream.expect_queue_empty()
    newer = stream.connection.open()
    assert newer.status == 200
    assert signal.goaway(last=1) == 1
    late = stream.connection.open()
    assert stream.call("GET", "/v1/keepalive")["status"] == 200
    assert stream.connection.goaway == (1, 0) and late.headers == {}
    assert [session.state for session in signal.sessions] == ["open", "ended"]
    signal.goaway(code=11, end=True)
    stream.connection.expect_eof()
    assert stream.connection.goaway == (1, 11)


@pytest.mark.parametrize("how", ["eof", "reset", "freeze"])
def test_a_connection_can_be_cut_with_all_its_streams(
    signal: SignalPeer, connect: Connect, how: str
) -> None:
    stream = connect()
    stream.connection.open()
    stream.connection.pong()
    assert signal.end_connections(how) == 1
    if how == "freeze":
        stream.connection.ping()
        assert not stream.connection.eof and len(signal.live_connections()) == 1
        return
    stream.connection.expect_eof()
    assert [session.state for session in signal.sessions] == ["ended", "ended"]
    assert not signal.live_connections()


def test_a_stream_alone_can_be_reset(
    signal: SignalPeer, account: Account, connect: Connect
) -> None:
    stream = connect()
    other = stream.connection.open()
    assert other.status == 200
    assert signal.reset_streams(2, account.key) == 1
    stream.expect_reset(2)
    assert other.call("GET", "/v1/keepalive")["status"] == 200


def test_a_websocket_can_end_at_once_in_every_way(signal: SignalPeer, connect: Connect) -> None:
    signal.set_behaviour(after_open={"code": 1011, "reason": "Failed to retrieve messages"})
    assert connect().read_close() == (1011, "Failed to retrieve messages")
    signal.set_behaviour(after_open={"end": "eof"})
    connect().expect_eof()
    signal.set_behaviour(after_open={"end": "reset"})
    connect().expect_reset(8)


def test_a_connect_can_be_stalled_refused_or_reset(
    signal: SignalPeer, dial: Dial, account: Account
) -> None:
    client = dial()
    signal.set_behaviour(handshake="stall")
    stalled = client.open(account.authorization())
    client.pong()
    assert not stalled.headers
    signal.set_behaviour(handshake="normal", reject={"status": 404})
    assert client.open(account.authorization()).status == 404
    signal.set_behaviour(reject={"status": 502, "timestamp": False})
    client.open(account.authorization()).expect_reset(8)
    signal.set_behaviour(reject={"reset": 7})
    refused = client.open(account.authorization())
    refused.expect_reset(7)
    assert refused.status is None


def test_behaviour_can_be_of_this_road_alone(
    signal: SignalPeer, dial: Dial, account: Account, authority: Authority
) -> None:
    signal.set_behaviour(http2={"reject": {"status": 404}})
    assert dial().open(account.authorization()).status == 404
    other = ChatClient(signal.port, authority.file)
    assert other.request(account.authorization())[0] == 101
    other.close()


def test_extended_connect_can_be_missing(signal: SignalPeer, dial: Dial, account: Account) -> None:
    signal.set_behaviour(extended_connect=False)
    client = dial()
    client.open(account.authorization()).expect_reset(1)  # it could not know
    assert ENABLE_CONNECT_PROTOCOL not in client.settings
    client.pong()
    assert not signal.violations
    client.open(account.authorization()).expect_reset(1)
    assert violated(signal)


def test_pings_can_go_unanswered(signal: SignalPeer, connect: Connect) -> None:
    signal.set_behaviour(answer_http2_ping=False)
    stream = connect()
    stream.expect_queue_empty()
    stream.connection.ping()
    assert stream.call("GET", "/v1/keepalive")["status"] == 200
    assert len(signal.http2_connections[0].pings) == 1
    assert not any(frame.kind == Http2.PING for frame in stream.connection.frames)
