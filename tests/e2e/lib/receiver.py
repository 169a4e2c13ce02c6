"""Whom the operator wrote into the configuration, for alerts and heartbeats."""

from lib.push_peer import PushPeer
from lib.secrecy import secrecy
from fake_ntfy import Push

ALERTS, HEARTBEATS, TOKEN = "topic-of-the-operator", "beat-of-the-operator", "tk_ofTheOperator"


class Receiver(PushPeer):
    searched = 0  # alerts

    @property
    def url(self) -> str:
        return f"{self.origin}/{ALERTS}?auth={TOKEN}"

    @property
    def heartbeat_url(self) -> str:
        return f"{self.origin}/{HEARTBEATS}"

    def stop(self) -> None:
        self.__getattr__("stop")()
        fresh = self.alerts()[self.searched :]
        self.searched += len(fresh)
        for push in fresh:
            secrecy.said(f"{push.get('Title')}\n{push.body.decode(errors='replace')}")

    def alerts(self) -> list[Push]:
        return [push for push in list(self.pushes) if push.topic == ALERTS]

    def titles(self) -> list[str]:
        return [(push.get("Title") or "").removeprefix("Doorbell: ") for push in self.alerts()]

    def text(self) -> str:
        """Of the last one."""
        return self.alerts()[-1].body.decode()

    def beats(self) -> int:
        return len([push for push in list(self.pushes) if push.topic == HEARTBEATS])

    def wait_titles(self, *expected: str) -> None:
        """These and no others, until now."""
        self.changed.wait_for(
            lambda: len(self.titles()) >= len(expected), f"the alerts {list(expected)}"
        )
        assert self.titles() == list(expected)
