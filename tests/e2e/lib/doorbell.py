"""Runs the program under test with a configuration of its own in a folder of its own."""

import http.client
import json
import os
import signal
import sqlite3
import ssl
import subprocess
from pathlib import Path
from typing import Any, Optional

from lib import unforgivable
from lib.background import Changes
from lib.ports import free_port
from lib.process import REPOSITORY, STOP_DEADLINE, Process
from lib.secrecy import secrecy

BINARY = Path(os.environ.get("DOORBELL_BINARY", REPOSITORY / "build" / "doorbell"))
MOLLY = "Signal-Android/8.19.2-2 Android/36 Molly"
FAULTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:")
# Short enough that a test need not wait, long enough that a slow machine keeps to them.
TIMINGS = {
    "signal.reconnect_min": "100ms",
    "signal.reconnect_max": "500ms",
    "signal.contested_min": "300ms",
    "push.retry_min": "200ms",
    "push.retry_max": "1s",
}


def to_yaml(settings: dict[str, Any]) -> str:
    """{"push.timeout": "15s"} as a YAML document; JSON's scalars and lists are YAML's."""
    sections: dict[str, list[str]] = {}
    for path, value in settings.items():
        section, _, key = path.rpartition(".")
        sections.setdefault(section, []).append(f"{key}: {json.dumps(value)}")
    lines = list(sections.pop("", []))
    for section, entries in sections.items():
        lines += [f"{section}:", *(f"  {entry}" for entry in entries)]
    return "\n".join(lines) + "\n"


def to_environment(settings: dict[str, Any]) -> dict[str, str]:
    return {
        "DOORBELL_" + path.upper().replace(".", "_"): str(value) for path, value in settings.items()
    }


class Doorbell:
    """`settings` by the names of the schema, on top of what every test needs."""

    def __init__(self, changes: Changes, folder: Path, settings: dict[str, Any]):
        self.changes, self.folder = changes, folder
        self.port = free_port()
        self.settings = {
            "store.path": str(folder / "doorbell.db"),
            "web.listen": [f"127.0.0.1:{self.port}"],
            "metrics.listen": "none",  # all would want the same port
            "signal.url": "wss://localhost:1/v1/websocket/",  # never the real one
            "log.level": "debug",
            **TIMINGS,
            **settings,
        }
        self.launcher: list[str] = []  # a program that becomes this one, with its arguments
        self.commander: list[str] = []  # likewise, of commands
        self.binary = BINARY
        self.words: list[str] = []  # the whole command line, where it is not the usual one
        self.environment: dict[str, str] = {}
        self.tls: Optional[ssl.SSLContext] = None  # how its web side is spoken to
        self.process: Optional[Process] = None
        self.lines: list[str] = []  # of the runs before this one
        self.secrets: set[str] = set()  # what must never be logged

    # Life

    def write_configuration(self) -> Path:
        file = self.folder / "doorbell.yaml"
        file.write_text(to_yaml(self.settings))
        return file

    def start(self) -> "Doorbell":
        self.spawn()
        self.changes.wait_for(self.is_ready, "Doorbell ready")
        return self

    def spawn(self) -> Process:
        words = self.words or ["--config", str(self.write_configuration()), "server"]
        self.process = Process(
            self.changes,
            [*self.launcher, str(self.binary), *words],
            cwd=self.folder,
            env=self.clean_environment(),
        )
        self.process.is_watched()
        return self.process

    def clean_environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DOORBELL_", "MOLLY_"))
        }
        return {**kept, **self.environment}

    def is_ready(self) -> bool:
        assert self.process
        assert self.process.is_running(), f"it ended at once:\n{self.process.tail()}"
        return self.has_logged(" is ready")

    def stop(self) -> None:
        """SIGTERM must end it cleanly."""
        assert self.process
        self.process.popen.send_signal(signal.SIGTERM)
        self.finish(0)

    def finish(self, expected: int) -> None:
        assert self.process
        try:
            status = self.process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end on SIGTERM:\n{self.process.tail()}") from None
        self.collect()
        if status < 0 or status > 128:
            unforgivable.note(f"the server ended with status {status}")
        assert status == expected, f"exit status {status}:\n" + "\n".join(self.lines[-60:])

    def kill(self) -> None:
        """As the kernel or a power cut would."""
        assert self.process
        self.process.popen.kill()
        self.process.wait()
        self.collect()

    def collect(self) -> None:
        assert self.process
        self.process.end()
        self.lines += self.process.lines
        self.process = None
        self.check_output()

    def tear_down(self) -> None:
        if self.process and self.process.is_running():
            self.stop()
        elif self.process:
            self.finish(0)

    def reload(self, **settings: Any) -> None:
        """By SIGHUP. Setting names with underscores for dots, as arguments must have them."""
        assert self.process
        self.settings.update({name.replace("__", "."): value for name, value in settings.items()})
        self.write_configuration()
        before = len(self.process.lines)
        self.process.popen.send_signal(signal.SIGHUP)
        process = self.process
        self.changes.wait_for(
            lambda: any("configuration was" in line for line in process.lines[before:]),
            "the word that the configuration was loaded again",
        )

    # What it says

    def output(self) -> list[str]:
        return self.lines + (self.process.lines if self.process else [])

    def has_logged(self, text: str) -> bool:
        return any(text in line for line in (self.process.lines if self.process else self.lines))

    def check_output(self) -> None:
        for line in self.lines:
            faults = [fault for fault in FAULTS if fault in line]
            found = [secret for secret in self.secrets if secret.lower() in line.lower()]
            if faults or found:
                unforgivable.note("a sanitizer found a fault" if faults else "a secret in the log")
            assert not faults, "\n".join(self.lines[-120:])
            assert not found, f"a secret in the log: {line}"

    def command(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess:
        """Another run of the program, beside the server or without it."""
        named = [] if self.words else ["--config", str(self.write_configuration())]
        done = subprocess.run(
            [*self.commander, str(self.binary), *named, *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=STOP_DEADLINE,
            cwd=self.folder,
            env=self.clean_environment(),
        )
        secrecy.command(done, words, [stdin])
        return done

    # Its store, read beside the server or after it

    def rows(self) -> int:
        """Accounts."""
        return self.count("SELECT count(*) FROM accounts")

    def debts(self) -> int:
        """Accounts that are owed a ring."""
        return self.count("SELECT count(*) FROM accounts WHERE owed_since_unix <> 0")

    def count(self, query: str) -> int:
        database = sqlite3.connect(f"file:{self.settings['store.path']}?mode=ro", uri=True)
        try:
            return database.execute(query).fetchone()[0]
        finally:
            database.close()

    # Its web side

    def connection(self) -> http.client.HTTPConnection:
        if self.tls:
            return http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=30, context=self.tls
            )
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def request(
        self,
        method: str,
        path: str = "/",
        body: Optional[bytes] = None,
        headers: Optional[dict[str, str]] = None,
    ) -> tuple[int, dict[str, str], bytes]:
        connection = self.connection()
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return (
                answer.status,
                {name.lower(): value for name, value in answer.getheaders()},
                answer.read(),
            )
        finally:
            connection.close()

    def registration(self, account: Any, endpoint: str, ping: bool = False, **more: Any) -> bytes:
        """What Molly posts; its secrets must not be logged from now on."""
        secrecy.note_account(account.uuid, account.password)
        secrecy.note_endpoint(endpoint)
        path = endpoint.partition("://")[2].partition("/")[2]
        self.secrets |= {account.uuid, account.password, *([path] if len(path) > 8 else [])}
        body = {
            "uuid": account.uuid,
            "device_id": account.device,
            "password": account.password,
            "endpoint": endpoint,
            "ping": ping,
            **more,
        }
        return json.dumps(body).encode()

    def register(self, account: Any, endpoint: str, ping: bool = False, **more: Any) -> str:
        """As Molly does it; returns the status word."""
        status, _, answer = self.request(
            "POST",
            "/",
            self.registration(account, endpoint, ping, **more),
            {"Content-Type": "application/json; charset=utf-8", "User-Agent": MOLLY},
        )
        assert status == 200, (status, answer)
        word = json.loads(answer)["mollysocket"]
        assert isinstance(word["version"], str)
        return word["status"]
