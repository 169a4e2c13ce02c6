"""What is measured by the bench, beside which server, and how it is started and stopped."""

import os
import platform
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import Callable, Optional

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("BENCH_PROGRAM", REPOSITORY / "build" / "doorbell"))
FOLDER = Path(os.environ.get("BENCH_FOLDER", REPOSITORY / "build" / "bench"))

DEADLINE_SECONDS = 400
# Links let go of their buffers when they were idle for 5 s, and the program gives memory back to the system
# in the second sweep after that; one comes every 30 s after its start.
IDLE_SECONDS = 6
SWEEP_SECONDS = 30

CORES = sorted(os.sched_getaffinity(0))
CLIENT_CORE, SERVER_CORE = CORES[0], CORES[-1]


class Failure(Exception):
    pass


def spawn(core: int, words: list, **options) -> subprocess.Popen:
    return subprocess.Popen([str(word) for word in words],
                            preexec_fn=lambda: os.sched_setaffinity(0, {core}), **options)


def cpu() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return f"{found[1] if found else platform.machine()}, {len(CORES)} cores"


def wait_for(condition: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(f"waited in vain for {what}")
        time.sleep(0.1)


class Certificates:
    """A private root, an intermediate and a leaf for localhost, all P-256."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.ca = folder / "ca.pem"
        self.key = folder / "leaf.key"
        self.chain = folder / "chain.pem"
        (folder / "extensions").write_text(
            "[ca]\nbasicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n"
            "subjectKeyIdentifier=hash\n"
            "[leaf]\nbasicConstraints=critical,CA:false\nextendedKeyUsage=serverAuth\n"
            "subjectAltName=DNS:localhost,IP:127.0.0.1\nsubjectKeyIdentifier=hash\n"
            "authorityKeyIdentifier=keyid\n")
        self.make("ca", "ca", None)
        self.make("intermediate", "ca", "ca")
        self.make("leaf", "leaf", "intermediate")
        self.chain.write_text((folder / "leaf.pem").read_text() +
                              (folder / "intermediate.pem").read_text())

    def openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    def make(self, name: str, extensions: str, issuer: Optional[str]) -> None:
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-subj", f"/CN=bench {name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signer = ["-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial"] if issuer \
            else ["-signkey", f"{name}.key"]
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-days", "2", *signer, "-extfile",
                     "extensions", "-extensions", extensions, "-out", f"{name}.pem")


class Server:
    """The messenger's server and the push server of one client."""

    def __init__(self, certificates: Certificates):
        self.process = spawn(SERVER_CORE, [FOLDER / "server", certificates.chain, certificates.key],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.http1, self.http2, self.pushes = self.numbers("ports")

    def numbers(self, word: str) -> list[int]:
        line = self.process.stdout.readline()
        if line.split()[:1] != [word]:
            raise Failure(f"the bench's server said {line!r} instead of {word!r}")
        return [int(text) for text in line.split()[1:]]

    def tell(self, line: str) -> None:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def open(self) -> None:
        """Lets in whoever wants a websocket."""
        self.tell("open")
        self.numbers("open")

    def shut(self) -> None:
        """Is gone for the messenger's links until it opens again; takes pushes all the while."""
        self.tell("shut")
        self.numbers("shut")

    def linked(self) -> int:
        return self.counts()[0]

    def keepalives(self) -> int:
        return self.counts()[1]

    def answers(self) -> int:
        return self.counts()[2]

    def counts(self) -> list[int]:
        self.tell("links")
        return self.numbers("links")

    def ring(self, count: int, every_microseconds: int) -> tuple[int, int, int]:
        """How many messages were sent, how many pushes came, and to how many endpoints."""
        self.tell(f"ring {count} {every_microseconds}")
        sent, pushed, endpoints = self.numbers("rung")
        return sent, pushed, endpoints

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Client:
    """A program under measurement with its server."""

    name: str
    road: str

    def __init__(self, bench: "Workshop", count: int, probed: bool = False, keepalive_seconds: int = 0):
        self.bench, self.count, self.keepalive_seconds = bench, count, keepalive_seconds
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=bench.folder))
        self.server = Server(bench.certificates)
        self.samples = self.folder / "samples"
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith(("DOORBELL_", "MOLLY_", "BENCH_"))}
        if probed:
            self.environment |= {"LD_PRELOAD": str(FOLDER / "probe.so"),
                                 "BENCH_SAMPLES": str(self.samples)}
        self.output = self.folder / "output"
        with self.output.open("w") as output:
            self.process = spawn(CLIENT_CORE, self.words(probed), stdin=subprocess.PIPE,
                                 stdout=output, stderr=output, env=self.environment,
                                 cwd=self.folder)
        bench.clients.append(self)

    def words(self, pushing: bool) -> list:
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Whether it has started and asks for its links."""
        raise NotImplementedError

    def is_settled(self) -> bool:
        """Whether all that is idle was given back."""
        raise NotImplementedError

    def connect(self) -> None:
        wait_for(self.is_ready, f"{self.name} to start")
        self.server.open()
        wait_for(lambda: self.server.linked() == self.count, "links")

    def cpu_us(self) -> float:
        """Of the whole process until now, by its own clock (clock_getcpuclockid(3))."""
        return time.clock_gettime_ns(~self.process.pid << 3 | 2) / 1000

    def ring(self, count: int, every_microseconds: int) -> None:
        sent, pushed, _ = self.server.ring(count, every_microseconds)
        if sent != count or pushed != count:
            self.has_said("")
            raise Failure(f"{self.name}: {sent} of {count} messages led to {pushed} pushes")

    def has_said(self, text: str) -> bool:
        """Fails when it has ended."""
        said = self.output.read_text()
        if self.process.poll() is not None:
            raise Failure(f"{self.name} has ended:\n{said[-2000:]}")
        return text in said

    def rss_kb(self) -> int:
        if self.server.linked() != self.count:
            raise Failure(f"{self.name} has lost some of its {self.count} links")
        return self.status_kb("VmRSS")

    def status_kb(self, field: str) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+) kB", status)[1])

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self) -> None:
        self.bench.clients.remove(self)
        self.process.send_signal(signal.SIGTERM)
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.server.stop()

    def sampled_us(self) -> list[float]:
        return [int(line) / 1000 for line in self.samples.read_text().split()]


class Doorbell(Client):
    name, road = "doorbell", "http1"
    ready_at: Optional[float] = None
    idle_at: Optional[float] = None

    def words(self, pushing: bool) -> list:
        folder, pushes = self.folder, f"https://127.0.0.1:{self.server.pushes}"
        store = folder / "doorbell.db"
        if self.bench.empty:
            shutil.copy(self.bench.empty / store.name, store)
            shutil.copy(self.bench.empty / "vapid.key", folder)
            self.add_accounts(store, pushes)
        configuration = folder / "doorbell.yaml"
        configuration.write_text(
            f'store:\n  path: "{store}"\n'
            f'web:\n  listen: ["unix:{folder}/web.sock"]\n'
            'metrics:\n  listen: none\n'
            f'signal:\n  transport: {self.road}\n'
            f'  url: "wss://localhost:{self.server.http1}/v1/websocket/"\n'
            f'  http2_url: "https://localhost:{self.server.http2}/v1/websocket/"\n'
            f'  ca_file: "{self.bench.certificates.ca}"\n'
            f'{self.keepalive()}'
            f'push:\n  ca_file: "{self.bench.certificates.ca}"\n'
            f'  allowed_endpoints: ["{pushes}"]\n'
            'net:\n  family: ipv4\n')
        return [PROGRAM, "--config", configuration, "server"]

    def keepalive(self) -> str:
        return f"  keepalive: {self.keepalive_seconds}s\n" if self.keepalive_seconds else ""

    def add_accounts(self, store: Path, pushes: str) -> None:
        rows = ((uuid.uuid4().bytes, f"{pushes}/up/{number:013d}?up=1") for number in range(self.count))
        with sqlite3.connect(store) as database:
            database.executemany(
                "INSERT INTO accounts(messenger, uuid, device, password, endpoint, refused,"
                " endpoint_proven, endpoint_state, registered_unix, owed_since_unix)"
                " VALUES(1, ?, 2, 'MDEyMzQ1Njc4OWFiY2RlZg==', ?, 0, 1, 0, 1750000000, 0)", rows)
        database.close()

    def is_ready(self) -> bool:
        if self.ready_at is None and self.has_said(" is ready"):
            self.ready_at = time.monotonic()
        return self.ready_at is not None

    def is_settled(self) -> bool:
        if not self.is_ready():
            return False
        now = time.monotonic()
        if self.idle_at is None and self.server.linked() == self.count:
            self.idle_at = now + IDLE_SECONDS
        if self.idle_at is None:
            return False
        sweeps = (self.idle_at - self.ready_at) // SWEEP_SECONDS + 2
        return now > self.ready_at + sweeps * SWEEP_SECONDS + 1


class DoorbellHttp2(Doorbell):
    road = "http2"


class Bare(Client):
    name, road, program = "bare", "http1", "bare"

    def words(self, pushing: bool) -> list:
        words = [FOLDER / self.program, self.count, getattr(self.server, self.road),
                 self.bench.certificates.ca, 1000 * self.keepalive_seconds]
        if pushing:
            words.append(f"https://127.0.0.1:{self.server.pushes}/up/{0:013d}?up=1")
        return words

    def is_ready(self) -> bool:
        return self.has_said("started")

    def is_settled(self) -> bool:
        return self.has_said("settled")


class BareHttp2(Bare):
    road, program = "http2", "bare_http2"


class Raw(Bare):
    name, program = "raw", "raw"


class Workshop:
    """A folder with certificates, and the clients that run there."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.clients: list[Client] = []
        self.certificates = Certificates(folder)
        self.empty: Optional[Path] = None
        self.empty = self.make_empty()

    def make_empty(self) -> Path:
        """A folder with store and key as the program makes them; accounts are written into copies."""
        first = Doorbell(self, 0)
        first.server.open()
        wait_for(first.is_ready, "Doorbell to be ready")
        first.stop()
        return first.folder

    def stop(self) -> None:
        for client in list(self.clients):
            client.stop()
