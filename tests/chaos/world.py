"""One world of a run: a strict Signal server, push servers, the program under test between them,
with phones that are registered the way Molly does it. Everything lives on one asyncio loop.
"""

import asyncio
import dataclasses
import datetime
import json
import math
import secrets
import shutil
import sqlite3
import ssl
import string
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterable, Optional, Sequence
from uuid import UUID

from draws import Draws
from fake_ntfy import FakeNtfy, Push
from ledger import Note, Ring, Rings, unrecorded
from lib.certs import Authority, Leaf
from lib.doorbell import MOLLY
from lib.nameserver import Protocol as Nameserver
from lib.ports import free_port
from lib.push_peer import RING
from lib.signal_peer import Account, new_account
from network import Cables
from program import Program
from strict_signal import Message, StrictSignal

LOOPBACK = "127.0.0.1"
NAMES = [f"push{number}.chaos.test" for number in range(100)]  # of one push server, in turn
PUSH_ADDRESSES = [f"127.0.2.{number}" for number in range(1, 100)]
CABLES = [Cables(number) for number in range(4)]
CABLED = [cables.there(cable) for cables in CABLES for cable in Cables.NETWORKS]
CERTIFIED = ("localhost", LOOPBACK, "*.chaos.test", *CABLED, *PUSH_ADDRESSES)
CERTIFICATE_TIME = datetime.timedelta(days=3)  # more than the clock is moved
USUAL_SECONDS = (0.0, 0.05)  # that a push server takes to answer
SLOW_SECONDS = (0.8, 1.2)
SETUP_SECONDS = 40.0
REGISTER_AT_ONCE = 8
TESTS, TEST_SECONDS = 4, 10.0  # for each phone; so long for each
AUDIT_SECONDS = 0.2

# Every timing is a setting; these make an hour out of a second or so.
TIMINGS = {
    "signal.keepalive": "700ms",
    "signal.keepalive_timeout": "1s",
    "signal.reconnect_min": "100ms",
    "signal.reconnect_max": "1s",
    "signal.proof": "2s",
    "signal.contested_min": "300ms",
    "signal.contested_max": "2s",
    "signal.refused_confirm": "500ms",
    "signal.refused_max": "1s",
    "signal.refused_retry": "2s",
    "signal.client_refused_min": "500ms",
    "signal.client_refused_max": "2s",
    "signal.fleet_window": "5s",
    "push.timeout": "2s",
    "push.connect_timeout": "1s",
    "push.hold": "800ms",
    "push.retry_min": "100ms",
    "push.retry_max": "1s",
    "push.floor_percent": 1,
    "push.breaker_open": "500ms",
    "push.breaker_max": "2s",
    "store.retry": "1s",
    "wake.interval": "200ms",
    "net.connect_timeout": "2s",
    "net.handshake_timeout": "4s",
    "net.dns_timeout": "500ms",
}

# Of connections that a fault ends, and of one that comes as a server stops listening.
EXPECTED_FAILURES = (ConnectionError, ssl.SSLError, TimeoutError, asyncio.InvalidStateError)


@dataclasses.dataclass
class Run:
    """What all worlds share."""

    seed: int
    folder: Path
    window: float  # seconds in which messages are sent
    outage: float  # seconds that a fault lasts, about
    settling: float  # seconds after the last fault is mended
    authority: Authority
    leaf: Leaf
    expired: Leaf
    problems: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    conclusive: bool = False  # one of them at least
    audits: int = 0
    unrecorded: int = 0

    def draws(self, name: str) -> Draws:
        return Draws(self.seed, name)

    def problem(self, where: str, text: str, conclusive: bool = True) -> None:
        """Not conclusive: what a machine that is too slow does as well."""
        self.problems.setdefault(where, []).append(text)
        self.conclusive |= conclusive

    def note_failure(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A server of ours that fails on its own would be a fault that nobody asked for."""
        error = context.get("exception")
        if not isinstance(error, EXPECTED_FAILURES):
            text = f"{context['message']}: {error!r}"
            self.problem("the harness itself", text, conclusive=False)


class PushServer(FakeNtfy):
    def __init__(self, leaf: Leaf, address: str, names: Sequence[str], draws: Draws):
        super().__init__(str(leaf.cert), str(leaf.key))
        self.context.num_tickets = 0  # every connection looks at the certificate
        self.context.sni_callback = self.note_hello  # type: ignore[assignment]
        self.address, self.names = address, list(names)  # the first is the one in use
        self.takes = USUAL_SECONDS
        self.draws = draws
        self.hellos = 0  # TLS handshakes that were begun

    def note_hello(self, *_: Any) -> None:
        self.hellos += 1

    async def answer(self, push: Push, answer: Any, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(self.draws.uniform(*self.takes))
        return await super().answer(push, answer, writer)

    @property
    def origin(self) -> str:
        return self.origins()[0]

    def origins(self) -> list[str]:
        return [f"https://{name}:{self.port}" for name in self.names]


def when_accepted(push: Push) -> Optional[float]:
    """A server that says 200 and then never ends has accepted."""
    if push.answer in ("endless_body", "endless_trailers"):
        return push.time
    status = push.answer["status"] if isinstance(push.answer, dict) else push.answer
    accepted = isinstance(status, int) and 200 <= status <= 299
    return push.answered if accepted else None


class Phone:
    """An account and its endpoint; `topics` are all that it ever had at its push server."""

    def __init__(self, server: PushServer, account: Account, client: str):
        self.server, self.account, self.client = server, account, client
        self.topics: list[str] = []
        self.left: dict[str, float] = {}  # topics that it does not listen to any more, since when
        self.subscribe()

    @property
    def name(self) -> str:
        """Whatever device it is linked as."""
        return self.account.uuid

    def leave_old_topics(self, time: float) -> None:
        for topic in self.topics[:-1]:
            self.left.setdefault(topic, time)

    def is_rung_by(self, push: Push) -> bool:
        return push.body == RING and push.time < self.left.get(push.topic, math.inf)

    def subscribe(self) -> None:
        letters = string.ascii_letters + string.digits
        self.topics.append("up" + "".join(secrets.choice(letters) for _ in range(12)))

    @property
    def key(self) -> str:
        return self.account.key

    @property
    def endpoint(self) -> str:
        return f"{self.server.origin}/{self.topics[-1]}?up=1"


class World:
    def __init__(
        self,
        run: Run,
        name: str,
        road: str,
        settings: dict[str, Any],
        cables: Optional[Cables],
    ):
        self.run, self.name, self.road = run, name, road
        self.more, self.cables = settings, cables
        self.folder = run.folder / name.replace(" ", "-").replace("/", "-")
        self.folder.mkdir()
        self.signal = StrictSignal(str(run.leaf.cert), str(run.leaf.key))
        self.nameserver = Nameserver(lambda: None)
        self.servers: list[PushServer] = []
        self.phones: list[Phone] = []
        self.programs: list[Program] = []
        self.web_port = 0
        self.to_audit: list[Note] = []  # those that no ring was seen for yet
        self.audited = 0  # messages that were taken up
        self.reported: set[int] = set()  # messages whose record was found missing
        self.under_way = 0  # cases whose fault is not over yet
        self.auditor: Optional[asyncio.Task] = None

    # Life

    async def open(self) -> None:
        host = LOOPBACK
        if self.cables:
            self.cables.make()
            host = self.cables.there(Cables.SIGNAL)
        await self.signal.start(free_port(), free_port(), [host])
        await self.nameserver.start()

    async def add_server(self, name: str, named: bool = False) -> PushServer:
        """Each has an address of its own, so that they share nothing."""
        address = PUSH_ADDRESSES[len(self.servers)]
        if self.cables:
            address = self.cables.there(Cables.PUSH)
        draws = self.run.draws(f"push server of {name}")
        server = PushServer(self.run.leaf, address, NAMES if named else [address], draws)
        self.nameserver.set(server.names[0], [address])
        await server.start(hosts=[address])
        self.servers.append(server)
        return server

    def settings(self, folder: Path) -> dict[str, Any]:
        here = self.cables.here(Cables.PUSH) if self.cables else LOOPBACK
        host = self.cables.there(Cables.SIGNAL) if self.cables else "localhost"
        self.web_port = free_port()
        wanted = {
            "store.path": str(folder / "store" / "doorbell.db"),
            "web.listen": [f"{here}:{self.web_port}"],
            "metrics.listen": "none",
            "signal.url": f"wss://{host}:{self.signal.port}/v1/websocket/",
            "signal.http2_url": f"https://{host}:{self.signal.http2_port}/v1/websocket/",
            "signal.transport": self.road,
            "signal.ca_file": str(self.run.authority.file),
            "push.ca_file": str(self.run.authority.file),
            "push.allowed_endpoints": [
                origin for server in self.servers for origin in server.origins()
            ],
            "net.family": "ipv4",
            "net.nameservers": [f"{LOOPBACK}:{self.nameserver.port}"],
            "log.level": "debug",
            **TIMINGS,
            **self.more,
        }
        if self.cables:
            del wanted["net.nameservers"]
        return wanted

    def add_program(self, environment: Optional[dict[str, str]] = None) -> Program:
        folder = self.folder / f"program-{len(self.programs)}"
        folder.mkdir(mode=0o700)
        (folder / "store").mkdir(mode=0o700)
        wrap = self.cables.wrap if self.cables else []
        self.programs.append(Program(folder, self.settings(folder), wrap, environment))
        return self.programs[-1]

    @property
    def program(self) -> Program:
        return self.programs[0]

    async def close(self) -> None:
        await self.end_audit()
        for program in self.programs:
            await program.stop()
            program.check_log()
            for problem in program.problems:
                self.run.problem(self.name, problem)
        for violation in self.signal.violations:
            self.run.problem(self.name, f"it broke a rule of Signal's server: {violation['text']}")
        for server in self.servers:
            await server.stop()
        await self.signal.stop()
        self.nameserver.stop()

    # Phones

    def add_phones(self, server: PushServer, count: int) -> list[Phone]:
        first = len(self.phones) + 1
        phones = [
            Phone(server, new_account(), f"11.{number >> 8}.{number & 255}.1")
            for number in range(first, first + count)
        ]
        self.phones += phones
        for phone in phones:
            account = phone.account
            self.signal.add_account(account.uuid, account.device, account.password)
        return phones

    async def register_all(self) -> None:
        """And reached by a test push, after which their endpoints count as proven. Nobody repeats a
        test push that was lost on a busy machine.
        """
        at_once = asyncio.Semaphore(REGISTER_AT_ONCE)

        async def one(phone: Phone) -> None:
            async with at_once:
                await self.register(phone, ping=True)

        missing = self.phones
        for _ in range(TESTS):
            await asyncio.gather(*map(one, missing))
            await self.try_until(lambda: all(map(server_took_test, missing)), TEST_SECONDS)
            missing = [phone for phone in missing if not server_took_test(phone)]
            if not missing:
                return
        raise AssertionError(f"phones that no test push reached: {len(missing)}")

    async def write_rows(self) -> None:
        """The store is made by the program, which then ends."""
        await self.program.start()
        await self.program.stop()
        rows = [
            (UUID(p.account.uuid).bytes, p.account.device, p.account.password, p.endpoint)
            for p in self.phones
        ]
        database = sqlite3.connect(self.program.settings["store.path"])
        with database:
            database.executemany(
                "INSERT INTO accounts(messenger, uuid, device, password, endpoint, refused,"
                " endpoint_proven, endpoint_state, registered_unix, owed_since_unix)"
                " VALUES(1, ?, ?, ?, ?, 0, 1, 0, 1750000000, 0)",
                rows,
            )
        database.close()
        await self.program.start()

    async def register(self, phone: Phone, ping: bool = False) -> None:
        """Until the answer is ok, as Molly would."""
        word = ""
        for _ in range(100):
            try:
                word = await self.post(phone, phone.account, ping)
                if word == "ok":
                    phone.leave_old_topics(self.signal.now())
                    return
            except (OSError, ValueError) as error:
                word = repr(error)
            await asyncio.sleep(0.3)
        raise AssertionError(f"a phone cannot register: {word}\n{self.program.tail()}")

    async def post(self, phone: Phone, account: Account, ping: bool = False) -> str:
        """A registration; returns the answer's word."""
        body = json.dumps(
            {
                "uuid": account.uuid,
                "device_id": account.device,
                "password": account.password,
                "endpoint": phone.endpoint,
                "ping": ping,
            }
        ).encode()
        host = self.cables.here(Cables.PUSH) if self.cables else LOOPBACK
        reader, writer = await asyncio.open_connection(host, self.web_port)
        try:
            # Each phone has an address of its own, as behind a proxy: there is a limit for each.
            head = (
                f"POST / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {MOLLY}\r\n"
                f"X-Forwarded-For: {phone.client}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            writer.write(head.encode() + body)
            answer = await reader.read()
        finally:
            writer.close()
        word: str = json.loads(answer.partition(b"\r\n\r\n")[2])["mollysocket"]["status"]
        return word

    async def until(
        self, predicate: Callable[[], Any], what: str, seconds: float = SETUP_SECONDS
    ) -> None:
        deadline = self.signal.now() + seconds
        while not predicate():
            if self.signal.now() > deadline:
                raise AssertionError(f"within {seconds:g} s did not happen: {what}")
            await asyncio.sleep(0.05)

    async def try_until(self, predicate: Callable[[], Any], seconds: float) -> None:
        """For what is judged later anyway."""
        deadline = self.signal.now() + seconds
        while not predicate() and self.signal.now() < deadline:
            await asyncio.sleep(0.05)

    # What happened

    def notes(self, numbers: Iterable[int]) -> list[Note]:
        """Of these messages, those that ring."""
        messages = (self.signal.messages[number - 1] for number in numbers)
        return [note_of(message) for message in messages if message.urgent]

    def rings(self, phones: Iterable[Phone]) -> list[Ring]:
        phone_of = {(id(phone.server), topic): phone for phone in phones for topic in phone.topics}
        servers = {id(phone.server): phone.server for phone in phones}
        found = []
        for server in servers.values():
            for push in server.pushes:
                phone = phone_of.get((id(server), push.topic))
                if phone and phone.is_rung_by(push):
                    found.append(Ring(phone.name, push.time, when_accepted(push)))
        return found

    def uncovered(self, phones: Iterable[Phone], numbers: Iterable[int]) -> list[Note]:
        phones = list(phones)
        index = Rings(self.rings(phones))
        return [note for note in self.notes(numbers) if not index.covers(note)]

    def is_linked(self, phone: Phone) -> bool:
        session = self.signal.devices[phone.key].session
        return session is not None and session.state == "open" and not session.pipe.frozen

    # The rule that must never break, looked up in the store while it is in use or after a crash

    def watch(self) -> None:
        self.look_into_stores()  # a store that cannot be read now never could
        self.auditor = asyncio.create_task(self.audit_for_ever())

    async def audit_for_ever(self) -> None:
        while True:
            await asyncio.sleep(AUDIT_SECONDS)
            self.audit()

    async def end_audit(self) -> None:
        if not self.auditor:
            return
        self.auditor.cancel()
        try:
            await self.auditor
        except asyncio.CancelledError:
            pass
        except Exception as error:
            self.run.problem(self.name, f"the stores were not watched to the end: {error!r}")

    def audit(self) -> None:
        suspects = self.suspects()
        if not suspects:
            return
        try:
            owed = self.look_into_stores()
        except sqlite3.Error:
            return  # a broken disk: the next look will do
        self.run.audits += 1
        for note in unrecorded(suspects, Rings(self.rings(self.phones)), owed):
            if note.number in self.reported:
                continue
            self.reported.add(note.number)
            self.run.unrecorded += 1
            self.run.problem(
                self.name,
                f"message {note.number} of {note.phone} was acknowledged, but neither a ring was "
                "accepted nor does the store say that one is owed",
            )

    def suspects(self) -> list[Note]:
        """What was acknowledged without a ring. What a ring covers stays covered."""
        count = len(self.signal.messages)
        self.to_audit += self.notes(range(self.audited + 1, count + 1))
        self.audited = count
        index = Rings(self.rings(self.phones))
        now = self.notes(note.number for note in self.to_audit)
        self.to_audit = [note for note in now if not index.covers(note)]
        return unrecorded(self.to_audit, index, ())

    def look_into_stores(self) -> set[str]:
        """The phones that are owed a ring."""
        owed: set[str] = set()
        for program in self.programs:
            read = read_beside if program.is_running() else read_copy
            owed |= read(Path(program.settings["store.path"]))
        return owed

    async def kill(self) -> None:
        """SIGKILL, and a look at what is on disk then."""
        await self.program.kill()
        await asyncio.sleep(0.1)  # what it has sent before arrives
        self.audit()


def note_of(message: Message) -> Note:
    delivered = message.deliveries[0].time if message.deliveries else None
    phone = message.device.partition(".")[0]
    return Note(message.number, phone, message.queued, delivered, message.acked)


def server_took_test(phone: Phone) -> bool:
    return any(
        push.topic == phone.topics[0] and push.answered is not None for push in phone.server.pushes
    )


def owed_in(database: sqlite3.Connection) -> set[str]:
    rows = database.execute("SELECT uuid FROM accounts WHERE owed_since_unix <> 0")
    return {str(UUID(bytes=uuid)) for (uuid,) in rows}


def read_beside(store: Path) -> set[str]:
    database = sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=1)
    try:
        return owed_in(database)
    finally:
        database.close()


def read_copy(store: Path) -> set[str]:
    """After a crash: the store and its log as they were left."""
    with tempfile.TemporaryDirectory(prefix="doorbell-chaos-") as folder:
        for file in (store, store.with_name(store.name + "-wal")):
            if file.exists():
                shutil.copy(file, folder)
        database = sqlite3.connect(Path(folder) / store.name)
        try:
            return owed_in(database)
        finally:
            database.close()
