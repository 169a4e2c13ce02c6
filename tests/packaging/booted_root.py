"""A clean root that was booted with its own systemd (boot), in this process's network, and commands in it."""

import os
import subprocess
import time
from pathlib import Path
from typing import Iterator

from lib.background import Changes
from lib.process import REPOSITORY, Process
from lib.secrecy import secrecy

DEADLINE = 120.0
INSIDE = "/doorbell"  # where its copy of the checkout lies


def descendants(process: int) -> Iterator[int]:
    for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        yield int(child)
        yield from descendants(int(child))


def name_of(process: int) -> str:
    return Path(f"/proc/{process}/comm").read_text().strip()


class BootedRoot:
    def __init__(self, changes: Changes, root: Path):
        self.root = root
        self.lines: list[str] = []
        self.said = root / "var/log/boot-check"
        self.said.unlink(missing_ok=True)
        self.process = Process(
            changes,
            [
                str(REPOSITORY / "tests/packaging/boot"),
                str(root),
                f"{INSIDE}/tests/packaging/stay",
            ],
            env={**os.environ, "NETWORK": "shared"},
        )
        self.first = self.wait_up()
        secrecy.watch(self.journal, lambda: True)

    def is_up(self) -> bool:
        return self.said.exists() and self.said.read_text() == "up\n"

    def wait_up(self) -> int:
        """Its first process."""
        deadline = time.monotonic() + DEADLINE
        while not self.is_up():
            assert self.process.is_running() and time.monotonic() < deadline, self.process.tail()
            time.sleep(0.1)
        return next(it for it in descendants(self.process.popen.pid) if name_of(it) == "systemd")

    def try_to(self, *words: str) -> subprocess.CompletedProcess:
        namespaces = ("--mount", "--pid", "--uts", "--ipc", "--cgroup")
        done = subprocess.run(
            [
                *("nsenter", "--target", str(self.first), *namespaces, "--root", "--wd=/root"),
                *("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", *words),
            ],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        if words[0] == "doorbell":
            secrecy.command(done, words[1:])
        return done

    def run(self, *words: str) -> str:
        done = self.try_to(*words)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def journal(self) -> list[str]:
        """Of the service."""
        if self.process.is_running():
            words = ("--output=cat", "--unit=doorbell.service", "--no-pager")
            self.lines = self.run("journalctl", *words).splitlines()
        return self.lines

    def leave(self) -> None:
        print("\n".join(self.journal()))  # shown where the test fails
        self.run("touch", "/run/over")
        assert self.process.wait(DEADLINE) == 0, self.process.tail()
        self.process.end()
