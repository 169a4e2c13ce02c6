"""The delivery guarantee (architecture.md): what waits is rung for, and is called delivered only
when the endpoint took the ring or the debt is on disk. Between the strict Signal server and the
fake push server.
"""

from pathlib import Path
from typing import Callable

import pytest

import signal_wire
from lib.certs import Authority
from lib.doorbell import Doorbell
from lib.linked import Linked
from lib.push_peer import CONTESTED, RING, PushPeer
from lib.signal_peer import SignalPeer

MakeDoorbell = Callable[..., Doorbell]


@pytest.fixture
def linked(doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer) -> Linked:
    return Linked(doorbell, signal, ntfy)


@pytest.fixture
def make_linked(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> Callable[..., Linked]:
    def make(**settings: object) -> Linked:
        doorbell = make_doorbell(
            signal__url=signal.url, push__allowed_endpoints=[ntfy.origin], **settings
        ).start()
        return Linked(doorbell, signal, ntfy)

    return make


# What rings


@pytest.mark.parametrize("urgent", [True, None], ids=["urgent", "urgent by default"])
def test_an_urgent_message_is_one_exact_post(linked: Linked, urgent: object) -> None:
    number = linked.queue(urgent=urgent)
    ring = linked.wait_rings(1)[0]
    linked.signal.wait_acked(number)
    assert (ring.method, ring.body) == ("POST", RING)
    assert ring.target == linked.endpoint[len(linked.ntfy.origin) :]
    assert {
        name: ring.get(name)
        for name in (
            "Host",
            "Content-Type",
            "Content-Encoding",
            "TTL",
            "Urgency",
            "Topic",
            "Content-Length",
            "Expect",
            "Transfer-Encoding",
            "Location",
        )
    } == {
        "Host": f"localhost:{linked.ntfy.port}",
        "Content-Type": "application/json",
        "Content-Encoding": "aes128gcm",
        "TTL": "2592000",
        "Urgency": "high",
        "Topic": "mollysocket",
        "Content-Length": str(len(RING)),
        "Expect": None,
        "Transfer-Encoding": None,
        "Location": None,
    }
    assert linked.tests()[0].get("Topic") == "test"
    linked.expect_rings_in_all(1)


def test_what_is_not_urgent_is_answered_without_a_ring(linked: Linked) -> None:
    numbers = [linked.queue(urgent=False) for _ in range(20)]
    linked.signal.wait_acked(*numbers)
    linked.expect_rings_in_all(0)


def test_copies_of_what_the_phone_itself_sent_are_silent_those_of_other_devices_ring(
    linked: Linked,
) -> None:
    own = linked.account.uuid
    linked.signal.wait_acked(linked.queue(source=own, source_device=1, type=1))
    linked.signal.wait_acked(linked.queue(source=own, source_device=4, type=1))
    assert len(linked.rings()) == 1
    other = linked.signal.new_account()
    linked.signal.wait_acked(linked.queue(source=other.uuid, source_device=1, type=1))
    linked.expect_rings_in_all(2)
    told = linked.doorbell.command("connection", "list", "--timeline").stdout
    events = [line.split("  ", 3)[-1] for line in told.splitlines() if line.startswith("    ")]
    assert events[2:7] == [
        "own message, not rung",
        "message waits",
        "rang, answer 200",
        "message waits",
        "rang, answer 200",
    ], told


@pytest.mark.parametrize(
    "details",
    [
        {"order": "reversed", "request_order": "reversed"},
        {"order": [14, 8, 1]},
        {"order": [8, 14]},
        {"request_order": [3, 4, 1]},
        {
            "extra": [[99, "00" * 5000], [100, 2**63], [15, b"x".hex()]],
            "request_extra": [[77, "ff" * 300]],
        },
        {"request_id": 0},
        {"request_id": 2**63 - 1},
        {"size": None},
        {"size": 0},
        {"envelope": ""},
        {"envelope": "ff" * 40},
    ],
    ids=str,
)
def test_a_message_of_unusual_form_rings_and_is_answered(linked: Linked, details: dict) -> None:
    number = linked.queue(**details)
    linked.wait_rings(1)
    linked.signal.wait_acked(number)
    linked.expect_rings_in_all(1)


def test_a_message_to_a_path_that_nobody_knows_yet_rings_and_the_log_says_so(linked: Linked) -> None:
    number = linked.queue(path="/api/v2/messages/sealed")
    linked.wait_rings(1)
    linked.signal.wait_acked(number)
    quiet = linked.queue(path="/api/v2/messages/sealed", urgent=False)
    linked.signal.wait_acked(quiet)
    linked.expect_rings_in_all(1)
    said = "requests that this version of Doorbell does not know"
    assert sum(said in line for line in linked.doorbell.output()) == 1


@pytest.mark.parametrize("frame_max", [65536, 1000])
def test_a_message_of_a_mebibyte_in_fragments_rings(linked: Linked, frame_max: int) -> None:
    linked.signal.set_behaviour(frame_max=frame_max)
    for order in (None, [14, 1, 8], [8, 14]):
        linked.signal.wait_acked(linked.queue(size=1 << 20, order=order))
    silent = linked.queue(size=1 << 20, urgent=False)
    linked.signal.wait_acked(silent)
    linked.expect_rings_in_all(3)


# Acknowledging


def test_an_answer_goes_out_only_after_the_endpoint_took_the_ring(linked: Linked) -> None:
    linked.ntfy.answer_with("hang", times=1)
    number = linked.queue()
    ring = linked.wait_rings(1)[0]
    silent = linked.signal.new_account()  # something else that goes on meanwhile
    assert linked.doorbell.register(silent, linked.ntfy.endpoint()) == "ok"
    assert not linked.is_acked(number)
    linked.ntfy.release(201)
    linked.signal.wait_acked(number)
    assert linked.signal.message(number).acked >= ring.answered
    linked.expect_rings_in_all(1)


def test_a_burst_shares_rings_and_what_came_after_the_first_one_gets_another(
    linked: Linked,
) -> None:
    linked.ntfy.answer_with("hang", times=1)
    first = linked.queue()
    linked.wait_rings(1)
    rest = [linked.queue() for _ in range(30)]
    linked.ntfy.release(200)
    linked.signal.wait_acked(first, *rest)
    linked.wait_rings(2)
    assert linked.rings()[1].time > linked.rings()[0].answered
    linked.expect_rings_in_all(2)


def test_rings_of_one_account_keep_their_distance(linked: Linked) -> None:
    for _ in range(3):
        linked.signal.wait_acked(linked.queue())
    times = [ring.time for ring in linked.rings()]
    assert len(times) == 3
    assert all(later - earlier >= 0.2 for earlier, later in zip(times, times[1:]))


def test_the_hold_time_ends_in_a_debt_and_only_then_in_an_answer(
    make_linked: Callable[..., Linked],
) -> None:
    linked = make_linked(push__hold="500ms", push__timeout="10s")
    linked.ntfy.answer_with("hang")
    number = linked.queue()
    linked.wait_rings(1)
    linked.signal.wait_acked(number)
    assert linked.doorbell.debts() == 1
    linked.ntfy.answer_with(200)
    linked.ntfy.release(200)
    linked.signal.changed.wait_for(lambda: linked.rings()[0].answered, "the ring's answer")
    linked.expect_rings_in_all(1)
    linked.doorbell.stop()  # which writes what is queued
    assert linked.doorbell.debts() == 0


def test_a_ring_that_is_blurred_is_owed_meanwhile_and_after_a_restart_due(
    make_linked: Callable[..., Linked],
) -> None:
    linked = make_linked(push__jitter="1h", push__hold="300ms")
    linked.signal.wait_acked(linked.queue())
    assert linked.doorbell.debts() == 1
    assert linked.rings() == []
    linked.doorbell.kill()
    linked.doorbell.start()
    linked.wait_rings(1)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_debt_rings_again_after_a_restart(make_linked: Callable[..., Linked], how: str) -> None:
    linked = make_linked(push__hold="300ms", push__timeout="10s")
    linked.ntfy.answer_with("hang")
    number = linked.queue()
    linked.signal.wait_acked(number)
    getattr(linked.doorbell, how)()
    linked.ntfy.answer_with(200)
    before = len(linked.rings())
    linked.doorbell.start()
    linked.wait_rings(before + 1)
    linked.signal.wait_connected(linked.account, 2)
    linked.expect_rings_in_all(before + 1)


def test_a_crash_before_the_answer_leaves_the_message_to_signal(linked: Linked) -> None:
    linked.ntfy.answer_with("hang")
    number = linked.queue()
    linked.wait_rings(1)
    linked.doorbell.kill()
    assert not linked.is_acked(number)
    linked.ntfy.answer_with(200)
    linked.doorbell.start()
    linked.wait_rings(2)
    linked.signal.wait_acked(number)
    assert len(linked.signal.message(number).deliveries) == 2


def test_300_messages_queued_at_connect_are_drained_behind_a_debt(
    make_linked: Callable[..., Linked],
) -> None:
    linked = make_linked()
    linked.doorbell.stop()
    numbers = [linked.queue(size=2000) for _ in range(300)]
    linked.ntfy.answer_with("hang")  # no ring helps: only the debt can
    linked.doorbell.start()
    linked.signal.wait_acked(*numbers)
    linked.signal.wait_connected(linked.account, 2)
    assert linked.doorbell.debts() == 1
    linked.wait_rings(1)
    linked.ntfy.answer_with(200)
    linked.ntfy.release(200)
    linked.signal.changed.wait_for(lambda: linked.rings()[0].answered, "the ring's answer")
    linked.wait_rings(2)  # for what was drained after the first ring's request
    linked.signal.wait_acked(linked.queue())


def test_a_message_that_was_not_answered_comes_again_and_is_rung_for(linked: Linked) -> None:
    linked.ntfy.answer_with("hang", times=1)
    number = linked.queue()
    linked.wait_rings(1)
    linked.signal.end("reset", linked.account.key)
    linked.signal.changed.wait_for(
        lambda: len(linked.signal.message(number).deliveries) == 2, "the second delivery"
    )
    linked.ntfy.release(503)
    linked.wait_rings(2)
    linked.signal.wait_acked(number)


# The endpoint's answers


@pytest.mark.parametrize("answer", [500, "eof", "reset", "garbage"], ids=str)
def test_a_failed_ring_is_tried_again_until_it_is_taken(linked: Linked, answer: object) -> None:
    linked.ntfy.answer_with(answer, times=2)
    number = linked.queue()
    linked.wait_rings(3)
    linked.signal.wait_acked(number)


@pytest.mark.parametrize("answer", ["slow", "endless_headers", "endless_body"])
def test_an_answer_without_end_is_cut_off(make_linked: Callable[..., Linked], answer: str) -> None:
    linked = make_linked(push__timeout="1s", push__hold="2s")
    linked.ntfy.answer_with(answer, times=1)
    number = linked.queue()
    ring = linked.wait_rings(1)[0]
    linked.signal.changed.wait_for(
        lambda: ring.connection not in linked.ntfy.open_connections, "the end of the connection"
    )
    linked.signal.wait_acked(number)


@pytest.mark.parametrize("answer", [42901, 50701, 42908, 40301, 404, 410, 302], ids=str)
def test_an_endpoint_that_asks_for_patience_is_not_hurried(
    make_linked: Callable[..., Linked], answer: int
) -> None:
    linked = make_linked(push__hold="500ms")
    linked.ntfy.answer_with(answer)
    first = linked.queue()
    linked.wait_rings(1)
    linked.signal.wait_acked(first)
    second = linked.queue()
    linked.signal.wait_acked(second)  # behind the debt
    assert len(linked.rings()) == 1
    assert linked.doorbell.debts() == 1


@pytest.mark.parametrize("answer", [403, 404, 410, 50701])
def test_a_new_endpoint_gets_the_ring_that_is_owed(
    make_linked: Callable[..., Linked], answer: int
) -> None:
    linked = make_linked(push__hold="300ms")
    linked.ntfy.answer_with(answer)
    linked.signal.wait_acked(linked.queue())
    linked.ntfy.answer_with(200)
    new = linked.ntfy.endpoint()
    assert linked.doorbell.register(linked.account, new) == "ok"
    linked.ntfy.wait_rings(1, new)
    assert len(linked.signal.handshakes) == 1


@pytest.mark.parametrize("answer", [403, 40301, 404, 40401, 410])
def test_an_endpoint_that_is_refused_costs_no_account_its_link(
    make_linked: Callable[..., Linked], answer: int
) -> None:
    linked = make_linked(push__hold="300ms")
    doorbell = linked.doorbell
    linked.ntfy.answer_with(answer)
    linked.signal.wait_acked(linked.queue())
    for life in (1, 2):
        doorbell.changes.wait_for(
            lambda: doorbell.has_logged("connected to Signal."), f"the link of life {life}"
        )
        listed = doorbell.command("connection", "list").stdout
        assert f"{linked.account.uuid}  device {linked.account.device}  up  " in listed, listed
        assert doorbell.register(linked.account, linked.endpoint) == "ok"
        assert doorbell.debts() == 1
        if life == 1:
            doorbell.stop()
            doorbell.start()
    before = len(linked.rings())
    linked.ntfy.answer_with(200)
    ping = doorbell.command("connection", "ping", linked.account.uuid)
    assert ping.returncode == 0, ping.stderr
    linked.wait_rings(before + 1)  # what was owed
    linked.signal.wait_acked(linked.queue())


def test_no_redirect_is_followed(linked: Linked) -> None:
    elsewhere = linked.ntfy.endpoint()
    linked.ntfy.answer_with({"status": 307, "headers": {"Location": elsewhere}}, times=1)
    linked.queue()
    linked.wait_rings(1)
    other = linked.signal.new_account()
    assert linked.doorbell.register(other, linked.ntfy.endpoint()) == "ok"
    linked.ntfy.wait_pushes(3)
    assert not linked.ntfy.matching(lambda push: True, elsewhere)


def test_one_endpoint_that_hangs_does_not_hold_up_another(linked: Linked) -> None:
    other = Linked(linked.doorbell, linked.signal, linked.ntfy)
    slow = linked.endpoint[len(linked.ntfy.origin) :].partition("?")[0].strip("/")
    linked.ntfy.answer_with("hang", topic=slow)
    held = linked.queue()
    linked.wait_rings(1)
    other.signal.wait_acked(other.queue())
    assert not linked.is_acked(held)
    linked.ntfy.answer_with(200, topic=slow)
    linked.ntfy.release(200)
    linked.signal.wait_acked(held)


def test_a_ring_that_hangs_does_not_hold_up_its_own_link(
    make_linked: Callable[..., Linked],
) -> None:
    linked = make_linked(
        signal__keepalive="100ms", signal__keepalive_timeout="400ms", push__hold="300ms"
    )
    linked.ntfy.answer_with("hang", times=1)
    linked.signal.wait_acked(linked.queue())  # behind a debt: the server sends no other before
    session = linked.signal.sessions_of(linked.account)[0]
    before = len(session.keepalives)
    linked.signal.wait_acked(linked.queue(urgent=False))
    linked.signal.changed.wait_for(
        lambda: len(session.keepalives) >= before + 8, "more keep-alives than fit into the time-out"
    )
    linked.signal.ping(linked.account.key, b"still there".hex())
    linked.signal.changed.wait_for(lambda: session.pongs == [b"still there"], "the pong")
    (ring,) = linked.rings()
    assert session.state == "open" and not ring.answered
    linked.ntfy.release(200)
    linked.expect_rings_in_all(1)
    assert len(linked.signal.handshakes) == 1


# Links


@pytest.mark.parametrize(
    "end",
    [
        lambda signal, key: signal.shut_down(),
        lambda signal, key: signal.close(1011, "Failed to retrieve messages"),
        lambda signal, key: signal.close(1000, "OK"),
        lambda signal, key: signal.end("eof"),
        lambda signal, key: signal.end("reset"),
    ],
    ids=["1001", "1011", "1000", "eof", "reset"],
)
def test_a_link_that_ended_is_made_again_and_rings(linked: Linked, end: Callable) -> None:
    end(linked.signal, linked.account.key)
    linked.signal.wait_connected(linked.account, 2)
    linked.signal.wait_acked(linked.queue())
    linked.expect_rings_in_all(1)


@pytest.mark.parametrize(
    "trouble",
    [
        lambda signal, key: signal.end("freeze"),
        lambda signal, key: signal.set_behaviour(keepalive="ignore"),
        lambda signal, key: signal.set_behaviour(keepalive="close"),
    ],
    ids=["frozen network", "unanswered", "lost subscription"],
)
def test_a_link_that_only_looks_alive_is_found_out_and_made_again(
    make_linked: Callable[..., Linked], trouble: Callable
) -> None:
    linked = make_linked(signal__keepalive="200ms", signal__keepalive_timeout="400ms")
    trouble(linked.signal, linked.account.key)
    linked.signal.wait_connected(linked.account, 2)
    linked.signal.reset_behaviour()
    linked.signal.changed.wait_for(
        lambda: any(session.state == "open" for session in linked.signal.sessions_of(linked.account)),
        "a live link",
    )
    linked.signal.wait_acked(linked.queue())


def test_keepalives_keep_a_quiet_link_up(
    make_linked: Callable[..., Linked], signal: SignalPeer
) -> None:
    signal.set_behaviour(idle_seconds=4.0)
    linked = make_linked(signal__keepalive="300ms")
    session = signal.sessions_of(linked.account)[0]
    signal.changed.wait_for(lambda: len(session.keepalives) >= 16, "sixteen keepalives")
    assert session.state == "open" and len(signal.sessions) == 1
    assert {(request.verb, request.path) for request in session.requests} == {
        ("GET", "/v1/keepalive")
    }


def test_a_ping_of_the_server_is_answered(linked: Linked) -> None:
    linked.signal.ping(linked.account.key, b"are you there".hex())
    session = linked.signal.sessions_of(linked.account)[0]
    linked.signal.changed.wait_for(lambda: session.pongs == [b"are you there"], "the pong")


def test_a_device_that_somebody_else_uses_tells_the_phone_once_and_comes_back(
    linked: Linked,
) -> None:
    for displaced in range(1, 4):
        linked.signal.close(4409, "Connected elsewhere", linked.account.key)
        linked.signal.wait_connected(linked.account, displaced + 1)
    linked.signal.wait_acked(linked.queue())
    linked.signal.changed.wait_for(
        lambda: linked.ntfy.matching(lambda push: push.body == CONTESTED), "the word to the phone"
    )
    linked.expect_rings_in_all(1)
    contested = linked.ntfy.matching(lambda push: push.body == CONTESTED)
    assert len(contested) == 1 and contested[0].get("Topic") == "4409"


def test_a_revoked_device_is_reported_forbidden_after_two_refusals(
    make_linked: Callable[..., Linked],
) -> None:
    linked = make_linked(signal__refused_confirm="200ms")
    linked.signal.remove_account(linked.account.key)
    linked.signal.revoke(linked.account.key)
    linked.signal.changed.wait_for(
        lambda: [
            handshake.status for handshake in linked.signal.handshakes_of(linked.account)
        ].count(403)
        >= 2,
        "two refusals",
    )
    linked.signal.changed.wait_for(
        lambda: linked.doorbell.has_logged("was probably unlinked"),
        "the word that the device was unlinked",
    )
    assert linked.doorbell.register(linked.account, linked.endpoint) == "forbidden"


@pytest.mark.parametrize(
    "status, timestamp", [(403, False), (500, True), (503, False), (429, False)]
)
def test_a_refusal_that_is_not_signals_word_on_the_credentials_ends_nothing(
    linked: Linked, status: int, timestamp: bool
) -> None:
    linked.signal.set_behaviour(reject={"status": status, "timestamp": timestamp, "times": 3})
    linked.signal.end("eof")
    linked.signal.wait_connected(linked.account, 2)
    linked.signal.wait_acked(linked.queue())
    linked.expect_rings_in_all(1)


@pytest.mark.parametrize(
    "data",
    [
        b"\x08\x01",
        b"\xff" * 20,
        b"\x08\x01\x12\x7f",
        signal_wire.message([(2, bytes(2 * 1024 * 1024))]),
    ],
    ids=["no request", "garbage", "cut off", "garbage of 2 MiB"],
)
def test_a_message_that_cannot_be_read_ends_the_link_with_1007(linked: Linked, data: bytes) -> None:
    linked.signal.send_message(linked.account.key, data.hex())
    linked.signal.wait_connected(linked.account, 2)
    first = linked.signal.sessions_of(linked.account)[0]
    assert first.client_close and first.client_close[0] == 1007


def test_a_message_of_more_than_two_mebibytes_ends_the_link_with_1009(linked: Linked) -> None:
    too_long = signal_wire.message([(1, signal_wire.REQUEST), (99, bytes(2 * 1024 * 1024))])
    linked.signal.send_message(linked.account.key, too_long.hex())
    linked.signal.wait_connected(linked.account, 2)
    first = linked.signal.sessions_of(linked.account)[0]
    assert first.client_close and first.client_close[0] == 1009


def test_a_server_with_a_foreign_certificate_gets_no_credentials(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, tmp_path: Path
) -> None:
    foreign = Authority(tmp_path)
    doorbell = make_doorbell(
        signal__url=signal.url,
        signal__ca_file=str(foreign.file),
        push__allowed_endpoints=[ntfy.origin],
        accounts__verdict="1s",
    ).start()
    assert doorbell.register(signal.new_account(), ntfy.endpoint()) == "internal_error"
    signal.changed.wait_for(lambda: signal.tls_failures, "the alert")
    assert not signal.handshakes


def test_it_says_goodbye_when_it_stops(linked: Linked) -> None:
    linked.doorbell.stop()
    session = linked.signal.sessions_of(linked.account)[0]
    linked.signal.changed.wait_for(lambda: session.ended, "the end of the link")
    assert session.client_close and session.client_close[0] == 1000
