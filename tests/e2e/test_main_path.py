"""One message, all the way, with no stub in between: Signal's own mock server, Doorbell, Debian's
Prosody with mod_unified_push, and an XMPP client as the phone.
"""

from typing import Callable

import pytest

from lib.doorbell import Doorbell
from lib.mock_signal import MockSignal
from lib.phone import Phone
from lib.process import JsonPeer
from lib.prosody import Prosody
from lib.push_peer import RING, TEST


@pytest.fixture
def mock(json_peer: Callable[..., JsonPeer]) -> MockSignal:
    return MockSignal(json_peer)


@pytest.fixture
def doorbell(
    make_doorbell: Callable[..., Doorbell], mock: MockSignal, prosody: Prosody
) -> Doorbell:
    return make_doorbell(
        signal__url=mock.url, signal__ca_file=mock.ca_file, push__allowed_endpoints=[prosody.origin]
    ).start()


def e2e_signal_to_phone(mock: MockSignal, doorbell: Doorbell, phone: Phone) -> None:
    endpoint = phone.register()
    assert doorbell.register(mock.account, endpoint) == "ok"

    assert phone.wait_pushes(1) == [TEST]  # that the endpoint works is tried at once

    mock.wait_acked(mock.send(urgent=True))
    assert phone.wait_pushes(2) == [TEST, RING]

    # Not urgent: no push. Whether there was one shows when the next urgent message has rung.
    mock.wait_acked(mock.send(urgent=False))
    mock.wait_acked(mock.send(urgent=True, size=90 * 1024))
    assert phone.wait_pushes(3) == [TEST, RING, RING]


def e2e_what_came_while_doorbell_was_down_rings_when_it_is_back(
    mock: MockSignal, doorbell: Doorbell, phone: Phone
) -> None:
    assert doorbell.register(mock.account, phone.register()) == "ok"
    phone.wait_pushes(1)
    doorbell.stop()
    tag = mock.send()
    doorbell.start()
    mock.wait_acked(tag)
    assert phone.wait_pushes(2) == [TEST, RING]


def e2e_a_new_endpoint_takes_over(mock: MockSignal, doorbell: Doorbell, phone: Phone) -> None:
    assert doorbell.register(mock.account, phone.register("first")) == "ok"
    phone.wait_pushes(1)
    assert doorbell.register(mock.account, phone.register("second")) == "ok"
    mock.wait_acked(mock.send())
    phone.wait_pushes(2)
    assert phone.arrivals == [("first", TEST), ("second", RING)]
