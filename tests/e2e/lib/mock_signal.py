"""Signal's own mock server with one linked device."""

from typing import Callable, Optional

from lib.process import JsonPeer
from lib.signal_peer import Account


class MockSignal:
    def __init__(self, json_peer: Callable[..., JsonPeer], http: int = 1):
        """`http` is the version; each release of the mock speaks one only."""
        self.peer = json_peer("mock_signal.mjs", str(http))
        ready = self.peer.wait_event("ready")
        self.port = ready["port"]
        self.url = f"wss://localhost:{self.port}/v1/websocket/"
        self.ca_file = ready["ca"]
        self.account = Account(ready["uuid"], ready["device"], ready["password"])
        self.sent = 0

    def send(self, urgent: Optional[bool] = True, size: int = 200) -> int:
        """Returns the tag by which `wait_acked` knows it."""
        self.sent += 1
        self.peer.do("send", urgent=urgent, size=size, tag=self.sent)
        return self.sent

    def wait_acked(self, tag: int) -> None:
        self.peer.wait_event("delivered", lambda event: event["tag"] == tag)
