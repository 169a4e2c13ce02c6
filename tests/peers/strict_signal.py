#!/usr/bin/python3
"""A strict stand-in for Signal's chat server: every rule of signal-measured.md 1 to 4 and 6 and of
signal.md 9.4, enforced or, where a test asks for it, broken.

It shares nothing with Doorbell, and is itself proven by Signal's own client library
(tests/e2e/test_strict_server_is_signal.py). In a test it is an object on an asyncio loop. As a
program it prints one JSON line with its ports and is worked through control.py:

    strict_signal.py --cert CERT --key KEY [--port 0] [--http2-port 0] [--control-port 0]

Roads: upgrade.py (HTTP/1.1) and streams.py (HTTP/2), each on a port of its own, with listening.py
and tls_pipe.py below them; frames.py for the websocket. What the chat server does on a websocket,
whatever road carries it, is in this file.
"""

import argparse
import asyncio
import base64
import binascii
import dataclasses
import json
import os
import re
import secrets
import ssl
import time
import urllib.parse
from typing import Any, Callable, Optional, Sequence, Union
from uuid import UUID, uuid4

import signal_wire
from control import run_with_control
from frames import Deflate, Pipe, WebSocket
from listening import LOOPBACK, Port
from streams import Http2, StreamBehaviour
from tls_pipe import TlsPipe
from upgrade import HTTP2, Admission, Http1, Refusal, Request, html, not_found, timestamp_header

WEBSOCKET_PATH = "/v1/websocket/"
WINDOW = 256  # unanswered messages
DISPLACED = (4409, "Connected elsewhere")
REVOKED = (4401, "Reauthentication required")
IDLE = (1001, "Connection Idle Timeout")
SHUTDOWN = (1001, "Container being shut down")
MALFORMED = (1007, "Badly formatted")


@dataclasses.dataclass
class Behaviour(StreamBehaviour):
    """How the server treats everybody, or one device. The defaults are how Signal does it."""

    http2: dict = dataclasses.field(default_factory=dict)  # what is otherwise on that road
    tcp: str = "normal"  # "silent": accepts and says nothing; "reset"
    handshake: str = "normal"  # "stall": reads the request and says nothing
    # {"status", "reason", "headers", "timestamp", "times", "reset": code instead of an answer}
    reject: Optional[dict] = None
    backend_failing: bool = False
    minimum_versions: dict = dataclasses.field(default_factory=dict)  # {"android": "8.4.0"}
    require_spqr: bool = False
    forget_authorization: bool = False  # good credentials give an anonymous socket
    alert: Optional[str] = None  # X-Signal-Alert
    after_open: Optional[dict] = None  # {"code", "reason"} or {"end": "eof", "reset" or "freeze"}
    deliver: bool = True  # False: no messages, no queue/empty
    queue_empty: bool = True
    # "ignore", or "close": the subscription is lost; "mute": that of strangers is ignored as well
    keepalive: str = "answer"
    pong: bool = True
    answer_close: bool = True
    idle_seconds: float = 90
    frame_max: int = 65536  # longer messages are fragmented


@dataclasses.dataclass
class Device:
    uuid: UUID
    number: int
    password: str
    spqr: bool = True
    locked: bool = False
    queue: list["Message"] = dataclasses.field(default_factory=list)
    session: Optional["Session"] = None  # the one that gets messages

    @property
    def key(self) -> str:
        return f"{self.uuid}.{self.number}"


@dataclasses.dataclass
class Message:
    number: int
    device: str
    envelope: bytes
    urgent: Optional[bool]
    story: bool
    queued: float
    request_id: Optional[int]
    request_order: Union[None, str, Sequence[int]]
    request_extra: Sequence[signal_wire.Field]
    path: str
    deliveries: list["Delivery"] = dataclasses.field(default_factory=list)
    acked: Optional[float] = None


@dataclasses.dataclass
class Delivery:
    """One sending of a message on one connection."""

    message: Message
    connection: int
    id: int
    time: float
    answered: Optional[float] = None
    status: Optional[int] = None

    def is_acked(self) -> bool:
        return self.status is not None and 200 <= self.status <= 299


@dataclasses.dataclass
class Handshake:
    number: int
    time: float
    method: str
    target: str
    headers: list[tuple[str, str]]
    peer: str
    tls: dict
    version: str
    stream: Optional[tuple[int, int]]  # HTTP/2: connection and stream
    never_indexed: list[str]  # HTTP/2: these headers
    status: Optional[int] = None
    device: Optional[str] = None
    is_rejected: bool = False  # because Behaviour says so

    def get(self, name: str) -> Optional[str]:
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)


class Session:
    """One websocket and what the chat server does on it."""

    def __init__(
        self,
        server: "StrictSignal",
        number: int,
        handshake: Handshake,
        device: Optional[Device],
        pipe: Pipe,
        deflate: Optional[Deflate],
    ):
        self.server, self.number, self.handshake, self.device = server, number, handshake, device
        self.pipe = pipe
        self.websocket = WebSocket(pipe, self, deflate)
        self.wants_messages = (handshake.get("X-Signal-Disable-Messages") or "") != "true"
        self.wants_stories = (handshake.get("X-Signal-Receive-Stories") or "") == "true"
        self.opened = self.heard = server.now()
        self.ended: Optional[float] = None
        self.close_sent: Optional[tuple[int, str]] = None
        self.client_close: Optional[tuple[Optional[int], str]] = None
        self.queue_empty: Optional[float] = None
        self.requests: list[signal_wire.ClientRequest] = []
        self.keepalives: list[float] = []
        self.pings = 0
        self.pongs: list[bytes] = []
        self.pending: dict[int, Delivery] = {}
        self.other_ids: set[int] = set()
        self.published: list[Delivery] = []  # of the present batch, in order
        self.batch: list[Message] = []
        self.stalled = False  # an answer was not 2xx
        self.draining = True
        self.idle_timer: Optional[asyncio.TimerHandle] = None

    @property
    def behaviour(self) -> Behaviour:
        return self.server.behaviour_of(self.device, self.handshake.version)

    @property
    def state(self) -> str:
        if self.ended is not None:
            return "ended"
        return "closing" if self.close_sent else "open"

    # Life

    def start(self) -> None:
        behaviour = self.behaviour
        self.websocket.frame_out_max = behaviour.frame_max
        self.watch_idle()
        if self.gets_messages():
            self.displace()
        if behaviour.after_open:
            self.end_as(behaviour.after_open)
        elif self.gets_messages():
            assert self.device
            self.batch = list(self.device.queue)
            self.pump()

    def gets_messages(self) -> bool:
        return self.device is not None and self.wants_messages and self.state == "open"

    def displace(self) -> None:
        assert self.device
        old, self.device.session = self.device.session, self
        if old and old is not self:
            self.server.displacements.append(
                {
                    "time": self.server.now(),
                    "device": self.device.key,
                    "old": old.number,
                    "new": self.number,
                }
            )
            old.websocket.close(*DISPLACED)

    def end_as(self, how: dict) -> None:
        if how.get("end") == "reset":
            self.pipe.reset()  # type: ignore[attr-defined]
            self.on_end()
        elif how.get("end") == "freeze":
            self.pipe.freeze()  # type: ignore[attr-defined]
        elif how.get("end") == "eof":
            self.websocket.end()
        else:
            self.websocket.close(how["code"], how.get("reason", ""))

    def watch_idle(self) -> None:
        """Only what is heard counts here. Signal's timer restarts with what it sends, too, so a
        client that keeps this server content keeps Signal content.
        """
        if self.ended is not None:
            return
        left = self.heard + self.behaviour.idle_seconds - self.server.now()
        if left <= 0:
            self.end_as_idle()
            return
        self.idle_timer = asyncio.get_running_loop().call_later(left + 0.001, self.watch_idle)

    def end_as_idle(self) -> None:
        if self.close_sent:
            self.websocket.end(torn=True)
            return
        self.violation("it was silent for too long")
        self.websocket.close(*IDLE)

    # From the road below

    def feed(self, data: bytes) -> None:
        self.heard = self.server.now()
        self.websocket.feed(data)

    def eof(self) -> None:
        self.websocket.eof()

    # From the websocket

    def on_message(self, data: bytes) -> None:
        try:
            message = signal_wire.read_client_message(data)
        except signal_wire.Malformed as error:
            self.violation(f"malformed message: {error}")
            self.websocket.close(*MALFORMED)
            return
        if isinstance(message, signal_wire.ClientResponse):
            self.on_response(message)
        else:
            self.on_request(message)

    def on_ping(self) -> bool:
        self.pings += 1
        self.server.changed()
        return self.behaviour.pong

    def on_pong(self, payload: bytes) -> None:
        self.pongs.append(payload)
        self.server.changed()

    def on_client_close(
        self, code: Optional[int], reason: str
    ) -> Optional[tuple[Optional[int], str]]:
        self.client_close = (code, reason)
        self.forget_presence()
        self.server.changed()
        if not self.behaviour.answer_close:
            return None
        return (1000, "OK") if self.device else (code, reason)

    def on_closing(self, code: int, reason: str) -> None:
        self.close_sent = (code, reason)
        self.forget_presence()
        self.server.changed()

    def on_end(self) -> None:
        if self.ended is not None:
            return
        self.ended = self.server.now()
        if self.idle_timer:
            self.idle_timer.cancel()
        self.forget_presence()
        self.server.changed()

    def forget_presence(self) -> None:
        if self.device and self.device.session is self:
            self.device.session = None

    def violation(self, text: str) -> None:
        self.server.note(text, self)

    # Requests of the client

    def on_request(self, request: signal_wire.ClientRequest) -> None:
        self.requests.append(request)
        path = urllib.parse.urlsplit(request.path).path
        if " " in request.path:
            at = request.path.index(" ")
            self.violation("a path that is not a URI")
            self.websocket.close(1011, f"Illegal character in path at index {at}: {request.path}")
        elif path == "/v1/keepalive":
            self.on_keepalive(request)
        elif path == "/v1/accounts/whoami":
            self.on_whoami(request)
        else:
            self.respond(request, 404, "Not Found")
        self.server.changed()

    def on_keepalive(self, request: signal_wire.ClientRequest) -> None:
        self.keepalives.append(self.server.now())
        kind = self.behaviour.keepalive
        if not self.wants_messages and not (self.device and self.device.session):
            kind = "close"
        if request.verb != "GET":
            self.respond(request, 405, "Method Not Allowed", ["Allow:GET,OPTIONS"])
        elif kind == "close" and self.device:
            self.websocket.close(1000, "OK")
        elif kind == "answer" or (not self.device and kind != "mute"):
            self.respond(request, 200, "OK")

    def on_whoami(self, request: signal_wire.ClientRequest) -> None:
        if request.verb != "GET":
            self.respond(request, 405, "Method Not Allowed", ["Allow:GET,OPTIONS"])
        elif not self.device:
            self.respond(request, 401, "Unauthorized")
        else:
            body = json.dumps(
                {"uuid": str(self.device.uuid), "pni": str(uuid4()), "number": "+15550100"}
            ).encode()
            self.respond(request, 200, "OK", ["Content-Type:application/json"], body)

    def respond(
        self,
        request: signal_wire.ClientRequest,
        status: int,
        reason: str,
        headers: Sequence[str] = (),
        body: Optional[bytes] = None,
    ) -> None:
        if request.id is None:
            return
        headers = [":".join(timestamp_header()), *headers, f"Content-Length:{len(body or b'')}"]
        self.websocket.send_message(
            signal_wire.server_response(request.id, status, reason, headers, body)
        )

    # Answers of the client

    def on_response(self, response: signal_wire.ClientResponse) -> None:
        delivery = self.pending.pop(response.id, None)
        if not delivery:
            if response.id not in self.other_ids:
                self.violation(f"an answer to a message that does not wait for one ({response.id})")
            self.other_ids.discard(response.id)
            return
        delivery.answered, delivery.status = self.server.now(), response.status
        if delivery.is_acked():
            self.server.delete(delivery.message)
        else:
            self.stalled = True
        self.pump()
        self.server.changed()

    # Messages

    def pump(self) -> None:
        """Sends what may be sent: the queue as it was at connect, then queue/empty, then what came
        since in batches, each only after all of the one before was acknowledged.
        """
        if not self.gets_messages() or not self.behaviour.deliver:
            return
        self.send_batch()
        if not self.batch_is_answered():
            return
        if self.draining:
            self.draining = False
            if self.behaviour.queue_empty:
                self.send_queue_empty()
        if self.stalled:
            return
        assert self.device
        self.published = []
        self.batch = [message for message in self.device.queue if message.acked is None]
        self.send_batch()

    def batch_is_answered(self) -> bool:
        return not self.batch and all(delivery.status is not None for delivery in self.published)

    def send_batch(self) -> None:
        while self.batch and self.window_is_open():
            message = self.batch.pop(0)
            if message.story and not self.wants_stories:
                self.server.delete(message)
                continue
            self.send(message)

    def window_is_open(self) -> bool:
        answered = 0
        for delivery in self.published:
            if delivery.status is None:
                break
            answered += 1
        return len(self.published) - answered < WINDOW

    def send(self, message: Message) -> None:
        id = message.request_id if message.request_id is not None else secrets.randbits(63)
        delivery = Delivery(message, self.number, id, self.server.now())
        message.deliveries.append(delivery)
        self.published.append(delivery)
        self.pending[id] = delivery
        self.websocket.send_message(
            signal_wire.server_request(
                "PUT",
                message.path,
                id,
                [":".join(timestamp_header())],
                message.envelope,
                message.request_order,
                message.request_extra,
            )
        )
        self.server.changed()

    def send_queue_empty(self) -> None:
        id = secrets.randbits(63)
        self.other_ids.add(id)
        self.queue_empty = self.server.now()
        self.websocket.send_message(
            signal_wire.server_request(
                "PUT", "/api/v1/queue/empty", id, [":".join(timestamp_header())], None
            )
        )
        self.server.changed()

    def describe(self) -> dict:
        return {
            "number": self.number,
            "device": self.device.key if self.device else None,
            "state": self.state,
            "opened": self.opened,
            "ended": self.ended,
            "close_sent": self.close_sent,
            "client_close": self.client_close,
            "queue_empty": self.queue_empty,
            "keepalives": self.keepalives,
            "pings": self.pings,
            "pongs": [payload.hex() for payload in self.pongs],
            "requests": [dataclasses.asdict(request) for request in self.requests],
            "unanswered": [delivery.message.number for delivery in self.pending.values()],
            "handshake": self.handshake.number,
            "version": self.handshake.version,
        }


class StrictSignal:
    USER_AGENT = re.compile(r"Signal-(Android|Desktop|iOS)/([^ ]+)( (.+))?", re.IGNORECASE)
    VERSION = re.compile(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(-[0-9A-Za-z.-]+)?(\+.*)?")
    USER = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

    def __init__(self, cert: str, key: str, on_change: Callable[[], None] = lambda: None):
        self.context = self.new_context(cert, key)
        self.http2_contexts = {
            alpn: self.new_context(cert, key, ssl.TLSVersion.TLSv1_3, [alpn] if alpn else [])
            for alpn in ("h2", "http/1.1", None)
        }
        self.on_change = on_change
        self.changes = 0
        self.change_event: Optional[asyncio.Event] = None
        self.behaviour = Behaviour()
        self.special: dict[str, dict] = {}
        self.devices: dict[str, Device] = {}
        self.messages: list[Message] = []
        self.sessions: list[Session] = []
        self.handshakes: list[Handshake] = []
        self.displacements: list[dict] = []
        self.violations: list[dict] = []
        self.tls_failures: list[str] = []
        self.tcp_connections = 0
        self.tls_under_way = self.tls_under_way_most = 0
        self.server_names: dict[int, Optional[str]] = {}
        self.pipes: list[TlsPipe] = []
        self.http2_connections: list[Http2] = []  # those that are over, too
        self.ports = [
            Port(self.count_tcp, lambda: self.context, self.tls_ready, self.tls_failed),
            Port(
                lambda: self.count_tcp(HTTP2),
                lambda: self.http2_contexts[self.stream_behaviour().alpn],
                lambda pipe: self.tls_ready(pipe, HTTP2),
                self.tls_failed,
            ),
        ]

    def new_context(
        self,
        cert: str,
        key: str,
        least: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
        alpn: Sequence[str] = (),
    ) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = least
        context.load_cert_chain(cert, key)
        context.sni_callback = self.note_server_name  # type: ignore[assignment]
        if alpn:
            context.set_alpn_protocols(alpn)
        return context

    # Listening

    async def start(
        self, port: int = 0, http2_port: int = 0, hosts: Sequence[str] = LOOPBACK
    ) -> int:
        await self.ports[1].listen(http2_port, hosts)
        return await self.ports[0].listen(port, hosts)

    @property
    def port(self) -> int:
        return self.ports[0].number

    @property
    def http2_port(self) -> int:
        return self.ports[1].number

    @property
    def hosts(self) -> Sequence[str]:
        return self.ports[0].hosts

    async def stop_listening(self) -> None:
        """Refuses new connections on both roads; those that are open go on."""
        for port in self.ports:
            await port.stop()

    async def listen_again(self) -> None:
        for port in self.ports:
            await port.listen(hosts=port.hosts)

    def count_tcp(self, version: str = "") -> str:
        self.tcp_connections += 1
        how = self.behaviour_of(None, version).tcp
        if how == "normal":
            self.tls_under_way += 1
            self.tls_under_way_most = max(self.tls_under_way_most, self.tls_under_way)
        self.changed()
        return how

    def tls_ready(self, pipe: TlsPipe, version: str = "") -> Union[Http1, Http2]:
        self.tls_under_way -= 1
        self.pipes = [known for known in self.pipes if not known.over] + [pipe]
        tls = {
            "version": pipe.tls.version(),
            "resumed": pipe.tls.session_reused,
            "server_name": self.server_names.pop(id(pipe.tls), None),
            "alpn": pipe.tls.selected_alpn_protocol(),
        }
        assert pipe.transport
        peer = str(pipe.transport.get_extra_info("peername")[0])
        handshakes: list[Handshake] = []

        def judge(request: Request) -> Union[Refusal, Admission, None]:
            handshakes.append(self.note_handshake(request, peer, tls))
            return self.judge(request, handshakes[-1])

        def judged(request: Request, status: int) -> None:
            if not handshakes or handshakes[-1].status is not None:
                handshakes.append(self.note_handshake(request, peer, tls))
            handshakes[-1].status = status
            if status in (400, 404, 502) and not handshakes[-1].is_rejected:
                self.note(f"handshake refused with {status}: {request.method} {request.target}")
            self.changed()

        if version != HTTP2 or self.stream_behaviour().alpn == "http/1.1":
            return Http1(pipe, judge, judged)
        connection = Http2(len(self.http2_connections) + 1, pipe, self, judge, judged)
        self.http2_connections.append(connection)
        connection.start()
        return connection

    def tls_failed(self, text: str) -> None:
        self.tls_under_way -= 1
        self.tls_failures.append(text)
        self.changed()

    def note_server_name(
        self, tls: ssl.SSLObject, name: Optional[str], context: ssl.SSLContext
    ) -> None:
        self.server_names[id(tls)] = name

    def note_handshake(self, request: Request, peer: str, tls: dict) -> Handshake:
        handshake = Handshake(
            len(self.handshakes) + 1,
            self.now(),
            request.method,
            request.target,
            request.headers,
            peer,
            tls,
            request.version,
            request.stream,
            request.never_indexed,
        )
        self.handshakes.append(handshake)
        self.changed()
        return handshake

    async def stop(self) -> None:
        await self.stop_listening()
        for port in self.ports:
            port.free_silent()
        for pipe in self.pipes:
            pipe.vanish()
        for connection in self.http2_connections:
            connection.eof()
        for session in self.sessions:
            session.on_end()

    # Judging a handshake; in the order in which the server's filters run

    def judge(self, request: Request, handshake: Handshake) -> Union[Refusal, Admission, None]:
        device, verdict = self.authenticate(request)
        handshake.device = device.key if device else None
        behaviour = self.behaviour_of(device, request.version)
        if behaviour.handshake == "stall":
            return None
        rejection = self.rejection(behaviour)
        if rejection:
            handshake.is_rejected = True
            return rejection
        if self.is_outdated(request, behaviour, device):
            return Refusal(499, "499", timestamp=False)
        if request.path() != WEBSOCKET_PATH or not request.wants_websocket:
            return not_found()
        if verdict and behaviour.backend_failing:
            return html(500, "Server Error", "Failure")
        if verdict == "wrong":
            return html(403, "Forbidden", "Unauthorized")
        return self.admit(request, handshake, device, behaviour)

    def admit(
        self, request: Request, handshake: Handshake, device: Optional[Device], behaviour: Behaviour
    ) -> Union[Refusal, Admission]:
        deflate = None
        offer = request.get("sec-websocket-extensions") or ""
        if offer.startswith("permessage-deflate"):
            try:
                deflate = Deflate(offer.split(",")[0])
            except ValueError:
                return Refusal(400, "Bad Request")
        if behaviour.forget_authorization:
            device = None
        headers = [("X-Signal-Alert", behaviour.alert)] if behaviour.alert and device else []

        def open_session(pipe: Pipe) -> Session:
            session = Session(self, len(self.sessions) + 1, handshake, device, pipe, deflate)
            self.sessions.append(session)
            return session

        return Admission(headers, deflate, open_session)

    def authenticate(self, request: Request) -> tuple[Optional[Device], str]:
        """The device and "good", or None and "wrong", or None and "" without a header."""
        header = request.get("authorization")
        if header is None:
            return None, ""
        scheme, _, encoded = header.partition(" ")
        try:
            if scheme.lower() != "basic" or not re.fullmatch("[A-Za-z0-9+/]+={0,2}", encoded):
                return None, "wrong"
            pair = base64.b64decode(encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4))
            user, colon, password = pair.decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None, "wrong"
        name, dot, number = user.partition(".")
        if (
            not colon
            or not self.USER.fullmatch(name)
            or dot
            and not re.fullmatch("[0-9]{1,3}", number)
        ):
            return None, "wrong"
        device = self.devices.get(f"{name.lower()}.{int(number) if dot else 1}")
        if (
            not device
            or device.locked
            or not secrets.compare_digest(device.password.encode(), password.encode())
        ):
            return None, "wrong"
        return device, "good"

    @staticmethod
    def rejection(behaviour: Behaviour) -> Optional[Refusal]:
        wanted = behaviour.reject
        if not wanted or wanted.get("times") == 0:
            return None
        if "times" in wanted:
            wanted["times"] -= 1
        return Refusal(
            wanted.get("status", 0),
            wanted.get("reason", "Rejected"),
            list((wanted.get("headers") or {}).items()),
            (wanted.get("body") or "").encode(),
            wanted.get("timestamp", True),
            reset=wanted.get("reset"),
        )

    def is_outdated(self, request: Request, behaviour: Behaviour, device: Optional[Device]) -> bool:
        match = self.USER_AGENT.fullmatch(request.get("user-agent") or "")
        version = self.VERSION.fullmatch(match[2]) if match else None
        if match and version:
            least = self.VERSION.fullmatch(behaviour.minimum_versions.get(match[1].lower(), ""))
            return least is not None and self.rank(version) < self.rank(least)
        return behaviour.require_spqr and device is not None and not device.spqr

    @staticmethod
    def rank(version: re.Match) -> tuple[int, int, int, bool]:
        return int(version[1]), int(version[2] or 0), int(version[3] or 0), version[4] is None

    def behaviour_of(self, device: Optional[Device], version: str = "") -> Behaviour:
        special = self.special.get(device.key) if device else None
        behaviour = dataclasses.replace(self.behaviour, **special) if special else self.behaviour
        if version != HTTP2 or not behaviour.http2:
            return behaviour
        return dataclasses.replace(behaviour, **behaviour.http2)

    def stream_behaviour(self) -> StreamBehaviour:
        return self.behaviour_of(None, HTTP2)

    # Bookkeeping

    @staticmethod
    def now() -> float:
        return time.monotonic()

    def changed(self) -> None:
        self.changes += 1
        self.on_change()
        if self.change_event:
            self.change_event.set()

    def note(self, text: str, session: Optional[Session] = None) -> None:
        """A rule that the client broke."""
        self.violations.append(
            {"time": self.now(), "text": text, "connection": session.number if session else None}
        )
        self.changed()

    def delete(self, message: Message) -> None:
        if message.acked is not None:
            return
        message.acked = self.now()
        device = self.devices.get(message.device)
        if device and message in device.queue:
            device.queue.remove(message)

    # Operations; all arguments and results are JSON's, so that control.py can call them

    def add_account(
        self, uuid: str, device: int = 2, password: str = "secret", spqr: bool = True
    ) -> str:
        made = Device(UUID(uuid), device, password, spqr)
        self.devices[made.key] = made
        return made.key

    def remove_account(self, device: str) -> None:
        """Unlinked: sockets that are open go on, the next handshake gets 403."""
        del self.devices[device]

    def change_account(self, device: str, **changes: Any) -> None:
        """password, spqr or locked."""
        for name, value in changes.items():
            if name not in ("password", "spqr", "locked"):
                raise ValueError(f"an account has no {name}")
            setattr(self.devices[device], name, value)

    def queue(
        self,
        device: str,
        urgent: Optional[bool] = True,
        size: Optional[int] = 200,
        source: Optional[str] = None,
        source_device: Optional[int] = None,
        type: int = 6,
        story: bool = False,
        extra: Sequence[Sequence] = (),
        order: Union[None, str, Sequence[int]] = None,
        request_id: Optional[int] = None,
        request_order: Union[None, str, Sequence[int]] = None,
        request_extra: Sequence[Sequence] = (),
        envelope: Optional[str] = None,
        path: str = "/api/v1/message",
    ) -> int:
        """Returns the message's number. `size` is the ciphertext's (None: no content); `extra`
        fields are [number, integer or hex]; `envelope` (hex) replaces the whole of it; another
        `path` is what a future server might use.
        """
        target = self.devices[device]
        body = (
            bytes.fromhex(envelope)
            if envelope is not None
            else signal_wire.envelope(
                type=type,
                urgent=urgent,
                timestamp=int(time.time() * 1000),
                guid=secrets.token_bytes(16),
                destination=target.uuid.bytes,
                content=None if size is None else os.urandom(size),
                source=UUID(source).bytes if source else None,
                source_device=source_device,
                story=story,
                extra=fields_of(extra),
                order=order,
            )
        )
        message = Message(
            len(self.messages) + 1,
            device,
            body,
            urgent,
            story,
            self.now(),
            request_id,
            request_order,
            fields_of(request_extra),
            path,
        )
        self.messages.append(message)
        target.queue.append(message)
        if target.session:
            target.session.pump()
        self.changed()
        return message.number

    def set_behaviour(self, device: Optional[str] = None, **flags: Any) -> None:
        """For everybody, or for one device on top of that; see Behaviour."""
        for names in (flags, flags.get("http2", {})):
            dataclasses.replace(self.behaviour, **names)  # refuses those that do not exist
        if device:
            self.special.setdefault(device, {}).update(flags)
        else:
            self.behaviour = dataclasses.replace(self.behaviour, **flags)
        self.behave()

    def reset_behaviour(self, device: Optional[str] = None) -> None:
        if device:
            self.special.pop(device, None)
        else:
            self.behaviour = Behaviour()
            self.special.clear()
        self.behave()

    def behave(self) -> None:
        for connection in self.http2_connections:
            connection.behave()
        for session in self.live():
            session.websocket.frame_out_max = session.behaviour.frame_max
            session.pump()

    def live(self, device: Optional[str] = None) -> list[Session]:
        return [
            session
            for session in self.sessions
            if session.state == "open"
            and (device is None or session.device and session.device.key == device)
        ]

    def close(self, code: int, reason: str = "", device: Optional[str] = None) -> int:
        """A Close to every open websocket (of this device). Returns how many."""
        sessions = self.live(device)
        for session in sessions:
            session.websocket.close(code, reason)
        return len(sessions)

    def revoke(self, device: str) -> int:
        return self.close(*REVOKED, device)

    def shut_down(self) -> int:
        count = self.close(*SHUTDOWN)
        self.end_connections("eof")
        return count

    def end(self, how: str, device: Optional[str] = None) -> int:
        """Without a Close: "eof", "reset" or "freeze" (nothing in or out any more, no FIN)."""
        sessions = self.live(device)
        for session in sessions:
            session.end_as({"end": how})
        return len(sessions)

    # Of HTTP/2; they return of how many

    def live_connections(self) -> list[Http2]:
        return [connection for connection in self.http2_connections if not connection.over]

    def end_connections(self, how: str = "reset") -> int:
        """With all their streams: "eof", "reset" or "freeze"."""
        connections = self.live_connections()
        for connection in connections:
            connection.end(how)
        return len(connections)

    def goaway(self, code: int = 0, last: Optional[int] = None, end: bool = False) -> int:
        """`last` is the newest stream that is still served; `end`: EOF follows."""
        connections = self.live_connections()
        for connection in connections:
            connection.leave(code, last)
            if end:
                connection.end()
        return len(connections)

    def reset_streams(self, code: int, device: Optional[str] = None) -> int:
        """RST_STREAM, of streams that carry no websocket yet only without a device."""
        streams = [
            stream
            for connection in self.live_connections()
            for stream in list(connection.open.values())
            if device is None or stream in [session.pipe for session in self.live(device)]
        ]
        for stream in streams:
            stream.reset(code)
        return len(streams)

    def send_raw_http2(self, data: str) -> None:
        """Bytes (hex) beneath HTTP/2's framing, to break its rules."""
        for connection in self.live_connections():
            connection.pipe.write(bytes.fromhex(data))

    def ping(self, device: str, payload: str = "") -> None:
        """`payload` in hex."""
        for session in self.live(device):
            session.websocket.ping(bytes.fromhex(payload))

    def send_raw(self, device: str, data: str) -> None:
        """Bytes (hex) beneath the framing, to break its rules."""
        for session in self.live(device):
            session.pipe.write(bytes.fromhex(data))

    def send_message(self, device: str, data: str) -> None:
        """One binary message (hex) that need not be one of the resource protocol."""
        for session in self.live(device):
            session.websocket.send_message(bytes.fromhex(data))

    def state(self) -> dict:
        return {
            "changes": self.changes,
            "tcp_connections": self.tcp_connections,
            "tls_under_way_most": self.tls_under_way_most,
            "tls_failures": self.tls_failures,
            "handshakes": [dataclasses.asdict(handshake) for handshake in self.handshakes],
            "connections": [session.describe() for session in self.sessions],
            "http2_connections": [connection.describe() for connection in self.http2_connections],
            "displacements": self.displacements,
            "violations": self.violations,
            "messages": [describe_message(message) for message in self.messages],
        }

    async def wait_change(self, since: int, timeout: float = 10) -> int:
        """Returns the counter of changes once it is above `since`, or at the time-out."""
        deadline = self.now() + timeout
        while self.changes <= since and self.now() < deadline:
            self.change_event = asyncio.Event()
            try:
                await asyncio.wait_for(self.change_event.wait(), deadline - self.now())
            except asyncio.TimeoutError:
                break
        return self.changes

    def operations(self) -> dict[str, Callable[..., Any]]:
        return {
            operation.__name__: operation
            for operation in (
                self.add_account,
                self.remove_account,
                self.change_account,
                self.queue,
                self.set_behaviour,
                self.reset_behaviour,
                self.close,
                self.revoke,
                self.shut_down,
                self.end,
                self.stop_listening,
                self.listen_again,
                self.end_connections,
                self.goaway,
                self.reset_streams,
                self.send_raw_http2,
                self.ping,
                self.send_raw,
                self.send_message,
                self.state,
                self.wait_change,
            )
        }


def fields_of(entries: Sequence[Sequence]) -> list[signal_wire.Field]:
    return [
        (number, value if isinstance(value, int) else bytes.fromhex(value))
        for number, value in entries
    ]


def describe_message(message: Message) -> dict:
    return {
        "number": message.number,
        "device": message.device,
        "urgent": message.urgent,
        "queued": message.queued,
        "acked": message.acked,
        "deliveries": [
            {
                "connection": delivery.connection,
                "id": delivery.id,
                "time": delivery.time,
                "answered": delivery.answered,
                "status": delivery.status,
            }
            for delivery in message.deliveries
        ],
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--cert", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--http2-port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    arguments = parser.parse_args()
    server = StrictSignal(arguments.cert, arguments.key)
    await server.start(arguments.port, arguments.http2_port)
    ports = {"port": server.port, "http2_port": server.http2_port}
    await run_with_control(ports, server.operations(), arguments.control_port)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
