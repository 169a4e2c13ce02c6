"""The program at a pseudo-terminal: what it shows, and what a person types."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
from pathlib import Path
from typing import Mapping, Optional, Sequence

from lib.background import Changes
from lib.process import STOP_DEADLINE
from lib.secrecy import secrecy, without

UP_TO = 40.0  # for a line that may come after the doctor's probes


class Terminal:
    def __init__(
        self,
        changes: Changes,
        command: Sequence[str],
        cwd: Path,
        env: Optional[Mapping[str, str]] = None,
        columns: int = 0,
        lines: int = 50,
    ):
        """Without columns it does not say how wide it is."""
        self.changes = changes
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process = subprocess.Popen(
            list(command), stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=env
        )
        os.close(theirs)
        self.output = b""
        self.typed: list[str] = []  # which a terminal shows
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        secrecy.watch(
            lambda: without(self.shown(), self.typed).splitlines(),
            lambda: self.process.poll() is not None,
        )

    def read(self) -> None:
        while piece := self.read_piece():
            self.output += piece
            self.changes.notify()

    def read_piece(self) -> bytes:
        try:
            return os.read(self.ours, 65536)
        except OSError:  # the other side has gone
            return b""

    def shown(self) -> str:
        return self.output.decode(errors="replace").replace("\r\n", "\n")

    def words(self) -> str:
        """Without line breaks."""
        return " ".join(self.shown().split())

    def wait_for(self, text: str) -> None:
        try:
            self.changes.wait_for(lambda: text in self.words(), f"{text!r} on the terminal", UP_TO)
        except AssertionError as failure:
            raise AssertionError(f"{failure}; it shows:\n{self.shown()}") from None

    def type(self, line: str = "") -> None:
        self.typed.append(line)
        os.write(self.ours, f"{line}\n".encode())

    def answer(self, question: str, line: str = "") -> None:
        """Once it is asked."""
        self.wait_for(question)
        self.type(line)

    def close_input(self) -> None:
        """Ctrl-D."""
        os.write(self.ours, b"\x04")

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def finish(self) -> int:
        """The exit status, when all that was shown has been read."""
        status = self.process.wait(STOP_DEADLINE)
        self.reader.join(STOP_DEADLINE)
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.reader.join(STOP_DEADLINE)
        os.close(self.ours)
