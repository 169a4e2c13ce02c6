"""The program under test as a process: started, frozen, killed and watched."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from lib.doorbell import BINARY, FAULTS, to_yaml

READY_SECONDS = 30.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.02
UNTIDY = "left with open handles"


class Program:
    """`wrap` is a command in front of it (another network), `environment` comes on top of ours."""

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Any],
        wrap: Sequence[str] = (),
        environment: Optional[Mapping[str, str]] = None,
    ):
        self.folder, self.settings, self.wrap = folder, settings, list(wrap)
        self.environment = dict(environment or {})
        self.log = folder / "log"
        self.popen: Optional[subprocess.Popen] = None
        self.started_at = 0  # where in the log the present run begins
        self.problems: list[str] = []
        folder.mkdir(mode=0o700, exist_ok=True)

    def spawn(self) -> None:
        file = self.folder / "doorbell.yaml"
        file.write_text(to_yaml(self.settings))
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DOORBELL_", "MOLLY_"))
        }
        with self.log.open("ab") as log:
            self.started_at = log.tell()
            self.popen = subprocess.Popen(
                [*self.wrap, str(BINARY), "--config", str(file), "server"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**kept, **self.environment},
            )

    async def start(self) -> None:
        self.spawn()
        for _ in range(int(READY_SECONDS / POLL_SECONDS)):
            if " is ready" in self.said():
                return
            if not self.is_running():
                break
            await asyncio.sleep(POLL_SECONDS)
        raise AssertionError(f"it does not get ready:\n{self.tail()}")

    def is_running(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    @property
    def pid(self) -> int:
        assert self.popen
        return self.popen.pid

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def reload(self) -> None:
        """It says in its log that it did."""
        os.kill(self.pid, signal.SIGHUP)

    async def kill(self) -> None:
        """As the kernel or a power cut would."""
        self.note_crash()
        if not self.popen:
            return
        self.popen.kill()
        status = await self.ended()
        if status != -signal.SIGKILL:
            self.problems.append(f"exit status {status} after SIGKILL:\n{self.tail()}")

    async def stop(self) -> None:
        """SIGTERM must end it cleanly."""
        self.note_crash()
        if not self.popen:
            return
        self.popen.terminate()
        status = await self.ended()
        if status != 0:
            self.problems.append(f"exit status {status} after SIGTERM:\n{self.tail()}")

    async def ended(self) -> int:
        assert self.popen
        for _ in range(int(STOP_SECONDS / POLL_SECONDS)):
            if not self.is_running():
                break
            await asyncio.sleep(POLL_SECONDS)
        else:
            self.problems.append(f"it does not end:\n{self.tail()}")
            self.popen.kill()
        status = self.popen.wait()
        self.popen = None
        return status

    def note_crash(self) -> None:
        """It may end only when it is told to."""
        if self.popen and not self.is_running():
            status = self.popen.returncode
            self.problems.append(f"it ended by itself with status {status}:\n{self.tail()}")
            self.popen = None

    # What it says and what it takes

    def said(self) -> str:
        """In this run."""
        with self.log.open("rb") as log:
            log.seek(self.started_at)
            return log.read().decode(errors="replace")

    def tail(self, count: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def check_log(self) -> None:
        """For what a sanitizer says, of all runs."""
        if not self.log.exists():
            return
        with self.log.open(errors="replace") as log:
            for line in log:
                if any(fault in line for fault in (*FAULTS, UNTIDY)):
                    self.problems.append(f"its log {self.log} says: {line.strip()}")
                    return

    def resident(self) -> int:
        """Bytes of memory."""
        fields = Path(f"/proc/{self.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))
