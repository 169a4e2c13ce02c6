"""Set-ups that are broken in the usual ways, seen by an operator who does not look: each rings one
alert, which names the cause that `doorbell doctor` names (test_doctor.py), and one when it is over.
"""

from pathlib import Path
from typing import Any, Callable

import pytest

from lib.certs import Authority
from lib.doorbell import Doorbell
from lib.front import ByFront, Front
from lib.linked import Linked
from lib.nameserver import Nameserver
from lib.push_peer import TEST, PushPeer
from lib.receiver import Receiver
from lib.signal_peer import SignalPeer

MakeDoorbell = Callable[..., Doorbell]
NO_PHONE, PHONE = "no phone linked", "phone linked"
AT_HOME = "ntfy.doorbell.test"
NOT_RUNG, RUNG = "account cannot be rung", "account can be rung again"


@pytest.fixture
def make(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> MakeDoorbell:
    """Running, with these settings on top of what is needed."""

    def start(**settings: Any) -> Doorbell:
        needed = {
            "signal__url": signal.url,
            "push__allowed_endpoints": [ntfy.origin],
            "push__hold": "50ms",
            "alert__url": receiver.url,
            "alert__after": "200ms",
            "alert__interval": "50ms",
        }
        return make_doorbell(**{**needed, **settings}).start()

    return start


class Watched:
    """An account whose path works, and what its operator is told."""

    def __init__(self, make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver):
        self.make, self.signal, self.ntfy, self.receiver = make, signal, ntfy, receiver

    def link(self, **settings: Any) -> Linked:
        self.linked = Linked(self.make(**settings), self.signal, self.ntfy)
        self.signal.wait_connected(self.linked.account)
        return self.linked

    def is_told(self, title: str, *words: str) -> None:
        """This alone, in these words, which doctor has as well."""
        self.receiver.wait_titles(title)
        told = self.receiver.text()
        report = " ".join(self.linked.doorbell.command("doctor").stdout.split()).lower()
        for word in words:
            assert word in told and word.lower() in report, (word, told, report)
        secrets = [secret for secret in self.linked.doorbell.secrets if secret in told]
        assert len(self.linked.doorbell.secrets) >= 3 and not secrets, told

    def is_told_twice(self, bad: str, well: str) -> None:
        """That it is over, and nothing in between."""
        self.receiver.wait_titles(bad, well)


@pytest.fixture
def watched(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> Watched:
    return Watched(make, signal, ntfy, receiver)


# The messenger's half


def test_an_unlinked_device(watched: Watched) -> None:
    linked = watched.link(signal__refused_confirm="50ms", signal__refused_retry="100ms")
    linked.is_unlinked()
    watched.is_told("account refused", "unlinked")
    account = linked.account
    watched.signal.add_account(account.uuid, account.device, account.password)
    watched.is_told_twice("account refused", "account no longer refused")


def test_two_bridges_for_one_account(watched: Watched) -> None:
    linked = watched.link(signal__contested_min="1h", signal__contested_max="1h")
    watched.signal.close(4409, "Connected elsewhere", linked.account.key)
    watched.is_told("account contested", "Another program uses the", "linked device", "MollySocket")


def test_a_link_that_is_silent(watched: Watched) -> None:
    watched.link(signal__proof="200ms", health__links_down_after="100ms")
    watched.signal.set_behaviour(deliver=False)
    watched.signal.end("eof")
    watched.is_told(
        "account not connected",
        "takes the link",
        "proxy that swallows the login",
        "let this machine reach Signal's server directly",
    )
    watched.signal.reset_behaviour()
    watched.is_told_twice("account not connected", "account connected again")


def test_a_client_that_signal_refuses(watched: Watched) -> None:
    watched.link(signal__client_refused_min="100ms", signal__client_refused_max="200ms")
    watched.signal.set_behaviour(reject={"status": 499, "timestamp": False})
    watched.signal.end("eof")
    watched.is_told("refused by Signal", "Update Doorbell", "signal.user_agent")
    watched.signal.reset_behaviour()
    watched.is_told_twice("refused by Signal", "accepted by Signal again")


def test_several_links_that_are_silent_are_over_once(watched: Watched) -> None:
    """Those that come back later than the first are no other trouble."""
    first = watched.link(signal__proof="200ms", health__links_down_after="100ms")
    others = [Linked(first.doorbell, watched.signal, watched.ntfy) for _ in range(2)]
    for linked in others:
        watched.signal.wait_connected(linked.account)
    watched.signal.set_behaviour(deliver=False)
    watched.signal.end("eof")
    watched.receiver.wait_titles("account not connected")
    watched.signal.reset_behaviour()
    watched.is_told_twice("account not connected", "account connected again")
    for linked in (first, *others):
        watched.signal.wait_connected(linked.account)
    watched.signal.close(4409, "Connected elsewhere", first.account.key)
    watched.receiver.wait_titles(
        "account not connected", "account connected again", "account contested"
    )


def test_a_client_that_signal_refuses_again_and_again_is_one_trouble(watched: Watched) -> None:
    """Between its two User-Agents, too."""
    linked = watched.link(
        signal__client_refused_min="100ms",
        signal__client_refused_max="200ms",
        health__links_down_after="100ms",
    )
    watched.signal.set_behaviour(reject={"status": 499, "timestamp": False})
    watched.signal.end("eof")
    watched.receiver.wait_titles("refused by Signal")
    tries = len(watched.signal.handshakes_of(linked.account))
    watched.signal.changed.wait_for(
        lambda: len(watched.signal.handshakes_of(linked.account)) > tries + 8, "more refusals"
    )
    watched.signal.reset_behaviour()
    watched.is_told_twice("refused by Signal", "accepted by Signal again")
    warned = [line for line in linked.doorbell.output() if " warn " in line and "499" in line]
    assert len([line for line in warned if "not connected (" in line]) == 1, warned


def test_what_stands_in_signals_place_is_not_told_as_signal(watched: Watched) -> None:
    first = watched.link(health__links_down_after="100ms")
    for _ in range(2):
        other = Linked(first.doorbell, watched.signal, watched.ntfy)
        watched.signal.wait_connected(other.account)
    watched.signal.set_behaviour(reject={"status": 404, "timestamp": True})
    watched.signal.end("eof")
    watched.is_told("accounts refused alike", "signal.url")
    assert "update Doorbell" not in watched.receiver.text()
    watched.signal.reset_behaviour()
    watched.is_told_twice("accounts refused alike", "accounts accepted again")


# The push server's half


@pytest.mark.parametrize(
    "answer, cause, remedy",
    [
        (40301, "access list refuses us", "ntfy access '*' 'up*' write-only"),
        (50701, "The phone is not connected to the push server", "UnifiedPush app"),
        (
            {"status": 401, "body": "VAPID public key mismatch"},
            "The endpoint was made for another VAPID key than ours",
            "link the phone again with this bridge's QR code",
        ),
    ],
    ids=["access list", "phone away", "another VAPID key"],
)
def test_a_push_server_that_refuses_rings(
    watched: Watched, answer: Any, cause: str, remedy: str
) -> None:
    linked = watched.link()
    linked.answer_with(answer)
    linked.queue()
    watched.is_told(NOT_RUNG, f"{watched.ntfy.origin}", cause)
    assert remedy.lower() in watched.receiver.text().lower()
    linked.answer_with(200)
    assert linked.doorbell.command("connection", "ping", linked.account.uuid).returncode == 0
    watched.is_told_twice(NOT_RUNG, RUNG)


def test_a_private_push_server_that_is_not_allowed(watched: Watched) -> None:
    linked = watched.link()
    linked.doorbell.reload(push__allowed_endpoints=["*"])
    linked.queue()
    watched.is_told(NOT_RUNG, watched.ntfy.origin, "push.allowed_endpoints")
    linked.doorbell.reload(push__allowed_endpoints=[watched.ntfy.origin])
    watched.is_told_twice(NOT_RUNG, RUNG)


def test_a_private_push_server_is_told_before_a_message_has_to_show_it(
    make: MakeDoorbell,
    authority: Authority,
    nameserver: Nameserver,
    signal: SignalPeer,
    ntfy: PushPeer,
    receiver: Receiver,
) -> None:
    leaf = authority.leaf("private", [AT_HOME])
    ntfy.present(str(leaf.cert), str(leaf.key))
    nameserver.set(AT_HOME, ["127.0.0.1"])
    doorbell = make(push__allowed_endpoints=["*"], net__nameservers=[nameserver.address])
    account, endpoint = signal.new_account(), ntfy.endpoint().replace("localhost", AT_HOME)
    assert doorbell.register(account, endpoint) == "ok"  # its text is that of a public one
    receiver.wait_titles(NOT_RUNG)
    origin, setting = f"https://{AT_HOME}:{ntfy.port}", "push.allowed_endpoints"
    assert f": {origin}" in receiver.text() and setting in receiver.text()
    doorbell.changes.wait_for(
        lambda: doorbell.has_logged(f'to allow it add "{origin}" to {setting}'), "the warning"
    )
    status = " ".join(doorbell.command("status").stdout.split())
    assert f'add "{origin}" to {setting}' in status, status
    doorbell.reload(push__allowed_endpoints=["*", origin])
    receiver.wait_titles(NOT_RUNG, RUNG)
    (test,) = ntfy.wait_pushes(1)  # which nobody had to ask for once more
    assert test.body == TEST


@pytest.mark.parametrize("fault", ["down", "untrusted", "phone away"])
def test_a_push_server_that_never_worked_is_told_before_a_message_has_to_show_it(
    make: MakeDoorbell,
    authority: Authority,
    signal: SignalPeer,
    ntfy: PushPeer,
    receiver: Receiver,
    tmp_path: Path,
    fault: str,
) -> None:
    """Nobody writes to the phone, before or after."""
    cause = {
        "down": "cannot be reached",
        "untrusted": "No trusted TLS connection",
        "phone away": "The phone is not connected to the push server",
    }[fault]
    doorbell = make(push__floor_percent=1)
    if fault == "down":
        ntfy.stop_listening()
    elif fault == "untrusted":
        (tmp_path / "stranger").mkdir()
        stranger = Authority(tmp_path / "stranger").leaf("localhost")
        ntfy.present(str(stranger.cert), str(stranger.key))
    else:
        ntfy.answer_with(50701)
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert doorbell.register(account, endpoint) == "ok"
    receiver.wait_titles(NOT_RUNG)
    assert f": {ntfy.origin}" in receiver.text() and cause in receiver.text()
    assert cause in " ".join(doorbell.command("status").stdout.split())
    before = len(ntfy.pushes)
    if fault == "down":
        ntfy.listen_again()
    elif fault == "untrusted":
        leaf = authority.leaf("mended", ["localhost"])
        ntfy.present(str(leaf.cert), str(leaf.key))
    else:
        ntfy.answer_with(200)
    doorbell.reload()  # else within a minute
    receiver.wait_titles(NOT_RUNG, RUNG)
    assert ntfy.wait_pushes(before + 1)[-1].body == TEST


def test_trouble_with_an_endpoint_is_not_over_because_it_is_another_trouble(
    watched: Watched,
) -> None:
    """What is told of the clock comes after what is told of endpoints, in any look around."""
    linked = watched.link()
    ping = ("connection", "ping", linked.account.uuid)
    linked.answer_with(404)
    assert linked.doorbell.command(*ping).returncode == 1
    watched.receiver.wait_titles(NOT_RUNG)
    linked.answer_with({"status": 500, "headers": {"Date": "Sat, 01 Jan 2000 00:00:00 GMT"}})
    assert linked.doorbell.command(*ping).returncode == 1
    watched.receiver.wait_titles(NOT_RUNG, "clock wrong")
    linked.answer_with(200)
    assert linked.doorbell.command(*ping).returncode == 0
    watched.receiver.wait_titles(NOT_RUNG, "clock wrong", RUNG, "clock right again")


# Where no phone ever came


class Awaited:
    """The first phone of a server, and what its operator is told."""

    def __init__(self, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver):
        self.signal, self.ntfy, self.receiver = signal, ntfy, receiver

    def is_told(self, doorbell: Doorbell, cause: str) -> None:
        """Not before it was time."""
        assert self.receiver.alerts() == []
        doorbell.reload(alert__unlinked_after="1ms")
        self.receiver.wait_titles(NO_PHONE)
        known = f"The operator was told: {NO_PHONE}."  # another reload would send it again
        doorbell.changes.wait_for(lambda: doorbell.has_logged(known), known)
        assert cause in self.receiver.text(), self.receiver.text()

    def is_missed(self, doorbell: Doorbell, cause: str, report: str) -> None:
        """One message, with the cause; `report` is what doctor says of it."""
        self.is_told(doorbell, cause)
        told = " ".join(doorbell.command("doctor").stdout.split())
        assert report in told, told

    def has_come(self) -> None:
        """Which is told as well, and nothing in between."""
        self.receiver.wait_titles(NO_PHONE, PHONE)


@pytest.fixture
def awaited(signal: SignalPeer, ntfy: PushPeer, receiver: Receiver) -> Awaited:
    return Awaited(signal, ntfy, receiver)


@pytest.fixture
def phone(front: Front, authority: Authority) -> ByFront:
    return ByFront(front, authority)


def test_a_proxy_that_leads_to_the_wrong_host(
    make: MakeDoorbell, front: Front, phone: ByFront, awaited: Awaited
) -> None:
    doorbell = make(web__public_url=front.url())
    front.serve("location / { proxy_pass http://127.0.0.1:1; }")
    assert phone.ask("/")[0] == 502
    awaited.is_missed(doorbell, "Nobody opened its linking page", "does not reach Doorbell (502)")
    front.lead_to(doorbell)
    account = awaited.signal.new_account()
    assert phone.register(doorbell, "/", account, awaited.ntfy.endpoint()) == "ok"
    awaited.has_come()


def test_a_proxy_that_hands_the_path_on(
    make: MakeDoorbell, front: Front, phone: ByFront, awaited: Awaited
) -> None:
    doorbell = make(web__public_url=front.url("/molly/"))
    front.lead_to(doorbell, "/molly/", to="")
    assert phone.ask("/molly/")[0] == 404
    cause = "A phone came to a path at which it is not answered"
    awaited.is_missed(doorbell, cause, "hands the path on")
    front.lead_to(doorbell, "/molly/")
    account = awaited.signal.new_account()
    assert phone.register(doorbell, "/molly/", account, awaited.ntfy.endpoint()) == "ok"
    awaited.has_come()


def test_a_line_of_molly_that_was_never_pasted(make: MakeDoorbell, awaited: Awaited) -> None:
    doorbell = make(web__enabled=False)
    cause = "the line that Molly shows has to be pasted"
    awaited.is_missed(doorbell, cause, 'run it here as "doorbell connection add ..."')
    account = awaited.signal.new_account()
    words = [account.uuid, str(account.device), account.password, awaited.ntfy.endpoint()]
    assert doorbell.command("connection", "add", *words).returncode == 0
    awaited.has_come()


def test_a_phone_that_came_and_was_refused(make: MakeDoorbell, awaited: Awaited) -> None:
    doorbell = make(push__allowed_endpoints=["*"])
    account, endpoint = awaited.signal.new_account(), awaited.ntfy.endpoint()
    assert doorbell.register(account, endpoint) == "invalid_endpoint"
    awaited.is_told(doorbell, "A phone came and was not taken")
    doorbell.reload(push__allowed_endpoints=[awaited.ntfy.origin])
    assert doorbell.register(account, endpoint) == "ok"
    awaited.has_come()


def test_a_phone_that_came_and_cannot_be_tried_at_signal(
    make: MakeDoorbell, awaited: Awaited
) -> None:
    """Where the first phone comes before this machine reaches Signal."""
    reason = "the messenger's server cannot be reached"
    doorbell = make(accounts__verdict="1s")
    awaited.signal.stop_listening()
    account, endpoint = awaited.signal.new_account(), awaited.ntfy.endpoint()
    assert doorbell.register(account, endpoint) == "internal_error"
    assert doorbell.has_logged(f"internal_error: {reason}")
    status = doorbell.command("status").stdout
    assert f"is not let in yet: {reason}" in status, status
    awaited.is_missed(doorbell, "A phone came and was not taken", f"is not let in yet: {reason}")
    awaited.signal.listen_again()
    awaited.has_come()  # though the phone has not asked again
    assert "is not let in" not in doorbell.command("status").stdout


def test_a_page_that_was_opened_and_a_code_that_was_not_scanned(
    make: MakeDoorbell, awaited: Awaited
) -> None:
    """A probe opens no page."""
    doorbell = make(web__public_url="https://push.example.org/")
    assert doorbell.request("GET", "/")[0] == 200
    browser = {"Accept": "text/html,application/xhtml+xml", "User-Agent": "Mozilla/5.0"}
    assert doorbell.request("GET", "/", headers=browser)[0] == 200
    awaited.is_told(doorbell, "this Molly is itself a linked device")


def test_within_the_time_that_is_allowed_nobody_is_told(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    """Nor when the last account goes: whoever takes it away knows."""
    doorbell = make(alert__heartbeat_url=receiver.heartbeat_url, alert__heartbeat_interval="50ms")
    linked = Linked(doorbell, signal, ntfy)
    doorbell.reload(alert__unlinked_after="1ms")
    assert doorbell.command("connection", "remove", linked.account.uuid).returncode == 0
    beats = receiver.beats()
    receiver.changed.wait_for(lambda: receiver.beats() > beats + 4, "looks around, all well")
    assert receiver.alerts() == []
