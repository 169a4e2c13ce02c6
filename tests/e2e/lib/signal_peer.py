"""The strict Signal server and its accounts as tests use them."""

import base64
import dataclasses
import secrets
import uuid
from typing import Any, Optional

from lib.background import Background, Changes, OnLoop
from lib.certs import Leaf
from lib.ports import free_port
from lib.secrecy import secrecy
from strict_signal import Handshake, Message, Session, StrictSignal


@dataclasses.dataclass
class Account:
    """Credentials as Molly makes them; `key` names the device at the strict server."""

    uuid: str
    device: int
    password: str

    @property
    def key(self) -> str:
        return f"{self.uuid}.{self.device}"

    def authorization(self) -> str:
        return "Basic " + base64.b64encode(f"{self.key}:{self.password}".encode()).decode()


def new_account(device: int = 2, uuid_text: Optional[str] = None) -> Account:
    password = base64.b64encode(secrets.token_bytes(18)).decode()
    account = Account(uuid_text or str(uuid.uuid4()), device, password)
    secrecy.note_account(account.uuid, account.password)
    return account


class SignalPeer(OnLoop):
    """All operations of StrictSignal, and waiting for what happens there."""

    def __init__(self, background: Background, changes: Changes, leaf: Leaf):
        super().__init__(background, StrictSignal(str(leaf.cert), str(leaf.key), changes.notify))
        self.changed = changes
        self.start(free_port(), free_port())  # that nobody takes while it does not listen

    @property
    def url(self) -> str:
        return f"wss://localhost:{self.port}/v1/websocket/"

    @property
    def http2_url(self) -> str:
        return f"https://localhost:{self.http2_port}/v1/websocket/"

    def new_account(self, **details: Any) -> Account:
        account = new_account(**details)
        self.add_account(account.uuid, account.device, account.password)
        return account

    def add_account(self, uuid: str, *details: Any, **more: Any) -> str:
        key = self.__getattr__("add_account")(uuid, *details, **more)
        secrecy.note_account(uuid, self.devices[key].password)
        return key

    def sessions_of(self, account: Account) -> list[Session]:
        return [
            session
            for session in list(self.sessions)
            if session.device and session.device.key == account.key
        ]

    def handshakes_of(self, account: Account) -> list[Handshake]:
        return [
            handshake
            for handshake in list(self.handshakes)
            if handshake.get("Authorization") == account.authorization()
        ]

    def message(self, number: int) -> Message:
        return self.messages[number - 1]

    def wait_connected(self, account: Account, count: int = 1) -> Session:
        """Until so many websockets were opened and the newest has shown its queue."""

        def ready() -> Optional[Session]:
            sessions = self.sessions_of(account)
            return sessions[-1] if len(sessions) >= count and sessions[-1].queue_empty else None

        return self.changed.wait_for(ready, f"websocket {count} of the account with an empty queue")

    def wait_acked(self, *numbers: int) -> None:
        self.changed.wait_for(
            lambda: all(self.message(number).acked for number in numbers),
            f"the acknowledgement of {numbers}",
        )

    def wait_delivered(self, *numbers: int) -> None:
        self.changed.wait_for(
            lambda: all(self.message(number).deliveries for number in numbers),
            f"the delivery of {numbers}",
        )

    def check(self) -> None:
        assert self.violations == [], self.violations
