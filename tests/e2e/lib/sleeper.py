"""Puts the machine that Doorbell believes to run on to sleep."""

import os
import struct
import subprocess
from pathlib import Path


class Sleeper:
    def __init__(self, folder: Path):
        source = Path(__file__).parent / "sleepy.c"
        # Beside the store, because it is opened from within the sandbox.
        beside = folder / "doorbell-0"
        beside.mkdir(mode=0o700)
        self.library, self.fifo = folder / "sleepy.so", beside / "sleepy.fifo"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", "-o", str(self.library), str(source), "-ldl"],
            check=True,
        )
        os.mkfifo(self.fifo)

    def sleep(self, milliseconds: int) -> None:
        descriptor = os.open(self.fifo, os.O_WRONLY | os.O_NONBLOCK)  # fails where nobody reads
        os.write(descriptor, struct.pack("=q", milliseconds))
        os.close(descriptor)
