"""An account whose whole path works, for tests of what comes then."""

from typing import Any

from lib.doorbell import Doorbell
from lib.push_peer import TEST, PushPeer
from lib.signal_peer import Account, SignalPeer


class Linked:
    """An account that is registered and whose test push has arrived."""

    def __init__(
        self, doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer, **details: Any
    ):
        self.doorbell, self.signal, self.ntfy = doorbell, signal, ntfy
        self.account: Account = signal.new_account(**details)
        self.endpoint: str = ntfy.endpoint()
        assert doorbell.register(self.account, self.endpoint) == "ok"
        signal.changed.wait_for(
            lambda: len(self.tests()) == 1 and self.tests()[0].answered, "the test push"
        )

    def tests(self) -> list:
        return self.ntfy.matching(lambda push: push.body == TEST, self.endpoint)

    def queue(self, **details: object) -> int:
        """A message for it."""
        return self.signal.queue(self.account.key, **details)

    def answer_with(self, answer: Any) -> None:
        """What its push server says from now on."""
        self.ntfy.answer_with(answer, topic=self.endpoint.rpartition("/")[2].partition("?")[0])

    def is_unlinked(self) -> None:
        self.signal.remove_account(self.account.key)
        self.signal.revoke(self.account.key)
        self.wait_log("was probably unlinked")

    def wait_log(self, text: str) -> None:
        self.doorbell.changes.wait_for(
            lambda: any(text in line for line in self.doorbell.output()), f"the word that {text}"
        )

    def rings(self) -> list:
        return self.ntfy.rings(self.endpoint)

    def wait_rings(self, count: int) -> list:
        return self.ntfy.wait_rings(count, self.endpoint)

    def is_acked(self, number: int) -> bool:
        return self.signal.message(number).acked is not None

    def expect_rings_in_all(self, count: int) -> None:
        """No more than these: one more message makes exactly one more ring."""
        number = self.queue()
        self.wait_rings(count + 1)
        self.signal.wait_acked(number)
        assert len(self.rings()) == count + 1
