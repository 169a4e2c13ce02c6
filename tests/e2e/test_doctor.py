"""`doorbell doctor`: set-ups that are broken in the usual ways, each with its cause and its remedy,
in a report that may be shown to anybody.
"""

import email.utils
import json
import os
import pty
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import pytest

from lib.background import Background, Changes
from lib.certs import Authority, Leaf
from lib.doorbell import Doorbell
from lib.front import Front
from lib.linked import Linked
from lib.nameserver import Nameserver
from lib.ports import has_ipv6_loopback
from lib.push_peer import PushPeer
from lib.receiver import Receiver
from lib.secrecy import secrecy
from lib.service_places import ServicePlaces, may_be_had
from lib.shell import OpenFolder
from lib.signal_peer import SignalPeer, new_account

MakeDoorbell = Callable[..., Doorbell]
WELL, FAULT, WRONG_WORDS = 0, 1, 2
needs_ipv6 = pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no IPv6")
AS_NOBODY = ["setpriv", "--reuid", "4242", "--regid", "4242", "--clear-groups"]


@pytest.fixture
def make(make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer) -> MakeDoorbell:
    """Running, with these settings on top of what is needed."""

    def start(**settings: Any) -> Doorbell:
        needed = {"signal__url": signal.url, "push__allowed_endpoints": [ntfy.origin]}
        return make_doorbell(**{**needed, **settings}).start()

    return start


class Patient(Linked):
    def gets_a_message(self) -> int:
        return self.queue()

    def is_answered(self, answer: Any) -> None:
        """By its push server, to a ring."""
        self.answer_with(answer)
        self.queue()
        self.wait_log("its endpoint is failing")


def check_safe(doorbell: Doorbell, report: str) -> None:
    """No id, no password, no endpoint's path, no pseudonym of the log."""
    lower = report.lower()
    assert not [secret for secret in doorbell.secrets if secret.lower() in lower], report
    pseudonyms = {
        name for line in doorbell.output() for name in re.findall(r"\b[0-9a-f]{10}\b", line)
    }
    assert not [name for name in pseudonyms if name in report], report


def examine(doorbell: Doorbell, expected: int) -> str:
    """The report, without line breaks."""
    done = doorbell.command("doctor")
    assert (done.returncode, done.stderr) == (expected, ""), done.stderr + done.stdout
    check_safe(doorbell, done.stdout)
    return " ".join(done.stdout.split())


def findings(doorbell: Doorbell, severity: Optional[str] = None) -> list[dict]:
    done = doorbell.command("doctor", "--json")
    check_safe(doorbell, done.stdout)
    report = json.loads(done.stdout)
    assert report["well"] == (done.returncode == WELL)
    return [
        finding
        for finding in report["findings"]
        if severity in (None, finding["severity"])
        # What this machine's kernel lacks is told in test_sandbox.py.
        and finding["subject"] != "sandbox"
    ]


# All is well


def test_where_all_is_well_it_says_when_it_rang_and_what_to_look_at_on_the_phone(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    patient = Patient(doorbell, signal, ntfy)
    signal.wait_acked(patient.gets_a_message())
    report = examine(doorbell, WELL)
    at = r"[A-Z][a-z]{2} [ 0-9]{1,2} \d\d:\d\d:\d\d"
    assert re.search(
        rf"Account [0-9a-f]{{10}}: Signal accepted its login and showed its queue; "
        rf"last message {at}; rang {at}, {ntfy.origin} 200\.",
        report,
    )
    assert "No fault on this side of the path." in report
    assert "the delivery method is UnifiedPush" in report
    assert {finding["severity"] for finding in findings(doorbell)} <= {"well", "not checked"}


def test_two_reports_have_no_name_in_common(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    names = [re.findall(r"Account ([0-9a-f]{10})", examine(doorbell, WELL)) for _ in range(2)]
    assert len(names[0]) == len(names[1]) == 1 and names[0] != names[1]


# The messenger's half


def test_an_unlinked_device(make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer) -> None:
    doorbell = make(signal__refused_confirm="200ms")
    Patient(doorbell, signal, ntfy).is_unlinked()
    report = examine(doorbell, FAULT)
    assert "Signal: the messenger refuses the device" in report
    assert "-> Signal unlinked this device: in Molly open Settings, Linked devices" in report


def test_two_bridges_for_one_account(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(signal__contested_min="1h", signal__contested_max="1h")
    patient = Patient(doorbell, signal, ntfy)
    signal.close(4409, "Connected elsewhere", patient.account.key)
    patient.wait_log("somebody else uses the same linked device")
    report = examine(doorbell, FAULT)
    assert "Signal: somebody else uses the same device" in report
    assert "-> Another program uses the same linked device: stop the MollySocket" in report


def test_a_client_that_signal_refuses(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(
        signal__reconnect_max="1h",
        signal__client_refused_min="1h",
        signal__client_refused_max="1h",
    )
    patient = Patient(doorbell, signal, ntfy)
    signal.set_behaviour(reject={"status": 499, "timestamp": False})
    signal.end("eof")
    patient.wait_log("not connected (")
    report = examine(doorbell, FAULT)
    assert "1 fault was found." in report
    assert re.search(
        r'refuses both User-Agents, "Doorbell/\S+" and "Signal-Android/[^"]+", as too old', report
    )
    assert "-> Update Doorbell, or set signal.user_agent" in report


def test_a_client_for_which_signal_takes_the_other_one(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(signal__user_agent="Signal-Android/1.2.3 Android/36")
    Patient(doorbell, signal, ntfy)
    signal.set_behaviour(minimum_versions={"android": "8.0.0"})
    (warning,) = findings(doorbell, "warning")
    assert 'refuses the User-Agent "Signal-Android/1.2.3 Android/36" (499)' in warning["what"]
    assert warning["fix"] == "Update Doorbell."


def test_a_login_page_in_the_place_of_signal(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    signal.set_behaviour(reject={"status": 302, "timestamp": False})
    assert "a login page answers in the place of wss://localhost:" in examine(doorbell, FAULT)


def test_a_signal_that_is_not_there(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(signal__reconnect_max="1h")
    patient = Patient(doorbell, signal, ntfy)
    signal.stop_listening()
    signal.end("eof")
    patient.wait_log("not connected (")
    report = examine(doorbell, FAULT)
    assert "1 fault was found." in report and " ok accounts: " not in report
    assert re.search(
        r"Signal: wss://localhost:\d+ cannot be reached .*; account [0-9a-f]{10} is not connected\.",
        report,
    )
    assert "-> Check this machine's internet connection and its firewall." in report


def test_somebody_elses_certificate_in_the_place_of_signals(make: MakeDoorbell) -> None:
    """Its own roots are pinned."""
    doorbell = make(signal__ca_file="")
    report = examine(doorbell, FAULT)
    assert re.search(r"wss://localhost:\d+ has no certificate that is trusted", report)
    assert "-> Something intercepts TLS on the way" in report


# Over HTTP/2, and over both roads


def of_signal(doorbell: Doorbell) -> list[tuple[str, str, Optional[str]]]:
    """What is said of the way to it, and no account's own trouble."""
    return [
        (one["severity"], one["what"], one["fix"])
        for one in findings(doorbell)
        if one["subject"] == "Signal"
    ]


@pytest.fixture
def make_on(make: MakeDoorbell, signal: SignalPeer) -> MakeDoorbell:
    """Running, with both roads named."""

    def start(transport: str, **settings: Any) -> Doorbell:
        return make(
            signal__transport=transport, signal__http2_url=signal.http2_url, **settings
        )

    return start


def origins(signal: SignalPeer) -> tuple[str, str]:
    """Of HTTP/2 and of HTTP/1.1."""
    return f"https://localhost:{signal.http2_port}", f"wss://localhost:{signal.port}"


def answers(told: tuple[str, str, Optional[str]], origin: str) -> bool:
    """Well, over whichever family "localhost" has here."""
    words = rf"{origin} answers (HTTP/2 )?over IPv\S+( and IPv6)?, and takes our client\."
    return told[0] == "well" and bool(re.fullmatch(words, told[1]))


NAME = "chat.doorbell.test"


@pytest.fixture
def named_signal(
    background: Background, changes: Changes, authority: Authority
) -> Iterator[SignalPeer]:
    """Another one, whose certificate is for NAME."""
    peer = SignalPeer(background, changes, authority.leaf("chat", [NAME]))
    yield peer
    peer.stop()
    peer.check()


@needs_ipv6
@pytest.mark.parametrize("family", ["auto", "ipv4", "ipv6"])
def test_signal_over_http2_is_visited_without_credentials_by_each_client_and_family(
    make: MakeDoorbell, named_signal: SignalPeer, nameserver: Nameserver, family: str
) -> None:
    nameserver.set(NAME, ["127.0.0.1", "::1"])
    http2_url = named_signal.http2_url.replace("localhost", NAME)
    doorbell = make(
        signal__transport="http2",
        signal__http2_url=http2_url,
        net__nameservers=[nameserver.address],
        net__family=family,
    )
    families = {"auto": "IPv4 and IPv6", "ipv4": "IPv4", "ipv6": "IPv6"}[family]
    well, root = of_signal(doorbell)
    origin = f"https://{NAME}:{named_signal.http2_port}"
    assert well == ("well", f"{origin} answers HTTP/2 over {families}, and takes our client.", None)
    assert f"Over {families} its certificate leads to a root of signal.ca_file" in root[1]
    assert ("was not tried, because of net.family" in root[1]) == (family != "auto")
    asked = named_signal.handshakes
    own, fallback = {"auto": 2, "ipv4": 1, "ipv6": 1}[family], 1
    assert {(one.version, one.get("Authorization")) for one in asked} == {("HTTP/2", None)}
    agents = [str(one.get("User-Agent")).split("/")[0] for one in asked]
    assert sorted(agents) == ["Doorbell"] * own + ["Signal-Android"] * fallback
    peers = {"auto": {"127.0.0.1", "::1"}, "ipv4": {"127.0.0.1"}, "ipv6": {"::1"}}[family]
    assert {one.peer for one in asked} == peers
    named_signal.changed.wait_for(
        lambda: [one.state for one in named_signal.sessions] == ["ended"] * len(asked),
        "the end of all that doctor opened",
    )
    assert {one.client_close for one in named_signal.sessions} == {(1000, "")}
    assert of_clock(doorbell)[0][0] == "not checked"


@pytest.mark.parametrize(
    "behaviour, severity, what, fix",
    [
        (
            {"alpn": None},
            "fault",
            "{} cannot be used over HTTP/2 (it does not speak HTTP/2).",
            "Check signal.http2_url, or set signal.transport to auto.",
        ),
        (
            {"extended_connect": False},
            "fault",
            "{} cannot be used over HTTP/2 (it has no websockets over HTTP/2).",
            "Check signal.http2_url, or set signal.transport to auto.",
        ),
        (
            {"reject": {"status": 499, "timestamp": False}},
            "fault",
            "{} refuses both User-Agents, ",
            "Update Doorbell, or set signal.user_agent to that of a newer client.",
        ),
        (
            {"minimum_versions": {"android": "8.0.0"}},
            "warning",
            '{} refuses the User-Agent "Signal-Android/1.2.3 Android/36" (499); ',
            "Update Doorbell.",
        ),
        (
            {"reject": {"status": 302, "timestamp": False}},
            "fault",
            "A proxy, a firewall or a login page answers in the place of {} (302).",
            "Let this machine reach Signal's server directly.",
        ),
        (
            {"reject": {"status": 503}},
            "warning",
            "{} has trouble of its own (503).",
            "Nothing needs to be done: Doorbell comes back by itself.",
        ),
        (
            {"handshake": "stall"},
            "fault",
            "{} cannot be reached (no answer to the request in time).",
            "Check this machine's internet connection and its firewall.",
        ),
        (
            {"keepalive": "mute"},
            "fault",
            "{} gives no answer (links are let in, and then nothing comes over them).",
            "Check this machine's internet connection and its firewall.",
        ),
        (
            {"after_open": {"code": 1011, "reason": ""}},
            "fault",
            "{} gives no answer (it closes links that it has let in (1011)).",
            "Check this machine's internet connection and its firewall.",
        ),
    ],
    ids=[
        "no HTTP/2",
        "no websockets",
        "both refused",
        "one refused",
        "proxy",
        "trouble",
        "stalled",
        "mute",
        "closed",
    ],
)
def test_what_is_wrong_with_signal_over_http2(
    make_on: MakeDoorbell,
    signal: SignalPeer,
    behaviour: dict,
    severity: str,
    what: str,
    fix: str,
) -> None:
    doorbell = make_on("http2", signal__user_agent="Signal-Android/1.2.3 Android/36")
    signal.set_behaviour(http2=behaviour)
    told = of_signal(doorbell)[0]
    assert told[0] == severity and told[2] == fix, told
    assert told[1].startswith(what.format(origins(signal)[0])), told


def test_signal_over_http2_that_is_not_there_concerns_its_accounts(
    make_on: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make_on("http2", signal__reconnect_max="1h")
    patient = Patient(doorbell, signal, ntfy)
    signal.stop_listening()
    signal.end_connections("eof")
    patient.wait_log("not connected (")
    report = examine(doorbell, FAULT)
    assert "1 fault was found." in report
    assert re.search(
        rf"{origins(signal)[0]} cannot be reached .*; account [0-9a-f]{{10}} is not connected\.",
        report,
    )


def test_somebody_elses_certificate_in_the_place_of_signals_over_http2(
    make_on: MakeDoorbell, signal: SignalPeer
) -> None:
    (told,) = of_signal(make_on("http2", signal__ca_file=""))
    assert told[0] == "fault"
    assert f"{origins(signal)[0]} has no certificate that is trusted (its certificate" in told[1]
    assert told[2] and told[2].startswith("Something intercepts TLS on the way")
    assert not signal.handshakes


def test_where_either_road_may_be_taken_both_are_visited(
    make_on: MakeDoorbell, signal: SignalPeer
) -> None:
    doorbell = make_on("auto")
    http2, http1 = origins(signal)
    told = of_signal(doorbell)
    assert len(told) == 4 and answers(told[0], http2) and answers(told[1], http1), told
    for (_, what, _), origin in zip(told[2:], (http2, http1)):
        assert f"the certificate of {origin} leads to a root of signal.ca_file" in what
    assert of_clock(doorbell) == [("well", "It goes as those of the servers do.")]


def test_a_server_of_ones_own_without_an_address_for_http2_is_visited_over_http1_only(
    make: MakeDoorbell, signal: SignalPeer
) -> None:
    well, _ = of_signal(make(signal__transport="auto"))
    assert answers(well, origins(signal)[1])
    assert {one.version for one in signal.handshakes} == {"HTTP/1.1"}


@pytest.mark.parametrize(
    "behaviour, why",
    [
        ({"alpn": None}, "cannot be used over HTTP/2 (it does not speak HTTP/2)"),
        (
            {"keepalive": "mute"},
            "gives no answer (links are let in, and then nothing comes over them)",
        ),
    ],
    ids=["no HTTP/2", "mute"],
)
def test_http2_that_fails_where_http1_works_is_a_warning(
    make_on: MakeDoorbell, signal: SignalPeer, behaviour: dict, why: str
) -> None:
    """No account has tried it yet, so that the running server does not know."""
    doorbell = make_on("auto")
    signal.set_behaviour(http2=behaviour)
    http2, http1 = origins(signal)
    warning, well, root = of_signal(doorbell)
    assert warning[:2] == (
        "warning",
        f"{http2} {why}; HTTP/1.1 carries the links meanwhile.",
    )
    assert answers(well, http1)
    assert f"the certificate of {http1}" in root[1]


def test_http2_that_the_running_server_has_left_is_told_once(
    make_on: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make_on("auto")
    patient = Patient(doorbell, signal, ntfy)
    signal.set_behaviour(http2={"reject": {"status": 502}})
    signal.end_connections()
    patient.wait_log("over HTTP/1.1 instead of HTTP/2")
    told = " ".join(what for _, what, _ in of_signal(doorbell))
    assert told.count("502") == 1
    assert "It is reached over HTTP/1.1, because over HTTP/2: the answer was 502." in told


def test_http1_that_fails_where_http2_works_is_a_warning(
    make_on: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make_on("auto", signal__url="wss://localhost:1/v1/websocket/")
    Patient(doorbell, signal, ntfy)
    warning = [one for one in of_signal(doorbell) if one[0] != "well"]
    assert len(warning) == 1 and warning[0][0] == "warning"
    assert re.match(
        r"wss://localhost:1 cannot be reached \(.*\); HTTP/1\.1 could not carry the links where "
        r"HTTP/2 fails\.$",
        warning[0][1],
    )
    assert "answers HTTP/2 over IPv4" in examine(doorbell, WELL)


def test_where_both_roads_fail_that_is_one_fault(
    make_on: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make_on("auto", signal__reconnect_max="1h")
    patient = Patient(doorbell, signal, ntfy)
    signal.stop_listening()
    signal.end_connections("eof")
    patient.wait_log("not connected (")
    http2, http1 = origins(signal)
    report = examine(doorbell, FAULT)
    assert "1 fault was found." in report and " ok accounts: " not in report
    assert re.search(
        rf"Signal: {http1} cannot be reached .*; and {http2} cannot be reached .*; account "
        r"[0-9a-f]{10} is not connected\.",
        report,
    )
    assert len(of_signal(doorbell)) == 1


def test_a_client_that_signal_refuses_on_both_roads_is_told_once(
    make_on: MakeDoorbell, signal: SignalPeer
) -> None:
    doorbell = make_on("auto")
    signal.set_behaviour(reject={"status": 499, "timestamp": False})
    told = [what for severity, what, _ in of_signal(doorbell) if severity != "well"]
    assert len(told) == 1 and "refuses both User-Agents" in told[0]


# The push server's half


def test_a_push_server_that_is_not_there(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(push__hold="50ms")
    patient = Patient(doorbell, signal, ntfy)
    ntfy.stop_listening()
    ntfy.drop_connections()
    patient.gets_a_message()
    patient.wait_log("its endpoint is failing")
    report = examine(doorbell, FAULT)
    assert "1 fault was found." in report and " ok accounts: " not in report
    assert re.search(r"; account [0-9a-f]{10} is not rung, and a ring is owed since \w", report)
    assert f"push server: {ntfy.origin}: The push server cannot be reached" in report
    assert "-> Check that it runs and that no firewall or ban is between. If it is your own" in report
    assert "say in push.connect_to where it is." in report


@pytest.mark.parametrize(
    "answer, cause, remedy",
    [
        (
            40301,
            "The push server's access list refuses us (403)",
            "-> On it run: ntfy access '*' 'up*' write-only",
        ),
        (
            50701,
            "The phone is not connected to the push server (507)",
            "-> Open its UnifiedPush app",
        ),
        (
            {"status": 401, "body": "VAPID public key mismatch"},
            "The endpoint was made for another VAPID key than ours (401)",
            "-> Put the former VAPID key back (push.vapid_key_file), or link the phone again with "
            "this bridge's QR code",
        ),
    ],
    ids=["access list", "phone away", "another VAPID key"],
)
def test_a_push_server_that_refuses_rings(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, answer: Any, cause: str, remedy: str
) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy).is_answered(answer)
    report = examine(doorbell, FAULT)
    assert cause in report and remedy in report
    assert f"push server {ntfy.origin}:" in report and "a ring is owed since" in report


def test_a_private_push_server_that_is_not_allowed(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    doorbell.reload(push__allowed_endpoints=["*"])
    assert f'add "{ntfy.origin}" to push.allowed_endpoints' in examine(doorbell, FAULT)


def test_accounts_with_the_same_trouble_are_one_finding(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    for _ in range(2):
        Patient(doorbell, signal, ntfy)
    doorbell.reload(push__allowed_endpoints=["*"])
    (fault,) = findings(doorbell, "fault")
    assert re.match(r"2 accounts \([0-9a-f]{10}, [0-9a-f]{10}\): ", fault["what"])


def test_the_same_trouble_at_two_push_servers_is_two_findings(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(push__allowed_endpoints=["*", ntfy.origin, f"https://127.0.0.1:{ntfy.port}"])
    Patient(doorbell, signal, ntfy)
    other = ntfy.endpoint().replace("localhost", "127.0.0.1")
    assert doorbell.register(signal.new_account(), other) == "ok"
    doorbell.reload(push__allowed_endpoints=["*"])
    faults = findings(doorbell, "fault")
    assert len(faults) == 2 and all(re.match("Account [0-9a-f]{10}: ", one["what"]) for one in faults)
    told = " ".join(one["what"] for one in faults)
    assert f"push server {ntfy.origin}: " in told
    assert f"push server https://127.0.0.1:{ntfy.port}: " in told


# The clock


def now_at(seconds_ahead: int) -> str:
    return email.utils.formatdate(time.time() + seconds_ahead, usegmt=True)


def of_clock(doorbell: Doorbell) -> list[tuple[str, str]]:
    told = [one for one in findings(doorbell) if one["subject"] == "clock"]
    return [(one["severity"], one["what"]) for one in told]


def test_a_clock_that_is_wrong_is_told_once_by_signals_and_else_by_push_servers(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    assert of_clock(doorbell) == [("well", "It goes as those of the servers do.")]
    ntfy.answer_with({"status": 200, "headers": {"Date": now_at(-900)}})
    ((severity, what),) = of_clock(doorbell)
    assert severity == "fault", what
    assert re.search(rf"clock of {ntfy.origin} it is (899|9\d\d) s earlier than by ours", what)
    signal.set_behaviour(reject={"status": 503, "headers": {"Date": now_at(240)}})
    ((severity, what),) = of_clock(doorbell)
    assert severity == "warning", what
    assert re.search(r"clock of wss://localhost:\d+ it is [12]\d\d s later than by ours", what)


def test_a_clock_that_could_not_be_compared_is_not_called_well(
    make: MakeDoorbell, signal: SignalPeer
) -> None:
    doorbell = make()
    signal.stop_listening()
    ((severity, what),) = of_clock(doorbell)
    assert severity == "not checked" and "because no server told its time" in what


# The way by which phones come in


def test_a_public_address_that_leads_to_this_server(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, front: Front
) -> None:
    doorbell = make(web__public_url=front.url())
    Patient(doorbell, signal, ntfy)
    front.serve_at("/", f"proxy_pass http://127.0.0.1:{doorbell.port};")
    assert f"{front.url()[:-1]} leads to this Doorbell." in examine(doorbell, WELL)


# What tests/e2e/test_proxies.py has from the samples.
GOOD = (
    "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr; "
    "proxy_set_header X-Forwarded-Proto $scheme;"
)


def test_what_a_proxy_says_of_a_request_is_looked_at_and_mended_by_the_lines_that_are_told(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, front: Front
) -> None:
    doorbell = make(web__public_url=front.url())
    Patient(doorbell, signal, ntfy)
    there = f"proxy_pass http://127.0.0.1:{doorbell.port}/;"
    front.serve_at("/", f"{there} proxy_set_header X-Forwarded-Proto http;")
    warnings = findings(doorbell, "warning")
    told = [warning["what"] for warning in warnings]
    assert len(told) == 3 and f"asks Doorbell for the host 127.0.0.1:{doorbell.port}" in told[0]
    assert "was asked by http, and it was https" in told[1]
    assert "does not say who asks" in told[2]
    lines = [re.search("in nginx: (.*;)$", warning["fix"]) for warning in warnings]
    front.stop()
    front.serve_at("/", there + " ".join(line[1] for line in lines if line))
    assert findings(doorbell, "warning") == findings(doorbell, "fault") == []


@pytest.mark.parametrize(
    "words, more, cause, fix",
    [
        ("proxy_pass {there};", {}, "hands the path on", "in nginx: proxy_pass http://"),
        (
            "proxy_pass {there}/;",
            {"web__trusted_proxies": ["none"]},
            "web.trusted_proxies does not have its address 127.0.0.1",
            '[auto, "127.0.0.1"]',
        ),
    ],
    ids=["the path is handed on", "a proxy that is not trusted"],
)
def test_what_only_the_server_can_see_of_its_public_address(
    make: MakeDoorbell,
    signal: SignalPeer,
    ntfy: PushPeer,
    front: Front,
    words: str,
    more: dict,
    cause: str,
    fix: str,
) -> None:
    doorbell = make(web__public_url=front.url() + "molly/", **more)
    Patient(doorbell, signal, ntfy)
    front.serve_at("/molly/", words.format(there=f"http://127.0.0.1:{doorbell.port}") + GOOD)
    troubles = findings(doorbell, "fault") + findings(doorbell, "warning")
    (trouble,) = [one for one in troubles if one["subject"] == "public address"]
    assert cause in trouble["what"] and fix in trouble["fix"], trouble


def test_a_page_of_this_server_that_the_server_did_not_send_is_a_fault(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, front: Front
) -> None:
    """A cache in front, or a copy of this server with the same key."""
    doorbell = make(web__public_url=front.url())
    Patient(doorbell, signal, ntfy)
    (front.folder).mkdir()
    (front.folder / "page").write_bytes(doorbell.request("GET", "/")[2])
    front.serve_at("/", f"root {front.folder}; try_files /page =404;")
    (fault,) = findings(doorbell, "fault")
    assert "but the request did not come here" in fault["what"]


def test_a_nonce_changes_no_answer_and_tells_a_stranger_nothing(make: MakeDoorbell) -> None:
    doorbell = make()
    status, headers, page = doorbell.request("GET", "/")
    again = doorbell.request("GET", "/", headers={"Doorbell-Check": "0" * 32})
    assert (again[0], again[2]) == (status, page) and set(again[1]) == set(headers)


def test_a_public_address_without_tls(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    doorbell.reload(web__public_url=f"http://127.0.0.1:{doorbell.port}/")
    Patient(doorbell, signal, ntfy)
    (warning,) = findings(doorbell, "warning")
    assert "leads to this Doorbell, but without TLS" in warning["what"]


NOWHERE = "proxy_pass http://127.0.0.1:1;"


@pytest.mark.parametrize(
    "path, words, cause",
    [
        ("/", NOWHERE, "does not reach Doorbell (502)."),
        ("/elsewhere/", NOWHERE, "knows nothing under the path of web.public_url (404)."),
        ("/", 'return 200 "Welcome";', "that is not this Doorbell (200)."),
        ("/", "return 301 https://www.example.org/in;", "to https://www.example.org (301)."),
    ],
    ids=["wrong proxy host", "wrong path", "another page", "redirect"],
)
def test_a_public_address_that_leads_elsewhere(
    make: MakeDoorbell,
    signal: SignalPeer,
    ntfy: PushPeer,
    front: Front,
    path: str,
    words: str,
    cause: str,
) -> None:
    doorbell = make(web__public_url=front.url())
    Patient(doorbell, signal, ntfy)
    front.serve_at(path, words)
    (fault,) = findings(doorbell, "fault")
    assert fault["subject"] == "public address" and cause in fault["what"]
    assert ("web.public_url" if "301" in words else f"127.0.0.1:{doorbell.port}") in fault["fix"]


def test_a_public_address_that_is_the_push_servers(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(web__public_url=f"{ntfy.origin}/")
    Patient(doorbell, signal, ntfy)
    for front_page in (200, 404):  # shown, switched off
        ntfy.answer_with(front_page)
        (fault,) = findings(doorbell, "fault")
        assert fault["what"] == f"{ntfy.origin} is a push server (ntfy), and not this Doorbell."
        assert fault["fix"].startswith("Set web.public_url to this bridge's own address: ")
    setup = doorbell.command("setup", "--no-link")
    said = " ".join(setup.stdout.split())
    assert "is a push server (ntfy), and not this Doorbell." in said, said
    assert "HAProxy" not in said and "proxy_pass" not in said, said


@pytest.mark.parametrize(
    "words, cause, fix",
    [
        ("return 302 https://auth.example.org/?rd=x;", "redirects to", "out of the login"),
        ("return 401;", "A login or an access list", "Let this path pass there"),
        ("deny all;", "A login or an access list", "Let this path pass there"),
        (
            "limit_except GET {{ deny all; }} proxy_pass {there};",
            "but only GET: POST, by which Molly registers, does not come here, and answers with 403",
            "hand on POST",
        ),
    ],
    ids=["a portal", "a login", "an access list", "no POST"],
)
def test_what_molly_cannot_answer_before_a_public_address(
    make: MakeDoorbell,
    signal: SignalPeer,
    ntfy: PushPeer,
    front: Front,
    words: str,
    cause: str,
    fix: str,
) -> None:
    doorbell = make(web__public_url=front.url())
    Patient(doorbell, signal, ntfy)
    front.serve_at("/", words.format(there=f"http://127.0.0.1:{doorbell.port}/") + GOOD)
    (fault,) = findings(doorbell, "fault")
    assert fault["subject"] == "public address"
    assert cause in fault["what"] and fix in fault["fix"], fault


def leaf_for(flaw: str, authority: Authority, folder: Path) -> Leaf:
    if flaw == "unknown":
        folder.mkdir()
        return Authority(folder, "Another CA").leaf("front")
    names = ["push.example.org"] if flaw == "other name" else ["localhost"]
    return authority.leaf("flawed-" + flaw.replace(" ", "-"), names, expired=flaw == "expired")


@pytest.mark.parametrize(
    "flaw, fix",
    [
        ("other name", "Let the proxy answer with a certificate for the host of web.public_url"),
        ("unknown", "(fullchain.pem)"),
        ("expired", "Renew the certificate"),
        ("no TLS", "correct the port in web.public_url"),
    ],
)
def test_each_flaw_of_a_certificate_has_its_own_remedy(
    make: MakeDoorbell,
    signal: SignalPeer,
    ntfy: PushPeer,
    front: Front,
    authority: Authority,
    tmp_path: Path,
    flaw: str,
    fix: str,
) -> None:
    doorbell = make(web__public_url=front.url())
    if flaw == "no TLS":
        doorbell.reload(web__public_url=f"https://localhost:{doorbell.port}/")
    else:
        front.leaf = leaf_for(flaw, authority, tmp_path / "other")
    Patient(doorbell, signal, ntfy)
    front.serve_at("/", f"proxy_pass http://127.0.0.1:{doorbell.port};")
    (fault,) = findings(doorbell, "fault")
    assert fault["subject"] == "public address" and fix in fault["fix"], fault


def test_a_public_address_that_nobody_answers_is_a_warning(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, front: Front
) -> None:
    """Many routers lead nobody from inside to their own outside."""
    doorbell = make(web__public_url=front.url())
    Patient(doorbell, signal, ntfy)
    (warning,) = findings(doorbell, "warning")
    assert "From this machine https://localhost:" in warning["what"]


# Nothing has begun yet


def test_an_air_gapped_server_to_which_no_account_was_added(make: MakeDoorbell) -> None:
    report = examine(make(web__enabled=False), FAULT)
    assert "No account is registered, so nobody is rung. -> No phone comes in by itself" in report
    assert 'run it here as "doorbell connection add ..."' in report


def test_setup_that_was_answered_with_no_public_url_makes_a_server_air_gapped(
    make: MakeDoorbell,
) -> None:
    doorbell = make()
    assert "web.public_url is not set" in examine(doorbell, FAULT)
    done = doorbell.command("setup", "--url", "none", "--no-link")
    assert done.returncode == WELL, done.stderr
    report = examine(doorbell, FAULT)
    assert "-> No phone comes in by itself" in report and "web.public_url" not in report


def test_a_server_at_which_no_phone_ever_registered(make: MakeDoorbell) -> None:
    doorbell = make()
    report = examine(doorbell, FAULT)
    assert '-> Run "doorbell setup": it asks for the public address, shows the code' in report
    doorbell.reload(web__public_url=f"http://127.0.0.1:{doorbell.port}/")
    report = examine(doorbell, FAULT)
    assert 'Scan the code of "doorbell setup"' in report
    assert "this Molly is itself a linked device" in report


def test_what_is_in_a_phones_way_is_told_before_that_none_came(
    make: MakeDoorbell, front: Front
) -> None:
    doorbell = make(web__public_url=front.url())
    front.serve_at("/", NOWHERE)
    faults = findings(doorbell, "fault")
    assert [fault["subject"] for fault in faults] == ["public address", "accounts"]


def test_an_account_that_was_removed_was_here_once(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    patient = Patient(doorbell, signal, ntfy)
    assert doorbell.command("connection", "remove", patient.account.uuid).returncode == WELL
    report = examine(doorbell, FAULT)
    assert "No account is registered, so nobody is rung." in report and " ever " not in report


# A phone came, and was refused


def test_a_private_push_server_that_the_first_phone_came_with(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(push__allowed_endpoints=["*"])
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert doorbell.register(account, endpoint) == "invalid_endpoint"
    junk = {"uuid": "x", "device_id": 1, "password": "p", "endpoint": "https://a.example/"}
    kind = {"Content-Type": "application/json"}
    assert doorbell.request("POST", "/", json.dumps(junk).encode(), kind)[0] == 200  # hides nobody
    refused, nobody = findings(doorbell, "fault")
    assert re.match(r"A phone came at \w+ +\d+ [\d:]+ and was refused: localhost ", refused["what"])
    assert f'add "{ntfy.origin}" to push.allowed_endpoints' in refused["fix"]
    assert f'"doorbell setup --allow {ntfy.origin}"' in refused["fix"]
    assert nobody["what"] == "No account is registered, so nobody is rung." and not nobody["fix"]
    doorbell.settings.pop("push.allowed_endpoints")
    done = doorbell.command("setup", "--allow", ntfy.origin, "--no-link")
    assert done.returncode == WELL, done.stderr + done.stdout
    assert doorbell.register(account, endpoint) == "ok"
    assert "was refused" not in examine(doorbell, WELL)


def test_a_phone_that_is_refused_beside_others_is_a_warning_until_it_is_taken(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    stranger = new_account()
    assert doorbell.register(stranger, ntfy.endpoint()) == "forbidden"
    (warning,) = findings(doorbell, "warning")
    assert "was refused: " in warning["what"] and "it makes new credentials" in warning["fix"]
    signal.add_account(stranger.uuid, stranger.device, stranger.password)
    assert doorbell.register(stranger, ntfy.endpoint()) == "ok"
    assert findings(doorbell, "warning") == []


# The key that phones were linked with


def test_another_key_in_the_file_is_a_fault_before_the_next_start(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    file = doorbell.folder / "vapid.key"
    assert f"The running server signs with the key in {file}" in examine(doorbell, WELL)
    former = file.read_text()
    file.write_text(doorbell.command("vapid", "generate").stdout)
    (fault,) = findings(doorbell, "fault")
    assert fault["subject"] == "VAPID key" and f"than the one that is now in {file}" in fault["what"]
    assert fault["fix"].startswith("Put the former key back before the server is restarted.")
    file.write_text(former)
    assert findings(doorbell, "fault") == []


@pytest.fixture
def places(tmp_path: Path) -> ServicePlaces:
    if not may_be_had():
        pytest.skip("folders in place of /etc and /run need root and namespaces")
    return ServicePlaces(tmp_path / "places")


CREDSTORE_KEY = "/etc/credstore/doorbell.vapid.key"


class Service:
    """As the package has it: what systemd gives it, root's commands find where it comes from."""

    def __init__(self, doorbell: Doorbell, places: ServicePlaces):
        self.doorbell, self.places = doorbell, places
        doorbell.launcher = doorbell.commander = places.launcher
        doorbell.settings["store.path"] = places.store
        doorbell.settings["sandbox"] = "off"

    def new_key(self) -> str:
        return self.doorbell.command("vapid", "generate").stdout

    def put(self, key: str) -> None:
        file = self.places.credstore / "doorbell.vapid.key"
        file.touch(mode=0o600)
        file.write_text(key)

    def start_with(self, key: str) -> None:
        """Handed over by systemd."""
        file = self.places.credentials / "vapid.key"
        file.touch(mode=0o600)
        file.write_text(key)
        given = ["env", f"CREDENTIALS_DIRECTORY={self.places.given}"]
        self.doorbell.launcher = [*self.places.launcher, *given]
        self.doorbell.start()

    def expect_another(self) -> None:
        (fault,) = findings(self.doorbell, "fault")
        assert fault["subject"] == "VAPID key"
        assert f"than the one that is now in {CREDSTORE_KEY} and in force" in fault["what"]


@pytest.fixture
def service(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, places: ServicePlaces
) -> Service:
    return Service(
        make_doorbell(signal__url=signal.url, push__allowed_endpoints=[ntfy.origin]), places
    )


def test_the_key_that_systemd_hands_over_is_compared_with_the_one_where_it_comes_from(
    service: Service, signal: SignalPeer, ntfy: PushPeer
) -> None:
    key = service.new_key()
    service.put(key)
    service.start_with(key)
    Patient(service.doorbell, signal, ntfy)
    report = examine(service.doorbell, WELL)
    assert f"The running server signs with the key in {CREDSTORE_KEY}." in report
    service.put(service.new_key())
    service.expect_another()


def test_a_key_for_systemd_to_hand_over_is_in_force_from_the_next_start_on(
    service: Service, signal: SignalPeer, ntfy: PushPeer
) -> None:
    Patient(service.doorbell.start(), signal, ntfy)
    service.put((service.places.data / "vapid.key").read_text())
    assert f"signs with the key in {CREDSTORE_KEY}." in examine(service.doorbell, WELL)
    service.put(service.new_key())
    service.expect_another()


def test_a_key_that_only_the_unit_names_is_no_fault_beside_another_one_for_systemd(
    service: Service, signal: SignalPeer, ntfy: PushPeer
) -> None:
    own = service.places.data / "own.key"
    own.touch(mode=0o600)
    own.write_text(service.new_key())
    named = ["env", "DOORBELL_PUSH_VAPID_KEY_FILE=/var/lib/doorbell/own.key"]
    service.doorbell.launcher = [*service.places.launcher, *named]
    Patient(service.doorbell.start(), signal, ntfy)
    service.put(service.new_key())
    assert "VAPID key" not in examine(service.doorbell, WELL)


OTHER_KEY = "No phone was linked with the VAPID key that signs now, but others were with another"


def change_key(doorbell: Doorbell, text: str) -> None:
    """And start with it."""
    doorbell.stop()
    (doorbell.folder / "vapid.key").write_text(text)
    doorbell.start()


def test_a_key_that_no_phone_was_linked_with_is_told_until_the_former_one_is_back(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    former = (doorbell.folder / "vapid.key").read_text()
    for _ in range(2):  # starts
        change_key(doorbell, doorbell.command("vapid", "generate").stdout)
        assert doorbell.has_logged(f" warn  {OTHER_KEY}"), doorbell.output()
        (fault,) = findings(doorbell, "fault")
        assert OTHER_KEY in fault["what"] and "put the former key back" in fault["what"]
    change_key(doorbell, former)
    assert not doorbell.has_logged(OTHER_KEY)
    assert findings(doorbell, "fault") == []


def test_a_key_that_was_changed_on_purpose_is_told_until_a_phone_is_linked_with_it(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    change_key(doorbell, doorbell.command("vapid", "generate").stdout)
    assert OTHER_KEY in examine(doorbell, FAULT)
    Patient(doorbell, signal, ntfy)
    assert OTHER_KEY not in examine(doorbell, WELL)
    doorbell.stop()
    doorbell.start()
    assert not doorbell.has_logged(OTHER_KEY)


def test_before_anything_was_started(make_doorbell: MakeDoorbell, signal: SignalPeer) -> None:
    report = examine(make_doorbell(signal__url=signal.url), FAULT)
    assert "there is no store" in report and "-> Start it" in report


def test_a_server_that_does_not_run(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    doorbell.stop()
    report = examine(doorbell, FAULT)
    assert "server: No server runs, so nobody is rung. -> Start it" in report


def test_a_proxy_is_not_blamed_for_a_server_that_does_not_run(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, front: Front
) -> None:
    doorbell = make(web__public_url=front.url())
    Patient(doorbell, signal, ntfy)
    front.serve_at("/", f"proxy_pass http://127.0.0.1:{doorbell.port};")
    doorbell.stop()
    (fault,) = findings(doorbell, "fault")
    assert fault["subject"] == "server"
    (unchecked,) = [one for one in findings(doorbell) if one["subject"] == "public address"]
    assert "answers with 502, as a proxy does where no server runs" in unchecked["what"]


def test_a_configuration_that_cannot_be_read(make_doorbell: MakeDoorbell) -> None:
    doorbell = make_doorbell(push__timeout="soon")
    (fault,) = findings(doorbell, "fault")
    assert fault["subject"] == "configuration" and "push.timeout" in fault["what"]


def test_a_store_without_accounts_gets_no_key(doorbell: Doorbell) -> None:
    """Whoever looks makes nothing, without a server neither."""
    doorbell.stop()
    (doorbell.folder / "vapid.key").unlink()
    before = sorted(doorbell.folder.iterdir())
    assert "No server runs, so nobody is rung." in examine(doorbell, FAULT)
    assert doorbell.command("status").returncode == WELL
    assert sorted(doorbell.folder.iterdir()) == before


def test_a_key_that_was_lost(make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    doorbell.stop()
    (doorbell.folder / "vapid.key").unlink()
    report = examine(doorbell, FAULT)
    assert "has gone, and the accounts were linked with it. -> Put it back before" in report


def test_a_key_that_was_lost_while_the_server_runs(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    doorbell.reload(web__public_url=f"http://127.0.0.1:{doorbell.port}/")
    (doorbell.folder / "vapid.key").unlink()
    report = examine(doorbell, FAULT)
    assert "has gone, and the accounts were linked with it. -> Put it back before" in report
    assert f"http://127.0.0.1:{doorbell.port} leads to this Doorbell, but without TLS" in report


@pytest.mark.skipif(os.geteuid() != 0, reason="to be another user needs root")
def test_another_user_is_told_to_be_the_servers_and_nothing_about_files(
    make: MakeDoorbell, open_folder: OpenFolder, signal: SignalPeer
) -> None:
    """Or the rights of the key might be widened for nothing."""
    store = open_folder.make("data", 0o700) / "doorbell.db"
    make(store__path=str(store))
    named = ["--set", f"store.path={store}", "--set", f"signal.url={signal.url}"]
    done = subprocess.run(
        [*AS_NOBODY, str(open_folder.binary), *named, "doctor", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd="/",
    )
    faults = [
        finding for finding in json.loads(done.stdout)["findings"] if finding["severity"] == "fault"
    ]
    told = [f"{fault['what']} {fault['fix']}" for fault in faults if fault["subject"] == "server"]
    assert done.returncode == FAULT
    assert len(told) == 1 and "Run this as the user that runs the server." in told[0]
    assert not [fault for fault in faults if fault["subject"] == "configuration"]


# Whom an alert reaches


def test_alerts_and_the_heartbeat_are_looked_at(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    told = [one for one in findings(doorbell) if one["subject"] == "alerts"]
    assert [one["severity"] for one in told] == ["not checked"]
    assert "because alert.url is not set" in told[0]["what"]
    doorbell.reload(alert__url=receiver.url, alert__heartbeat_url="https://localhost:1/beat")
    told = [one for one in findings(doorbell) if one["subject"] == "alerts"]
    assert [one["severity"] for one in told] == ["warning", "well"]
    assert told[0]["what"].startswith("The heartbeat does not arrive: https://localhost:1 ")
    assert "alert.heartbeat_url" in told[0]["fix"]


# The ports that it listens on


@pytest.fixture
def taken() -> Iterator[str]:
    """An address that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield f"127.0.0.1:{other.getsockname()[1]}"


TAKEN = "another program listens there already; stop it or choose another port."


def test_a_port_that_is_taken_is_told_before_the_advice_to_start(
    make_doorbell: MakeDoorbell, signal: SignalPeer, taken: str
) -> None:
    doorbell = make_doorbell(signal__url=signal.url)
    doorbell.settings["web.listen"] = [f"127.0.0.1:{doorbell.port}", taken]
    first, second = findings(doorbell, "fault")[:2]
    why = f"web.listen: cannot listen on {taken}: {TAKEN}"
    assert first["subject"] == "port" and first["what"] == f"The server could not start: {why}"
    assert first["fix"].startswith("Do that first, then start it.")
    assert "Start it" in second["fix"]
    doorbell.spawn()
    doorbell.finish(1)
    doorbell.settings["web.listen"] = [f"127.0.0.1:{doorbell.port}"]
    assert "port" not in [one["subject"] for one in findings(doorbell)]


@pytest.mark.parametrize("setting", ["metrics.listen", "admin.listen"])
def test_a_side_door_that_could_not_be_opened_is_told_until_it_is(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, setting: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        place = f"127.0.0.1:{other.getsockname()[1]}"
        doorbell = make(**{setting.replace(".", "__"): place})
        Patient(doorbell, signal, ntfy)
        (warning,) = findings(doorbell, "warning")
        assert warning["what"] == f"{setting}: cannot listen on {place}: {TAKEN}"
        assert f"reload the server; or set {setting} to none" in warning["fix"]
    doorbell.reload()
    assert findings(doorbell, "warning") == []


# The certificate of our own


@pytest.mark.parametrize(
    "expired, severity, words",
    [(False, "warning", r"ends in \d days?, on 20"), (True, "fault", "ended on 20")],
    ids=["near its end", "behind it"],
)
def test_a_certificate_of_ours_is_told_near_its_end(
    make: MakeDoorbell,
    signal: SignalPeer,
    authority: Authority,
    expired: bool,
    severity: str,
    words: str,
) -> None:
    own = authority.leaf("our-own", expired=expired)
    doorbell = make(web__tls_cert=str(own.cert), web__tls_key=str(own.key))

    def told() -> list[tuple[str, str]]:
        return [
            (one["severity"], one["what"])
            for one in findings(doorbell)
            if one["subject"] == "certificate"
        ]

    ((first, what),) = told()
    assert first == severity and re.search(words, what)
    status = doorbell.command("status").stdout
    assert f"The certificate of web.tls_cert {words.split()[0]} on 20" in status
    doorbell.stop()
    ((again, by_file),) = told()
    assert again == severity and re.search(words, by_file)
    assert by_file[-10:] == what[-10:]  # the date; the days left may be one less by now
    doorbell.start()
    doorbell.reload(alert__certificate_within="1h")
    assert told()[0][0] == ("fault" if expired else "well")
    assert ("certificate" in doorbell.command("status").stdout) == expired


def test_what_signals_certificate_was_verified_by(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    assert "Over IPv4 its certificate leads to a root of signal.ca_file." in examine(doorbell, WELL)
    doorbell.reload(net__family="ipv4")
    assert "answers over IPv4, and takes our client" in examine(doorbell, WELL)
    assert "; IPv6 was not tried, because of net.family." in examine(doorbell, WELL)


# What is configured here, and what the server runs


RELOAD, RESTART = "-> Reload it (systemctl reload doorbell", "-> Restart it (systemctl restart"


def configure(doorbell: Doorbell, **settings: Any) -> None:
    """In the file, and not in the server."""
    doorbell.settings.update({name.replace("__", "."): value for name, value in settings.items()})
    doorbell.write_configuration()


def is_refused(doorbell: Doorbell, **settings: Any) -> None:
    doorbell.reload(**settings)
    assert doorbell.has_logged("The configuration was not loaded again")


def test_an_entry_that_was_written_and_not_loaded_is_told_before_the_fault_that_it_mends(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    doorbell.reload(push__allowed_endpoints=["*"])
    configure(doorbell, push__allowed_endpoints=["*", ntfy.origin])
    report = examine(doorbell, FAULT)
    first = report.index("FAULT running server: It has not loaded what is configured here: it has")
    assert f"another push.allowed_endpoints. {RELOAD}" in report
    assert first < report.index("FAULT accounts: ")
    doorbell.reload()
    assert "running server: " not in examine(doorbell, WELL)


def test_an_entry_that_was_taken_out_and_not_loaded_has_silenced_nobody_yet(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    patient = Patient(doorbell, signal, ntfy)
    configure(doorbell, push__allowed_endpoints=["*"])
    report = examine(doorbell, WELL)
    assert "WARN running server: It has not loaded what is configured here" in report
    assert "-> First mend what is told of a push server, or its phones fall silent" in report
    assert f"WARN push server: {ntfy.origin}: localhost has the private address 127.0.0.1;" in report
    assert "and none will be once it has loaded what is configured here. ->" in report
    assert re.search(rf"ok accounts: Account \w+: .*{ntfy.origin} accepted a test at", report)
    patient.gets_a_message()
    patient.wait_rings(1)
    doorbell.reload()
    assert "FAULT accounts: " in examine(doorbell, FAULT)


def test_what_is_in_a_file_of_roots_now_and_was_not_loaded_is_told(
    make: MakeDoorbell,
    signal: SignalPeer,
    ntfy: PushPeer,
    authority: Authority,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    file = tmp_path / "roots.pem"
    file.write_bytes(authority.file.read_bytes())
    doorbell = make(push__ca_file=str(file))
    patient = Patient(doorbell, signal, ntfy)
    assert "running server: " not in examine(doorbell, WELL)
    file.write_bytes(Authority(tmp_path_factory.mktemp("other")).file.read_bytes())
    report = examine(doorbell, WELL)
    assert "it has another push.ca_file (what is in that file)." in report
    assert f"WARN push server: {ntfy.origin}: No trusted TLS connection" in report
    patient.gets_a_message()
    patient.wait_rings(1)
    file.write_bytes(authority.file.read_bytes())
    assert "running server: " not in examine(doorbell, WELL)


def test_a_token_that_was_written_and_not_loaded_is_told(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, tmp_path: Path
) -> None:
    file = tmp_path / "headers.yaml"
    file.touch(0o600)
    file.write_text(f"{ntfy.origin}:\n  Authorization: Bearer tk_ofBefore\n")
    doorbell = make(push__headers_file=str(file))
    Patient(doorbell, signal, ntfy)
    assert "running server: " not in examine(doorbell, WELL)
    file.write_text(f"{ntfy.origin}:\n  Authorization: Bearer tk_ofNow\n")
    (warning,) = findings(doorbell, "warning")
    assert "it has another push.headers_file (what is in that file)." in warning["what"]
    assert warning["fix"].startswith("Reload it (") and "tk_of" not in str(warning)
    doorbell.reload()
    assert "running server: " not in examine(doorbell, WELL)


def test_what_no_reload_would_take_is_told_before_the_advice_to_reload(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    configure(doorbell, push__ca_file="/nonexistent/roots.pem")
    first, second = findings(doorbell, "fault")
    assert first["subject"] == "configuration" and "/nonexistent/roots.pem" in first["what"]
    assert second["subject"] == "running server" and second["fix"].startswith("Reload it (")


def test_a_change_that_is_not_loaded_and_harms_nobody_is_a_warning(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    configure(doorbell, wake__interval="2s")
    (warning,) = findings(doorbell, "warning")
    assert warning["what"].endswith("it has another wake.interval.")


def test_a_reload_that_was_refused_is_told_with_its_sentence_until_one_is_taken(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    doorbell.reload(push__allowed_endpoints=["*"])
    is_refused(doorbell, push__allowed_endpoints=["*", ntfy.origin], web__connections=99)
    report = examine(doorbell, FAULT)
    why = r"doorbell\.yaml:\d+: web\.connections cannot change while the server runs; restart it"
    assert re.search(rf"FAULT running server: Its last reload, at .*, was refused: \S*{why}", report)
    assert "other than here are web.connections, push.allowed_endpoints." in report
    assert RESTART in report
    shown = " ".join(doorbell.command("status").stdout.split())
    assert re.search(rf"The reload at \d\d:\d\d:\d\d was refused.*: \S*{why}", shown)
    del doorbell.settings["web.connections"]
    doorbell.reload()
    assert "running server: " not in examine(doorbell, WELL)
    assert "was refused" not in doorbell.command("status").stdout


def test_a_certificate_in_a_folder_that_the_sandbox_had_not_opened_is_told_to_need_a_restart(
    make: MakeDoorbell,
    signal: SignalPeer,
    ntfy: PushPeer,
    authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    status = json.loads(doorbell.command("status", "--json").stdout)
    if status["sandbox"]["files"] != "on":
        pytest.skip("this kernel has no Landlock")
    file = tmp_path_factory.mktemp("elsewhere") / "ca.pem"
    file.write_bytes(authority.file.read_bytes())
    is_refused(doorbell, push__ca_file=str(file))
    (warning,) = findings(doorbell, "warning")
    assert warning["subject"] == "running server" and "was refused: " in warning["what"]
    assert "push.ca_file: the folder of " in warning["what"]
    assert "other than here are push.ca_file." in warning["what"]
    assert warning["fix"].startswith("Restart it")


def test_what_only_the_servers_environment_says_is_named_as_not_looked_at(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, receiver: Receiver
) -> None:
    doorbell = make_doorbell(signal__url=signal.url, push__allowed_endpoints=[ntfy.origin])
    own = {"DOORBELL_ALERT_URL": receiver.url, "DOORBELL_WEB_PUBLIC_URL": "https://push.example/"}
    doorbell.environment = own
    doorbell.start()
    Patient(doorbell, signal, ntfy)
    assert not [one for one in findings(doorbell) if one["subject"] == "running server"]
    doorbell.environment = {}
    (told,) = [one for one in findings(doorbell) if one["subject"] == "running server"]
    assert told["severity"] == "not checked"
    assert "web.public_url (DOORBELL_WEB_PUBLIC_URL), alert.url (DOORBELL_ALERT_URL)" in told["what"]
    assert told["fix"].startswith("Run this with the same environment")


def test_a_public_address_that_only_the_servers_environment_has_is_not_asked_for(
    make_doorbell: MakeDoorbell, signal: SignalPeer
) -> None:
    doorbell = make_doorbell(signal__url=signal.url)
    doorbell.environment = {"DOORBELL_WEB_PUBLIC_URL": "https://push.example/"}
    doorbell.start()
    doorbell.environment = {}
    (fault,) = findings(doorbell, "fault")
    assert fault["fix"].startswith('Scan the code of "doorbell setup"')
    assert not [one for one in findings(doorbell) if one["subject"] == "public address"]
    (told,) = [one for one in findings(doorbell) if one["subject"] == "running server"]
    assert "web.public_url (DOORBELL_WEB_PUBLIC_URL)" in told["what"]


@pytest.mark.parametrize("setting", ["push.allowed_endpoints", "push.ca_file"])
def test_a_push_server_is_not_judged_by_settings_that_only_the_server_has(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, setting: str
) -> None:
    """As where its unit has an EnvironmentFile: whoever runs the command has not."""
    doorbell = make_doorbell(signal__url=signal.url, push__allowed_endpoints=[ntfy.origin])
    value = doorbell.settings.pop(setting)
    variable = "DOORBELL_" + setting.upper().replace(".", "_")
    doorbell.environment = {variable: value if isinstance(value, str) else value[0]}
    doorbell.start()
    Patient(doorbell, signal, ntfy)
    assert "running server: " not in examine(doorbell, WELL)
    doorbell.environment = {}
    (told,) = [one for one in findings(doorbell) if one["subject"] == "push server"]
    assert told["severity"] == "not checked" and ntfy.origin in told["what"]
    assert told["what"].endswith("by the settings of this command, and the running server has others.")
    assert told["fix"] == "Run this with the same environment and options as the server."
    report = examine(doorbell, WELL)
    assert re.search(rf"ok accounts: Account \w+: .*{ntfy.origin} accepted a test at", report)


def test_signal_is_not_judged_by_a_client_that_only_the_command_names(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make_doorbell(signal__url=signal.url, push__allowed_endpoints=[ntfy.origin])
    doorbell.environment = {"DOORBELL_SIGNAL_USER_AGENT": "Newer/1"}
    doorbell.start()
    linked = Patient(doorbell, signal, ntfy)
    signal.wait_connected(linked.account)
    signal.set_behaviour(reject={"status": 499, "timestamp": False})
    doorbell.environment = {}
    (told,) = [one for one in findings(doorbell, "not checked") if one["subject"] == "Signal"]
    assert "(499); that is by the settings of this command" in told["what"]
    assert "FAULT" not in examine(doorbell, WELL)


def test_how_much_room_the_descriptors_leave_is_no_difference(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    """Of the connections that were asked for, the server takes what its own limit allows."""
    doorbell = make_doorbell(signal__url=signal.url, push__allowed_endpoints=[ntfy.origin])
    doorbell.launcher = ["prlimit", "--nofile=400:400"]
    doorbell.start()
    assert doorbell.has_logged("This process may open 400 files")
    Patient(doorbell, signal, ntfy)
    for _ in range(2):
        assert "running server: " not in examine(doorbell, WELL)
        doorbell.reload()


# Its words, and a terminal


def test_other_words_are_refused(make_doorbell: MakeDoorbell) -> None:
    done = make_doorbell().command("doctor", "--jsn")
    assert done.returncode == WRONG_WORDS and "takes nothing but --json" in done.stderr


def read_terminal(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # the other side has gone
        return b""


def in_terminal(doorbell: Doorbell, locale: str) -> str:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [str(doorbell.binary), "--config", str(doorbell.write_configuration()), "doctor"],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        cwd=doorbell.folder,
        env={**doorbell.clean_environment(), "LC_ALL": locale},
    )
    os.close(theirs)
    shown = b""
    while piece := read_terminal(ours):
        shown += piece
    os.close(ours)
    assert process.wait(30) == FAULT
    secrecy.said(shown.decode())
    return shown.decode().replace("\r\n", "\n")


def test_a_terminal_gets_marks_that_it_can_show(make: MakeDoorbell) -> None:
    doorbell = make()
    shown = in_terminal(doorbell, "C.UTF-8")
    assert "\n\u2717 accounts: " in shown and "\n\u2713 " in shown
    assert max(len(line) for line in shown.splitlines()) <= 100, shown
    plain = in_terminal(doorbell, "C")
    assert plain.isascii() and "\nFAULT accounts: " in plain and "\nok    " in plain
