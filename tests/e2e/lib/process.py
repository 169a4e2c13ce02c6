"""A child process whose output is read as it comes and which is always ended, by its id."""

import json
import os
import select
import subprocess
import threading
from pathlib import Path
from typing import IO, Any, Callable, Optional, Sequence

from lib.background import Changes
from lib.secrecy import secrecy

STOP_DEADLINE = 30.0
REPOSITORY = Path(__file__).resolve().parents[3]
PEERS = REPOSITORY / "tests" / "peers"
INSTALLED_PEERS = Path(os.environ.get("DOORBELL_PEERS", REPOSITORY / "build" / "peers"))


class Lines:
    """The lines that a child has written to a pipe. Whoever asks gets all that was written until
    then: what a program said before it answered is there when the answer is."""

    def __init__(self, changes: Changes, pipe: IO[bytes]):
        self.pipe = pipe
        self.lines: list[str] = []
        self.unfinished = b""
        self.ended = False
        self.lock = threading.Lock()
        os.set_blocking(pipe.fileno(), False)
        self.reader = threading.Thread(target=self.read, args=(changes,), daemon=True)
        self.reader.start()

    def read(self, changes: Changes) -> None:
        poll = select.poll()
        poll.register(self.pipe.fileno(), select.POLLIN)
        while not self.ended:
            poll.poll()
            self.catch_up()
            changes.notify()

    def catch_up(self) -> list[str]:
        with self.lock:
            try:
                while not self.ended:
                    self.take(os.read(self.pipe.fileno(), 65536))
            except BlockingIOError:
                pass
            return self.lines

    def take(self, data: bytes) -> None:
        *whole, self.unfinished = (self.unfinished + data).split(b"\n")
        if not data:
            self.ended = True
            whole = [self.unfinished] if self.unfinished else []
        self.lines += (line.decode(errors="replace") for line in whole)

    def finish(self, seconds: float) -> None:
        """Once the child has ended: until a child of its own has as well, which may hold the pipe."""
        self.reader.join(seconds)

    def close(self) -> None:
        with self.lock:
            self.ended = True
            self.pipe.close()


class Process:
    def __init__(self, changes: Changes, command: Sequence[str], **options: Any):
        self.changes = changes
        self.popen = subprocess.Popen(
            list(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
        )
        assert self.popen.stdout and self.popen.stderr
        self.stdout = Lines(changes, self.popen.stdout)
        self.stderr = Lines(changes, self.popen.stderr)

    def is_watched(self) -> None:
        """It is Doorbell: see lib/secrecy.py."""
        for stream in (self.stdout, self.stderr):
            secrecy.watch(stream.catch_up, lambda: not self.is_running())

    @property
    def lines(self) -> list[str]:
        """Of stderr."""
        return self.stderr.catch_up()

    @property
    def output(self) -> list[str]:
        """Of stdout."""
        return self.stdout.catch_up()

    def is_running(self) -> bool:
        return self.popen.poll() is None

    def wait_ready(self, is_ready: Callable[[], bool], what: str) -> None:
        """Ends it when that does not come."""
        try:
            self.changes.wait_for(is_ready, what)
        except AssertionError as failure:
            self.end()
            raise AssertionError(f"{failure}\n{self.tail()}") from None

    def write_line(self, text: str) -> None:
        assert self.popen.stdin
        self.popen.stdin.write(text.encode() + b"\n")
        self.popen.stdin.flush()

    def wait(self, seconds: float = STOP_DEADLINE) -> int:
        status = self.popen.wait(seconds)
        self.stdout.finish(seconds)
        self.stderr.finish(seconds)
        return status

    def terminate(self) -> None:
        """By SIGTERM, where it has not ended by itself."""
        try:
            if self.is_running():
                self.popen.terminate()
                self.wait()
        finally:
            self.end()

    def end(self) -> None:
        """Whatever state it is in."""
        if self.is_running():
            self.popen.kill()
        self.wait()
        self.stdout.close()
        self.stderr.close()
        if self.popen.stdin:
            self.popen.stdin.close()

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
