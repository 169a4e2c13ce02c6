"""The fake push server as tests use it."""

from typing import Callable, Optional

from lib.background import DEADLINE, Background, Changes, OnLoop
from lib.certs import Leaf
from lib.ports import free_port
from lib.secrecy import secrecy
from fake_ntfy import FakeNtfy, Push

RING, TEST, CONTESTED = b'{"urgent":true}', b'{"test":true}', b'{"code":4409}'


class PushPeer(OnLoop):
    def __init__(self, background: Background, changes: Changes, leaf: Leaf):
        super().__init__(background, FakeNtfy(str(leaf.cert), str(leaf.key), changes.notify))
        self.changed = changes
        self.start(free_port())  # that nobody takes while it does not listen

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.port}"

    def endpoint(self, topic: Optional[str] = None) -> str:
        url = self.__getattr__("endpoint")(topic)
        secrecy.note_endpoint(url)
        return url

    def rings(self, endpoint: Optional[str] = None) -> list[Push]:
        return self.matching(lambda push: push.body == RING, endpoint)

    def matching(
        self, matches: Callable[[Push], bool], endpoint: Optional[str] = None
    ) -> list[Push]:
        target = endpoint[len(self.origin) :] if endpoint else None
        return [
            push
            for push in list(self.pushes)
            if matches(push) and (target is None or push.target == target)
        ]

    def wait_rings(
        self, count: int, endpoint: Optional[str] = None, seconds: float = DEADLINE
    ) -> list[Push]:
        self.changed.wait_for(lambda: len(self.rings(endpoint)) >= count, f"{count} rings", seconds)
        return self.rings(endpoint)

    def wait_pushes(self, count: int, seconds: float = DEADLINE) -> list[Push]:
        self.changed.wait_for(lambda: len(self.pushes) >= count, f"{count} pushes", seconds)
        return list(self.pushes)
