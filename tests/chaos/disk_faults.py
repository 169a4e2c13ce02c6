"""Faults of the disk with the store. Each is played in a world of its own."""

import os
from pathlib import Path
from typing import Optional

import network
from case import Alone, Case
from network import FailingDisk, SmallDisk
from world import World


class DiskFull(Alone):
    """Without a debt on disk and without a ring nothing may be acknowledged: one phone's messages
    come to the server's window of 256.
    """

    name = "disk full, 256 unanswered"
    own_messages = 300
    spares_others = True
    unanswered = 0

    def missing(self) -> Optional[str]:
        return network.missing()

    async def prepare(self, world: World) -> None:
        self.disk = SmallDisk(Path(world.program.settings["store.path"]).parent)
        self.disk.make()

    async def inject(self, case: Case) -> None:
        self.disk.fill()
        case.server.answer_with(503)
        for _ in range(self.own_messages):
            case.send(case.phones[0])
        await case.pause(0.5, 1.0)
        await case.all_sent()
        case.send_to_all()
        await case.pause(1.0, 1.5)
        self.unanswered = len(case.waiting())
        self.disk.free()
        await case.pause(0.5, 1.0)
        case.server.answer_with(200)

    def hits(self, case: Case) -> int:
        """Messages that were held back."""
        return self.unanswered

    async def check(self, case: Case) -> None:
        assert self.unanswered >= 256, f"only {self.unanswered} were held back"
        said = case.program.said()
        assert "The store cannot be written" in said, "it does not say that the disk is full"
        assert "The store can be written again" in said, "it does not say that the disk is mended"

    async def tidy(self, world: World) -> None:
        self.disk.remove()


class DiskReadOnly(Alone):
    """As after a fault of the disk: mended only by mounting it anew, for which the program has to
    end.
    """

    name = "disk read-only"
    spares_others = True
    unanswered = 0
    said = ""

    def missing(self) -> Optional[str]:
        if not os.access("/dev/loop-control", os.W_OK) or not network.works("mkfs.ext4", "-V"):
            return "needs root, loop devices and mkfs.ext4"
        return network.missing()

    async def prepare(self, world: World) -> None:
        self.disk = FailingDisk(Path(world.program.settings["store.path"]).parent)
        self.disk.make()

    async def inject(self, case: Case) -> None:
        self.disk.fail()
        assert not self.disk.is_writable(), "the disk can still be written"
        case.server.answer_with(503)
        await case.pause(1.0, 1.5)
        case.server.answer_with(200)
        await case.pause(0.5, 1.0)
        case.server.answer_with("hang")
        await case.all_sent()
        case.send_to_all()
        await case.pause(0.5, 1.0)
        self.unanswered = len(case.waiting())
        self.said = case.program.said()
        await case.program.stop()
        self.disk.mend()
        case.server.answer_with(200)
        await case.program.start()

    def hits(self, case: Case) -> int:
        """Messages that were held back."""
        return self.unanswered

    async def check(self, case: Case) -> None:
        assert self.unanswered >= len(case.phones), "it answered what neither ring nor store covers"
        said = "The store cannot be written" in self.said
        assert said, "it does not say that the disk is read-only"

    async def tidy(self, world: World) -> None:
        self.disk.remove()
