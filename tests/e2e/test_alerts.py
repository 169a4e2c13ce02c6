"""What an operator is told, by a real receiver over TLS: one message when something needs him, one
when it is over, and a heartbeat while all is well.
"""

import base64
import json
import re
import resource
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

import pytest

from lib.background import Background, Changes
from lib.certs import Authority, Leaf
from lib.doorbell import Doorbell
from lib.ports import free_port
from lib.push_peer import PushPeer
from lib.receiver import ALERTS, HEARTBEATS, TOKEN, Receiver
from lib.signal_peer import Account, SignalPeer

MakeDoorbell = Callable[..., Doorbell]
REFUSED, ACCEPTED = "account refused", "account no longer refused"
NOT_RUNG, RUNG = "account cannot be rung", "account can be rung again"
CONTESTED = "account contested"
REDIRECT = {"status": 307, "headers": {"Location": "/elsewhere"}}
# A file that would grow beyond its limit is an error like a full disk, if the signal is ignored.
MAY_FILL_DISK = ["sh", "-c", 'trap "" XFSZ; exec "$@"', "sh"]


@pytest.fixture
def make(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> Iterator[Callable[..., Doorbell]]:
    """Running, with these settings on top of what is needed. No message may tell a secret, and no
    log where messages go."""
    made: list[Doorbell] = []

    def start(launcher: Sequence[str] = (), **settings: Any) -> Doorbell:
        needed = {
            "signal__url": signal.url,
            "signal__refused_confirm": "50ms",
            "push__allowed_endpoints": [ntfy.origin],
            "alert__url": receiver.url,
            "alert__interval": "50ms",
            "alert__retry_min": "50ms",
            "alert__retry_max": "200ms",
        }
        doorbell = make_doorbell(**{**needed, **settings})
        doorbell.launcher = list(launcher)
        doorbell.secrets |= {ALERTS, HEARTBEATS, TOKEN}
        made.append(doorbell)
        return doorbell.start()

    yield start
    secrets = {secret for doorbell in made for secret in doorbell.secrets}
    for push in receiver.alerts():
        told = push.body.decode() + (push.get("Title") or "")
        assert not [secret for secret in secrets if secret in told], told


def registered(doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer) -> tuple[Account, str]:
    """Connected, and its test push has been answered."""
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert doorbell.register(account, endpoint) == "ok"
    signal.wait_connected(account)
    signal.changed.wait_for(
        lambda: any(push.answered for push in ntfy.matching(lambda push: True, endpoint)),
        "the answer to the test push",
    )
    return account, endpoint


def unlink(signal: SignalPeer, account: Account) -> None:
    signal.remove_account(account.key)
    signal.revoke(account.key)


def link_again(signal: SignalPeer, account: Account) -> None:
    signal.add_account(account.uuid, account.device, account.password)


def wait_told(doorbell: Doorbell, title: str, times: int = 1) -> None:
    said = f"The operator was told: {title}."
    doorbell.changes.wait_for(
        lambda: len([line for line in doorbell.output() if said in line]) >= times, said
    )


def test_an_account_that_is_refused_is_one_message_and_one_when_it_is_let_in_again(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make(signal__refused_retry="100ms", alert__token=TOKEN)
    registered(doorbell, signal, ntfy)
    account = registered(doorbell, signal, ntfy)[0]
    receiver.answer_with("endless_body", times=1)  # taken, and cut off
    unlink(signal, account)
    receiver.wait_titles(REFUSED)
    assert receiver.text().startswith("Signal does not accept account ")
    assert "link the app again" in receiver.text()
    alert = receiver.alerts()[0]
    assert (alert.method, alert.get("Priority"), alert.get("Tags")) == ("POST", "high", "warning")
    assert alert.get("Authorization") == f"Bearer {TOKEN}"
    tries = len(signal.handshakes_of(account))
    signal.changed.wait_for(  # it is refused again and again, which is no news
        lambda: len(signal.handshakes_of(account)) > tries + 3, "more refusals"
    )
    link_again(signal, account)
    receiver.wait_titles(REFUSED, ACCEPTED)
    assert receiver.alerts()[1].get("Priority") == "default"
    unlink(signal, account)
    receiver.wait_titles(REFUSED, ACCEPTED, REFUSED)


def test_a_restart_neither_repeats_a_message_nor_forgets_the_one_that_it_is_over(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make(signal__refused_retry="100ms")
    account = registered(doorbell, signal, ntfy)[0]
    unlink(signal, account)
    doorbell.changes.wait_for(
        lambda: doorbell.has_logged("The operator was told: account refused."), "the alert"
    )
    doorbell.stop()
    doorbell.start()
    tries = len(signal.handshakes_of(account))
    signal.changed.wait_for(
        lambda: len(signal.handshakes_of(account)) > tries + 1, "refusals after the restart"
    )
    link_again(signal, account)
    receiver.wait_titles(REFUSED, ACCEPTED)


def test_what_was_not_told_before_a_restart_is_told_after_it(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make()
    one, other, third = (registered(doorbell, signal, ntfy)[0] for _ in range(3))
    unlink(signal, one)
    wait_told(doorbell, REFUSED)
    unlink(signal, other)  # the summary of which would come in an hour
    given_up = "The device was probably unlinked"
    doorbell.changes.wait_for(
        lambda: len([line for line in doorbell.output() if given_up in line]) == 2, "the refusal"
    )
    doorbell.stop()
    doorbell.start()
    receiver.wait_titles(REFUSED, REFUSED)
    assert "Signal does not accept account " in receiver.text()
    assert receiver.text().endswith("In all it is so for 2.")
    wait_told(doorbell, REFUSED, 2)
    signal.wait_connected(third, 2)
    doorbell.stop()
    doorbell.start()
    signal.wait_connected(third, 3)
    signal.close(4409, "Connected elsewhere", third.key)
    receiver.wait_titles(REFUSED, REFUSED, CONTESTED)  # nothing was told twice


def test_an_address_that_another_one_stood_in_for_hears_no_end_of_old(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make(signal__refused_retry="100ms")
    one, other = (registered(doorbell, signal, ntfy)[0] for _ in range(2))
    unlink(signal, one)
    wait_told(doorbell, REFUSED)
    doorbell.reload(alert__url=receiver.url + "&by=reload")
    wait_told(doorbell, REFUSED, 2)
    link_again(signal, one)
    wait_told(doorbell, ACCEPTED)
    doorbell.stop()
    doorbell.settings["alert.url"] = receiver.url
    doorbell.start()
    signal.wait_connected(one, 3)
    signal.wait_connected(other, 2)
    signal.close(4409, "Connected elsewhere", other.key)
    receiver.wait_titles(REFUSED, REFUSED, ACCEPTED, CONTESTED)


def test_another_address_for_alerts_is_told_what_stands(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make()
    one, other = (registered(doorbell, signal, ntfy)[0] for _ in range(2))
    unlink(signal, one)
    wait_told(doorbell, REFUSED)
    doorbell.reload(alert__url=receiver.url + "&by=reload")
    receiver.wait_titles(REFUSED, REFUSED)
    wait_told(doorbell, REFUSED, 2)
    doorbell.stop()
    doorbell.settings["alert.url"] = receiver.url + "&by=restart"
    doorbell.start()
    receiver.wait_titles(REFUSED, REFUSED, REFUSED)
    wait_told(doorbell, REFUSED, 3)
    doorbell.reload()
    signal.wait_connected(other, 2)
    signal.close(4409, "Connected elsewhere", other.key)
    receiver.wait_titles(REFUSED, REFUSED, REFUSED, CONTESTED)


@pytest.mark.parametrize("then", ["refused", "removed"])
def test_an_account_that_goes_is_not_told_as_rung(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver, then: str
) -> None:
    doorbell = make()
    account, endpoint = registered(doorbell, signal, ntfy)
    other = registered(doorbell, signal, ntfy)[0]
    ntfy.answer_with(410)
    signal.queue(account.key)
    receiver.wait_titles(NOT_RUNG)
    if then == "removed":
        assert doorbell.command("connection", "remove", account.uuid).returncode == 0
        receiver.wait_titles(NOT_RUNG, RUNG)
        assert "taken again, or removed or disabled here" in receiver.text()
        return
    unlink(signal, account)
    receiver.wait_titles(NOT_RUNG, REFUSED)
    signal.close(4409, "Connected elsewhere", other.key)
    receiver.wait_titles(NOT_RUNG, REFUSED, CONTESTED)


def test_contention_is_not_over_because_the_network_or_the_server_went(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make(signal__contested_min="50ms", alert__after="50ms")
    account, other = (registered(doorbell, signal, ntfy)[0] for _ in range(2))
    signal.close(4409, "Connected elsewhere", account.key)
    wait_told(doorbell, CONTESTED)
    signal.wait_connected(account, 2)
    signal.end("eof", account.key)
    signal.wait_connected(account, 3)
    doorbell.stop()
    doorbell.start()
    signal.wait_connected(account, 4)
    unlink(signal, other)
    wait_told(doorbell, REFUSED)
    receiver.wait_titles(CONTESTED, REFUSED)
    doorbell.reload(signal__contested_end="50ms")
    receiver.wait_titles(CONTESTED, REFUSED, "account no longer contested")


def test_an_endpoint_that_is_gone_is_one_message_until_there_is_another(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make()
    account, endpoint = registered(doorbell, signal, ntfy)
    ntfy.answer_with(410)
    signal.queue(account.key)
    receiver.wait_titles(NOT_RUNG)
    assert f": {ntfy.origin}" in receiver.text()
    ntfy.answer_with(200)
    assert doorbell.register(account, ntfy.endpoint()) == "ok"
    receiver.wait_titles(NOT_RUNG, RUNG)


def test_a_ring_that_is_overdue_is_one_message_until_it_is_taken(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make(push__hold="50ms", push__breaker_failures=1000, alert__after="200ms")
    account, endpoint = registered(doorbell, signal, ntfy)
    ntfy.stop_listening()  # what its origin is held back for is overdue, too
    ntfy.drop_connections()
    signal.queue(account.key)
    receiver.wait_titles(NOT_RUNG)
    ntfy.listen_again()
    ntfy.wait_rings(1, endpoint)
    receiver.wait_titles(NOT_RUNG, RUNG)


def test_an_endpoint_that_refuses_pushes_is_told_before_one_is_overdue(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make(alert__after="200ms")
    account, endpoint = signal.new_account(), ntfy.endpoint()
    ntfy.answer_with(40301)
    assert doorbell.register(account, endpoint, ping=True) == "ok"
    receiver.wait_titles(NOT_RUNG)
    ntfy.answer_with(200)
    assert doorbell.register(account, endpoint, ping=True) == "ok"
    receiver.wait_titles(NOT_RUNG, RUNG)


def test_no_link_is_one_message_and_stops_the_heartbeat_until_there_is_one(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make(
        health__links_down_after="200ms",
        alert__heartbeat_url=receiver.heartbeat_url,
        alert__heartbeat_interval="50ms",
    )
    for _ in range(3):
        registered(doorbell, signal, ntfy)
    receiver.changed.wait_for(lambda: receiver.beats() >= 3, "heartbeats")
    signal.stop_listening()
    signal.end("eof")
    receiver.wait_titles("not connected")
    beats = receiver.beats()
    tries = len([line for line in doorbell.output() if "not connected (" in line])
    doorbell.changes.wait_for(
        lambda: len([line for line in doorbell.output() if "not connected (" in line]) > tries + 6,
        "more tries to connect",
    )
    assert receiver.beats() <= beats + 1  # one may have been under way
    signal.listen_again()
    receiver.wait_titles("not connected", "connected again")
    beats = receiver.beats()
    receiver.changed.wait_for(lambda: receiver.beats() >= beats + 3, "heartbeats again")


def test_nobody_is_told_that_links_are_up_when_one_trouble_follows_another(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make(signal__refused_confirm="10m", health__links_down_after="200ms")
    accounts = [registered(doorbell, signal, ntfy)[0] for _ in range(3)]
    signal.stop_listening()
    signal.end("eof")
    receiver.wait_titles("not connected")
    for account in accounts:
        signal.remove_account(account.key)
    signal.listen_again()
    receiver.wait_titles("not connected", "accounts refused alike")


def test_no_link_is_over_when_the_last_account_is_removed(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make(health__links_down_after="200ms")
    account = registered(doorbell, signal, ntfy)[0]
    signal.stop_listening()
    signal.end("eof")
    receiver.wait_titles("not connected")
    assert doorbell.command("connection", "remove", account.uuid).returncode == 0
    receiver.wait_titles("not connected", "connected again")
    assert "or there is none left to connect" in receiver.text()


def test_the_last_account_that_is_refused_is_not_told_as_connected(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make(signal__refused_retry="100ms", health__links_down_after="200ms")
    account = registered(doorbell, signal, ntfy)[0]
    signal.stop_listening()
    signal.end("eof")
    receiver.wait_titles("not connected")
    signal.remove_account(account.key)
    signal.listen_again()
    receiver.wait_titles("not connected", REFUSED)
    tries = len(signal.handshakes_of(account))
    signal.changed.wait_for(
        lambda: len(signal.handshakes_of(account)) > tries + 3, "more refusals"
    )
    assert receiver.titles() == ["not connected", REFUSED]
    link_again(signal, account)
    receiver.changed.wait_for(lambda: len(receiver.alerts()) >= 4, "that both are over")
    assert sorted(receiver.titles()[2:]) == sorted([ACCEPTED, "connected again"])


def test_a_heartbeat_needs_nothing_else_and_says_once_that_it_does_not_arrive(
    make: MakeDoorbell, receiver: Receiver
) -> None:
    receiver.answer_with(404)
    doorbell = make(
        alert__url="",
        alert__heartbeat_url=receiver.heartbeat_url,
        alert__heartbeat_interval="20ms",
    )
    receiver.changed.wait_for(lambda: receiver.beats() >= 5, "heartbeats")
    receiver.answer_with(200)
    doorbell.changes.wait_for(
        lambda: doorbell.has_logged(f"Heartbeats reach {receiver.origin} again."), "the good word"
    )
    said = [line for line in doorbell.output() if "Heartbeats do not reach" in line]
    assert len(said) == 1 and "it answers 404; check the path of the URL" in said[0]


def test_a_store_that_cannot_be_written_is_one_message_until_it_can(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make(MAY_FILL_DISK, push__hold="50ms", store__retry="100ms")
    account, endpoint = registered(doorbell, signal, ntfy)
    assert doorbell.process
    pid = doorbell.process.popen.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
    ntfy.answer_with(503)
    signal.queue(account.key)
    receiver.wait_titles("store not writable")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    receiver.wait_titles("store not writable", "store writable again")
    ntfy.answer_with(200)
    ntfy.wait_rings(1, endpoint)


def test_a_client_that_signal_refuses_is_one_message_until_it_is_let_in(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make(signal__client_refused_min="100ms", signal__client_refused_max="200ms")
    account = registered(doorbell, signal, ntfy)[0]
    signal.set_behaviour(require_spqr=True, minimum_versions={"android": "99.0.0"})
    signal.change_account(account.key, spqr=False)
    signal.end("eof")
    receiver.wait_titles("refused by Signal")
    assert "Update Doorbell" in receiver.text()
    signal.reset_behaviour()
    receiver.wait_titles("refused by Signal", "accepted by Signal again")


def test_refusals_of_everybody_alike_are_one_message_and_not_one_for_each(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make(signal__refused_confirm="10m")
    accounts = [registered(doorbell, signal, ntfy)[0] for _ in range(3)]
    for account in accounts:
        signal.remove_account(account.key)
    signal.end("eof")
    receiver.wait_titles("accounts refused alike")
    registered(doorbell, signal, ntfy)
    receiver.wait_titles("accounts refused alike", "accounts accepted again")


def test_refusals_alike_are_not_told_as_of_those_who_are_connected(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make()
    accounts = [registered(doorbell, signal, ntfy)[0] for _ in range(5)]
    unlink(signal, accounts[0])
    wait_told(doorbell, REFUSED)
    for account in accounts[1:3]:
        unlink(signal, account)
    receiver.wait_titles(REFUSED, "accounts refused alike")
    assert "for that: 2 others are still connected." in receiver.text()
    signal.close(4409, "Connected elsewhere", accounts[4].key)
    receiver.wait_titles(REFUSED, "accounts refused alike", CONTESTED)


def test_a_clock_that_differs_from_a_push_servers_is_told(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make(wake__interval="50ms", alert__after="50ms")
    account, _ = registered(doorbell, signal, ntfy)
    past = {"Date": "Sat, 01 Jan 2000 00:00:00 GMT"}
    ntfy.answer_with({"status": 200, "headers": past})
    signal.queue(account.key)
    receiver.wait_titles("clock wrong")
    assert "Check this machine's date and time" in receiver.text()
    ntfy.answer_with(200)
    signal.queue(account.key)
    receiver.wait_titles("clock wrong", "clock right again")


def test_a_push_server_whose_clock_is_right_in_time_again_accuses_no_clock(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make(wake__interval="50ms")
    account, _ = registered(doorbell, signal, ntfy)
    past = {"Date": "Sat, 01 Jan 2000 00:00:00 GMT"}
    ntfy.answer_with({"status": 200, "headers": past})
    signal.queue(account.key)
    wrong = "The clock of the push server"
    doorbell.changes.wait_for(lambda: doorbell.has_logged(wrong), "the word of the clock")
    ntfy.answer_with(200)
    signal.queue(account.key)
    right = "Our clock is right by that of the push server"
    doorbell.changes.wait_for(lambda: doorbell.has_logged(right), "the word that it is right")
    doorbell.reload(alert__after="1ms")
    unlink(signal, account)
    receiver.wait_titles(REFUSED)


def test_a_stranger_cannot_accuse_our_clock(
    make: MakeDoorbell,
    background: Background,
    changes: Changes,
    leaf: Leaf,
    signal: SignalPeer,
    ntfy: PushPeer,
    receiver: Receiver,
) -> None:
    past = {"Date": "Sat, 01 Jan 2000 00:00:00 GMT"}
    late = PushPeer(background, changes, leaf)
    try:
        doorbell = make(push__allowed_endpoints=[ntfy.origin, late.origin], wake__interval="50ms")
        late.answer_with({"status": 400, "headers": past})
        stranger = registered(doorbell, signal, late)[0]
        account, endpoint = registered(doorbell, signal, ntfy)
        signal.queue(account.key)
        ntfy.wait_rings(1, endpoint)  # its clock is right
        late.answer_with({"status": 200, "headers": past})
        endpoint = late.endpoint()  # which works, so that its clock is looked at
        assert doorbell.register(stranger, endpoint) == "ok"
        for count in (1, 2, 3):
            signal.queue(stranger.key)
            late.wait_rings(count, endpoint)
        unlink(signal, account)
        receiver.wait_titles(REFUSED)
        assert not doorbell.has_logged("The clock of the push server")
    finally:
        late.stop()


def test_certificates_that_are_out_of_time_are_told_as_a_wrong_clock(
    make: MakeDoorbell,
    background: Background,
    changes: Changes,
    authority: Authority,
    signal: SignalPeer,
    ntfy: PushPeer,
    receiver: Receiver,
) -> None:
    expired = authority.leaf("ended", expired=True)
    ended = SignalPeer(background, changes, expired)
    doorbell = make()
    try:
        account, _ = registered(doorbell, signal, ntfy)
        doorbell.stop()
        ntfy.present(str(expired.cert), str(expired.key))
        doorbell.settings["signal.url"] = ended.url
        doorbell.start()
        doorbell.changes.wait_for(lambda: doorbell.has_logged("not connected ("), "a failed link")
        assert doorbell.command("connection", "ping", account.uuid).returncode == 1
        # Not before both certificates have been seen: until then no link is up, and that is all.
        doorbell.reload(health__links_down_after="200ms")
        receiver.wait_titles("clock wrong")
        assert "by it the certificate of Signal's server is not valid." in receiver.text()
        status = " ".join(doorbell.command("status").stdout.split())
        assert "check this machine's date and time" in status and "signal.url" not in status
        assert receiver.titles() == ["clock wrong"]
    finally:
        doorbell.stop()
        ended.stop()


def test_the_certificate_of_an_endpoint_that_never_worked_says_nothing_of_our_clock(
    make: MakeDoorbell,
    background: Background,
    changes: Changes,
    authority: Authority,
    signal: SignalPeer,
    ntfy: PushPeer,
    receiver: Receiver,
) -> None:
    expired = authority.leaf("ended", expired=True)
    ended = SignalPeer(background, changes, expired)
    ntfy.present(str(expired.cert), str(expired.key))
    doorbell = make(signal__url=ended.url)
    try:
        account = signal.new_account()
        words = [account.uuid, "2", account.password, ntfy.endpoint()]
        assert doorbell.command("connection", "add", *words).returncode == 0
        doorbell.changes.wait_for(lambda: doorbell.has_logged("not connected ("), "a failed link")
        assert doorbell.command("connection", "ping", account.uuid).returncode == 1
        doorbell.reload(health__links_down_after="200ms")
        receiver.wait_titles("not connected")
        assert "check this machine's date and time" in receiver.text()  # as status says
        assert "name resolution" not in receiver.text()
    finally:
        doorbell.stop()
        ended.stop()


def test_a_certificate_of_ours_that_ends_soon_is_told(
    make: MakeDoorbell, receiver: Receiver, leaf: Leaf
) -> None:
    doorbell = make(web__tls_cert=str(leaf.cert), web__tls_key=str(leaf.key))
    receiver.wait_titles("certificate ends")
    assert re.search(r"web\.tls_cert is near, or has passed: 20\d\d-\d\d-\d\d\.", receiver.text())
    doorbell.reload(alert__certificate_within="1h")
    receiver.wait_titles("certificate ends", "certificate good again")


def test_a_device_that_somebody_else_uses_is_told(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make()
    account = registered(doorbell, signal, ntfy)[0]
    signal.close(4409, "Connected elsewhere", account.key)
    receiver.wait_titles(CONTESTED)


@pytest.mark.parametrize("answer", ["unreachable", 403, REDIRECT])
def test_a_message_that_is_not_taken_comes_again_until_it_is(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver, answer: Any
) -> None:
    doorbell = make(signal__refused_retry="100ms")
    account = registered(doorbell, signal, ntfy)[0]
    if answer == "unreachable":
        receiver.stop_listening()
    else:
        receiver.answer_with(answer)
    unlink(signal, account)
    doorbell.changes.wait_for(
        lambda: doorbell.has_logged(f"Alerts do not reach {receiver.origin}: "), "the bad word"
    )
    if answer == "unreachable":
        receiver.listen_again()
    receiver.answer_with(200)
    told = "The operator was told: account refused."
    doorbell.changes.wait_for(lambda: doorbell.has_logged(told), "the alert")
    assert doorbell.has_logged(f"Alerts reach {receiver.origin} again.")
    before = len(receiver.alerts())
    link_again(signal, account)
    receiver.changed.wait_for(lambda: len(receiver.alerts()) > before, "the next alert")
    assert receiver.titles()[before:] == [ACCEPTED]
    assert {push.topic for push in receiver.pushes} == {ALERTS}


def test_alerts_and_heartbeats_go_where_pushes_go(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    place = receiver.origin.removeprefix("https://")
    here = "https://localhost:9"
    doorbell = make(
        alert__url=receiver.url.replace(receiver.origin, here),
        alert__heartbeat_url=receiver.heartbeat_url.replace(receiver.origin, here),
        alert__heartbeat_interval="20ms",
        push__connect_to=[f"localhost:9={place}"],
    )
    account = registered(doorbell, signal, ntfy)[0]
    receiver.changed.wait_for(receiver.beats, "a heartbeat")
    unlink(signal, account)
    receiver.wait_titles(REFUSED)
    doorbell.reload(push__connect_to=[])
    said = f"Heartbeats do not reach {here}: it cannot be reached: check that it runs"
    doorbell.changes.wait_for(lambda: doorbell.has_logged(said), said)


@pytest.mark.parametrize("fault", ["a stranger's root", "too late", "http for https", "no HTTP", "no name"])
def test_why_an_alert_does_not_arrive_is_said_with_what_mends_it(
    make: MakeDoorbell,
    authority: Authority,
    signal: SignalPeer,
    ntfy: PushPeer,
    receiver: Receiver,
    tmp_path: Path,
    fault: str,
) -> None:
    url = receiver.url
    if fault == "a stranger's root":
        other = Authority(tmp_path, "Somebody else").leaf("other")
        receiver.present(str(other.cert), str(other.key))
    elif fault == "too late":
        late = authority.leaf("too-late", expired=True)
        receiver.present(str(late.cert), str(late.key))
    elif fault == "no HTTP":
        receiver.answer_with("garbage")
    elif fault == "no name":
        url = f"https://nowhere.doorbell.test/{ALERTS}"
    else:
        url = url.replace("https:", "http:")
    expected = {
        "a stranger's root": "there is no trusted TLS connection to it: check its certificate; a "
        "CA of your own goes into push.ca_file (",
        "too late": "by this machine's clock its certificate is not valid: renew it, or check this "
        "machine's date and time (",
        "http for https": "it closes the connection without an answer (",
        "no HTTP": "what answers speaks no HTTP: check the port of the URL (",
        "no name": "its name has no address: check the name and this machine's DNS (",
    }[fault]
    doorbell = make(alert__url=url, net__nameservers=[f"127.0.0.1:{free_port()}"])
    account = registered(doorbell, signal, ntfy)[0]
    unlink(signal, account)
    doorbell.changes.wait_for(lambda: doorbell.has_logged("Alerts do not reach "), "the bad word")
    (line,) = [line for line in doorbell.output() if "Alerts do not reach " in line]
    assert expected in line


def test_a_message_may_be_json_and_a_reload_says_where_to(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make(alert__url="")
    account = registered(doorbell, signal, ntfy)[0]
    unlink(signal, account)
    doorbell.changes.wait_for(lambda: doorbell.has_logged("was probably unlinked"), "the refusal")
    assert not receiver.pushes
    private = receiver.url.replace("https://", f"https://operator:{TOKEN}@")
    doorbell.reload(alert__url=private, alert__format="json")
    receiver.changed.wait_for(receiver.alerts, "the alert")
    alert = receiver.alerts()[0]
    credentials = base64.b64encode(f"operator:{TOKEN}".encode()).decode()
    assert alert.get("Authorization") == f"Basic {credentials}"
    assert alert.get("Content-Type") == "application/json"
    told = json.loads(alert.body)
    assert set(told) == {"title", "text", "kind", "state", "count"}
    assert (told["title"], told["kind"], told["state"], told["count"]) == (
        f"Doorbell: {REFUSED}",
        "refused",
        "bad",
        1,
    )


def test_a_token_that_goes_in_the_clear_is_told_by_log_and_doctor(
    make: MakeDoorbell, receiver: Receiver
) -> None:
    doorbell = make(alert__token=TOKEN, net__nameservers=[f"127.0.0.1:{free_port()}"])
    assert not doorbell.has_logged("as plain text")
    report = " ".join(doorbell.command("doctor").stdout.split())
    assert f"ok alerts: {receiver.origin} answers." in report and "plain text" not in report
    doorbell.reload(alert__url=f"http://ntfy.doorbell.test/{ALERTS}")  # nothing is to be told
    warning = "alert.token goes to http://ntfy.doorbell.test as plain text"
    assert len([line for line in doorbell.output() if f" warn  {warning}" in line]) == 1
    report = " ".join(doorbell.command("doctor").stdout.split())
    assert f"WARN alerts: {warning}" in report and "-> Let alert.url begin with https://" in report


def report_of(doorbell: Doorbell, command: str) -> str:
    return " ".join(doorbell.command(command).stdout.split())


@pytest.mark.parametrize("answer, advice", [(403, "check the token"), (404, "check the path")])
def test_a_receiver_that_answers_and_takes_no_alert_is_told_by_doctor_and_status(
    make: MakeDoorbell,
    signal: SignalPeer,
    ntfy: PushPeer,
    receiver: Receiver,
    answer: int,
    advice: str,
) -> None:
    doorbell = make()
    account = registered(doorbell, signal, ntfy)[0]
    assert f"ok alerts: {receiver.origin} answers." in report_of(doorbell, "doctor")
    receiver.answer_with(answer)
    unlink(signal, account)
    doorbell.changes.wait_for(lambda: doorbell.has_logged("Alerts do not reach "), "the bad word")
    report = report_of(doorbell, "doctor")
    warning = rf"WARN alerts: Nobody is told when something breaks: {receiver.origin} has taken none"
    assert re.search(rf"{warning} since .*: it answers {answer}; {advice}", report)
    assert f"{receiver.origin} answers." not in report
    status = report_of(doorbell, "status")
    assert re.search(rf"Alerts have not reached {receiver.origin} since .*: it answers {answer}", status)
    receiver.answer_with(200)
    wait_told(doorbell, REFUSED)
    assert f"ok alerts: {receiver.origin} answers." in report_of(doorbell, "doctor")
    assert "have not reached" not in report_of(doorbell, "status")


def test_a_heartbeat_that_is_refused_is_told_by_doctor_and_status(
    make: MakeDoorbell, receiver: Receiver
) -> None:
    receiver.answer_with(404)
    doorbell = make(
        alert__heartbeat_url=receiver.heartbeat_url, alert__heartbeat_interval="20ms"
    )
    doorbell.changes.wait_for(
        lambda: doorbell.has_logged("Heartbeats do not reach "), "the bad word"
    )
    report = report_of(doorbell, "doctor")
    assert f"WARN alerts: The heartbeat does not arrive: {receiver.origin} has taken none" in report
    assert f"ok alerts: {receiver.origin} answers." in report  # which none was sent to
    assert f"Heartbeats have not reached {receiver.origin} since " in report_of(doorbell, "status")


def test_a_trial_that_was_refused_is_not_forgotten(make: MakeDoorbell, receiver: Receiver) -> None:
    doorbell = make(alert__url="")
    doorbell.settings.pop("alert.url")  # which would win over the answer
    receiver.answer_with(403)
    done = doorbell.command("setup", "--alert", receiver.url, "--url", "none", "--no-link")
    assert "[!!] alerts do not reach" in done.stdout
    assert "it answers 403; check the token" in report_of(doorbell, "doctor")


def test_the_configuration_shows_no_address_of_an_alert(
    make: MakeDoorbell, receiver: Receiver
) -> None:
    doorbell = make(alert__token=TOKEN, alert__heartbeat_url=receiver.heartbeat_url)
    shown = doorbell.command("config")
    assert shown.returncode == 0
    for name in ("url", "token", "heartbeat_url"):
        assert f"#{name}: hidden" in shown.stdout
    assert not [word for word in (ALERTS, HEARTBEATS, TOKEN) if word in shown.stdout]
