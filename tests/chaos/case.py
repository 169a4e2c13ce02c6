"""One fault against one group of phones: messages are sent to them while it comes and goes, then it
is mended, and the ledger is drawn up once everything had its time.
"""

import asyncio
from typing import Any, Awaitable, Callable, Optional, Sequence

from draws import Draws
from ledger import Note, Outage, Outcome, held_up, judge
from network import Cables
from program import Program
from strict_signal import Delivery, Handshake, Session, StrictSignal
from streams import Stream
from world import Phone, PushServer, Run, World

BURST = 0.2  # how likely a message is to come with the one before it
SILENT = 0.1  # how likely a message is to be one that does not ring
HIT_SECONDS = 20.0


# Roads to Signal, by what signal.transport says.
HTTP1, HTTP2, EITHER = "http1", "http2", "auto"


class Late(AssertionError):
    """Something took longer than it should; on a busy machine it may be the machine."""


class Fault:
    """What it touches is the case's: its phones, their push server, or the whole program."""

    name = ""
    road = HTTP1
    phones = 4
    least = 1  # phones, however few accounts the run may have
    own_messages = 0  # sent by the fault itself, on top of the case's share
    alone = False  # needs a world of its own, because it harms more than its own phones
    spares_others = True  # phones of another origin must not notice
    harmless = False
    named_server = False
    long_only = False
    by_rows = False  # its phones are written into the store: they are too many to register
    fault_settings: dict[str, Any] = {}

    def missing(self) -> Optional[str]:
        """Why it cannot be played on this machine."""
        return None

    def cables(self) -> Optional[Cables]:
        return None

    def environment(self, world: World) -> dict[str, str]:
        return {}

    async def prepare(self, world: World) -> None:
        """Before the program is started."""

    async def start(self, case: "Case") -> None: ...

    async def stop(self, case: "Case") -> None: ...

    async def inject(self, case: "Case") -> None:
        """Comes and goes until the messages have been sent, and then once more."""
        while not case.is_over():
            await self.strike(case, self.nothing)
        await case.all_sent()
        await self.strike(case, self.last_words)

    async def strike(self, case: "Case", meanwhile: Callable[["Case"], Awaitable[None]]) -> None:
        await case.pause(0.1, 0.4)
        case.outages.append(Outage(case.signal.now()))
        await self.start(case)
        await case.pause(0.2, 0.5)
        await meanwhile(case)
        await case.pause(0.2, 0.5)
        await self.stop(case)
        case.outages[-1].ended = case.signal.now()

    async def nothing(self, case: "Case") -> None: ...

    async def last_words(self, case: "Case") -> None:
        """A message to each phone, and nothing after it whose ring could stand in for its own."""
        case.send_to_all()
        await case.try_until(lambda: self.hits(case))

    def hits(self, case: "Case") -> int:
        """How often it struck, by what the servers recorded or the system says: a fault that hit
        nothing shows nothing. Unless there is something more exact, what it held up.
        """
        return len(case.held_up())

    async def check(self, case: "Case") -> None:
        """What else must hold at the end."""

    async def tidy(self, world: World) -> None:
        """After the program has ended."""


class Alone(Fault):
    """Harms the whole program, or all of its links."""

    alone = True
    spares_others = False
    phones = 6
    least = 3  # as few as make a refusal one of all


class Case:
    def __init__(
        self, run: Run, world: World, fault: Fault, server: PushServer, phones: Sequence[Phone]
    ):
        self.run, self.world, self.fault = run, world, fault
        self.server, self.phones = server, list(phones)
        self.draws = run.draws(self.name)
        self.message_draws = run.draws(f"messages of {self.name}")
        self.planned = 0.0  # seconds of pauses so far
        self.numbers: list[int] = []
        self.outages: list[Outage] = []
        self.sender: Optional[asyncio.Task] = None
        self.outcome = Outcome()
        world.under_way += 1

    @property
    def signal(self) -> StrictSignal:
        return self.world.signal

    @property
    def program(self) -> Program:
        return self.world.program

    @property
    def name(self) -> str:
        fault = self.fault.name
        return fault if fault == self.world.name else f"{self.world.name}: {fault}"

    # Time

    def is_over(self) -> bool:
        """By the schedule and not by the clock, so that a seed plays the same on any machine."""
        return self.planned >= self.run.window

    async def pause(self, least: float, most: float) -> None:
        """In parts of an outage."""
        seconds = self.draws.uniform(least, most) * self.run.outage
        self.planned += seconds
        await asyncio.sleep(seconds)

    async def until(self, predicate: Callable[[], Any], what: str) -> None:
        await self.world.until(predicate, what, HIT_SECONDS)

    async def try_until(self, predicate: Callable[[], Any]) -> None:
        await self.world.try_until(predicate, HIT_SECONDS)

    # Messages

    def send(self, phone: Phone, urgent: bool = True) -> int:
        number: int = self.signal.queue(phone.key, urgent=urgent)
        self.numbers.append(number)
        return number

    def send_to_all(self) -> list[int]:
        return [self.send(phone) for phone in self.phones]

    async def send_all(self, count: int) -> None:
        """At random instants of the window; some at once, some that are silent."""
        draws = self.message_draws
        times: list[float] = []
        for _ in range(count):
            together = draws.happens(BURST) and times
            times.append(times[-1] if together else draws.uniform(0, self.run.window))
        begun = self.signal.now()
        for time in sorted(times):
            phone, silent = draws.choice(self.phones), draws.happens(SILENT)
            await asyncio.sleep(max(0, begun + time - self.signal.now()))
            self.send(phone, urgent=not silent)

    async def all_sent(self) -> None:
        assert self.sender
        await self.sender

    # Links

    def cut(self, how: str) -> None:
        """All of the world, and over HTTP/2 the connections that carry them."""
        self.signal.end(how)
        self.signal.end_connections(how)

    def streams(self) -> list[Stream]:
        """All of the world that are open, on connections that go on."""
        connections = self.signal.live_connections()
        return [stream for each in connections for stream in each.open.values() if not stream.over]

    # The whole of it

    async def play(self, messages: int) -> None:
        self.sender = asyncio.create_task(self.send_all(messages))
        try:
            await self.fault.inject(self)
        except Exception as error:  # the fault's own failure is one of the run
            self.run.problem(self.name, f"{type(error).__name__}: {error}", conclusive=False)
        try:
            await self.all_sent()
        finally:
            self.world.under_way -= 1
        while self.world.under_way:  # a fault of the whole world is one of its healthy phones, too
            await asyncio.sleep(0.2)
        await self.settle()
        try:
            await self.fault.check(self)
        except AssertionError as error:
            self.run.problem(self.name, str(error), conclusive=not isinstance(error, Late))
        self.conclude()

    def waiting(self) -> list[int]:
        """Messages that the server still keeps."""
        return [n for n in self.numbers if self.signal.messages[n - 1].acked is None]

    def uncovered(self) -> list[Note]:
        return self.world.uncovered(self.phones, self.numbers)

    async def settle(self) -> None:
        deadline = self.signal.now() + self.run.settling
        while self.signal.now() < deadline:
            if not self.waiting() and not self.unlinked() and not self.uncovered():
                return
            await asyncio.sleep(0.2)

    def unlinked(self) -> list[str]:
        return [phone.key for phone in self.phones if not self.world.is_linked(phone)]

    def conclude(self) -> None:
        where = self.name
        self.outcome = judge(self.world.notes(self.numbers), self.world.rings(self.phones))
        self.outcome.hits = 0 if self.fault.harmless else self.fault.hits(self)
        if not self.outcome.hits and not self.fault.harmless:
            text = "the fault hit nothing, so nothing is shown"
            self.run.problem(where, text, conclusive=False)
        if self.outcome.lost:
            lost = self.outcome.lost
            self.run.problem(where, f"{len(lost)} messages were LOST: {lost[:3]}")
        waiting = self.waiting()
        if waiting:
            self.run.problem(where, f"{len(waiting)} messages were never answered: {waiting[:5]}")
        if self.unlinked():
            self.run.problem(where, f"accounts that did not connect again: {self.unlinked()[:5]}")

    def fingerprints(self) -> list[str]:
        return [draws.fingerprint() for draws in (self.draws, self.message_draws)]

    # What the servers recorded

    def outcome_of(self, phones: Sequence[Phone]) -> Outcome:
        """Of some of them."""
        names = {phone.name for phone in phones}
        notes = [note for note in self.world.notes(self.numbers) if note.phone in names]
        return judge(notes, self.world.rings(phones))

    def deliveries(self, number: int) -> list[Delivery]:
        return self.signal.messages[number - 1].deliveries

    def answered(self, answer: Any) -> int:
        """Pushes that got this answer."""
        return sum(push.answer == answer for push in self.server.pushes)

    def sessions(self) -> list[Session]:
        keys = {phone.key for phone in self.phones}
        return [
            session
            for session in self.signal.sessions
            if session.device and session.device.key in keys
        ]

    def handshakes(self, status: Optional[int]) -> list[Handshake]:
        """Those of the phones that were answered so; None: not at all."""
        keys = {phone.key for phone in self.phones}
        return [
            handshake
            for handshake in self.signal.handshakes
            if handshake.device in keys and handshake.status == status
        ]

    def within_outage(self, time: Optional[float]) -> bool:
        return time is not None and any(
            outage.begun <= time <= outage.ended for outage in self.outages
        )

    def held_up(self) -> list[Note]:
        return held_up(self.world.notes(self.numbers), self.world.rings(self.phones), self.outages)
