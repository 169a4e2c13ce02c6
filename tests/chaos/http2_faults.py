"""Faults that only HTTP/2 has: of connections that many accounts share, and of the choice between the
two roads.
"""

from typing import Any, Sequence

from case import EITHER, Alone, Case
from link_faults import OfLinks
from process_faults import WithClock
from streams import CANCEL, NO_ERROR, PROTOCOL_ERROR, REFUSED, SHED_LOAD, Http2
from upgrade import HTTP2

INTERNAL_ERROR, ENHANCE_YOUR_CALM = 2, 11
STREAM_MAX = 2**31 - 1


class ConnectionCut(Alone):
    """One way or another, with the links of all accounts on it."""

    name = "connection cut"
    phones = 12
    struck = 0

    async def start(self, case: Case) -> None:
        self.struck += len(case.streams())
        case.signal.end_connections(case.draws.choice(("eof", "reset", "freeze")))

    def hits(self, case: Case) -> int:
        return self.struck


class StreamReset(OfLinks):
    """Those beside it on the connection must not notice."""

    name = "one stream is reset"
    CODES = (PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED, CANCEL, ENHANCE_YOUR_CALM)
    struck = 0

    async def start(self, case: Case) -> None:
        for phone in case.phones:
            code = case.draws.choice(self.CODES)
            self.struck += case.signal.reset_streams(code, phone.key)

    def hits(self, case: Case) -> int:
        return self.struck


class SentAway(Alone):
    """GOAWAY while messages come, at once or in the two steps of RFC 9113 section 6.8: streams above
    the last that it names are gone, the others go on until the server ends the connection.
    """

    name = "GOAWAY in a burst"
    BURST = 5  # messages to each phone before it, and as many after it
    struck = 0

    async def start(self, case: Case) -> None:
        self.burst(case)
        code = case.draws.choice((NO_ERROR, SHED_LOAD))
        share, in_steps = case.draws.uniform(0, 1), case.draws.happens(0.5)
        for connection in case.signal.live_connections():
            served = sorted(connection.open)[: int(share * len(connection.open))]
            if in_steps:
                connection.leave(NO_ERROR, STREAM_MAX)
            connection.leave(code, max(served, default=0))
            self.struck += 1
        self.burst(case)

    def burst(self, case: Case) -> None:
        for _ in range(self.BURST):
            case.send_to_all()

    async def stop(self, case: Case) -> None:
        for connection in case.signal.live_connections():
            if connection.last_served is not None:
                connection.end()

    def hits(self, case: Case) -> int:
        return self.struck


class WindowClosed(Alone):
    """The server answers PINGs, and gives no credit for what it reads, until nothing more can be
    said to it on that connection.
    """

    name = "window never refilled"
    AT_ONCE = 200
    phones = 2
    least = 2
    struck = 0

    async def inject(self, case: Case) -> None:
        case.signal.set_behaviour(give_credit=False)
        while not self.closed(case):
            await self.use_up(case)
        self.struck = len(self.closed(case))
        await case.all_sent()
        numbers = set(case.send_to_all())
        await case.until(lambda: not numbers & set(case.waiting()), "answers on another connection")

    async def use_up(self, case: Case) -> None:
        """By answers to messages that do not ring."""
        for _ in range(self.AT_ONCE):
            last = case.send(case.phones[0], urgent=False)
        answered = case.signal.messages[last - 1]
        await case.until(lambda: answered.acked or self.closed(case), "answers")

    @staticmethod
    def closed(case: Case) -> Sequence[Http2]:
        return [connection for connection in case.signal.live_connections() if not connection.credit]

    def hits(self, case: Case) -> int:
        return self.struck


class Crowded(Alone):
    """The server takes fewer streams on a connection than there are accounts, all at once."""

    name = "10 streams to a connection"
    LIMIT = 10
    phones = 16
    least = 12
    most = 0

    async def start(self, case: Case) -> None:
        case.signal.set_behaviour(max_streams=self.LIMIT)
        case.signal.end(case.draws.choice(("eof", "reset")))

    async def stop(self, case: Case) -> None:
        await case.until(lambda: not case.unlinked(), "all links")
        self.most = max(self.most, len({stream.connection for stream in case.streams()}))
        case.signal.reset_behaviour()

    def hits(self, case: Case) -> int:
        """Connections that it came to need, besides the first."""
        return max(0, self.most - 1)


class Fallback(WithClock):
    """HTTP/2 fails as a road, and HTTP/1.1 carries all links until the road is tried again; the time
    until then is that of the program's clock, which is moved.
    """

    name = "HTTP/2 fails, and HTTP/1.1 works"
    road = EITHER
    WAYS: Sequence[dict[str, Any]] = (
        {"reject": {"status": 404, "timestamp": False}},
        {"reject": {"status": 502, "timestamp": False}},
        {"shed_load": True},
        {"extended_connect": False},
        {"alpn": None},
    )
    WAIT = 10  # minutes
    minutes = 0

    async def start(self, case: Case) -> None:
        case.signal.set_behaviour(http2=case.draws.choice(self.WAYS))
        case.cut("eof")
        await case.until(lambda: not case.unlinked(), "all links over HTTP/1.1")

    async def stop(self, case: Case) -> None:
        case.signal.reset_behaviour()
        self.minutes += self.WAIT
        self.set(f"+{self.minutes}m")
        case.cut("eof")
        await case.until(case.streams, "a link over HTTP/2")

    def hits(self, case: Case) -> int:
        """Links over HTTP/1.1."""
        return sum(session.handshake.version != HTTP2 for session in case.sessions())
