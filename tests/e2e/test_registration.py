"""Registration as Molly does it (architecture.md "Registration", security.md 1 to 5), between the
strict Signal server and the fake push server.
"""

import json
from typing import Callable

import pytest

from lib.doorbell import MOLLY, Doorbell
from lib.push_peer import RING, TEST, PushPeer
from lib.signal_peer import SignalPeer, new_account

MakeDoorbell = Callable[..., Doorbell]


def rings_at(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer, key: str, endpoint: str
) -> None:
    """A message for this device rings this endpoint."""
    before = len(ntfy.rings(endpoint))
    number = signal.queue(key)
    ntfy.wait_rings(before + 1, endpoint)
    signal.wait_acked(number)


def assert_no_trace(doorbell: Doorbell, ntfy: PushPeer) -> None:
    assert doorbell.rows() == 0
    assert ntfy.connections == 0


def test_a_new_account_is_proven_stored_and_tested(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert doorbell.register(account, endpoint) == "ok"
    assert doorbell.rows() == 1
    assert [push.body for push in ntfy.wait_pushes(1)] == [TEST]
    rings_at(doorbell, signal, ntfy, account.key, endpoint)
    assert len(signal.handshakes) == 1


def test_the_handshake_says_what_signal_wants_and_nothing_more(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account = signal.new_account()
    assert doorbell.register(account, ntfy.endpoint()) == "ok"
    handshake = signal.handshakes[0]
    assert (handshake.method, handshake.target) == ("GET", "/v1/websocket/")
    assert {name.lower() for name, _ in handshake.headers} <= {
        "host",
        "upgrade",
        "connection",
        "sec-websocket-key",
        "sec-websocket-version",
        "authorization",
        "user-agent",
        "pragma",
        "cache-control",
    }
    assert (handshake.get("User-Agent") or "").startswith("Doorbell/")
    assert handshake.get("Authorization") == account.authorization()
    assert handshake.tls["server_name"] == "localhost"
    assert not signal.sessions[0].requests  # whoami would tell a phone number


@pytest.mark.parametrize("known", [True, False])
def test_wrong_credentials_are_forbidden_and_leave_no_trace(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer, known: bool
) -> None:
    stranger = new_account()
    if known:
        signal.add_account(stranger.uuid, stranger.device, "another password")
    assert doorbell.register(stranger, ntfy.endpoint()) == "forbidden"
    assert_no_trace(doorbell, ntfy)


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "nonsense",
        "ftp://ntfy.example/up",
        "https://",
        "http://ntfy.example/up123",
        "http://user:secret@ntfy.example/up",
        "https://ntfy.example:25/up",
        "https://127.0.0.1:{port}/up",
        "https://[::1]:{port}/up",
        "https://10.0.0.1/up",
        "https://[::ffff:127.0.0.1]:{port}/up",
        "https://2130706433:{port}/up",
        "https://localhost:{port}/up",
        "https://ntfy.example/" + "a" * 1000,
    ],
    ids=lambda endpoint: endpoint[:40],
)
def test_an_endpoint_that_policy_refuses_is_invalid_before_anybody_is_asked(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, endpoint: str
) -> None:
    doorbell = make_doorbell(signal__url=signal.url).start()
    assert (
        doorbell.register(signal.new_account(), endpoint.replace("{port}", str(ntfy.port)))
        == "invalid_endpoint"
    )
    assert not signal.handshakes
    assert_no_trace(doorbell, ntfy)


def test_an_account_id_that_is_none_or_not_allowed_is_an_invalid_uuid(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    allowed, other = signal.new_account(), signal.new_account()
    doorbell = make_doorbell(
        signal__url=signal.url,
        push__allowed_endpoints=[ntfy.origin],
        accounts__allowed=[allowed.uuid],
    ).start()
    assert doorbell.register(other, ntfy.endpoint()) == "invalid_uuid"
    other.uuid = "not-a-uuid"
    assert doorbell.register(other, ntfy.endpoint()) == "invalid_uuid"
    assert not signal.handshakes
    assert doorbell.register(allowed, ntfy.endpoint()) == "ok"


def test_the_same_data_again_is_answered_without_a_new_connection(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account, endpoint = signal.new_account(), ntfy.endpoint()
    for _ in range(20):
        assert doorbell.register(account, endpoint) == "ok"
    account.uuid = account.uuid.upper()  # spelling does not make another account
    assert doorbell.register(account, endpoint) == "ok"
    assert len(signal.handshakes) == 1
    assert doorbell.rows() == 1
    ntfy.wait_pushes(1)
    rings_at(doorbell, signal, ntfy, signal.sessions[0].device.key, endpoint)
    assert [push.body for push in ntfy.pushes] == [TEST, RING]


def test_the_same_data_with_ping_sends_a_test(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert doorbell.register(account, endpoint) == "ok"
    ntfy.wait_pushes(1)
    assert doorbell.register(account, endpoint, ping=True) == "ok"
    assert [push.body for push in ntfy.wait_pushes(2)] == [TEST, TEST]


def test_a_new_endpoint_is_rung_from_then_on_over_the_same_link(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account, first, second = signal.new_account(), ntfy.endpoint(), ntfy.endpoint()
    assert doorbell.register(account, first) == "ok"
    assert doorbell.register(account, second) == "ok"
    rings_at(doorbell, signal, ntfy, account.key, second)
    assert not ntfy.rings(first)
    assert len(signal.handshakes) == 1
    doorbell.stop()
    doorbell.start()
    signal.wait_connected(account, 2)
    rings_at(doorbell, signal, ntfy, account.key, second)


def test_a_second_device_stands_beside_the_first_until_that_one_is_refused(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    first, endpoint = signal.new_account(device=2), ntfy.endpoint()
    assert doorbell.register(first, endpoint) == "ok"
    second, other_endpoint = signal.new_account(device=3, uuid_text=first.uuid), ntfy.endpoint()
    assert doorbell.register(second, other_endpoint) == "ok"
    assert doorbell.rows() == 2
    assert signal.sessions_of(first)[-1].state == "open"
    rings_at(doorbell, signal, ntfy, first.key, endpoint)
    rings_at(doorbell, signal, ntfy, second.key, other_endpoint)


def test_new_credentials_of_the_same_device_take_over(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert doorbell.register(account, endpoint) == "ok"
    old_authorization = account.authorization()
    account.password = new_account().password
    signal.change_account(account.key, password=account.password)  # the old socket stays open
    assert doorbell.register(account, endpoint) == "ok"
    rings_at(doorbell, signal, ntfy, account.key, endpoint)
    assert [handshake.get("Authorization") for handshake in signal.handshakes] == [
        old_authorization,
        account.authorization(),
    ]
    assert doorbell.rows() == 1


def test_wrong_new_credentials_do_not_disturb_what_works(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert doorbell.register(account, endpoint) == "ok"
    attacker = new_account(device=account.device, uuid_text=account.uuid)
    stolen = ntfy.endpoint()
    assert doorbell.register(attacker, stolen) == "forbidden"
    rings_at(doorbell, signal, ntfy, account.key, endpoint)
    assert not ntfy.matching(lambda push: True, stolen)
    assert signal.sessions_of(account)[0].state == "open"


def test_a_messenger_that_hangs_is_an_internal_error_and_the_trial_goes_on(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make_doorbell(
        signal__url=signal.url,
        push__allowed_endpoints=[ntfy.origin],
        accounts__verdict="700ms",
        net__handshake_timeout="1500ms",
    ).start()
    account, endpoint = signal.new_account(), ntfy.endpoint()
    signal.set_behaviour(handshake="stall")
    assert doorbell.register(account, endpoint) == "internal_error"
    assert_no_trace(doorbell, ntfy)
    signal.reset_behaviour()
    signal.wait_connected(account)
    handshakes = len(signal.handshakes)
    signal.changed.wait_for(lambda: doorbell.has_logged("registered"), "the account's registration")
    assert doorbell.register(account, endpoint) == "ok"
    assert len(signal.handshakes) == handshakes


@pytest.mark.parametrize(
    "behaviour",
    [
        {"tcp": "silent"},
        {"tcp": "reset"},
        {"forget_authorization": True},
        {"backend_failing": True},
        {"deliver": False},
        {"reject": {"status": 403, "timestamp": False}},
        {"reject": {"status": 401}},
        {"reject": {"status": 404}},
        {"reject": {"status": 503}},
        {"reject": {"status": 429, "headers": {"Retry-After": "60"}}},
        {"after_open": {"code": 1011, "reason": "Failed to retrieve messages"}},
        {"after_open": {"end": "eof"}},
        {"after_open": {"end": "reset"}},
        {"after_open": {"end": "freeze"}},
    ],
    ids=str,
)
def test_what_is_no_verdict_is_an_internal_error_and_nothing_else(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, behaviour: dict
) -> None:
    doorbell = make_doorbell(
        signal__url=signal.url, push__allowed_endpoints=[ntfy.origin], accounts__verdict="700ms"
    ).start()
    signal.set_behaviour(**behaviour)
    assert doorbell.register(signal.new_account(), ntfy.endpoint()) == "internal_error"
    assert_no_trace(doorbell, ntfy)
    doorbell.stop()  # it tries once more
    signal.violations.clear()  # a 404 looks like the client's fault


def test_a_first_message_proves_a_link_as_well(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    signal.set_behaviour(queue_empty=False)
    account, endpoint = signal.new_account(), ntfy.endpoint()
    number = signal.queue(account.key)
    assert doorbell.register(account, endpoint) == "ok"
    ntfy.wait_rings(1, endpoint)
    signal.wait_acked(number)


def test_a_user_agent_that_is_refused_is_replaced_and_the_better_one_remembered(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    signal.set_behaviour(require_spqr=True)
    account, endpoint = signal.new_account(), ntfy.endpoint()
    signal.change_account(account.key, spqr=False)
    assert doorbell.register(account, endpoint) == "ok"
    assert [handshake.status for handshake in signal.handshakes] == [499, 101]
    assert (signal.handshakes[1].get("User-Agent") or "").startswith("Signal-Android/")
    signal.close(1001, "Container being shut down")
    signal.wait_connected(account, 2)
    assert [handshake.status for handshake in signal.handshakes] == [499, 101, 101]


def test_an_endpoint_serves_three_accounts_at_most(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    endpoint = ntfy.endpoint()
    for _ in range(3):
        assert doorbell.register(signal.new_account(), endpoint) == "ok"
    assert doorbell.register(signal.new_account(), endpoint) == "invalid_endpoint"
    assert doorbell.rows() == 3


def test_accounts_come_back_after_a_restart(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    accounts = [(signal.new_account(), ntfy.endpoint()) for _ in range(5)]
    for account, endpoint in accounts:
        assert doorbell.register(account, endpoint) == "ok"
    doorbell.stop()
    doorbell.start()
    for account, endpoint in accounts:
        signal.wait_connected(account, 2)
        rings_at(doorbell, signal, ntfy, account.key, endpoint)


def test_molly_finds_the_server_and_a_browser_gets_a_page(doorbell: Doorbell) -> None:
    for path, agent in (("/", MOLLY), ("/discover", "curl/8")):
        status, headers, body = doorbell.request("GET", path, headers={"User-Agent": agent})
        assert status == 200 and headers["content-type"].startswith("application/json")
        assert isinstance(json.loads(body)["mollysocket"]["version"], str)
    status, headers, body = doorbell.request("GET", "/", headers={"User-Agent": "Mozilla/5.0"})
    assert status == 200 and headers["content-type"].startswith("text/html")
    assert b"mollysocket://link?" in body


@pytest.mark.parametrize(
    "body, expected",
    [
        (b"{", 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"uuid":1}', 422),
        (b"x" * (1 << 20), 413),
    ],
    ids=["cut", "list", "empty", "types", "1 MiB"],
)
def test_what_is_no_registration_is_told_by_status(
    doorbell: Doorbell, body: bytes, expected: int
) -> None:
    status, _, _ = doorbell.request(
        "POST", "/", body, {"Content-Type": "application/json", "User-Agent": MOLLY}
    )
    assert status == expected


@pytest.mark.parametrize("named", [True, False])
def test_a_stranger_is_stopped_where_the_proxy_names_him_and_else_all_have_more(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer, named: bool
) -> None:
    """All phones of a server may link anew on the same day, whatever its proxy tells."""
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "X-Forwarded-Proto": "https",
        **({"X-Forwarded-For": "198.51.100.7"} if named else {}),
    }
    said = []
    for _ in range(35):
        body = doorbell.registration(new_account(), ntfy.endpoint())
        answer = doorbell.request("POST", "/", body, headers)[2]
        said.append(json.loads(answer)["mollysocket"]["status"])
    assert said[:30] == ["forbidden"] * 30
    assert ("internal_error" in said[30:]) == named
