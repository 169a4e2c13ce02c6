"""What the guarantee says about a history of messages and rings. Pure: it knows no server.

A message is *covered* by a ring of its phone that the push server accepted and whose request began
after the messenger's server had handed the message out. The first such ring is the one that was
needed; messages inside one ring's window share it. A ring that is no message's first one is a
duplicate, a message without one is lost.
"""

import bisect
import collections
import dataclasses
import math
import statistics
from typing import Collection, Iterable, Optional, Sequence


@dataclasses.dataclass
class Note:
    """An urgent message, in seconds of one clock."""

    number: int
    phone: str
    sent: float
    delivered: Optional[float] = None  # handed out for the first time
    acked: Optional[float] = None


@dataclasses.dataclass
class Ring:
    phone: str
    begun: float
    accepted: Optional[float] = None


@dataclasses.dataclass
class Outage:
    """One coming and going of a fault."""

    begun: float
    ended: float = math.inf


@dataclasses.dataclass
class Outcome:
    hits: int = 0  # of the fault, as the servers and the system recorded them
    messages: int = 0
    needed: int = 0
    delivered: int = 0
    duplicates: int = 0
    lost: list[Note] = dataclasses.field(default_factory=list)
    delays: list[float] = dataclasses.field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        for field in dataclasses.fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    @property
    def median(self) -> float:
        return statistics.median(self.delays) if self.delays else 0

    @property
    def worst(self) -> float:
        return max(self.delays, default=0)


class Rings:
    """The accepted rings of each phone; `first_after` answers by binary search."""

    def __init__(self, rings: Iterable[Ring]):
        accepted = [ring for ring in rings if ring.accepted is not None]
        accepted.sort(key=lambda ring: ring.begun)
        self.of: dict[str, list[Ring]] = collections.defaultdict(list)
        for ring in accepted:
            self.of[ring.phone].append(ring)
        self.begun = {phone: [ring.begun for ring in rings] for phone, rings in self.of.items()}
        self.count = len(accepted)

    def first_after(self, phone: str, time: float) -> Optional[Ring]:
        """Of those that began then or later, the one that was accepted first."""
        later = self.of.get(phone, [])[bisect.bisect_left(self.begun.get(phone, []), time) :]
        return min(later, key=lambda ring: ring.accepted or 0, default=None)

    def covers(self, note: Note) -> Optional[Ring]:
        if note.delivered is None:
            return None
        return self.first_after(note.phone, note.delivered)

    def is_under_way(self, phone: str, time: float) -> bool:
        return any(
            ring.begun <= time < (ring.accepted or math.inf) for ring in self.of.get(phone, [])
        )


def judge(notes: Sequence[Note], rings: Sequence[Ring]) -> Outcome:
    """At the end, when everything has been mended and has had its time."""
    index = Rings(rings)
    outcome = Outcome(messages=len(notes), delivered=index.count)
    needed: set[int] = set()
    for note in notes:
        ring = index.covers(note)
        if ring is None:
            outcome.lost.append(note)
        else:
            assert ring.accepted is not None
            needed.add(id(ring))
            outcome.delays.append(ring.accepted - note.sent)
    outcome.duplicates = index.count - len(needed)
    outcome.needed = len(needed) + len({note.phone for note in outcome.lost})
    return outcome


def unrecorded(notes: Iterable[Note], index: Rings, owed: Collection[str]) -> list[Note]:
    """At any instant: what the messenger's server has forgotten on our word although neither a ring
    was accepted for it nor the store says that its phone is owed one.
    """
    return [
        note
        for note in notes
        if note.acked is not None and note.phone not in owed and not index.covers(note)
    ]


def held_up(notes: Iterable[Note], rings: Iterable[Ring], outages: Sequence[Outage]) -> list[Note]:
    """What was sent in an outage and not rung within it: the outage was one."""
    index = Rings(rings)
    found = []
    for note in notes:
        ring = index.covers(note)
        rung = ring.accepted if ring and ring.accepted is not None else math.inf
        if any(outage.begun <= note.sent <= outage.ended <= rung for outage in outages):
            found.append(note)
    return found


def overtaken(notes: Iterable[Note], rings: Iterable[Ring]) -> list[Note]:
    """What was handed out while a ring that does not cover it was under way."""
    index = Rings(rings)
    return [
        note
        for note in notes
        if note.delivered is not None and index.is_under_way(note.phone, note.delivered)
    ]
