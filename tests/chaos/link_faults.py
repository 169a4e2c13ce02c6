"""Faults of single links to the messenger's server, whose phones are in the shared world."""

import asyncio
import copy
from typing import Any, Optional

from case import Case, Fault
from lib.signal_peer import Account, new_account
from strict_signal import Handshake, StrictSignal
from world import Phone


class OfLinks(Fault):
    """What is set of the server's behaviour, for these phones only."""

    phones = 2

    async def stop(self, case: Case) -> None:
        for phone in case.phones:
            case.signal.reset_behaviour(phone.key)


class Closed(OfLinks):
    """The server closes the links, and each new one at once, so."""

    def __init__(self, code: int, reason: str):
        self.name, self.code, self.reason = f"close {code}", code, reason

    async def start(self, case: Case) -> None:
        for phone in case.phones:
            how = {"code": self.code, "reason": self.reason}
            case.signal.set_behaviour(phone.key, after_open=how)
            case.signal.close(self.code, self.reason, phone.key)

    def hits(self, case: Case) -> int:
        return sum(session.close_sent == (self.code, self.reason) for session in case.sessions())


class Ended(OfLinks):
    """The links end without a word, or only seem to live."""

    def __init__(self, name: str, how: str):
        self.name, self.how = name, how

    async def start(self, case: Case) -> None:
        for phone in case.phones:
            case.signal.set_behaviour(phone.key, after_open={"end": self.how})
            case.signal.end(self.how, phone.key)

    def hits(self, case: Case) -> int:
        if self.how == "freeze":
            return sum(session.pipe.frozen for session in case.sessions())  # type: ignore
        return sum(
            session.close_sent is None and case.within_outage(session.ended)
            for session in case.sessions()
        )


class Unanswered(OfLinks):
    """The program has to give up a link that does not answer its keep-alives."""

    name = "keepalives unanswered"

    async def start(self, case: Case) -> None:
        for phone in case.phones:
            case.signal.set_behaviour(phone.key, keepalive="ignore")

    def hits(self, case: Case) -> int:
        return sum(
            session.close_sent is None
            and session.ended is not None
            and any(map(case.within_outage, session.keepalives[-1:]))
            for session in case.sessions()
        )


class Unsubscribed(OfLinks):
    """The server's answer to a keep-alive is the link's end."""

    name = "subscription lost"

    async def start(self, case: Case) -> None:
        for phone in case.phones:
            case.signal.set_behaviour(phone.key, keepalive="close")

    def hits(self, case: Case) -> int:
        return sum(session.close_sent == (1000, "OK") for session in case.sessions())


class NeverEmpty(OfLinks):
    """The server does not say that the queue is empty, on links that are new."""

    name = "no queue/empty"

    async def start(self, case: Case) -> None:
        for phone in case.phones:
            case.signal.set_behaviour(phone.key, queue_empty=False)
            case.signal.end("eof", phone.key)

    def hits(self, case: Case) -> int:
        return sum(
            session.queue_empty is None and case.within_outage(session.opened)
            for session in case.sessions()
        )


class Silent(OfLinks):
    """What answers takes the links, and shows nothing of the queue on those that are new."""

    name = "links without a queue"
    counted = 0

    async def start(self, case: Case) -> None:
        for phone in case.phones:
            case.signal.set_behaviour(phone.key, deliver=False)
            case.signal.end("eof", phone.key)

    async def stop(self, case: Case) -> None:
        self.counted += self.silent(case)
        await super().stop(case)

    @staticmethod
    def silent(case: Case) -> int:
        """Links of this outage; what is left of them shows its queue after it."""
        return sum(
            not session.published
            and session.queue_empty is None
            and session.opened >= case.outages[-1].begun
            for session in case.sessions()
        )

    def hits(self, case: Case) -> int:
        return self.counted


class Fragmented(OfLinks):
    FRAME_MAX = 50  # less than a message
    name = f"frames of {FRAME_MAX} bytes"
    counted = 0

    async def start(self, case: Case) -> None:
        for phone in case.phones:
            case.signal.set_behaviour(phone.key, frame_max=self.FRAME_MAX)

    async def stop(self, case: Case) -> None:
        self.counted += self.in_pieces(case)
        await super().stop(case)

    def in_pieces(self, case: Case) -> int:
        """Messages of this outage, on links that are told in such frames."""
        links = {
            session.number
            for session in case.sessions()
            if session.state == "open" and session.websocket.frame_out_max == self.FRAME_MAX
        }
        return sum(
            delivery.connection in links and delivery.time >= case.outages[-1].begun
            for number in case.numbers
            for delivery in case.deliveries(number)
        )

    def hits(self, case: Case) -> int:
        return self.counted + self.in_pieces(case)


class Handshakes(OfLinks):
    """The links end, and who comes again is answered so."""

    def __init__(self, name: str, status: int, phones: int = 2, **more: Any):
        self.name, self.status, self.phones = name, status, phones
        self.behaviour = refusal(status, **more)

    async def start(self, case: Case) -> None:
        for phone in case.phones:
            case.signal.set_behaviour(phone.key, **copy.deepcopy(self.behaviour))
            case.signal.end("eof", phone.key)

    def hits(self, case: Case) -> int:
        return len(case.handshakes(self.status))


class RefusedOnce(Handshakes):
    """One 403 of the messenger's own is not to be believed; a second one in a row would be."""

    def __init__(self) -> None:
        super().__init__("handshake 403", 403, phones=1, times=1)

    async def stop(self, case: Case) -> None:
        await case.until(lambda: not case.unlinked(), "all links")


class OtherClient(Handshakes):
    """The first that comes is refused for its User-Agent."""

    def __init__(self) -> None:
        name = "handshake 499 to one User-Agent"
        super().__init__(name, 499, times=1, timestamp=False)

    async def check(self, case: Case) -> None:
        for phone in case.phones:
            ours = [each for each in case.signal.handshakes if each.device == phone.key]
            clients = {handshake.get("User-Agent") for handshake in ours}
            assert len(clients) == 2, f"it came with these User-Agents: {clients}"


class Relinked(Fault):
    """The device is unlinked while a ring is owed, until the program believes it: two refusals. Then
    the app links anew, and no message is to be missed.
    """

    phones = 1  # three that are refused alike would be everybody

    def __init__(self, name: str, as_other: bool):
        self.name, self.as_other = name, as_other  # device, or the same one with a new password
        self.old: list[Account] = []

    async def start(self, case: Case) -> None:
        case.server.answer_with(503)
        numbers = set(case.send_to_all())
        await case.until(lambda: not numbers & set(case.waiting()), "answers to what is owed")
        for phone in case.phones:
            self.old.append(phone.account)
            self.unlink(case, phone)

    async def last_words(self, case: Case) -> None:
        """The ring that is owed is the last one."""

    def unlink(self, case: Case, phone: Phone) -> None:
        """Messages go on to the device that will take its place."""
        old = phone.account
        fresh = new_account(old.device + self.as_other, old.uuid)
        if self.as_other:
            case.signal.add_account(fresh.uuid, fresh.device, fresh.password)
            case.signal.revoke(old.key)
            hand_over(case.signal, old.key, fresh.key)
        else:
            case.signal.change_account(old.key, password=fresh.password)
            case.signal.revoke(old.key)
        phone.account = fresh

    async def stop(self, case: Case) -> None:
        old = self.old[-len(case.phones) :]
        await asyncio.gather(*map(self.until_believed, [case] * len(old), case.phones, old))
        await asyncio.gather(*map(case.world.register, case.phones))
        case.server.answer_with(200)

    async def until_believed(self, case: Case, phone: Phone, old: Account) -> None:
        """As the app sees it, which registers again and again."""
        for _ in range(100):
            if await case.world.post(phone, old) == "forbidden":
                return
            await asyncio.sleep(0.2)
        raise AssertionError("it does not believe that the device is unlinked")

    def hits(self, case: Case) -> int:
        return sum(len(self.refusals(case, old)) > 1 for old in self.old)

    @staticmethod
    def refusals(case: Case, account: Account) -> list[Handshake]:
        return [
            handshake
            for handshake in case.signal.handshakes
            if handshake.get("Authorization") == account.authorization() and handshake.status == 403
        ]

    async def check(self, case: Case) -> None:
        assert all(len(self.refusals(case, old)) > 1 for old in self.old), "one 403 was believed"


def hand_over(signal: StrictSignal, old: str, fresh: str) -> None:
    """Signal forgets what waits for a device that is unlinked; here its successor gets it, so that
    no message's fate is uncertain.
    """
    waiting = signal.devices[old].queue
    signal.remove_account(old)
    for message in waiting:
        message.device = fresh
    signal.devices[fresh].queue += waiting


def refusal(status: int, **more: Any) -> dict:
    return {"reject": {"status": status, **more}}
