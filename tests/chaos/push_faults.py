"""Faults of a push server. Each has a push server and phones of its own in the shared world."""

import asyncio
from typing import Any

from case import Case, Fault, Late
from ledger import overtaken
from lib.nameserver import SILENT
from world import SLOW_SECONDS, USUAL_SECONDS, Phone

UNHARMED_WORST = 5.0  # seconds: what one phone's fault may cost another one of its push server


class Answers(Fault):
    """The server answers so for a while."""

    def __init__(self, name: str, answer: Any):
        self.name, self.answer = name, answer

    async def start(self, case: Case) -> None:
        case.server.answer_with(self.answer)

    async def stop(self, case: Case) -> None:
        case.server.answer_with(200)

    def hits(self, case: Case) -> int:
        return case.answered(self.answer)


class Refused(Fault):
    name = "push server down"

    async def start(self, case: Case) -> None:
        case.server.stop_listening()
        case.server.drop_connections()

    async def stop(self, case: Case) -> None:
        await case.server.listen_again()


class Late(Fault):
    """The server accepts, but takes its time: messages come while a ring is under way."""

    name = "accepts after a second"

    async def start(self, case: Case) -> None:
        case.server.takes = SLOW_SECONDS

    async def last_words(self, case: Case) -> None:
        await asyncio.gather(*(self.overtake(case, phone) for phone in case.phones))

    async def overtake(self, case: Case, phone: Phone) -> None:
        """The last message comes while the ring for the one before it is under way."""
        number = case.send(phone)
        await case.until(lambda: self.is_under_way(case, phone, number), "a ring under way")
        case.send(phone)

    @staticmethod
    def is_under_way(case: Case, phone: Phone, number: int) -> bool:
        deliveries = case.deliveries(number)
        return bool(deliveries) and any(
            push.answered is None and push.time >= deliveries[0].time
            for push in case.server.pushes
            if push.topic == phone.topics[-1]
        )

    async def stop(self, case: Case) -> None:
        case.server.takes = USUAL_SECONDS

    def hits(self, case: Case) -> int:
        return len(overtaken(case.world.notes(case.numbers), case.world.rings(case.phones)))


class Expired(Fault):
    name = "TLS certificate expired"

    async def start(self, case: Case) -> None:
        expired = case.run.expired
        case.server.present(str(expired.cert), str(expired.key))
        case.server.drop_connections()

    async def stop(self, case: Case) -> None:
        leaf = case.run.leaf
        case.server.present(str(leaf.cert), str(leaf.key))

    def hits(self, case: Case) -> int:
        """Handshakes that the client did not go through with."""
        return case.server.hellos - case.server.connections


class SilentName(Fault):
    """The phones move to a name that nobody has looked up before, and no nameserver answers."""

    name = "DNS silent"
    named_server = True

    async def start(self, case: Case) -> None:
        case.server.names.pop(0)
        case.world.nameserver.set(case.server.names[0], SILENT)
        await Gone.move(case)

    async def stop(self, case: Case) -> None:
        case.world.nameserver.set(case.server.names[0], [case.server.address])

    def hits(self, case: Case) -> int:
        """Questions that got no answer; the other push servers of this world have no names."""
        return len(case.world.nameserver.held)


class Gone(Fault):
    name = "410, then a new endpoint"

    async def start(self, case: Case) -> None:
        for phone in case.phones:
            case.server.answer_with(410, topic=phone.topics[-1])

    async def stop(self, case: Case) -> None:
        await self.move(case)

    @staticmethod
    async def move(case: Case) -> None:
        for phone in case.phones:
            phone.subscribe()
        await asyncio.gather(*(case.world.register(phone) for phone in case.phones))

    def hits(self, case: Case) -> int:
        return case.answered(410)


class OneOfThem(Fault):
    """One phone's pushes hang; the others of the same server are rung as ever."""

    name = "one phone of a server hangs"

    async def start(self, case: Case) -> None:
        case.server.answer_with("hang", topic=case.phones[0].topics[-1])

    async def stop(self, case: Case) -> None:
        case.server.answer_with(200, topic=case.phones[0].topics[-1])

    def hits(self, case: Case) -> int:
        return case.answered("hang")

    async def check(self, case: Case) -> None:
        worst = case.outcome_of(case.phones[1:]).worst
        if worst > UNHARMED_WORST:
            raise Late(f"another phone had to wait {worst:.1f} s")


class Redelivered(Fault):
    """What no ring was accepted for comes again on each new link."""

    name = "redelivery after reconnects"

    async def start(self, case: Case) -> None:
        case.server.answer_with("hang")
        await self.reconnect(case)

    async def reconnect(self, case: Case) -> None:
        for _ in range(3):
            await case.pause(0.05, 0.15)
            for phone in case.phones:
                case.signal.end("reset", phone.key)

    async def last_words(self, case: Case) -> None:
        numbers = case.send_to_all()
        await case.try_until(lambda: all(map(case.deliveries, numbers)))
        await self.reconnect(case)
        await case.try_until(lambda: self.hits(case))

    async def stop(self, case: Case) -> None:
        case.server.answer_with(200)
        case.server.drop_connections()

    def hits(self, case: Case) -> int:
        return sum(len(case.deliveries(number)) > 1 for number in case.numbers)


class Flood(Fault):
    """More messages than the server's window has room for, while nothing is accepted."""

    name = "300 at once, nothing accepted"
    phones = 2
    own_messages = 300

    async def inject(self, case: Case) -> None:
        case.server.answer_with(503)
        for _ in range(self.own_messages):
            case.send(case.phones[0])
        await case.all_sent()
        case.send_to_all()
        await case.pause(0.5, 1.0)
        case.server.answer_with(200)

    def hits(self, case: Case) -> int:
        return case.answered(503)
