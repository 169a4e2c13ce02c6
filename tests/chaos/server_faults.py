"""Faults of the whole messenger's server and of the network, each in a world of its own."""

from typing import Any, Optional

import network
from case import Alone, Case
from network import Cables
from world import World


class SignalDown(Alone):
    name = "Signal server down"

    async def start(self, case: Case) -> None:
        await case.signal.stop_listening()
        case.cut("eof")

    async def stop(self, case: Case) -> None:
        await case.signal.listen_again()


class SignalMute(Alone):
    """It takes connections, and then is silent or resets them."""

    def __init__(self, name: str, tcp: str):
        self.name, self.tcp = name, tcp
        self.met = self.before = 0

    async def start(self, case: Case) -> None:
        self.before = case.signal.tcp_connections
        case.signal.set_behaviour(tcp=self.tcp)
        case.cut("reset")

    async def stop(self, case: Case) -> None:
        case.signal.reset_behaviour()
        self.met += case.signal.tcp_connections - self.before
        self.before = case.signal.tcp_connections

    def hits(self, case: Case) -> int:
        """Connections that met it."""
        under_way = case.signal.behaviour.tcp == self.tcp
        return self.met + (case.signal.tcp_connections - self.before if under_way else 0)


class SignalRefuses(Alone):
    """All links end, and who comes again is answered so: `status` None is no answer."""

    def __init__(self, name: str, status: Optional[int], **behaviour: Any):
        self.name, self.status, self.behaviour = name, status, behaviour

    async def start(self, case: Case) -> None:
        case.signal.set_behaviour(**self.behaviour)
        case.signal.end("eof")

    async def stop(self, case: Case) -> None:
        case.signal.reset_behaviour()

    def hits(self, case: Case) -> int:
        return len(case.handshakes(self.status))


class ClientRefused(SignalRefuses):
    """No User-Agent is new enough for the server, until it changes its mind."""

    def __init__(self, name: str, **behaviour: Any):
        super().__init__(name, 499, **behaviour)

    def hits(self, case: Case) -> int:
        """Refusals of those that came with both, and the first counts only with the second."""
        return sum(self.refused(case, phone.key) for phone in case.phones)

    @staticmethod
    def refused(case: Case, key: str) -> int:
        refused = [each for each in case.handshakes(499) if each.device == key]
        return len(refused) if len({each.get("User-Agent") for each in refused}) > 1 else 0


class Queue(Alone):
    """5,000 messages wait when the program comes back; the server keeps to its window of 256."""

    name = "queue of 5,000 at connect"
    phones = 2
    own_messages = 5000
    waited = 0

    async def inject(self, case: Case) -> None:
        await case.program.stop()
        for _ in range(self.own_messages):
            case.send(case.phones[0])
        await case.all_sent()
        case.send_to_all()
        self.waited = len(case.waiting())
        case.server.answer_with(503)
        await case.program.start()
        await case.pause(0.5, 1.0)
        case.server.answer_with(200)

    def hits(self, case: Case) -> int:
        return self.waited


class Reauthenticated(Alone):
    """The program itself ends each link again and again, so that the device counts as seen."""

    name = "fresh authentication"
    fault_settings = {"signal.reauthenticate": "1s"}

    async def inject(self, case: Case) -> None:
        while not case.is_over():
            await case.pause(0.2, 0.4)

    def hits(self, case: Case) -> int:
        """Links that it closed, though nothing was wrong with them."""
        closes = [session.client_close for session in case.sessions()]
        return sum(close is not None and close[0] == 1000 for close in closes)


class Unplugged(Alone):
    """Packets vanish in both directions; nobody is told."""

    def __init__(self, name: str, cable: str, made: Cables):
        self.name, self.cable, self.made = name, cable, made

    def missing(self) -> Optional[str]:
        return network.missing()

    def cables(self) -> Cables:
        return self.made

    async def start(self, case: Case) -> None:
        self.made.unplug(self.cable)

    async def stop(self, case: Case) -> None:
        self.made.plug_in(self.cable)

    async def tidy(self, world: World) -> None:
        self.made.remove()
