"""Faults of the program's process and of its clock. Each is played in a world of its own."""

import datetime
import json
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Awaitable, Callable, Optional, Sequence

from case import Alone, Case
from world import World

CLOCK_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
BAD_ANSWERS: Sequence = (503, "hang", "reset", 429, 507)


class Restarted(Alone):
    """Ends at random instants, while the push server has its own moods; the last time with a ring
    owed to every phone, which only the store remembers.
    """

    ends = 0

    async def end(self, case: Case) -> None:
        raise NotImplementedError

    async def inject(self, case: Case) -> None:
        while not case.is_over():
            case.server.answer_with(case.draws.choice((200, 200, *BAD_ANSWERS)))
            await case.pause(0.05, 0.7)
            await self.end_and_start(case)
        await case.all_sent()
        case.server.answer_with(503)
        case.server.drop_connections()
        case.send_to_all()
        await case.until(lambda: not case.waiting(), "answers to what is owed")
        await self.end_and_start(case, then=200)

    async def end_and_start(self, case: Case, then: Optional[int] = None) -> None:
        await self.end(case)
        self.ends += 1
        if then:
            case.server.answer_with(then)
        await case.pause(0, 0.25)
        await case.program.start()

    def hits(self, case: Case) -> int:
        return self.ends


class Killed(Restarted):
    name = "SIGKILL and restart"

    async def end(self, case: Case) -> None:
        await case.world.kill()


class Stopped(Restarted):
    name = "SIGTERM and restart"

    async def end(self, case: Case) -> None:
        await case.program.stop()


class Frozen(Alone):
    name = "SIGSTOP and SIGCONT"

    async def start(self, case: Case) -> None:
        case.program.freeze()

    async def stop(self, case: Case) -> None:
        case.program.thaw()


class WithClock(Alone):
    """The program's clock is moved under it: wall time, or monotonic time, too."""

    monotonic_too = True

    def missing(self) -> Optional[str]:
        return None if CLOCK_LIBRARIES else "needs the package libfaketime"

    def environment(self, world: World) -> dict[str, str]:
        self.file = world.folder / "clock"
        self.set("+0d")
        return {
            "LD_PRELOAD": str(CLOCK_LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "0" if self.monotonic_too else "1",
            "FAKETIME_NO_CACHE": "1",
            "ASAN_OPTIONS": "verify_asan_link_order=0",  # the clock's library comes first
        }

    def set(self, ahead: str) -> None:
        self.file.write_text(f"{ahead}\n")


class ClockJumps(WithClock):
    """Wall time goes a day forward and back under the running program; monotonic time does not."""

    name = "clock a day forward and back"
    monotonic_too = False
    spares_others = True
    jumps = 0

    async def inject(self, case: Case) -> None:
        self.today = datetime.datetime.now(datetime.timezone.utc)
        while not case.is_over():
            await self.jump(case)
        await case.all_sent()
        case.send_to_all()
        await self.jump(case)
        case.server.answer_with(200)

    async def jump(self, case: Case) -> None:
        for days in (1, 0, -1, 0):
            self.set(f"{days:+d}d")
            case.program.reload()
            self.jumps += 1
            case.server.answer_with(case.draws.choice((200, 503)))
            await case.pause(0.2, 0.5)

    def hits(self, case: Case) -> int:
        return self.jumps

    async def check(self, case: Case) -> None:
        """That the program believed the clock is seen in the dates of its log."""
        for days in (-1, 1):
            day = (self.today + datetime.timedelta(days=days)).strftime("%Y-%m-%d")
            assert day in case.program.said(), f"its clock did not move by {days} days"


class TwoBridges(Alone):
    """A second one uses the same devices, with a copy of the store and the key. It ends with nothing
    owed: what only it knows of, nobody would ring for. Waits are a hundredth of the usual ones, so
    that the long run's minute is more than an hour and a half.
    """

    name = "two bridges on one device"
    STORM = 3  # pushes to one phone for each message to it, and a few to begin with
    FIRST, LONGEST = 0.1, 18.0  # seconds: 10 s and half an hour
    NOTICE = {"code": 4409}
    fault_settings = {
        "signal.contested_min": f"{FIRST * 1000:.0f}ms",
        "signal.contested_max": f"{LONGEST:.0f}s",
        "signal.contested_end": f"{2 * LONGEST:.0f}s",
    }
    lasted = 0.0

    async def inject(self, case: Case) -> None:
        begun = time.monotonic()
        second = case.world.add_program()
        first_store, store = (one.settings["store.path"] for one in (case.program, second))
        copy(first_store, store)
        shutil.copy(Path(first_store).with_name("vapid.key"), Path(store).with_name("vapid.key"))
        await second.start()
        while not case.is_over():
            await case.pause(0.2, 0.4)
        await case.all_sent()
        case.send_to_all()
        await case.until(lambda: not case.waiting() and not case.uncovered(), "rings for all")
        await second.stop()
        self.lasted = time.monotonic() - begun

    def hits(self, case: Case) -> int:
        return len(case.signal.displacements)

    def most_displacements(self) -> int:
        """Of one bridge, each followed by twice the wait of the one before."""
        count, wait, left = 1, self.FIRST, self.lasted
        while left >= wait:
            count, left, wait = count + 1, left - wait, min(2 * wait, self.LONGEST)
        return count

    async def check(self, case: Case) -> None:
        for phone in case.phones:
            mine = [one for one in case.signal.displacements if one["device"] == phone.key]
            most = 2 * self.most_displacements()
            assert len(mine) <= most, f"{len(mine)} displacements in {self.lasted:.0f} s"
            bodies = [push.body for push in case.server.pushes if push.topic in phone.topics]
            told = sum(json.loads(body) == self.NOTICE for body in bodies)
            assert told <= 2, f"a phone was told {told} times; each bridge tells once"
            messages = [n for n in case.numbers if case.signal.messages[n - 1].device == phone.key]
            pushes = [push for push in case.server.pushes if push.topic in phone.topics]
            most = self.STORM * (len(messages) + 3)
            assert len(pushes) <= most, f"{len(pushes)} pushes for {len(messages)} messages"


def copy(store: str, to: str) -> None:
    source, target = sqlite3.connect(f"file:{store}?mode=ro", uri=True), sqlite3.connect(to)
    source.backup(target)
    source.close()
    target.close()
    Path(to).chmod(0o600)


class Everything(Alone):
    """Whatever comes to a random mind, one on top of the other."""

    name = "everything at once"
    phones = 10
    LAST_STEPS = 3
    steps = 0

    async def inject(self, case: Case) -> None:
        while not case.is_over():
            await self.step(case)
        await case.all_sent()
        case.send_to_all()
        for _ in range(self.LAST_STEPS):
            await self.step(case)
        await self.mend(case)

    async def step(self, case: Case) -> None:
        steps: Sequence[Callable[[Case], Awaitable[None]]] = (
            self.kill,
            self.freeze,
            self.moods,
            self.links,
            self.refuse,
            self.down,
        )
        await case.pause(0.05, 0.3)
        await self.moods(case)
        await case.draws.choice(steps)(case)
        self.steps += 1

    async def kill(self, case: Case) -> None:
        await case.world.kill()
        await case.program.start()

    async def freeze(self, case: Case) -> None:
        case.program.freeze()
        await case.pause(0.1, 0.5)
        case.program.thaw()

    async def moods(self, case: Case) -> None:
        for phone in case.phones:
            answer = case.draws.choice((200, 200, 404, *BAD_ANSWERS))
            case.server.answer_with(answer, topic=phone.topics[-1])

    async def links(self, case: Case) -> None:
        how = case.draws.choice(("eof", "reset", "freeze"))
        case.signal.end(how, case.draws.choice(case.phones).key)

    async def refuse(self, case: Case) -> None:
        status = case.draws.choice((429, 500, 503))
        case.signal.set_behaviour(reject={"status": status})
        case.signal.shut_down()
        await case.pause(0.1, 0.4)
        case.signal.reset_behaviour()

    async def down(self, case: Case) -> None:
        case.server.stop_listening()
        case.server.drop_connections()
        await case.pause(0.1, 0.5)
        await case.server.listen_again()

    async def mend(self, case: Case) -> None:
        for phone in case.phones:
            case.server.answer_with(200, topic=phone.topics[-1])
        case.server.drop_connections()

    def hits(self, case: Case) -> int:
        return self.steps
