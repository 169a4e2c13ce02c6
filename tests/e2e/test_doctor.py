"""`doorbell doctor`: set-ups that are broken in the usual ways, each with its cause and its remedy,
in a report that may be shown to anybody.
"""

import json
import os
import pty
import re
import subprocess
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import pytest

from lib.background import Changes
from lib.certs import Leaf
from lib.doorbell import Doorbell
from lib.linked import Linked
from lib.nginx import Nginx, server_block
from lib.ports import free_port
from lib.push_peer import PushPeer
from lib.secrecy import secrecy
from lib.shell import OpenFolder
from lib.signal_peer import Account, SignalPeer

MakeDoorbell = Callable[..., Doorbell]
WELL, FAULT, WRONG_WORDS = 0, 1, 2
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
        rf"Account [0-9a-f]{{10}} is linked; last message {at}; rang {at}, {ntfy.origin} 200\.",
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
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    signal.stop_listening()
    report = examine(doorbell, FAULT)
    assert re.search(r"Signal: wss://localhost:\d+ cannot be reached", report)
    assert "-> Check this machine's internet connection and its firewall." in report


def test_somebody_elses_certificate_in_the_place_of_signals(make: MakeDoorbell) -> None:
    """Its own roots are pinned."""
    doorbell = make(signal__ca_file="")
    report = examine(doorbell, FAULT)
    assert re.search(r"wss://localhost:\d+ has no certificate that is trusted", report)
    assert "-> Something intercepts TLS on the way" in report


# The push server's half


def test_a_push_server_that_is_not_there(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    Patient(doorbell, signal, ntfy)
    ntfy.stop_listening()
    report = examine(doorbell, FAULT)
    assert f"push server: {ntfy.origin}: The push server cannot be reached" in report
    assert "-> Check that it runs and that no firewall or ban is between. If it is your own" in report
    assert "say in push.connect_to where it is." in report


@pytest.mark.parametrize(
    "answer, cause, remedy",
    [
        (
            40301,
            "The push server's access list refuses us (403)",
            "access list refuses us: on it run: ntfy access '*' 'up*' write-only",
        ),
        (
            50701,
            "The phone is not connected to the push server (507)",
            "-> The phone is not connected to the push server: open its UnifiedPush app",
        ),
        (
            {"status": 401, "body": "VAPID public key mismatch"},
            "The endpoint was made for another VAPID key than ours (401)",
            "link the phone again with this bridge's QR code",
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


# The way by which phones come in


class Front:
    """nginx at the public address, with one location."""

    def __init__(self, changes: Changes, folder: Path, leaf: Leaf):
        self.changes, self.folder, self.leaf = changes, folder, leaf
        self.port = free_port()
        self.nginx: Optional[Nginx] = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/"

    def serve(self, path: str, words: str) -> None:
        inside = f"        location {path} {{ {words} }}"
        self.nginx = Nginx(
            self.changes, self.folder, server_block(self.port, self.leaf, inside)
        )

    def stop(self) -> None:
        if self.nginx:
            self.nginx.stop()


@pytest.fixture
def front(changes: Changes, tmp_path: Path, leaf: Leaf) -> Iterator[Front]:
    front = Front(changes, tmp_path / "nginx", leaf)
    yield front
    front.stop()


def test_a_public_address_that_leads_to_this_server(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, front: Front
) -> None:
    doorbell = make(web__public_url=front.url)
    Patient(doorbell, signal, ntfy)
    front.serve("/", f"proxy_pass http://127.0.0.1:{doorbell.port};")
    assert f"{front.url[:-1]} leads to this Doorbell." in examine(doorbell, WELL)


# What tests/e2e/test_proxies.py has from the samples.
GOOD = (
    "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr; "
    "proxy_set_header X-Forwarded-Proto $scheme;"
)


def test_what_a_proxy_says_of_a_request_is_looked_at_and_mended_by_the_lines_that_are_told(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, front: Front
) -> None:
    doorbell = make(web__public_url=front.url)
    Patient(doorbell, signal, ntfy)
    there = f"proxy_pass http://127.0.0.1:{doorbell.port}/;"
    front.serve("/", f"{there} proxy_set_header X-Forwarded-Proto http;")
    warnings = findings(doorbell, "warning")
    told = [warning["what"] for warning in warnings]
    assert len(told) == 3 and f"asks Doorbell for the host 127.0.0.1:{doorbell.port}" in told[0]
    assert "was asked by http, and it was https" in told[1]
    assert "does not say who asks" in told[2]
    lines = [re.search("in nginx: (.*;)$", warning["fix"]) for warning in warnings]
    front.stop()
    front.serve("/", there + " ".join(line[1] for line in lines if line))
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
    doorbell = make(web__public_url=front.url + "molly/", **more)
    Patient(doorbell, signal, ntfy)
    front.serve("/molly/", words.format(there=f"http://127.0.0.1:{doorbell.port}") + GOOD)
    troubles = findings(doorbell, "fault") + findings(doorbell, "warning")
    (trouble,) = [one for one in troubles if one["subject"] == "public address"]
    assert cause in trouble["what"] and fix in trouble["fix"], trouble


def test_a_page_of_this_server_that_the_server_did_not_send_is_a_fault(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, front: Front
) -> None:
    """A cache in front, or a copy of this server with the same key."""
    doorbell = make(web__public_url=front.url)
    Patient(doorbell, signal, ntfy)
    (front.folder).mkdir()
    (front.folder / "page").write_bytes(doorbell.request("GET", "/")[2])
    front.serve("/", f"root {front.folder}; try_files /page =404;")
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
    doorbell = make(web__public_url=front.url)
    Patient(doorbell, signal, ntfy)
    front.serve(path, words)
    (fault,) = findings(doorbell, "fault")
    assert fault["subject"] == "public address" and cause in fault["what"]
    assert ("web.public_url" if "301" in words else f"127.0.0.1:{doorbell.port}") in fault["fix"]


def test_a_public_address_that_nobody_answers_is_a_warning(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, front: Front
) -> None:
    """Many routers lead nobody from inside to their own outside."""
    doorbell = make(web__public_url=front.url)
    Patient(doorbell, signal, ntfy)
    (warning,) = findings(doorbell, "warning")
    assert "From this machine https://localhost:" in warning["what"]


# Nothing has begun yet


def test_an_air_gapped_server_to_which_no_account_was_added(make: MakeDoorbell) -> None:
    report = examine(make(web__enabled=False), FAULT)
    assert "No account was ever registered here, so nobody is rung." in report
    assert 'run it here as "doorbell connection add ..."' in report


def test_a_server_at_which_no_phone_ever_registered(make: MakeDoorbell) -> None:
    report = examine(make(), FAULT)
    assert "this Molly is itself a linked device" in report


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
