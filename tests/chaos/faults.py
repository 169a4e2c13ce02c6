"""All faults by name, in the order of the table. Each is made anew for each of the roads to Signal."""

from case import HTTP1, HTTP2, Fault
from crowd import Crowd
from disk_faults import DiskFull, DiskReadOnly
from http2_faults import ConnectionCut, Crowded, Fallback, SentAway, StreamReset, WindowClosed
from link_faults import Closed, Ended, Fragmented, Handshakes, NeverEmpty, OtherClient, Relinked
from link_faults import RefusedOnce, Silent, Unanswered, Unsubscribed, refusal
from network import Cables
from process_faults import ClockJumps, Everything, Frozen, Killed, Stopped, TwoBridges
from push_faults import Answers, Expired, Flood, Gone, Late, OneOfThem
from push_faults import Redelivered, Refused, SilentName
from server_faults import ClientRefused, Queue, Reauthenticated, SignalDown, SignalMute, SignalRefuses, Unplugged
from streams import REFUSED
from world import CABLES

OVER_HTTP2 = ", HTTP/2"

cables = iter(CABLES)


def of_push_servers() -> list[Fault]:
    return [
        Refused(),
        Answers("404 for a while", 404),
        Gone(),
        Answers("429", 429),
        Answers("429 with Retry-After", {"status": 429, "headers": {"Retry-After": "2"}}),
        Answers("429 of ntfy (42901)", 42901),
        Answers("500", 500),
        Answers("503", 503),
        Answers("507", 507),
        Answers("507 of ntfy (50701)", 50701),
        Expired(),
        SilentName(),
        Answers("connection reset", "reset"),
        Answers("connection closed", "eof"),
        Answers("no answer", "hang"),
        Answers("slow-loris answer", "slow"),
        Answers("endless headers", "endless_headers"),
        Answers("endless body", "endless_body"),
        Answers("endless trailers", "endless_trailers"),
        Answers("garbage", "garbage"),
        Late(),
        OneOfThem(),
        Redelivered(),
        Flood(),
    ]


def of_links() -> list[Fault]:
    return [
        Closed(1000, "OK"),
        Closed(1001, "Container being shut down"),
        Closed(1008, "Policy"),
        Closed(1011, "Failed to retrieve messages"),
        Closed(1012, "Service restart"),
        Closed(1013, "Try again later"),
        Closed(4401, "Reauthentication required"),
        Closed(4409, "Connected elsewhere"),
        Closed(4999, "Something new"),
        Ended("link ends with EOF", "eof"),
        Ended("link is reset", "reset"),
        Ended("link frozen", "freeze"),
        Unanswered(),
        Unsubscribed(),
        NeverEmpty(),
        Silent(),
        Fragmented(),
        RefusedOnce(),
        Handshakes("handshake 403 until given up", 403),
        Handshakes("handshake 403 without timestamp", 403, timestamp=False),
        Handshakes("handshake 429", 429),
        Handshakes("handshake 429 with Retry-After", 429, headers={"Retry-After": "2"}),
        OtherClient(),
        Handshakes("handshake 500", 500),
        Handshakes("handshake 503", 503),
        Handshakes("handshake 302 of a login page", 302, timestamp=False),
        Relinked("unlinked, then a new password", as_other=False),
        Relinked("unlinked, then another device", as_other=True),
    ]


def of_the_messenger() -> list[Fault]:
    return [
        SignalDown(),
        SignalMute("Signal accepts and is silent", "silent"),
        SignalMute("Signal resets connections", "reset"),
        SignalRefuses("handshakes stall", None, handshake="stall"),
        SignalRefuses("403 for everybody", 403, **refusal(403)),
        ClientRefused("499 to both User-Agents", **refusal(499, timestamp=False)),
        Queue(),
        Reauthenticated(),
        Unplugged("Signal half-open", Cables.SIGNAL, next(cables)),
        Everything(),
    ]


def of_our_own() -> list[Fault]:
    return [
        Killed(),
        Stopped(),
        Frozen(),
        Unplugged("push server half-open", Cables.PUSH, next(cables)),
        DiskFull(),
        DiskReadOnly(),
        ClockJumps(),
        TwoBridges(),
        Crowd(),
    ]


def only_http2() -> list[Fault]:
    return [
        StreamReset(),
        Handshakes("streams are refused", 0, reset=REFUSED),
        ConnectionCut(),
        SentAway(),
        WindowClosed(),
        Crowded(),
        Fallback(),
    ]


def over_http2(made: list[Fault], long_only: bool = False) -> list[Fault]:
    """Those that leave the choice to the program keep it."""
    for fault in made:
        if fault.road == HTTP1:
            fault.road = HTTP2
            fault.name += OVER_HTTP2
        fault.long_only = fault.long_only or long_only
    return made


ALL = [
    *of_push_servers(),
    *of_links(),
    *of_the_messenger(),
    *of_our_own(),
    *over_http2([*of_links(), *of_the_messenger(), *only_http2()]),
    *over_http2([*of_push_servers(), *of_our_own()], long_only=True),
]
