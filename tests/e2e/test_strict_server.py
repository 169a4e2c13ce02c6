"""The strict server keeps the rules that were measured at Signal's own (signal-measured.md)."""

import base64
import socket
import ssl
from typing import Callable, Iterator

import pytest

import frames
import signal_wire
from lib.certs import Authority
from lib.chat_client import ChatClient, response
from lib.signal_peer import Account, SignalPeer

Connect = Callable[..., ChatClient]


@pytest.fixture
def account(signal: SignalPeer) -> Account:
    return signal.new_account()


@pytest.fixture
def dial(signal: SignalPeer, authority: Authority) -> Iterator[Callable[[], ChatClient]]:
    """A TLS connection on which nothing was said yet."""
    clients: list[ChatClient] = []

    def dial() -> ChatClient:
        clients.append(ChatClient(signal.port, authority.file))
        return clients[-1]

    yield dial
    for client in clients:
        client.close()


@pytest.fixture
def connect(dial: Callable[[], ChatClient], account: Account) -> Connect:
    """A websocket of the account, straight after the 101."""

    def connect(**details: object) -> ChatClient:
        client = dial()
        status, _, _ = client.request(account.authorization(), **details)  # type: ignore[arg-type]
        assert status == 101
        return client

    return connect


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def violated(signal: SignalPeer) -> bool:
    """Takes the list of violations away."""
    found = bool(signal.violations)
    signal.violations.clear()
    return found


# Handshake


def test_the_101_has_exactly_the_measured_headers(dial: Connect, account: Account) -> None:
    status, _, headers = dial().request(account.authorization())
    assert status == 101
    assert sorted(headers) == [
        "connection",
        "date",
        "sec-websocket-accept",
        "upgrade",
        "vary",
        "x-signal-timestamp",
    ]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda account: basic(account.key, "wrong"),
        lambda account: basic("00000000-0000-4000-8000-000000000000.2", account.password),
        lambda account: basic(f"{account.uuid}.3", account.password),
        lambda account: basic(f"{account.uuid}.0", account.password),
        lambda account: basic(f"{account.uuid}.128", account.password),
        lambda account: basic("somebody.2", account.password),
        lambda account: account.authorization().replace("Basic", "Bearer"),
        lambda account: account.authorization().replace("Basic ", "Basic  "),
        lambda account: "Basic !!!",
        lambda account: "Basic " + base64.b64encode(b"no colon").decode(),
        lambda account: "",
    ],
)
def test_bad_credentials_get_403_with_the_timestamp_and_the_connection_stays(
    dial: Connect, account: Account, spoil: Callable[[Account], str]
) -> None:
    client = dial()
    status, reason, headers = client.request(spoil(account))
    assert (status, reason) == (403, "Forbidden")
    assert "x-signal-timestamp" in headers
    assert client.request(account.authorization())[0] == 101


@pytest.mark.parametrize(
    "spell",
    [
        lambda account: account.authorization().replace("Basic", "basic"),
        lambda account: account.authorization().rstrip("="),
        lambda account: basic(account.key.upper(), account.password),
    ],
)
def test_other_spellings_of_good_credentials_get_101(
    dial: Connect, account: Account, spell: Callable[[Account], str]
) -> None:
    assert dial().request(spell(account))[0] == 101


def test_a_user_without_device_means_device_1(signal: SignalPeer, dial: Connect) -> None:
    primary = signal.new_account(device=1)
    assert dial().request(basic(primary.uuid, primary.password))[0] == 101


def test_without_authorization_the_socket_is_anonymous_and_gets_no_message(
    signal: SignalPeer, dial: Connect, account: Account
) -> None:
    signal.queue(account.key)
    client = dial()
    assert client.request(None)[0] == 101
    assert client.call("GET", "/v1/keepalive")["status"] == 200
    assert client.call("GET", "/v1/accounts/whoami")["status"] == 401
    client.send_frame(frames.CLOSE, (3000).to_bytes(2, "big"))
    assert client.read_close() == (3000, "")
    assert not signal.message(1).deliveries


@pytest.mark.parametrize(
    "details",
    [
        {"path": "/v1/websocket"},
        {"path": "/v1/websocket/foo"},
        {"path": "/"},
        {"method": "POST"},
        {"headers": [("Upgrade", None)]},
        {"version": "HTTP/1.0"},
        {"headers": [("Sec-WebSocket-Version", "12")]},
    ],
)
def test_what_is_not_the_websocket_gets_404_with_the_timestamp(
    signal: SignalPeer, dial: Connect, account: Account, details: dict
) -> None:
    status, _, headers = dial().request(account.authorization(), **details)
    assert status == 404 and "x-signal-timestamp" in headers
    assert violated(signal)


def test_query_and_percent_encoding_do_not_matter(connect: Connect) -> None:
    connect(path="/v1/websocket/?login=a")
    connect(path="/v1/%77ebsocket/")


def test_two_slashes_and_a_missing_key_get_400(
    signal: SignalPeer, dial: Connect, account: Account
) -> None:
    status, _, headers = dial().request(account.authorization(), path="/v1//websocket/")
    assert status == 400 and "x-signal-timestamp" not in headers
    assert dial().request(account.authorization(), headers=[("Sec-WebSocket-Key", None)])[0] == 400
    assert violated(signal)


def test_headers_over_8_kib_get_431(dial: Connect, account: Account) -> None:
    status, _, headers = dial().request(account.authorization(), headers=[("X-Big", "x" * 9000)])
    assert status == 431 and "x-signal-timestamp" not in headers


def test_an_outdated_user_agent_gets_499_without_timestamp_whatever_the_password(
    signal: SignalPeer, dial: Connect, account: Account
) -> None:
    signal.set_behaviour(minimum_versions={"android": "8.4.0"})
    for agent, password, expected in (
        ("Signal-Android/8.3.4", account.password, 499),
        ("Signal-Android/8.3.4", "wrong", 499),
        ("signal-android/8.4.0-beta.1", account.password, 499),
        ("Signal-Android/8.4", account.password, 101),
        ("Signal-Android/8.4.0 Android/36", account.password, 101),
        ("Doorbell/0.1.0", account.password, 101),
    ):
        status, reason, headers = dial().request(
            basic(account.key, password), headers=[("User-Agent", agent)]
        )
        assert status == expected, agent
        if expected == 499:
            assert reason == "499" and "x-signal-timestamp" not in headers


def test_an_unknown_user_agent_of_a_device_without_spqr_gets_499(
    signal: SignalPeer, dial: Connect, account: Account
) -> None:
    signal.set_behaviour(require_spqr=True)
    ours = [("User-Agent", "Doorbell/0.1.0")]
    assert dial().request(account.authorization(), headers=ours)[0] == 101
    signal.change_account(account.key, spqr=False)
    assert dial().request(account.authorization(), headers=ours)[0] == 499
    assert dial().request(basic(account.key, "wrong"), headers=ours)[0] == 403
    assert (
        dial().request(account.authorization(), headers=[("User-Agent", "signal-desktop/7.0.0")])[0]
        == 101
    )


def test_a_failing_backend_gives_500_with_timestamp_but_anonymous_sockets_open(
    signal: SignalPeer, dial: Connect, account: Account
) -> None:
    signal.set_behaviour(backend_failing=True)
    status, reason, headers = dial().request(account.authorization())
    assert (status, reason) == (500, "Server Error") and "x-signal-timestamp" in headers
    assert dial().request(None)[0] == 101


def test_429_comes_with_retry_after_as_often_as_asked(
    signal: SignalPeer, dial: Connect, account: Account
) -> None:
    signal.set_behaviour(
        reject={"status": 429, "headers": {"Retry-After": "7"}, "times": 1, "timestamp": False}
    )
    status, _, headers = dial().request(account.authorization())
    assert status == 429 and headers["retry-after"] == "7" and "x-signal-timestamp" not in headers
    assert dial().request(account.authorization())[0] == 101


def test_an_alert_is_a_header_of_the_101(
    signal: SignalPeer, dial: Connect, account: Account
) -> None:
    signal.set_behaviour(alert="idle-primary-device")
    assert dial().request(account.authorization())[2]["x-signal-alert"] == "idle-primary-device"


def test_deflate_is_taken_when_offered_and_refused_with_unknown_parameters(
    signal: SignalPeer, connect: Connect, dial: Connect, account: Account
) -> None:
    offer = [("Sec-WebSocket-Extensions", "permessage-deflate; server_no_context_takeover")]
    client = connect(headers=offer)
    fin, opcode, payload = client.read_frame()
    inflater = frames.Deflate("permessage-deflate")
    assert fin and b"queue/empty" in inflater.decompress(payload)
    wrong = [("Sec-WebSocket-Extensions", "permessage-deflate; nonsense")]
    assert dial().request(account.authorization(), headers=wrong)[0] == 400
    assert violated(signal)


def test_a_request_sent_with_the_upgrade_is_answered_before_queue_empty(
    signal: SignalPeer, dial: Connect, account: Account
) -> None:
    client = dial()
    message = signal_wire.server_request("GET", "/v1/keepalive", 1, [], None)
    client.send(
        f"GET /v1/websocket/ HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a\r\n"
        f"Authorization: {account.authorization()}\r\n\r\n".encode()
        + frames.frame(frames.BINARY, message, mask=b"abcd")
    )
    assert client.read_head()[0] == 101
    assert client.read_response()["status"] == 200
    client.expect_queue_empty()


def test_tls_selects_no_alpn_protocol(signal: SignalPeer, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=str(authority.file))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", signal.port)) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as tls,
    ):
        assert tls.selected_alpn_protocol() is None


# Frames and the resource protocol


@pytest.mark.parametrize(
    "message",
    [
        response(None),
        response(1, None),
        response(1, 200, None),
        b"",
        b"\xff\xff",
        b"\x08\x00",
        b"\x08\x07",
        b"\x08\x01",
        b"\x08\x02",
        response(1)[:-1],
        signal_wire.message([(1, signal_wire.RESPONSE), (2, b"")]),
        signal_wire.message(
            [(1, signal_wire.REQUEST), (2, signal_wire.message([(1, "GET"), (4, 1)]))]
        ),
    ],
)
def test_a_malformed_message_gets_1007(
    signal: SignalPeer, connect: Connect, message: bytes
) -> None:
    client = connect()
    client.expect_queue_empty()
    client.send_message(message)
    assert client.read_close() == (1007, "Badly formatted")
    assert violated(signal)


@pytest.mark.parametrize(
    "broken",
    [
        frames.frame(frames.PING, b"x" * 126, mask=b"abcd"),
        frames.frame(frames.PING, b"", fin=False, mask=b"abcd"),
        frames.frame(frames.CONTINUATION, b"x", mask=b"abcd"),
        frames.frame(frames.BINARY, b"x", fin=False, mask=b"abcd")
        + frames.frame(frames.BINARY, b"x", mask=b"abcd"),
        frames.frame(frames.BINARY, b"x", rsv1=True, mask=b"abcd"),
        frames.frame(3, b"x", mask=b"abcd"),
        frames.frame(11, b"x", mask=b"abcd"),
        frames.frame(frames.BINARY, b"x"),
        *(
            frames.frame(frames.CLOSE, code.to_bytes(2, "big"), mask=b"abcd")
            for code in (999, 1005, 1006, 2000)
        ),
        frames.frame(frames.CLOSE, b"\x03", mask=b"abcd"),
    ],
)
def test_broken_framing_gets_1002(signal: SignalPeer, connect: Connect, broken: bytes) -> None:
    client = connect()
    client.expect_queue_empty()
    client.send(broken)
    assert client.read_close()[0] == 1002
    assert violated(signal)


def test_a_message_over_512_kib_gets_1009_whole_or_in_fragments(
    signal: SignalPeer, connect: Connect
) -> None:
    for fragments in ([524289], [300000, 224289]):
        client = connect()
        client.expect_queue_empty()
        for at, size in enumerate(fragments):
            client.send_frame(
                frames.CONTINUATION if at else frames.BINARY,
                b"x" * size,
                fin=at == len(fragments) - 1,
            )
        assert client.read_close() == (1009, "Binary message too large: 524,289 > 524,288")
    assert violated(signal)


def test_fragmented_answers_with_a_ping_in_between_are_fine(
    signal: SignalPeer, account: Account, connect: Connect
) -> None:
    signal.queue(account.key)
    client = connect()
    answer = response(client.expect_message()["id"])
    client.send_frame(frames.BINARY, answer[:5], fin=False)
    client.send_frame(frames.PING, b"still here")
    assert client.read_frame() == (True, frames.PONG, b"still here")
    client.send_frame(frames.CONTINUATION, answer[5:])
    client.expect_queue_empty()
    signal.wait_acked(1)


def test_requests_are_answered_with_capitalised_header_names(connect: Connect) -> None:
    client = connect()
    client.expect_queue_empty()
    for id in (0, 2**63, 2**64 - 1):
        answer = client.call("GET", "/v1/keepalive", id)
        assert (answer["id"], answer["status"], answer["message"]) == (id, 200, b"OK")
        names = [header.partition(b":")[0] for header in answer["headers"]]
        assert names == [b"X-Signal-Timestamp", b"Content-Length"]
    assert client.call("GET", "/v1/nothing")["status"] == 404
    wrong_verb = client.call("PUT", "/v1/keepalive")
    assert wrong_verb["status"] == 405 and b"Allow:GET,OPTIONS" in wrong_verb["headers"]


def test_a_path_that_is_no_uri_gets_1011(signal: SignalPeer, connect: Connect) -> None:
    client = connect()
    client.expect_queue_empty()
    client.send_message(signal_wire.server_request("GET", "/v1/keep alive", 1, [], None))
    code, reason = client.read_close()
    assert code == 1011 and reason.startswith("Illegal character in path at index 8")
    assert violated(signal)


def test_every_close_of_an_authenticated_client_is_answered_1000_ok(connect: Connect) -> None:
    for payload in (b"", (1001).to_bytes(2, "big"), (4999).to_bytes(2, "big") + b"bye"):
        client = connect()
        client.expect_queue_empty()
        client.send_frame(frames.CLOSE, payload)
        assert client.read_close() == (1000, "OK")


def test_silence_is_ended_with_1001_and_a_single_byte_postpones_it(
    signal: SignalPeer, connect: Connect
) -> None:
    signal.set_behaviour(idle_seconds=0.5)
    client = connect()
    client.expect_queue_empty()
    session = signal.sessions[0]
    heard = session.heard
    client.send(frames.frame(frames.PING, b"", mask=b"abcd")[:1])
    signal.changed.wait_for(lambda: session.heard > heard or session.ended, "a byte that is heard")
    assert client.read_close() == (1001, "Connection Idle Timeout")
    assert violated(signal)


def test_the_server_pings_on_demand(signal: SignalPeer, account: Account, connect: Connect) -> None:
    client = connect()
    client.expect_queue_empty()
    signal.ping(account.key, b"hello".hex())
    assert client.read_frame() == (True, frames.PING, b"hello")
    client.send_frame(frames.PONG, b"hello")
    signal.changed.wait_for(lambda: signal.sessions[0].pongs == [b"hello"], "the pong")


# Delivery


def test_an_envelope_is_as_signal_sends_it(
    signal: SignalPeer, account: Account, connect: Connect
) -> None:
    for urgent in (True, False, None):
        signal.queue(account.key, urgent=urgent, source=account.uuid, source_device=1)
    client = connect()
    for urgent in (True, False, None):
        request = client.expect_message()
        assert request["verb"] == b"PUT" and request["fields"] == [1, 2, 3, 4, 5]
        assert 0 <= request["id"] < 2**63
        assert [header.partition(b":")[0] for header in request["headers"]] == [
            b"X-Signal-Timestamp"
        ]
        envelope = signal_wire.collect(request["body"])
        assert [
            len(signal_wire.last_bytes(envelope, number) or b"") for number in (19, 20, 21)
        ] == [16, 16, 16]
        assert envelope.get(14) == (None if urgent is None else [int(urgent)])
        assert not {9, 11, 13} & set(envelope)


def test_long_messages_come_in_frames_of_64_kib(
    signal: SignalPeer, account: Account, connect: Connect
) -> None:
    for size, count in ((60000, 1), (70000, 2), (200000, 4), (1 << 20, 17)):
        signal.queue(account.key, size=size)
    client = connect()
    for size, count in ((60000, 1), (70000, 2), (200000, 4), (1 << 20, 17)):
        sizes = client.expect_message()["sizes"]
        assert len(sizes) == count and set(sizes[:-1]) <= {65536}


def test_queue_empty_waits_for_the_answers_and_a_500_is_one(
    signal: SignalPeer, account: Account, connect: Connect
) -> None:
    signal.queue(account.key)
    signal.queue(account.key)
    client = connect()
    first, second = client.expect_message(), client.expect_message()
    client.answer(second)
    client.answer(first, 500)
    client.expect_queue_empty()
    assert signal.message(2).acked and not signal.message(1).acked
    signal.queue(account.key)
    client.answer(first)  # too late for this connection
    assert client.call("GET", "/v1/keepalive")["status"] == 200
    assert not signal.message(3).deliveries
    assert violated(signal)
    again = connect()
    assert again.expect_message()["body"] == first["body"]
    assert again.expect_message()["body"] == signal.message(3).envelope


def test_live_messages_wait_for_the_unanswered_one_and_then_come_as_a_batch(
    signal: SignalPeer, account: Account, connect: Connect
) -> None:
    client = connect()
    client.expect_queue_empty()
    signal.queue(account.key)
    first = client.expect_message()
    for _ in range(3):
        signal.queue(account.key)
    assert client.call("GET", "/v1/keepalive")["status"] == 200
    assert [len(signal.message(number).deliveries) for number in (1, 2, 3, 4)] == [1, 0, 0, 0]
    client.answer(first)
    assert [client.expect_message()["body"] for _ in range(3)] == [
        signal.message(number).envelope for number in (2, 3, 4)
    ]


def test_the_window_is_256_and_ordered(
    signal: SignalPeer, account: Account, connect: Connect
) -> None:
    for _ in range(300):
        signal.queue(account.key, size=10)
    client = connect()
    requests = [client.expect_message() for _ in range(256)]
    for request in requests[1:]:
        client.answer(request)
    assert client.call("GET", "/v1/keepalive")["status"] == 200
    assert not signal.message(257).deliveries
    client.answer(requests[0])
    for request in [client.expect_message() for _ in range(44)]:
        client.answer(request)
    client.expect_queue_empty()


def test_what_was_not_answered_comes_again_in_order(
    signal: SignalPeer, account: Account, connect: Connect
) -> None:
    signal.queue(account.key)
    signal.queue(account.key)
    client = connect()
    bodies = [client.expect_message()["body"] for _ in range(2)]
    client.close()
    again = connect()
    assert [again.expect_message()["body"] for _ in range(2)] == bodies


def test_a_newer_connection_displaces_with_4409_and_a_late_answer_still_deletes(
    signal: SignalPeer, account: Account, connect: Connect
) -> None:
    signal.queue(account.key)
    old = connect()
    request = old.expect_message()
    new = connect()
    assert new.expect_message()["body"] == request["body"]
    assert old.read_close() == (4409, "Connected elsewhere")
    old.answer(request)
    signal.wait_acked(1)
    assert len(signal.displacements) == 1


def test_other_devices_and_anonymous_sockets_do_not_displace(
    signal: SignalPeer, account: Account, connect: Connect, dial: Connect
) -> None:
    client = connect()
    client.expect_queue_empty()
    other = signal.new_account(device=3, uuid_text=account.uuid)
    assert dial().request(other.authorization())[0] == 101
    assert dial().request(None)[0] == 101
    assert client.call("GET", "/v1/keepalive")["status"] == 200
    assert not signal.displacements


def test_a_keepalive_without_subscription_gets_only_1000(
    signal: SignalPeer, account: Account, connect: Connect
) -> None:
    client = connect()
    client.expect_queue_empty()
    signal.set_behaviour(account.key, keepalive="close")
    client.send_message(signal_wire.server_request("GET", "/v1/keepalive", 1, [], None))
    assert client.read_close() == (1000, "OK")


def test_1011_comes_straight_after_the_101_on_demand(signal: SignalPeer, connect: Connect) -> None:
    signal.set_behaviour(after_open={"code": 1011, "reason": "Failed to retrieve messages"})
    assert connect().read_close() == (1011, "Failed to retrieve messages")


def test_an_unlinked_device_keeps_its_socket_but_gets_403_next_time(
    signal: SignalPeer, account: Account, connect: Connect, dial: Connect
) -> None:
    client = connect()
    client.expect_queue_empty()
    signal.remove_account(account.key)
    assert client.call("GET", "/v1/keepalive")["status"] == 200
    assert dial().request(account.authorization())[0] == 403
