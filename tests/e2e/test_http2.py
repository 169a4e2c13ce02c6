"""Clear-text HTTP/2 with prior knowledge on the web port (mollysocket.md 3): curl, nghttp, h2load
and Caddy with MollySocket's sample, and what attackers make of it.
"""

import contextlib
import json
import re
import signal as signals
import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple, Optional

import pytest

from lib import http2
from lib.background import Changes
from lib.caddy import MOLLYSOCKETS_SAMPLE, Caddy, plain_site
from lib.doorbell import MOLLY, Doorbell
from lib.http2 import HTTP2_GET, OPENING, Http2
from lib.ports import free_port
from lib.push_peer import TEST, PushPeer
from lib.signal_peer import SignalPeer

MakeDoorbell = Callable[..., Doorbell]

DEADLINE = 30.0
BODY_MAX = 64 * 1024
# A page of answers, allocator and log lines; a flood that is kept is many times as much.
MEMORY_GROWTH_KIB = 8 * 1024


@pytest.fixture
def server(make_doorbell: MakeDoorbell) -> Doorbell:
    """Running, without a messenger that answers."""
    return make_doorbell(signal__url=f"wss://127.0.0.1:{free_port()}/v1/websocket/").start()


def run(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE)


# curl


class Answer(NamedTuple):
    version: str
    status: int
    headers: dict[str, str]
    body: str


def curl(doorbell: Doorbell, path: str, *options: str) -> Answer:
    words = ["--http2-prior-knowledge", "--silent", "--show-error", "--include", *options]
    done = run("curl", *words, f"http://127.0.0.1:{doorbell.port}{path}")
    assert done.returncode == 0, done.stderr
    head, _, body = done.stdout.partition("\n\n")
    first, *lines = head.splitlines()
    version, status = first.split()[:2]
    pairs = [line.partition(": ") for line in lines]
    return Answer(version, int(status), {name: value for name, _, value in pairs}, body)


def test_curl_gets_page_and_discovery(server: Doorbell) -> None:
    page = curl(server, "/")
    assert (page.version, page.status) == ("HTTP/2", 200)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert int(page.headers["content-length"]) == len(page.body.encode())
    assert page.headers["date"].endswith(" GMT")
    assert "<title>" in page.body
    for found in (curl(server, "/discover"), curl(server, "/", "--user-agent", MOLLY)):
        assert found.headers["content-type"] == "application/json"
        assert json.loads(found.body)["mollysocket"]["version"]


def test_answers_are_those_of_http1(server: Doorbell) -> None:
    for method, path in (
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/?airgapped"),
        ("GET", "/discover/"),
        ("GET", "/nowhere"),
        ("GET", "/healthz"),
        ("HEAD", "/readyz"),
        ("GET", "/%2e%2e/"),
        ("DELETE", "/"),
        ("OPTIONS", "/"),
    ):
        host = f"127.0.0.1:{server.port}"
        status, headers, body = server.request(method, path, headers={"Host": host})
        how = ["--head"] if method == "HEAD" else ["--request", method]
        answer = curl(server, path, *how)
        assert answer.status == status, path
        assert answer.body == body.decode(), path
        ours = {name: answer.headers[name] for name in answer.headers if name != "date"}
        assert ours == {name: headers[name] for name in headers if name != "date"}, path


@pytest.mark.parametrize(
    "kind, body, status",
    [
        ("text/plain", "{}", 404),
        ("application/json", "{x", 400),
        ("application/json", "{}", 422),
        ("application/json", "[" + " " * (BODY_MAX - 2) + "]", 422),
        ("application/json", "[" + " " * (BODY_MAX - 1) + "]", 413),
        ("application/json", " " * (1 << 20), 413),
        ("application/json", " " * (5 << 20), 413),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, str) else str(value),
)
def test_bodies_are_judged_as_over_http1(
    server: Doorbell, tmp_path: Path, kind: str, body: str, status: int
) -> None:
    file = tmp_path / "body"
    file.write_text(body)
    answer = curl(server, "/", "--data-binary", f"@{file}", "--header", f"Content-Type: {kind}")
    assert answer.status == status


def test_headers_have_their_bounds(server: Doorbell) -> None:
    long = ["--header", "X: " + "y" * 17_000]
    many = [word for number in range(64) for word in ("--header", f"X-{number}: y")]
    assert curl(server, "/", *long).status == 431
    assert curl(server, "/", *many).status == 431
    assert curl(server, "/", *many[:100]).status == 200


def test_a_registration_waits_for_its_verdict(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert register(doorbell, account, endpoint) == "ok"
    assert [push.body for push in ntfy.wait_pushes(1)] == [TEST]
    number = signal.queue(account.key)
    ntfy.wait_rings(1, endpoint)
    signal.wait_acked(number)
    account.password = "not the password"
    assert register(doorbell, account, endpoint) == "forbidden"


def register(doorbell: Doorbell, account: Any, endpoint: str) -> str:
    sent = doorbell.registration(account, endpoint).decode()
    json_type = ["--header", "Content-Type: application/json; charset=utf-8"]
    answer = curl(doorbell, "/", "--data-binary", sent, *json_type)
    assert (answer.version, answer.status) == ("HTTP/2", 200)
    return json.loads(answer.body)["mollysocket"]["status"]


# nghttp2's own clients


def test_nghttp_understands_every_frame(server: Doorbell) -> None:
    url = f"http://127.0.0.1:{server.port}"
    done = run("nghttp", "--verbose", "--null-out", "--stat", f"{url}/", f"{url}/discover")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(":status: 200") == 2, done.stdout
    assert "SETTINGS_MAX_CONCURRENT_STREAMS(0x03):100" in done.stdout, done.stdout
    assert "error_code=NO_ERROR(0x00)" in done.stdout, done.stdout


def test_thousands_of_requests_on_a_few_connections_are_all_answered(server: Doorbell) -> None:
    url = f"http://127.0.0.1:{server.port}/discover"
    done = run("h2load", "--requests=6000", "--clients=4", "--max-concurrent-streams=100", url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6000 succeeded, 0 failed, 0 errored" in done.stdout, done.stdout


# Caddy


@contextlib.contextmanager
def behind_caddy(changes: Changes, folder: Path, doorbell: Doorbell) -> Iterator[None]:
    """Requests take the way through Caddy, with the sample."""
    port, own = free_port(), doorbell.port
    site = plain_site(port, MOLLYSOCKETS_SAMPLE.format(port=own))
    caddy = Caddy(changes, folder / "caddy", site)
    doorbell.port = port
    try:
        yield
    finally:
        doorbell.port = own
        caddy.stop()


@pytest.fixture
def through_caddy(changes: Changes, tmp_path: Path, server: Doorbell) -> Iterator[Doorbell]:
    with behind_caddy(changes, tmp_path, server):
        yield server


def test_caddys_sample_serves_the_page_with_its_address(through_caddy: Doorbell) -> None:
    host = {"Host": "push.example.org", "X-Forwarded-Proto": "https"}
    status, headers, page = through_caddy.request("GET", "/molly/", headers=host)
    assert status == 200 and headers["content-type"].startswith("text/html"), page
    assert b"url=https%3A%2F%2Fpush.example.org%2Fmolly%2F&amp;" in page
    status, _, found = through_caddy.request("GET", "/molly/discover")
    assert status == 200 and json.loads(found)["mollysocket"]["version"]
    assert through_caddy.request("GET", "/molly/nowhere")[0] == 404


def test_many_requests_through_caddy_are_all_answered(through_caddy: Doorbell) -> None:
    url = f"http://127.0.0.1:{through_caddy.port}/molly/discover"
    done = run("h2load", "--h1", "--requests=3000", "--clients=100", url)
    assert "3000 succeeded, 0 failed, 0 errored" in done.stdout, done.stdout
    assert "status codes: 3000 2xx" in done.stdout, done.stdout
    large = through_caddy.request("POST", "/molly/", b" " * (1 << 20), {"Content-Type": "a/b"})
    assert large[0] == 413
    assert through_caddy.request("GET", "/molly/discover")[0] == 200


def test_a_registration_through_caddy_is_answered(
    changes: Changes, tmp_path: Path, doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account = signal.new_account()
    sent = doorbell.registration(account, ntfy.endpoint())
    with behind_caddy(changes, tmp_path, doorbell):
        kind = {"Content-Type": "application/json; charset=utf-8"}
        status, _, answer = doorbell.request("POST", "/molly/", sent, kind)
    assert status == 200 and json.loads(answer)["mollysocket"]["status"] == "ok"


JSON = {"Content-Type": "application/json"}
HALF_SENT = (
    b"POST /molly/ HTTP/1.1\r\nHost: a.b.org\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n{"
)


def half_sent(doorbell: Doorbell, length: int = 5000) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", doorbell.port), timeout=DEADLINE)
    client.sendall(HALF_SENT % length)
    return client


def statuses(doorbell: Doorbell) -> tuple[int, int]:
    """Of a request without a body, and of one with a body that is none of ours."""
    get = doorbell.request("GET", "/molly/discover")[0]
    return get, doorbell.request("POST", "/molly/", b"{}", JSON)[0]


def test_slow_bodies_through_caddy_keep_nobody_out(
    make_doorbell: MakeDoorbell, changes: Changes, tmp_path: Path
) -> None:
    """To the server they are all Caddy's, which does not know which of them is honest."""
    nowhere = f"wss://127.0.0.1:{free_port()}/v1/websocket/"
    server = make_doorbell(signal__url=nowhere, web__connections=40).start()
    with behind_caddy(changes, tmp_path, server), contextlib.ExitStack() as open_sockets:
        for _ in range(120):
            open_sockets.enter_context(half_sent(server))
        for _ in range(50):
            assert statuses(server) == (200, 422)
            open_sockets.enter_context(half_sent(server))


def give_up(stranger: socket.socket) -> None:
    stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stranger.close()


def test_requests_that_are_given_up_take_no_others_with_them(through_caddy: Doorbell) -> None:
    """An honest one that takes its time is on the connection that strangers' requests come on."""
    honest = []
    for number in range(400):
        stranger = half_sent(through_caddy)
        time.sleep(0.002)  # so that Caddy has begun to ask
        give_up(stranger)
        if number % 50 == 0:
            honest.append(half_sent(through_caddy, length=2))
            assert statuses(through_caddy) == (200, 422)
    for client in honest:
        with client:
            client.sendall(b"}")
            assert client.recv(1 << 16).startswith(b"HTTP/1.1 422 ")


# Who may


def begin(doorbell: Doorbell, source: str = "127.0.0.1", sent: bytes = OPENING) -> socket.socket:
    client = socket.create_connection(
        ("127.0.0.1", doorbell.port), timeout=DEADLINE, source_address=(source, 0)
    )
    client.sendall(sent)
    return client


def read_to_the_end(client: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(1 << 16):
            received += piece
    return received


def first_bytes(client: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count and (piece := client.recv(count - len(received))):
        received += piece
    return received


def speaks_http2(doorbell: Doorbell, source: str) -> bool:
    with begin(doorbell, source) as client:
        start = first_bytes(client, 9)
        assert start.startswith(b"HTTP/1.1 ") or start[3] == Http2.SETTINGS, start
        return not start.startswith(b"HTTP/1.1")


def test_only_trusted_proxies_may_speak_it(make_doorbell: MakeDoorbell) -> None:
    nowhere = f"wss://127.0.0.1:{free_port()}/v1/websocket/"
    nobody = make_doorbell(signal__url=nowhere, web__trusted_proxies=["none"]).start()
    assert not speaks_http2(nobody, "127.0.0.1")
    one = make_doorbell(signal__url=nowhere, web__trusted_proxies=["127.3.0.1"]).start()
    assert speaks_http2(one, "127.3.0.1")
    assert not speaks_http2(one, "127.0.0.1")
    assert one.request("GET", "/discover")[0] == 200
    one.reload(web__trusted_proxies=["auto"])
    assert speaks_http2(one, "127.0.0.1")


def test_it_is_spoken_on_a_unix_socket(make_doorbell: MakeDoorbell, tmp_path: Path) -> None:
    path = str(tmp_path / "web.sock")
    nowhere = f"wss://127.0.0.1:{free_port()}/v1/websocket/"
    make_doorbell(signal__url=nowhere, web__listen=[f"unix:{path}"]).start()
    url = "http://doorbell.example.org/discover"
    done = run("curl", "--silent", "--http2-prior-knowledge", "--unix-socket", path, url)
    assert done.returncode == 0 and json.loads(done.stdout)["mollysocket"]["version"]


# Attackers


def memory(doorbell: Doorbell) -> int:
    assert doorbell.process
    status = Path(f"/proc/{doorbell.process.popen.pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert found
    return int(found[1])


def is_answered(doorbell: Doorbell) -> bool:
    with begin(doorbell, sent=OPENING + HTTP2_GET) as client:
        client.shutdown(socket.SHUT_WR)
        return b'{"mollysocket":' in http2.body(read_to_the_end(client), 1)


def send_for_ever(client: socket.socket, flood: Iterator[bytes], reads: bool) -> Optional[int]:
    """Until the server has enough; what it says then. Time is for those that are not read from."""
    received, end = b"", time.monotonic() + DEADLINE
    client.settimeout(0.02)
    with contextlib.suppress(ConnectionError):
        for piece in flood:
            while piece and time.monotonic() < end:
                with contextlib.suppress(TimeoutError):
                    piece = piece[client.send(piece) :]
                with contextlib.suppress(TimeoutError, BlockingIOError):
                    while reads and (said := client.recv(1 << 16, socket.MSG_DONTWAIT)):
                        received += said
            assert time.monotonic() < end, "the flood goes on"
            if http2.goaway(received) not in (None, http2.NO_ERROR):
                return http2.goaway(received)
    with contextlib.suppress(ConnectionError, TimeoutError):
        while said := client.recv(1 << 16):
            received += said
    return http2.goaway(received)


def frames_for_ever(*made: Callable[[int], bytes], at_once: int = 1000) -> Iterator[bytes]:
    stream = 1
    while True:
        pieces = []
        for _ in range(at_once):
            pieces += [make(stream) for make in made]
            stream += 2
        yield b"".join(pieces)


def headers(flags: int, block: bytes = http2.HEADER_BLOCK) -> Callable[[int], bytes]:
    return lambda stream: Http2.frame(Http2.HEADERS, flags, stream, block)


def reset(stream: int) -> bytes:
    return Http2.frame(Http2.RST_STREAM, 0, stream, b"\0\0\0\x08")


def window(size: int) -> bytes:
    return Http2.frame(Http2.SETTINGS, payload=b"\0\4" + size.to_bytes(4, "big"))


WHOLE = Http2.END_HEADERS | Http2.END_STREAM
# Ten thousand times 4 kB in one header (RFC 7541 section 6.2.1: it enters the table, and is named).
BOMB = http2.HEADER_BLOCK + b"\x40\x01a\x7f\xa1\x1e" + b"b" * 4000 + b"\xbe" * 10_000
MUCH_PADDING = b"\xff%s" + bytes(255)
FLOODS: dict[str, tuple[bytes, tuple[Callable[[int], bytes], ...]]] = {
    "ping": (b"", (lambda _: Http2.frame(Http2.PING, payload=b"12345678"),)),
    "settings": (b"", (lambda _: Http2.frame(Http2.SETTINGS, payload=b"\0\1\0\0\x10\0"),)),
    "continuation": (
        headers(0)(1),
        (lambda _: Http2.frame(Http2.CONTINUATION, 0, 1, b"\x00\x01a\x01b" * 20),),
    ),
    "empty continuation": (headers(0)(1), (lambda _: Http2.frame(Http2.CONTINUATION, 0, 1),)),
    "rapid reset": (
        b"",
        (headers(WHOLE), reset),
    ),
    "padded headers": (
        b"",
        (headers(WHOLE | Http2.PADDED, MUCH_PADDING % http2.HEADER_BLOCK), reset),
    ),
    "header bombs": (b"", (headers(WHOLE, BOMB),)),
    "table sizes": (b"", (headers(WHOLE, b"\x3f\xe1\x1f\x20" * 3000),)),
    "the same stream": (headers(WHOLE)(1), (lambda _: headers(WHOLE)(1),)),
    "empty data": (
        headers(Http2.END_HEADERS)(1),
        (lambda _: Http2.frame(Http2.DATA, 0, 1),),
    ),
    "padded data": (
        headers(Http2.END_HEADERS)(1),
        (lambda _: Http2.frame(Http2.DATA, Http2.PADDED, 1, MUCH_PADDING % b""),),
    ),
    "windows": (b"", (lambda _: Http2.frame(Http2.WINDOW_UPDATE, 0, 0, b"\0\0\0\1"),)),
    "windows of a stream": (
        headers(Http2.END_HEADERS)(1),
        (lambda _: Http2.frame(Http2.WINDOW_UPDATE, 0, 1, b"\0\0\0\1"),),
    ),
    "too large a window": (b"", (lambda _: Http2.frame(Http2.WINDOW_UPDATE, 0, 0, b"\x7f" * 4),)),
    "windows that open and close": (
        window(0) + b"".join(headers(WHOLE)(stream) for stream in range(1, 60, 2)),
        (lambda _: window(1), lambda _: window(0)),
    ),
    "priority": (b"", (lambda stream: Http2.frame(Http2.PRIORITY, 0, stream, b"\0\0\0\0\x10"),)),
    "unknown": (b"", (lambda _: Http2.frame(0xEE, 0, 1, b"x" * 100),)),
}


@pytest.mark.parametrize("reads", [True, False], ids=["reading", "not reading"])
@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_the_connection_and_leaves_nothing(
    make_doorbell: MakeDoorbell, name: str, reads: bool
) -> None:
    nowhere = f"wss://127.0.0.1:{free_port()}/v1/websocket/"
    doorbell = make_doorbell(signal__url=nowhere, web__timeout="2s").start()
    first, made = FLOODS[name]

    def flood() -> None:
        with begin(doorbell, sent=OPENING + first) as client:
            code = send_for_ever(client, frames_for_ever(*made), reads)
            assert code != http2.NO_ERROR
        assert is_answered(doorbell)

    flood()
    before = memory(doorbell)
    for _ in range(5):
        flood()
    assert memory(doorbell) - before < MEMORY_GROWTH_KIB


def test_answers_that_nobody_takes_are_given_up(make_doorbell: MakeDoorbell) -> None:
    """A window of nothing, held open by hundreds of streams on many connections."""
    nowhere = f"wss://127.0.0.1:{free_port()}/v1/websocket/"
    doorbell = make_doorbell(signal__url=nowhere, web__timeout="1s").start()
    closed = Http2.frame(Http2.SETTINGS, payload=b"\0\4\0\0\0\0")
    page = b"\x82\x86\x84\x41\x07a.b.org"
    asked = b"".join(Http2.frame(Http2.HEADERS, WHOLE, 2 * n + 1, page) for n in range(30))
    with contextlib.ExitStack() as open_sockets:
        clients = [
            open_sockets.enter_context(begin(doorbell, sent=http2.PREFACE + closed + asked))
            for _ in range(10)
        ]
        for client in clients:
            resets = 0
            received = b""
            while resets < 30:
                piece = client.recv(1 << 16)
                assert piece, "the connection goes on"
                received += piece
                kinds = [frame.kind for frame in http2.frames(received)]
                resets = kinds.count(Http2.RST_STREAM)
            assert Http2.DATA not in kinds
        assert is_answered(doorbell)


def test_half_a_preface_is_waited_for_and_not_for_ever(make_doorbell: MakeDoorbell) -> None:
    nowhere = f"wss://127.0.0.1:{free_port()}/v1/websocket/"
    doorbell = make_doorbell(signal__url=nowhere, web__timeout="2s").start()
    with begin(doorbell, sent=b"") as slow:
        for byte in OPENING + HTTP2_GET:
            slow.send(bytes([byte]))
            time.sleep(0.005)
        slow.shutdown(socket.SHUT_WR)
        assert b'{"mollysocket":' in http2.body(read_to_the_end(slow), 1)
    with contextlib.ExitStack() as open_sockets:
        halves = [
            open_sockets.enter_context(begin(doorbell, sent=http2.PREFACE[:length]))
            for length in range(len(http2.PREFACE))
        ]
        assert is_answered(doorbell)
        for half in halves:
            assert http2.goaway(read_to_the_end(half)) in (None, http2.NO_ERROR)
    assert is_answered(doorbell)


def test_garbage_after_the_preface_does_no_harm(server: Doorbell) -> None:
    for number in range(50):
        garbage = bytes((number * 5 + n) % 256 for n in range(5000))
        with begin(server, sent=http2.PREFACE + garbage) as client:
            assert http2.goaway(read_to_the_end(client)) not in (None, http2.NO_ERROR)
    assert is_answered(server)


def test_sigterm_says_goodbye_and_is_quick(
    make_doorbell: MakeDoorbell, signal: SignalPeer
) -> None:
    doorbell = make_doorbell(signal__url=signal.url).start()
    with begin(doorbell, sent=OPENING + HTTP2_GET) as client:
        start = first_bytes(client, 9)
        assert start[3] == Http2.SETTINGS
        assert doorbell.process
        doorbell.process.popen.send_signal(signals.SIGTERM)
        rest = read_to_the_end(client)
        assert http2.goaway(start + rest) == http2.NO_ERROR
        doorbell.finish(0)
