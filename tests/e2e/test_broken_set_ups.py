"""Set-ups that are broken in the usual ways, seen by an operator who does not look: each rings one
alert, which names the cause that `doorbell doctor` names (test_doctor.py), and one when it is over.

Three of the usual ways ring none, see test_where_no_phone_ever_registered_nobody_is_told.
"""

from typing import Any, Callable

import pytest

from lib.doorbell import Doorbell
from lib.linked import Linked
from lib.ports import free_port
from lib.push_peer import PushPeer
from lib.receiver import Receiver
from lib.signal_peer import SignalPeer

MakeDoorbell = Callable[..., Doorbell]
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


# Where nobody can be told


@pytest.mark.parametrize("way", ["wrong proxy host", "wrong path", "air-gapped, never added"])
def test_where_no_phone_ever_registered_nobody_is_told(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver, way: str
) -> None:
    """A proxy that leads elsewhere, or to another path, and a line of Molly that was never pasted
    look alike from in here: nobody comes. That is also how a server looks that was set up a minute
    ago and waits for its first phone, so it is no change to bad, and there is nobody who misses a
    ring. To ask our own public address would not tell either: many routers lead nobody from inside
    to their own outside, so that an alert would be a false one. Whoever sets it up looks, and
    doctor and setup say it then. Once somebody is registered, his link does not need that address.
    """
    settings: dict[str, Any] = {"web__public_url": f"https://localhost:{free_port()}/somewhere/"}
    if way.startswith("air-gapped"):
        settings = {"web__enabled": False}
    doorbell = make(
        health__links_down_after="1ms",
        alert__heartbeat_url=receiver.heartbeat_url,
        alert__heartbeat_interval="50ms",
        **settings,
    )
    receiver.changed.wait_for(lambda: receiver.beats() > 4, "looks around, all of them well")
    assert receiver.alerts() == []
    report = " ".join(doorbell.command("doctor").stdout.split())
    assert "No account was ever registered here" in report, report
