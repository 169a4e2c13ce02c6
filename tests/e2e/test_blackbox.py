"""Strangers at the listening port, and a broken program at the control socket: mutated, oversized,
slow and impolite, against the running program (security.md 11 and 12, mollysocket.md 3). Best run
with a sanitized build: `make SANITIZE=1 blackbox`.

BLACKBOX_SEED replays a run: each mutation depends on the seed, its test and its number alone.
BLACKBOX_SECONDS (15) is about how long all of it takes; more goes into the mutations.
"""

import base64
import collections
import contextlib
import ipaddress
import itertools
import json
import os
import random
import re
import select
import selectors
import socket
import struct
import time
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, NamedTuple, Optional, Union

import pytest

from lib.background import Changes
from lib.doorbell import FAULTS, MOLLY, Doorbell
from lib.http2 import HTTP2_GET, OPENING, PREFACE, Http2, body, frames, http2_floods

SEED = os.environ["BLACKBOX_SEED"]
SECONDS = float(os.environ.get("BLACKBOX_SECONDS", "15"))
FIXED_SECONDS = 10.0  # what all but the mutations takes

WEB_TIMEOUT = 1.0
OVERDUE = 10.0  # nothing may hang longer than this, whoever does what
PROMPT = 6.0  # an honest request in the middle of it all, on a busy machine with a slow build
JOURNAL_LENGTH = 64
# Beside what a crowd of 300 with full bodies left behind: the quarantine of a sanitized build, the
# trials and log lines of the run. A leak of one body in a hundred requests is more than this.
MEMORY_GROWTH_KIB = 48 * 1024
QUARANTINE = "quarantine_size_mb=16:thread_local_quarantine_size_kb=256"

STATUSES = {200, 400, 404, 405, 408, 411, 413, 414, 417, 422, 431, 501, 505}
WORDS = {"ok", "forbidden", "invalid_uuid", "invalid_endpoint", "internal_error"}
BODY_MAX, LARGE_BODY, DISCARD_MAX = 64 * 1024, 1024 * 1024, 2 * 1024 * 1024
HEADERS_MAX = 64
CONTROL_LINE_MAX, CONTROL_CLIENTS = 16 * 1024, 16

Address = Union[tuple[str, int], str]

# Ports rest for a minute after use: a long run needs those of several addresses.
IP_BIND_ADDRESS_NO_PORT = 24
PER_SOURCE = 2000
clients = itertools.count()


# What is said


class Marks:
    """Parts of every secret that is sent, by which it is known again wherever it turns up."""

    def __init__(self) -> None:
        digits = random.Random(f"{SEED}/marks").randbytes(6).hex()
        self.uuid = f"{digits[:8]}-{digits[8:]}"
        # What is lost before or behind it makes no name out of a path that has what no name may have.
        self.password, self.path = f"password{digits}", f"endpoint;{digits};"
        self.all = [self.uuid, digits, self.password, self.path]

    def account(self, number: int) -> str:
        return f"{self.uuid}-4000-8000-{number:012x}"


MARKS = Marks()
KNOWN, UNKNOWN, OPERATORS = 1, 1000, 2000  # numbers of accounts


def registration(**changes: Any) -> bytes:
    members = {
        "uuid": MARKS.account(UNKNOWN),
        "device_id": 2,
        "password": MARKS.password,
        # With the port a slash that is lost makes no name out of the path.
        "endpoint": f"https://push.example.org:443/{MARKS.path}",
        "ping": False,
        **changes,
    }
    return json.dumps(members).encode()


def request(
    line: str, *headers: str, body: bytes = b"", host: str = "doorbell.example.org"
) -> bytes:
    lines = [f"{line} HTTP/1.1", f"Host: {host}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


JSON = "Content-Type: application/json; charset=utf-8"


def post(body: bytes, *headers: str) -> bytes:
    return request("POST /", JSON, f"Content-Length: {len(body)}", *headers, body=body)


def chunked(body: bytes, *headers: str, size: int = 100) -> bytes:
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(body[at : at + size]), body[at : at + size])
        for at in range(0, len(body), size)
    )
    return request(
        "POST /", JSON, "Transfer-Encoding: chunked", *headers, body=chunks + b"0\r\n\r\n"
    )


def from_client(number: int) -> str:
    """Loopback is a trusted proxy: this is what limits go by."""
    return f"X-Forwarded-For: 198.51.{number % 4}.7"


DISCOVER = request("GET /discover", f"User-Agent: {MOLLY}")
UPGRADE = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c")
CORPUS = [
    DISCOVER,
    request(
        "GET /",
        "User-Agent: Mozilla/5.0",
        "Accept: text/html",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: push.example.org, inner",
        "X-Forwarded-Prefix: /molly",
        from_client(1),
    ),
    request(
        "GET /?airgapped",
        'Forwarded: for="[2001:db8::1]:4711";proto=https;host=a.example.org',
        "X-Original-URL: https://push.example.org/molly/",
        "Connection: keep-alive",
    ),
    request(
        "GET http://doorbell.example.org/discover/?a=b&airgapped",
        *UPGRADE,
        "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    ),
    post(registration(), f"User-Agent: {MOLLY}", from_client(2)),
    post(registration(uuid=MARKS.account(KNOWN), ping=True), "Expect: 100-continue"),
    chunked(registration(ping=None), from_client(3)),
    chunked(registration(device_id=0), "Trailer: X-Sum", size=7)[:-2] + b"X-Sum: 1\r\n\r\n",
    DISCOVER + post(registration(), from_client(0)) + DISCOVER,
]


# What is answered


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3}) [ -~]*")


def read_answers(data: bytes, without_body: bool = False) -> tuple[list[Answer], bytes]:
    """The complete answers, and the rest. Fails on what is no HTTP/1.1."""
    answers = []
    while b"\r\n\r\n" in data:
        head, _, rest = data.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        found = STATUS_LINE.fullmatch(first)
        assert found, f"not a status line: {first!r}"
        pairs = [line.decode("ascii").partition(": ") for line in lines]
        assert all(separator for _, separator, _ in pairs), head
        headers = {name.lower(): value for name, _, value in pairs}
        status = int(found[1])
        if status >= 200:
            length = 0 if without_body else int(headers["content-length"])
            if len(rest) < length:
                break
            answers.append(Answer(status, headers, rest[:length]))
            rest = rest[length:]
        data = rest
    return answers, data


def check_answer(answer: Answer, without_body: bool) -> None:
    assert answer.status in STATUSES
    if answer.status in (200, 404, 422):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "no-store" in answer.headers["cache-control"]
    if not without_body and answer.headers.get("content-type", "").startswith("application/json"):
        said = json.loads(answer.body)["mollysocket"]
        assert isinstance(said["version"], str) and said.get("status", "ok") in WORDS


def check_http2(data: bytes) -> None:
    """A server that speaks HTTP/2 begins with its SETTINGS, and sends known frames only."""
    sent = list(frames(data))
    if sent:
        assert sent[0].kind == Http2.SETTINGS and not sent[0].flags & Http2.ACK, data[:64]
    for frame in sent:
        assert frame.kind <= Http2.CONTINUATION and frame.kind != Http2.PUSH_PROMISE, frame
        assert len(frame.payload) <= 16384, frame


# How it is said

READ = "reads the answers"  # as many as it expects, or until the server ends it
HALF_CLOSE = "sends FIN and reads"
CLOSE, RESET = "closes at once", "resets at once"
STAY = "stays"  # until the server ends it

ANSWERED, ENDED, RESET_BY_SERVER = "answered", "ended by the server", "reset by the server"
LEFT, REFUSED, TOO_LATE = "left", "refused", "overdue"


class Conversation:
    """A client: sends its pieces, one each `pace` seconds, and leaves in its own way."""

    def __init__(
        self,
        sent: Union[bytes, list[bytes]],
        leaving: str = READ,
        expected: int = 1,
        pace: float = 0.0,
        without_body: bool = False,
        overdue: float = OVERDUE,
        honest: bool = False,
    ):
        self.pieces = collections.deque([sent] if isinstance(sent, bytes) else sent)
        self.sent = b"".join(self.pieces)
        self.leaving, self.expected, self.pace, self.overdue = leaving, expected, pace, overdue
        self.without_body, self.honest = without_body, honest
        self.received = b""
        self.answers: list[Answer] = []
        self.end = ""
        self.seconds = 0.0

    def begin(self, address: Address) -> None:
        self.began = self.next_piece = time.monotonic()
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        # A Unix socket that has no room for another one is waited for only by who blocks.
        self.socket.settimeout(OVERDUE if family == socket.AF_UNIX else 0)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            self.socket.bind((f"127.0.2.{1 + next(clients) // PER_SOURCE % 250}", 0))
        try:
            self.socket.connect(address)
        except BlockingIOError:
            pass
        except OSError:
            self.end = REFUSED
        self.socket.setblocking(False)

    def events(self, now: float) -> int:
        wants_to_write = self.pieces and now >= self.next_piece
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if wants_to_write else 0)

    def go_on(self, events: int) -> None:
        if events & selectors.EVENT_WRITE and self.pieces:
            self.send()
        if events & selectors.EVENT_READ and not self.end:
            self.read()

    def send(self) -> None:
        try:
            length = self.socket.send(self.pieces[0])
        except BlockingIOError:
            return
        except ConnectionRefusedError:
            self.end = REFUSED
            return
        except OSError:
            self.pieces.clear()  # there may still be an answer
            return
        if length < len(self.pieces[0]):
            self.pieces[0] = self.pieces[0][length:]
            return
        self.pieces.popleft()
        self.next_piece = time.monotonic() + self.pace
        if not self.pieces:
            self.leave()

    def leave(self) -> None:
        if self.leaving == HALF_CLOSE:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
        elif self.leaving == RESET:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if self.leaving in (CLOSE, RESET):
            self.end = LEFT

    def read(self) -> None:
        try:
            piece = self.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except ConnectionRefusedError:
            self.end = REFUSED
            return
        except OSError:
            self.end = RESET_BY_SERVER
            return
        if not piece:
            self.end = ENDED
            return
        self.received += piece
        if self.received.startswith(b"HTTP/"):
            self.answers, _ = read_answers(self.received, self.without_body)
        if self.leaving in (READ, HALF_CLOSE) and len(self.answers) >= self.expected:
            self.end = ANSWERED

    def is_over(self, now: float) -> bool:
        if not self.end and now > self.began + self.overdue:
            self.end = TOO_LATE
        self.seconds = now - self.began
        return bool(self.end)

    @property
    def statuses(self) -> list[int]:
        return [answer.status for answer in self.answers]

    def words(self) -> list[str]:
        return [
            json.loads(answer.body)["mollysocket"]["status"]
            for answer in self.answers
            if answer.status == 200
        ]

    def __repr__(self) -> str:
        def short(data: bytes) -> str:
            return repr(data if len(data) <= 1200 else data[:1000] + b" ... " + data[-200:])

        return (
            f"a client that {self.leaving}, {self.end} after {self.seconds:.2f} s\n"
            f"  sent {len(self.sent)} bytes: {short(self.sent)}\n"
            f"  received {len(self.received)} bytes: {short(self.received)}"
        )


def converse(
    address: Address, conversations: Iterable[Conversation], at_once: int = 32
) -> Iterator[Conversation]:
    """Carries them on, so many at once, and yields each when it is over."""
    selector = selectors.DefaultSelector()
    waiting = iter(conversations)
    try:
        while True:
            for conversation in itertools.islice(waiting, at_once - len(selector.get_map())):
                conversation.begin(address)
                selector.register(conversation.socket, selectors.EVENT_WRITE, conversation)
            if not selector.get_map():
                return
            for key, events in selector.select(0.02):
                key.data.go_on(events)
            now = time.monotonic()
            for key in list(selector.get_map().values()):
                if key.data.is_over(now):
                    selector.unregister(key.fileobj)
                    key.data.socket.close()
                    yield key.data
                elif key.data.events(now) != key.events:
                    selector.modify(key.fileobj, key.data.events(now), key.data)
    finally:
        for key in list(selector.get_map().values()):
            key.data.socket.close()
        selector.close()


# The program


def until(predicate: Callable[[], Any], what: str, seconds: float = OVERDUE) -> None:
    """For what only looking shows."""
    end = time.monotonic() + seconds
    while not predicate():
        assert time.monotonic() < end, f"within {seconds:g} s did not happen: {what}"
        time.sleep(0.02)


class Target:
    """The running program, what was said to it last, and whether it is well."""

    def __init__(self, doorbell: Doorbell):
        self.doorbell = doorbell
        self.web: Address = ("127.0.0.1", doorbell.port)
        self.control: Address = str(doorbell.folder / "doorbell.sock")
        self.journal: collections.deque[Conversation] = collections.deque(maxlen=JOURNAL_LENGTH)
        self.lines_seen = 0
        self.memory_before: Optional[int] = None
        self.descriptors_before: Optional[int] = None
        self.broken = False

    # Conversations

    def each(
        self, conversations: Iterable[Conversation], at_once: int = 32
    ) -> Iterator[Conversation]:
        """All of them, each judged by what holds for every answer."""
        for conversation in converse(self.web, self.noted(conversations), at_once):
            self.judge(conversation)
            yield conversation

    def talk(
        self, conversations: Iterable[Conversation], at_once: int = 32
    ) -> list[Conversation]:
        return list(self.each(conversations, at_once))

    def noted(self, conversations: Iterable[Conversation]) -> Iterator[Conversation]:
        for conversation in conversations:
            self.journal.append(conversation)
            yield conversation

    def ask(self, sent: bytes, **how: Any) -> Conversation:
        return self.talk([Conversation(sent, **how)])[0]

    def judge(self, conversation: Conversation) -> None:
        try:
            assert conversation.end not in (REFUSED, TOO_LATE)
            received = conversation.received.lower()
            assert not any(mark.encode() in received for mark in MARKS.all), "it repeats a secret"
            if received and not received.startswith((b"http/", b"{")):
                check_http2(conversation.received)
            for answer in conversation.answers:
                check_answer(answer, conversation.without_body)
        except (AssertionError, KeyError, ValueError) as failure:
            self.fail(f"{type(failure).__name__}: {failure}\n{conversation}")

    def is_honestly_answered(self) -> bool:
        for conversation in converse(self.web, [Conversation(DISCOVER, overdue=PROMPT)]):
            return conversation.statuses == [200]
        return False

    def fail(self, what: str) -> None:
        """With all that the next one needs to find out why."""
        self.broken = self.broken or not self.is_honestly_answered()
        process = self.doorbell.process
        folder = self.doorbell.folder / "said-last"
        folder.mkdir(exist_ok=True)
        for number, conversation in enumerate(self.journal):
            (folder / f"{number:02}").write_bytes(conversation.sent)
        state = (
            "it has ended"
            if not process or not process.is_running()
            else "it does not answer any more" if self.broken else "it goes on answering"
        )
        pytest.fail(
            f"{what}\n\nBLACKBOX_SEED={SEED}; {state}; what was sent last is in {folder}\n"
            + (process.tail(25) if process else ""),
            pytrace=False,
        )

    # Its state

    def proc(self, name: str) -> Path:
        assert self.doorbell.process
        return Path(f"/proc/{self.doorbell.process.popen.pid}") / name

    def memory(self) -> int:
        found = re.search(r"^VmRSS:\s+(\d+) kB", self.proc("status").read_text(), re.MULTILINE)
        assert found
        return int(found[1])

    def descriptors(self) -> int:
        """It is not dumpable: its folder may be closed to us, but Linux 6.2 tells their number."""
        try:
            return len(os.listdir(self.proc("fd")))
        except PermissionError:
            return self.proc("fd").stat().st_size

    def left_behind(self) -> int:
        """Connections whose client has gone and which the program has not closed yet."""
        ours, close_wait = f":{self.doorbell.port:04X}", "08"
        rows = [line.split() for line in self.proc("net/tcp").read_text().splitlines()[1:]]
        return sum(row[1].endswith(ours) and row[3] == close_wait for row in rows)

    def rest(self) -> None:
        """Until connections that are over are closed at its end, too."""
        counts: list[int] = []

        def is_steady() -> bool:
            counts.append(self.descriptors())
            return len(counts) > 10 and len(set(counts[-10:])) == 1

        until(is_steady, "its descriptors stay the same")

    def remember(self) -> None:
        self.rest()
        self.memory_before, self.descriptors_before = self.memory(), self.descriptors()

    def check(self) -> None:
        """It lives, answers, says nothing that it must not say, and has not grown."""
        assert self.doorbell.process
        try:
            assert self.doorbell.process.is_running(), "it has ended"
            assert self.is_honestly_answered(), f"GET /discover is not answered within {PROMPT:g} s"
            self.check_log()
            self.check_size()
        except AssertionError as failure:
            self.fail(str(failure))

    def check_log(self) -> None:
        assert self.doorbell.process
        lines = self.doorbell.process.lines[self.lines_seen :]
        self.lines_seen += len(lines)
        for line in lines:
            assert not any(fault in line for fault in FAULTS), f"the sanitizer: {line}"
            said = line.lower()
            assert not any(mark in said for mark in MARKS.all), f"a secret in the log: {line}"

    def check_size(self) -> None:
        """A connection that was answered may wait for its next request for two minutes, and when
        the end of the stream comes with the beginning of one, libmicrohttpd does not see it.
        """
        if self.memory_before is None or self.descriptors_before is None:
            return
        most = self.descriptors_before

        def are_no_more() -> bool:
            count = self.descriptors()
            return count <= most or count - self.left_behind() <= most

        until(are_no_more, f"no more than {most} descriptors again")
        growth = self.memory() - self.memory_before
        assert growth < MEMORY_GROWTH_KIB, f"it grew by {growth} KiB"


@pytest.fixture(scope="module")
def closed_port() -> Iterator[int]:
    """Bound, so that nobody else gets it, but nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


Launch = Callable[..., Target]


@pytest.fixture(scope="module")
def launch(closed_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    """Starts a Doorbell without any peer. In the end SIGTERM must end it with 0, whoever is
    connected: that is when a sanitized build looks for leaks.
    """
    started: list[Target] = []

    def launch(**settings: Any) -> Target:
        folder = tmp_path_factory.mktemp("blackbox")
        folder.chmod(0o700)
        nowhere = f"127.0.0.1:{closed_port}"
        doorbell = Doorbell(
            Changes(),
            folder,
            {
                "web.timeout": f"{WEB_TIMEOUT * 1000:.0f}ms",
                "signal.url": f"wss://{nowhere}/v1/websocket/",
                "signal.reconnect_min": "2s",
                "signal.reconnect_max": "5m",
                "net.nameservers": [nowhere],
                "accounts.verdict": "250ms",
                "accounts.max": 100,
                **{name.replace("__", "."): value for name, value in settings.items()},
            },
        )
        doorbell.secrets |= set(MARKS.all)
        started.append(Target(doorbell.start()))
        return started[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "ASAN_OPTIONS", ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), QUARANTINE]))
        )
        yield launch
    try:
        for target in started:
            if not target.broken:
                end_it_in_the_middle(target)
    finally:
        for target in started:
            if target.doorbell.process:
                target.doorbell.process.end()


def end_it_in_the_middle(target: Target) -> None:
    whole = post(registration(uuid=MARKS.account(UNKNOWN + 1)))
    with contextlib.ExitStack() as open_sockets:
        for sent in (
            b"",
            DISCOVER[:20],
            whole[:-20],
            chunked(registration())[:-30],
            whole,
            DISCOVER,
        ):
            client = open_sockets.enter_context(socket.create_connection(target.web))
            client.sendall(sent)
        for sent in (b"", b'{"command": '):
            client = open_sockets.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(target.control)
            client.sendall(sent)
        target.doorbell.stop()


@pytest.fixture(scope="module")
def target(launch: Launch) -> Target:
    """One for all tests, warm, with limits that do not stop a single address."""
    target = launch(web__connections=4096, web__connections_per_address=4096)
    add = control_line(command="add", uuid=MARKS.account(KNOWN))
    until(lambda: say(target, add)["done"], "the known account is stored")
    full = post(registration() + b" " * (BODY_MAX - len(registration())))
    target.talk([Conversation(full) for _ in range(300)], at_once=300)
    target.talk([Conversation(sent, expected=3 if sent == CORPUS[-1] else 1) for sent in CORPUS])
    target.remember()
    return target


@pytest.fixture(autouse=True)
def it_is_well(target: Target) -> Iterator[None]:
    if target.broken:
        pytest.skip("it ended or froze in an earlier test")
    yield
    if not target.broken:
        target.check()


# Mutations


class Mutator:
    """Of requests: what real clients, broken proxies and attackers make of them."""

    values = [
        b"-1",
        b"0",
        b"+5",
        b"0x10",
        b"4294967296",
        b"9223372036854775808",
        b"18446744073709551616",
        b"99999999999999999999999999",
        b"5, 5",
        b"1e9",
        b"chunked",
        b"Chunked, chunked",
        b"identity",
        b"gzip, chunked",
        b"close",
        b"upgrade",
        b"\x00",
        b"\xff\xfe",
        b"\r",
        b"\n",
        b"\r\n",
        b"\t",
        b"%00",
        b"%s%n",
        b"../../",
        b"a" * 300,
        b",",
        b";",
        b'"',
        b":",
        b"HTTP/1.0",
        b"HTTP/9.9",
    ]
    lines = [
        b"Transfer-Encoding: chunked",
        b"Content-Length: 5",
        b"Content-Length: 99999999",
        b"Host: b",
        b"Expect: 100-continue",
        b"Connection: close",
        b"Connection: upgrade",
        b"Upgrade: websocket",
        b"Forwarded: for=",
        b'Forwarded: for="',
        b"X-Forwarded-For: ,,,,",
        b"Range: bytes=0-",
        b"X-Original-URL: //",
        b"Cookie: " + b"a=b; " * 100,
        b" folded",
        b":",
        b"no colon",
        b"\x00: x",
        b"X" * 3000 + b": y",
        b"X: " + b"y" * 20000,
    ]

    def __init__(self, name: str, number: int):
        self.random = random.Random(f"{SEED}/{name}/{number}")

    def request(self) -> bytes:
        data = bytearray(self.random.choice(CORPUS))
        for _ in range(self.random.choice((1, 1, 2, 3, 6))):
            self.random.choice(
                (
                    self.flip,
                    self.flip,
                    self.insert,
                    self.delete,
                    self.double,
                    self.value,
                    self.value,
                    self.line,
                    self.line,
                    self.line_end,
                    self.swap_lines,
                    self.many_lines,
                    self.splice,
                    self.cut,
                )
            )(data)
        return bytes(data)

    def place(self, data: bytearray) -> int:
        return self.random.randrange(len(data) + 1)

    def flip(self, data: bytearray) -> None:
        if data:
            data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)

    def insert(self, data: bytearray) -> None:
        at = self.place(data)
        data[at:at] = self.random.randbytes(self.random.choice((1, 2, 9, 300)))

    def delete(self, data: bytearray) -> None:
        at = self.place(data)
        del data[at : at + self.random.choice((1, 2, 9, 60))]

    def double(self, data: bytearray) -> None:
        at = self.place(data)
        data[at:at] = data[at : at + self.random.choice((1, 9, 60, 300))] * self.random.choice(
            (1, 1, 50)
        )

    def value(self, data: bytearray) -> None:
        """In place of what stands after a colon, a space or a line's end."""
        places = [found.end() for found in re.finditer(rb": |\n| |=", data)]
        if places:
            at = self.random.choice(places)
            data[at : at + self.random.choice((0, 1, 5))] = self.random.choice(self.values)

    def header_ends(self, data: bytearray) -> list[int]:
        return [found.end() for found in re.finditer(rb"\r\n", data)]

    def line(self, data: bytearray) -> None:
        places = self.header_ends(data)
        if places:
            at = self.random.choice(places)
            data[at:at] = self.random.choice(self.lines) + b"\r\n"

    def line_end(self, data: bytearray) -> None:
        places = self.header_ends(data)
        if places:
            at = self.random.choice(places)
            data[at - 2 : at] = self.random.choice(
                (
                    b"\n",
                    b"\r",
                    b"\r\r\n",
                    b"\n\r",
                    b"\r\n ",
                    b"\r\n\t",
                    b"\x00\r\n",
                    b" \r\n",
                    b"\x0b\r\n",
                    b"",
                )
            )

    def swap_lines(self, data: bytearray) -> None:
        lines = bytes(data).split(b"\r\n")
        first, second = (self.random.randrange(len(lines)) for _ in range(2))
        lines[first], lines[second] = lines[second], lines[first]
        data[:] = b"\r\n".join(lines)

    def many_lines(self, data: bytearray) -> None:
        places = self.header_ends(data)
        if places:
            at = self.random.choice(places)
            data[at:at] = b"X-Again: 1\r\n" * self.random.choice((2, 40, 64, 65, 400, 3000))

    def splice(self, data: bytearray) -> None:
        other = self.random.choice(CORPUS)
        del data[self.place(data) :]
        data += other[self.random.randrange(len(other)) :]

    def cut(self, data: bytearray) -> None:
        del data[self.place(data) :]

    def bytes(self, data: bytes, times: int) -> bytes:
        """For what is not HTTP/1.1."""
        changed = bytearray(data)
        for _ in range(times):
            self.random.choice((self.flip, self.insert, self.delete, self.double))(changed)
        return bytes(changed)

    def conversation(self, data: bytes) -> Conversation:
        leaving = self.random.choice((READ, HALF_CLOSE, CLOSE, CLOSE, RESET))
        if self.random.random() < 0.5:
            return Conversation(data, leaving)
        places = sorted(self.place(bytearray(data)) for _ in range(self.random.choice((1, 2, 5))))
        pieces = [data[start:end] for start, end in zip([0, *places], [*places, len(data)])]
        return Conversation([piece for piece in pieces if piece] or [data], leaving)


def for_seconds(share: float, make: Callable[[int], Conversation]) -> Iterator[Conversation]:
    """`share` of the time that there is for mutations; one at least."""
    end = time.monotonic() + share * max(SECONDS - FIXED_SECONDS, 1.0)
    for number in itertools.count():
        yield make(number)
        if time.monotonic() > end:
            return


def test_mutated_requests_do_no_harm_and_honest_ones_are_answered(target: Target) -> None:
    def make(number: int) -> Conversation:
        if number % 25:
            mutator = Mutator("requests", number)
            return mutator.conversation(mutator.request())
        uuid = MARKS.account(KNOWN if number % 2 else UNKNOWN + number % 200)
        sent = post(registration(uuid=uuid), from_client(number))
        return Conversation(sent, honest=True, overdue=PROMPT)

    for conversation in target.each(for_seconds(0.5, make), at_once=48):
        if conversation.honest:
            assert conversation.statuses == [200], conversation
            assert conversation.words()[0] in WORDS, conversation


def test_a_request_may_end_or_break_off_at_any_place(target: Target) -> None:
    endings = (CLOSE, RESET, CLOSE, RESET, HALF_CLOSE)
    whole = [CORPUS[1], CORPUS[3], CORPUS[4], CORPUS[7]]
    talks = target.talk(
        (
            Conversation(sent[:length], endings[length % len(endings)])
            for sent in whole
            for length in range(1, len(sent))
        ),
        at_once=200,
    )
    for conversation in talks:
        assert 200 not in conversation.statuses, conversation


def test_a_client_that_ends_its_stream_with_its_request_leaves_nothing_behind(
    target: Target,
) -> None:
    before = target.left_behind()
    target.talk(Conversation(DISCOVER, HALF_CLOSE) for _ in range(20))
    until(lambda: target.left_behind() <= before, "connections whose client has gone are closed")


def test_a_client_that_resets_while_its_answer_is_on_the_way_does_no_harm(target: Target) -> None:
    target.talk(
        Conversation(sent, leaving)
        for leaving in (CLOSE, RESET, HALF_CLOSE)
        for sent in CORPUS
        for _ in range(10)
    )


def readable(value: Any) -> str:
    """The name of a case."""
    return ascii(value.decode("latin-1") if isinstance(value, bytes) else value)[:60]


# What two servers might read differently

def check_refused(target: Target, sent: bytes) -> None:
    """Whatever comes after it belongs to nobody: there is no second answer."""
    conversation = target.ask(sent, expected=2)
    assert len(conversation.answers) <= 1, conversation
    assert set(conversation.statuses) <= {400, 413, 501}, conversation


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: 15\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 15",
        "Content-Length: 5, 5",
        "Content-Length: -1",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length:",
        "Content-Length: 5 5",
        "Content-Length: 18446744073709551616",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: \x0bchunked",
        "Host: other.example.org",
        # RFC 9112 section 5.1: white space before the colon must be refused.
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Content-Length : 5",
        "Content Length: 5",
        # RFC 9112 section 2.2: a CR alone makes an element invalid.
        "X: y\rTransfer-Encoding: chunked",
        "X: y\rContent-Length: 5",
    ],
    ids=readable,
)
def test_an_ambiguous_length_is_refused_and_nothing_after_it_is_read(
    target: Target, headers: str
) -> None:
    """Where the body ends and the next request begins depends on the reader."""
    for body in (b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n"):
        check_refused(target, request("POST /", JSON, headers, body=body + DISCOVER))


@pytest.mark.parametrize(
    "chunks",
    [
        b"-1\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"5\rhello\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello!\r\n0\r\n\r\n",
        b"\r\n5\r\nhello\r\n0\r\n\r\n",
        b"10000000000000000\r\nhello\r\n0\r\n\r\n",
        b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    ],
    ids=readable,
)
def test_malformed_chunks_are_refused_and_nothing_after_them_is_read(
    target: Target, chunks: bytes
) -> None:
    head = request("POST /", JSON, "Transfer-Encoding: chunked")
    check_refused(target, head + chunks + DISCOVER)


def test_clear_lengths_are_read_as_they_are(target: Target) -> None:
    body = registration(uuid=MARKS.account(KNOWN))
    for sent in (
        post(body),
        chunked(body),
        chunked(body, size=1),
        request(
            "POST /",
            JSON,
            "transfer-encoding:CHUNKED",
            body=b'%04X;a=b;c="d"\r\n%s\r\n000\r\nTrailer: x\r\n\r\n' % (len(body), body),
        ),
    ):
        conversation = target.ask(sent + DISCOVER, expected=2)
        assert conversation.statuses == [200, 200], conversation
        assert b'"status":"ok"' in conversation.answers[0].body.replace(b" ", b""), conversation


# Too much


def padded(length: int) -> bytes:
    body = registration(uuid=MARKS.account(KNOWN))
    return body + b" " * (length - len(body))


@pytest.mark.parametrize(
    "length, status",
    [
        (BODY_MAX, 200),
        (BODY_MAX + 1, 413),
        (LARGE_BODY, 413),
        (LARGE_BODY + 1, 413),
        (DISCARD_MAX, 413),
    ],
)
@pytest.mark.parametrize(
    "encode", [post, lambda body: chunked(body, size=1 << 20)], ids=["length", "chunked"]
)
def test_a_body_over_64_kib_is_413(
    target: Target, encode: Callable[[bytes], bytes], length: int, status: int
) -> None:
    assert target.ask(encode(padded(length))).statuses == [status]


def test_a_client_that_waits_for_100_gets_it_or_the_refusal(target: Target) -> None:
    body = registration(uuid=MARKS.account(KNOWN))
    asking = post(body, "Expect: 100-continue")
    head = Conversation([asking[: -len(body)], body], pace=0.05)
    assert target.talk([head])[0].received.startswith(b"HTTP/1.1 100 "), head
    assert head.statuses == [200]
    for length in (BODY_MAX + 1, LARGE_BODY, 1 << 62):
        refused = target.ask(
            request("POST /", JSON, f"Content-Length: {length}", "Expect: 100-continue")
        )
        assert refused.statuses == [413] and b"100 Continue" not in refused.received


def test_endless_chunks_end_and_cost_others_nothing(target: Target) -> None:
    head = request("POST /", JSON, "Transfer-Encoding: chunked")
    endless = [
        Conversation(head + sent, STAY)
        for sent in (
            b"1\r\nx\r\n" * 1_000_000,
            (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 100,
            b"7fffffff\r\n" + b"x" * (4 << 20),
            b"0" * (1 << 20),  # a size without an end
            b"5" * 15 + b" " * (1 << 20),
            b"5;" + b"extension" * 2_000,  # more than the memory of a connection holds
            b"5;" + b"extension" * 200_000,
            b"5;" + b"e" * 9_000 + b"\r\nhello\r\n1;" + b"e" * 16_500,
            b"0\r\n" + b"Trailer: again\r\n" * 100_000,
            b"0\r\nTrailer: " + b"x" * (1 << 20),
            b"0\r\n" + b"x" * (1 << 20),
        )
    ]
    honest = [Conversation([b"", DISCOVER], pace=0.2, overdue=PROMPT) for _ in range(5)]
    target.talk([*endless, *honest])
    assert [conversation.statuses for conversation in honest] == [[200]] * len(honest)
    for conversation in endless:
        assert 200 not in conversation.statuses, conversation


@pytest.mark.parametrize(
    "sent, allowed",
    [
        (request("GET /" + "a" * 8000), {404}),
        (request("GET /" + "a" * 20_000), {414, 431}),
        (request("GET /" + "a" * (1 << 20)), {414, 431}),
        (request("GET /?" + "airgapped&" * 100_000), {414, 431}),
        (request("G" * 20_000 + " /"), {414, 431, 501}),
        (b"G" * (1 << 20), {400, 414, 431}),
        (b"\r\n" * 500_000, {400, 414}),
        (request("GET /", *["X: y"] * (HEADERS_MAX - 1)), {200}),
        (request("GET /", *["X: y"] * HEADERS_MAX), {431}),
        (request("GET /", *["X: y"] * 3000), {431}),
        (request("GET /", *["X: y"] * 200_000), {431}),
        (request("GET /", "X: " + "y" * 20_000), {431}),
        (request("GET /", "X: " + "y" * (1 << 20)), {431}),
        (request("GET /", "y" * (1 << 20) + ": x"), {431}),
        (request("GET /", "X: a" + "\r\n b" * 20_000), {431, 400}),
        (request("GET /", "Forwarded: " + ",".join(["for=192.0.2.1;host=a"] * 500)), {200}),
        (request("GET /", "X-Forwarded-For: " + ",".join(["192.0.2.1"] * 1000)), {200}),
        (request("GET /", host="h" * 5000), {200}),
        (request("GET /", "X-Original-URL: /" + "a" * 5000), {200}),
        (request("GET /", "X-Forwarded-Prefix: /" + "<" * 5000, "X-Forwarded-Proto: https"), {200}),
        (request("GET /", 'X-Forwarded-Host: "><script>alert(1)</script>'), {200}),
    ],
    ids=readable,
)
def test_large_and_many_headers_are_taken_or_refused(
    target: Target, sent: bytes, allowed: set
) -> None:
    """Who is refused while still sending may find the connection reset before it reads why."""
    conversation = target.ask(sent)
    assert set(conversation.statuses) <= allowed, conversation
    assert conversation.answers or conversation.end in (ENDED, RESET_BY_SERVER), conversation
    assert b"<script>alert" not in conversation.received


@pytest.mark.parametrize(
    "sent, status",
    [
        (request("HEAD /discover"), 200),
        (request("OPTIONS *"), 404),
        (request("TRACE /"), 404),
        (request("CONNECT a.example.org:443"), 404),
        (request("PUT /discover"), 404),
        (request("get /"), 404),
        (request("POST /", "Content-Type: text/plain", "Content-Length: 2", body=b"{}"), 404),
        (request("POST /", JSON), 400),
        (request("POST /discover", JSON), 404),
        (request("GET /%2e%2e/%00"), 404),
        (request("GET /discover?\xff\x01\x7f"), 200),
        (DISCOVER.replace(b"\r\n", b"\n"), 200),
        (b"\r\n\r\n" + DISCOVER, 200),
        (DISCOVER.replace(b"HTTP/1.1", b"HTTP/1.0"), 200),
        (DISCOVER.replace(b"HTTP/1.1", b"HTTP/2.0"), 505),
        (DISCOVER.replace(b"HTTP/1.1", b"HTTP/11"), 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
    ],
    ids=readable,
)
def test_odd_requests_have_their_answers(target: Target, sent: bytes, status: int) -> None:
    conversation = target.ask(sent, without_body=sent.startswith(b"HEAD"))
    assert conversation.statuses == [status], conversation


# JSON

DEEP = 20_000


@pytest.mark.parametrize(
    "body, allowed",
    [
        (b"", {400}),
        (b"\x00", {400}),
        (b"null", {422}),
        (b"[]", {422}),
        (b'"text"', {422}),
        (b"{}", {422}),
        (b"[" * DEEP, {400}),
        (b"[" * DEEP + b"]" * DEEP, {400}),
        (b'{"a":' * (DEEP // 2), {400}),
        (b'{"a":' * 1000 + b"1" + b"}" * 1000, {422}),
        (b"[[[[],[]]]," * 5000, {400}),
        (b"[" + b"1e9," * 12_000 + b"1]", {422}),
        (b"9" * 60_000, {400, 422}),
        (b"1e999999", {400, 422}),
        (b"-" * 60_000, {400}),
        (b"0." + b"1" * 60_000, {422}),
        (b'"' + b"\\u0041" * 10_000 + b'"', {422}),
        (registration() + b"x", {400}),
        (registration() * 2, {400}),
        (b"\xef\xbb\xbf" + registration(), {400}),
        (registration() + b"\x00", {400}),
        (registration()[:-1], {400}),
        (registration()[:-1] + b",}", {400}),
        (registration().replace(b'"', b"'"), {400}),
        (b"NaN", {400}),
        (b"/* */ {}", {400}),
        (registration().decode().encode("utf-16"), {400}),
        (b'{"a":"\xff"}', {400}),
        (b'{"a":"\xc0\x80"}', {400}),
        (b'{"a":"\xed\xa0\x80"}', {400}),
        (b'{"a":"\\ud800"}', {400}),
        (b'{"a":"\\udc00\\ud800"}', {400}),
        (b'{"a":"\\u0000"}', {400, 422}),
        (b'{"\\u0000":1}', {400, 422}),
        (b'{"a":"\x01"}', {400}),
        (registration()[:-1] + b',"uuid":"again"}', {422}),
        (registration(uuid="a\0b"), {400, 422}),
        (registration(password="a\0b"), {400, 422}),
        (registration(endpoint="https://a.example.org/\0"), {400, 422}),
        (registration(device_id=1.5), {422}),
        (registration(device_id="2"), {422}),
        (registration(device_id=True), {422}),
        (registration(device_id=-1), {422}),
        (registration(device_id=1 << 32), {422}),
        (registration(device_id=1 << 64), {400, 422}),
        (registration(device_id=None), {422}),
        (registration(device_id=[2]), {422}),
        (registration(uuid=None), {422}),
        (registration(password={}), {422}),
        (registration(endpoint=5), {422}),
        (registration(ping="yes"), {422}),
        (registration(p256dh="a"), {422}),
        (registration(auth=5), {422}),
        (registration().replace(b"device_id", b"\\u0064evice_id"), {200}),
    ],
    ids=readable,
)
def test_nasty_json_is_refused_and_the_connection_goes_on(
    target: Target, body: bytes, allowed: set
) -> None:
    conversation = target.ask(post(body) + DISCOVER, expected=2)
    assert conversation.statuses[1:] == [200] and conversation.statuses[0] in allowed, conversation


@pytest.mark.parametrize(
    "changes, word",
    [
        ({"uuid": ""}, "invalid_uuid"),
        ({"uuid": "u" * 60_000}, "invalid_uuid"),
        ({"uuid": MARKS.account(1) + "\n"}, "invalid_uuid"),
        ({"uuid": "%s%n"}, "invalid_uuid"),
        ({"device_id": 0}, "forbidden"),
        ({"device_id": 128}, "forbidden"),
        ({"device_id": (1 << 32) - 1}, "forbidden"),
        ({"password": ""}, "forbidden"),
        ({"password": "p" * 60_000}, "forbidden"),
        ({"password": "a\r\nb: c"}, "forbidden"),
        ({"password": "\u00e4"}, "forbidden"),
        ({"endpoint": ""}, "invalid_endpoint"),
        ({"endpoint": "https://a.example.org/" + "p" * 60_000}, "invalid_endpoint"),
        ({"endpoint": "http://a.example.org/\r\nX: y"}, "invalid_endpoint"),  # the break goes
        ({"endpoint": "http://a.example.org/\u00e4"}, "invalid_endpoint"),
        ({"endpoint": "https://127.0.0.2/"}, "invalid_endpoint"),
        ({"endpoint": "https://[::ffff:10.0.0.1]/"}, "invalid_endpoint"),
        ({"endpoint": "https://" + "a." * 200 + "org/"}, "invalid_endpoint"),
        ({"endpoint": "https://a.example.org:99999/"}, "invalid_endpoint"),
        ({"endpoint": "file:///etc/passwd"}, "invalid_endpoint"),
        ({"p256dh": "A" * 40_000, "auth": "B" * 20_000}, "invalid_endpoint"),
        ({"p256dh": "!", "auth": "\u0001"}, "invalid_endpoint"),
    ],
    ids=readable,
)
def test_a_registration_that_cannot_be_gets_the_word_for_it(
    target: Target, changes: dict, word: str
) -> None:
    conversation = target.ask(post(registration(**changes)))
    assert conversation.statuses == [200] and conversation.words() == [word], conversation


def test_mutated_json_is_answered(target: Target) -> None:
    def make(number: int) -> Conversation:
        mutator = Mutator("json", number)
        body = mutator.bytes(
            registration(uuid=MARKS.account(UNKNOWN + number % 8)),
            mutator.random.choice((1, 1, 2, 5)),
        )
        return Conversation(post(body[:BODY_MAX], from_client(number)) + DISCOVER, expected=2)

    for conversation in target.each(for_seconds(0.2, make)):
        assert conversation.statuses[0] in (200, 400, 422), conversation
        assert conversation.statuses[1] == 200, conversation


# HTTP/2, which is spoken here, and TLS, which is not


def is_discovered(conversation: Conversation) -> bool:
    return b'{"mollysocket":{"version":' in body(conversation.received, 1)


def test_http2_is_answered(target: Target) -> None:
    assert is_discovered(target.ask(OPENING + HTTP2_GET, leaving=HALF_CLOSE))


def test_http2_floods_do_no_harm(target: Target) -> None:
    upgraded = request("GET /discover", *UPGRADE, "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
    target.talk(
        (
            Conversation(sent + flood, leaving)
            for flood in http2_floods()
            for leaving in (HALF_CLOSE, CLOSE, RESET)
            for sent in (OPENING, PREFACE, upgraded + OPENING, b"")
        ),
        at_once=64,
    )


@pytest.mark.parametrize(
    "settings",
    [
        "AAMAAABkAARAAAAAAAIAAAAA",
        "",
        "=",
        "!!!!",
        "AAM",
        "A" * 8000,
        "AAAA" * 3,
        "\xff\xfe",
        base64.urlsafe_b64encode(b"\0\4\xff\xff\xff\xff" * 50).decode(),
    ],
)
def test_an_upgrade_to_http2_is_not_taken_up(target: Target, settings: str) -> None:
    sent = request("GET /discover", *UPGRADE, f"HTTP2-Settings: {settings}")
    assert target.ask(sent).statuses == [200]
    again = request(
        "GET /discover", *UPGRADE, f"HTTP2-Settings: {settings}", f"HTTP2-Settings: {settings[:4]}"
    )
    assert target.ask(again).statuses == [200]


def test_mutated_http2_does_no_harm_and_honest_requests_are_answered(target: Target) -> None:
    whole = (
        OPENING
        + HTTP2_GET
        + Http2.frame(Http2.PING, payload=b"12345678")
        + Http2.frame(
            Http2.HEADERS,
            Http2.END_HEADERS,
            3,
            b"\x83\x86\x84\x41\x07a.b.org\x5f\x10application/json",
        )
        + Http2.frame(Http2.DATA, Http2.END_STREAM, 3, registration())
    )

    def make(number: int) -> Conversation:
        if number % 25 == 0:
            return Conversation(whole, HALF_CLOSE, honest=True)
        mutator = Mutator("http2", number)
        keep = mutator.random.choice((0, len(PREFACE), len(OPENING)))
        data = whole[:keep] + mutator.bytes(whole[keep:], mutator.random.choice((1, 2, 6, 20)))
        conversation = mutator.conversation(data)
        if conversation.leaving == READ:  # an answer does not end the connection
            conversation.leaving = HALF_CLOSE
        return conversation

    for conversation in target.each(for_seconds(0.15, make)):
        assert not conversation.honest or is_discovered(conversation), conversation


def test_a_tls_handshake_on_the_clear_port_does_no_harm(target: Target) -> None:
    extensions = b"\x00\x17\x00\x00" + b"\x00\x10\x00\x0e\x00\x0c\x02h2\x08http/1.1"
    hello = (
        b"\x03\x03"
        + bytes(range(32))
        + b"\x20"
        + b"s" * 32
        + b"\x00\x02\x13\x01\x01\x00"
        + len(extensions).to_bytes(2, "big")
        + extensions
    )
    hello = b"\x01" + len(hello).to_bytes(3, "big") + hello
    record = b"\x16\x03\x01" + len(hello).to_bytes(2, "big") + hello
    sslv2 = b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"x" * 37
    talks = target.talk(
        [
            Conversation(sent, leaving)
            for sent in (record, record * 50, sslv2, b"\n" + record)
            for leaving in (READ, HALF_CLOSE, CLOSE, RESET)
        ]
    )
    assert all(200 not in conversation.statuses for conversation in talks)


# Slowness


def test_slow_and_idle_clients_are_cut_and_cost_others_nothing(target: Target) -> None:
    body = post(registration())
    head = body.index(b"\r\n\r\n") + 4
    drip = [bytes((byte,)) for byte in body]
    slow = [Conversation(b"", STAY) for _ in range(300)]
    slow += [Conversation(drip, STAY, pace=0.1) for _ in range(30)]
    slow += [Conversation([body[:head], *drip[head:]], STAY, pace=0.1) for _ in range(30)]
    slow += [
        Conversation([chunked(b"")[:-5], *[b"1\r\nx\r\n"] * 1000], STAY, pace=0.1)
        for _ in range(30)
    ]
    slow += [Conversation([b"\r\n"] * 1000, STAY, pace=0.1) for _ in range(10)]
    slow += [Conversation(PREFACE, STAY), Conversation(OPENING, STAY)]
    honest = [Conversation([b"", DISCOVER], pace=0.3, overdue=PROMPT) for _ in range(20)]
    target.talk([*slow, *honest], at_once=1000)
    assert [conversation.statuses for conversation in honest] == [[200]] * len(honest)
    for conversation in slow:
        assert (
            conversation.end in (ENDED, RESET_BY_SERVER)
            and conversation.seconds < 8 * WEB_TIMEOUT
            and 200 not in conversation.statuses
        ), conversation


def test_a_client_that_never_reads_is_cut(target: Target) -> None:
    """It asks for more than the buffers between can hold."""
    asked = request("GET /") * 4000
    with contextlib.ExitStack() as open_sockets:
        clients = []
        for _ in range(4):
            client = open_sockets.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(target.web)
            client.settimeout(0.02)
            with contextlib.suppress(OSError):
                client.sendall(asked)
            clients.append(client)
        assert target.is_honestly_answered()
        for client in clients:
            until(lambda: was_cut(client), "a client that does not read is cut")


def was_cut(client: socket.socket) -> bool:
    poll = select.poll()
    poll.register(client, 0)
    return bool(poll.poll(0))  # POLLERR and POLLHUP are told unasked


# Caps


def test_the_default_caps_hold_for_each_network_and_for_all(launch: Launch) -> None:
    """Nobody is a trusted proxy here; 127.1.N.0/24 are networks as strangers have them."""
    per_network, in_all = 32, 512
    target = launch(web__trusted_proxies=["none"], web__timeout="30s")
    with contextlib.ExitStack() as open_sockets:

        def connect(network: int) -> socket.socket:
            address = str(ipaddress.IPv4Address("127.1.0.1") + 256 * network)
            client = socket.create_connection(target.web, source_address=(address, 0))
            client.setblocking(False)
            return open_sockets.enter_context(client)

        def count_open(clients: list[socket.socket]) -> int:
            return sum(not is_at_its_end(client) for client in clients)

        first = [connect(0) for _ in range(per_network + 20)]
        until(lambda: count_open(first) <= per_network, "the share of a network is kept to")
        assert target.is_honestly_answered()  # from another network
        assert count_open(first) == per_network

        for client in first[:10]:
            client.close()
        until(lambda: is_kept(connect(0)), "there is room again for a network that left some")

        networks = [[connect(network) for _ in range(per_network)] for network in range(1, 20)]
        everybody = [client for clients in networks for client in clients]
        until(lambda: count_open(everybody) <= in_all, "the limit in all is kept to")
        assert count_open(networks[-1]) == per_network, "the newest stay, the oldest idle ones go"
        assert target.is_honestly_answered()
        assert target.descriptors() < in_all + 100
    target.check()


def is_at_its_end(client: socket.socket) -> bool:
    try:
        return client.fileno() < 0 or client.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def is_kept(client: socket.socket) -> bool:
    """An answer shows that it came in."""
    try:
        client.setblocking(True)
        client.settimeout(PROMPT)
        client.sendall(DISCOVER)
        return client.recv(12) == b"HTTP/1.1 200"
    except OSError:
        return False


# The control socket


def control_line(**members: Any) -> bytes:
    return (
        json.dumps(
            {
                "uuid": MARKS.account(OPERATORS),
                "device": 2,
                "password": MARKS.password,
                "endpoint": f"https://push.example.org:443/{MARKS.path}",
                **members,
            }
        ).encode()
        + b"\n"
    )


CONTROL_CORPUS = [control_line(command=command) for command in ("add", "list", "ping", "remove")]


def at_control(target: Target, conversations: Iterable[Conversation]) -> Iterator[Conversation]:
    """What holds for web answers does not for these."""
    for conversation in converse(target.control, target.noted(conversations), at_once=8):
        if conversation.end not in (ENDED, LEFT, RESET_BY_SERVER):
            target.fail(str(conversation))
        yield conversation


def say(target: Target, line: bytes) -> Any:
    """One request at the control socket; None where it was closed without an answer."""
    (conversation,) = at_control(target, [Conversation(line, STAY)])
    return json.loads(conversation.received) if conversation.received else None


def test_the_control_socket_answers_what_is_no_request_with_a_sentence(target: Target) -> None:
    for line in (
        b"\n",
        b"x\n",
        b"[]\n",
        b"{}\n",
        b"null\n",
        b'{"command": 5}\n',
        b'{"command": "nothing"}\n',
        b'{"command": "add"}\n',
        b'{"command": "remove"}\n',
        b'{"command": "ping", "uuid": 5}\n',
        b'{"command": "ping", "uuid": "x"}\n',
        b"\x00\n",
        b"\xff\n",
        b"[" * 10_000 + b"\n",
        control_line(command="add", device=10**30),
        control_line(command="add", device="2"),
        control_line(command="add", device=1 << 40),
        control_line(command="add", password="a\nb"),
        control_line(command="add", uuid="\u00e4"),
        control_line(command="add", endpoint="\u0001"),
        control_line(command="add", endpoint="e" * 15_000),
    ):
        answer = say(target, line)
        assert answer["done"] is False and answer["error"].isprintable(), (line[:100], answer)
    assert say(target, control_line(command="list") + b"junk after it\n")["done"] is True


def test_mutated_control_requests_do_no_harm(target: Target) -> None:
    def make(number: int) -> Conversation:
        mutator = Mutator("control", number)
        line = mutator.random.choice(CONTROL_CORPUS)
        if number % 4:
            line = mutator.bytes(line, mutator.random.choice((1, 2, 5)))
        leaving = mutator.random.choice((STAY, CLOSE))
        return Conversation(line + b"\n", leaving)

    for conversation in at_control(target, for_seconds(0.15, make)):
        if conversation.received:
            assert isinstance(json.loads(conversation.received)["done"], bool), conversation
    say(target, control_line(command="remove"))
    assert say(target, control_line(command="list"))["done"] is True


def test_huge_and_endless_control_lines_are_cut(target: Target) -> None:
    huge = (b"x" * (CONTROL_LINE_MAX + 1), b"x" * (4 << 20), control_line(password="p" * (1 << 20)))
    for conversation in at_control(
        target, (Conversation(sent, leaving) for sent in huge for leaving in (STAY, CLOSE))
    ):
        assert not conversation.received, conversation
    longest = control_line(command="list")[:-1]
    longest += b" " * (CONTROL_LINE_MAX - len(longest) - 1) + b"\n"
    assert say(target, longest)["done"] is True


def test_who_hangs_on_the_control_socket_makes_room_for_who_asks(
    target: Target,
) -> None:
    with contextlib.ExitStack() as open_sockets:
        for number in range(3 * CONTROL_CLIENTS):
            client = open_sockets.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(target.control)
            client.sendall(b'{"command": "list"' if number % 2 else b"")
        assert say(target, control_line(command="list"))["done"] is True
        target.check_log()
        assert target.is_honestly_answered()
    assert say(target, control_line(command="list"))["done"] is True
