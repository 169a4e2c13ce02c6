"""A child process whose output is read as it comes and which is always ended, by its id."""

import json
import os
import subprocess
import threading
from pathlib import Path
from typing import Any, Callable, IO, Optional, Sequence

from lib.background import Changes

STOP_DEADLINE = 15.0
REPOSITORY = Path(__file__).resolve().parents[3]
PEERS = REPOSITORY / "tests" / "peers"
INSTALLED_PEERS = Path(os.environ.get("DOORBELL_PEERS", REPOSITORY / "build" / "peers"))


class Process:
    def __init__(self, changes: Changes, command: Sequence[str], **options: Any):
        self.changes = changes
        self.lines: list[str] = []  # of stderr
        self.output: list[str] = []  # of stdout
        self.popen = subprocess.Popen(
            list(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            **options,
        )
        self.readers = [
            self.read(self.popen.stderr, self.lines),
            self.read(self.popen.stdout, self.output),
        ]

    def read(self, stream: Optional[IO[str]], lines: list[str]) -> threading.Thread:
        def run() -> None:
            assert stream
            for line in stream:
                lines.append(line.rstrip("\n"))
                self.changes.notify()
            self.changes.notify()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def is_running(self) -> bool:
        return self.popen.poll() is None

    def write_line(self, text: str) -> None:
        assert self.popen.stdin
        self.popen.stdin.write(text + "\n")
        self.popen.stdin.flush()

    def wait(self, seconds: float = STOP_DEADLINE) -> int:
        status = self.popen.wait(seconds)
        for reader in self.readers:
            reader.join(seconds)
        return status

    def end(self) -> None:
        """Whatever state it is in."""
        if self.is_running():
            self.popen.kill()
        self.wait()
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream:
                stream.close()

    def tail(self, count: int = 60) -> str:
        return "\n".join(self.lines[-count:])


class JsonPeer(Process):
    """A program of tests/peers that takes commands and answers events, each a line of JSON."""

    def __init__(self, changes: Changes, script: str, *arguments: str):
        self.script = script
        node = INSTALLED_PEERS / "node"
        assert node.exists(), f"{node} is missing: run tests/peers/prepare"
        super().__init__(
            changes, [str(node), str(PEERS / script), *arguments], stdin=subprocess.PIPE
        )

    def end(self) -> None:
        """The end of its input lets it tidy up."""
        assert self.popen.stdin
        try:
            self.popen.stdin.close()
            self.wait()
        except (BrokenPipeError, subprocess.TimeoutExpired):
            pass
        super().end()

    def events(self, kind: str) -> list[dict]:
        return [event for event in map(json.loads, list(self.output)) if event["event"] == kind]

    def wait_event(self, kind: str, matches: Callable[[dict], bool] = lambda event: True) -> dict:
        def found() -> Optional[dict]:
            assert self.is_running(), f"it ended: {self.tail()}"
            return next((event for event in self.events(kind) if matches(event)), None)

        return self.changes.wait_for(found, f"{kind} of {self.script}\n{self.tail()}")

    def do(self, op: str, **details: Any) -> None:
        self.write_line(json.dumps({"op": op, **details}))
