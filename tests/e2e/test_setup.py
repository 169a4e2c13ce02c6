"""`doorbell setup`: from a server that runs to a phone that rings, at a terminal and without one."""

import os
import re
import signal as signals
import stat
import subprocess
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from lib.background import Background, Changes
from lib.certs import Authority, Leaf
from lib.doorbell import Doorbell
from lib.front import Front
from lib.ports import free_port
from lib.process import Process
from lib.push_peer import PushPeer
from lib.receiver import Receiver
from lib.shell import OpenFolder, stranger_ids
from lib.signal_peer import Account, SignalPeer
from lib.terminal import Terminal
from lib.terminal_qr import decode

MakeDoorbell = Callable[..., Doorbell]
DONE, NOT_DONE, WRONG_WORDS = 0, 1, 2
QUESTIONS = ("Public URL: the https address", "Alerts: an ntfy topic")


@pytest.fixture
def make(make_doorbell: MakeDoorbell, signal: SignalPeer) -> MakeDoorbell:
    """Running, with what an operator has not answered left open."""

    def start(**settings: Any) -> Doorbell:
        return make_doorbell(**{"signal__url": signal.url, **settings}).start()

    return start


@pytest.fixture
def terminal(changes: Changes) -> Iterator[Callable[..., Terminal]]:
    """Starts the command at a terminal."""
    started: list[Terminal] = []

    def start(
        doorbell: Doorbell, *words: str, columns: int = 0, lines: int = 50, kind: str = "xterm"
    ) -> Terminal:
        command = [str(doorbell.binary), "-c", str(doorbell.write_configuration()), "setup", *words]
        environment = {**doorbell.clean_environment(), "TERM": kind}
        started.append(Terminal(changes, command, doorbell.folder, environment, columns, lines))
        return started[-1]

    yield start
    for one in started:
        one.close()


class Molly:
    """The app on a phone: it registers again and again, until it is taken."""

    def __init__(self, doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer):
        self.doorbell, self.signal = doorbell, signal
        self.account: Account = signal.new_account()
        self.endpoint: str = ntfy.endpoint()
        self.doorbell.secrets |= {self.account.uuid, self.account.password}

    def registers(self) -> str:
        return self.doorbell.register(self.account, self.endpoint)

    def line(self) -> str:
        """Of the air-gapped one."""
        one = self.account
        return f"connection add {one.uuid} {one.device} {one.password} {self.endpoint}"

    def gets_a_message(self) -> int:
        return self.signal.queue(self.account.key)

    def writes(self) -> None:
        """Its own message comes to its other devices, too."""
        own = {"source": self.account.uuid, "source_device": 1, "type": 1}
        self.signal.wait_acked(self.signal.queue(self.account.key, **own))


def set_up(doorbell: Doorbell, *words: str) -> subprocess.CompletedProcess:
    """Without a terminal."""
    return doorbell.command("setup", *words)


def words_of(text: str) -> str:
    return " ".join(text.split())


def answers(doorbell: Doorbell) -> str:
    return (doorbell.folder / "setup.yaml").read_text()


def check_silent(doorbell: Doorbell, shown: str, but: str = "") -> None:
    """No id, no password, no path of an endpoint; what was typed is the terminal's echo."""
    shown = shown.replace(but, "").lower() if but else shown.lower()
    assert not [secret for secret in doorbell.secrets if secret.lower() in shown], shown


# From nothing to a phone that rings


def test_a_first_set_up_at_a_terminal(
    make: MakeDoorbell,
    signal: SignalPeer,
    ntfy: PushPeer,
    front: Front,
    terminal: Callable[..., Terminal],
) -> None:
    doorbell = make()
    front.lead_to(doorbell)
    molly = Molly(doorbell, signal, ntfy)
    shown = terminal(doorbell)
    shown.answer(QUESTIONS[0], front.url())
    shown.answer(f"{QUESTIONS[1]}")
    shown.wait_for("Waiting for the phone")
    assert f"{front.url()[:-1]} leads to this Doorbell." in shown.words()
    assert "takes our client." in shown.words()
    assert "FAULT" not in shown.words() and "WARN" not in shown.words()
    assert "Settings > Notifications > Delivery service" in shown.words()
    link = decode(shown.shown())
    assert link.startswith("mollysocket://link?vapid=") and link in shown.shown()
    assert molly.registers() == "invalid_endpoint"
    shown.answer(
        "localhost is 127.0.0.1, a private address. Anybody may have sent this; say yes only if it "
        f"is yours. Allow {ntfy.origin}? [y/N]",
        "y",
    )
    shown.wait_for(f"{ntfy.origin} is allowed.")
    assert molly.registers() == "ok"
    shown.wait_for("Lock the phone and let somebody write to you.")
    molly.gets_a_message()
    assert shown.finish() == DONE
    told = shown.words()
    steps = [
        r"\[ok\] phone registered \(account [0-9a-f]{10}\)",
        r"\[ok\] Signal accepted the device",
        rf"\[ok\] push server {ntfy.origin} answered 200",
        r"\[ok\] test ring sent, \d+ ms: did the phone show it\?",
        r"\[ok\] a message waits: rang( after \d+ ms)?, 200",
        "All is well: messages ring the phone.",
    ]
    assert re.search(".*".join(steps), told), told
    assert all(len(re.findall(step, told)) == 1 for step in steps), told
    check_silent(doorbell, shown.shown())
    assert f'public_url: "{front.url()}"' in answers(doorbell)
    assert f'allowed_endpoints: ["*", "{ntfy.origin}"]' in answers(doorbell)


def test_an_air_gapped_set_up_takes_the_pasted_line(
    make: MakeDoorbell,
    signal: SignalPeer,
    ntfy: PushPeer,
    terminal: Callable[..., Terminal],
) -> None:
    doorbell = make(push__allowed_endpoints=[ntfy.origin])
    molly = Molly(doorbell, signal, ntfy)
    shown = terminal(doorbell)
    shown.answer(QUESTIONS[0], "none")
    shown.answer(QUESTIONS[1])
    shown.wait_for("Waiting for the phone")
    assert "type=airgapped" in decode(shown.shown())
    shown.type("connection add that went wrong")
    shown.wait_for(
        '[!!] It was not added: "connection add" has four words behind it. Paste the line that Molly '
        "shows once more, whole and as one line."
    )
    shown.type(molly.line())
    shown.wait_for("Lock the phone and let somebody write to you.")
    molly.gets_a_message()
    assert shown.finish() == DONE
    assert "[ok] phone registered (account " in shown.words()
    check_silent(doorbell, shown.shown(), but=molly.line())


def test_everything_by_flags_without_a_terminal(
    make: MakeDoorbell,
    changes: Changes,
    signal: SignalPeer,
    ntfy: PushPeer,
    front: Front,
) -> None:
    doorbell = make()
    front.lead_to(doorbell)
    molly = Molly(doorbell, signal, ntfy)
    flags = ["--url", front.url(), "--alert=none", "--allow", ntfy.origin, "--wait", "60"]
    process = Process(
        changes,
        [str(doorbell.binary), "-c", str(doorbell.write_configuration()), "setup", *flags],
        cwd=doorbell.folder,
        stdin=subprocess.DEVNULL,
    )
    process.is_watched()
    said = process.stdout

    def wait_for(text: str) -> None:
        changes.wait_for(lambda: text in words_of(" ".join(said.catch_up())), text, 40)

    try:
        wait_for("Waiting for the phone")
        assert molly.registers() == "ok"
        wait_for("Lock the phone")
        molly.gets_a_message()
        assert process.wait(20) == DONE
        told = words_of(" ".join(said.catch_up()))
    finally:
        process.end()
    assert f"Public URL: {front.url()}. Alerts: none. Allowed push server: {ntfy.origin}." in told
    assert "\u2580" not in told and "mollysocket://link?vapid=" in told
    assert "[ok] a message waits: rang" in told
    check_silent(doorbell, told)


def test_a_message_is_seen_although_the_server_was_started_anew_meanwhile(
    make: MakeDoorbell,
    signal: SignalPeer,
    ntfy: PushPeer,
    front: Front,
    terminal: Callable[..., Terminal],
) -> None:
    """Which counts rings from nothing again: with two before, one behind is less."""
    doorbell = make(push__allowed_endpoints=[ntfy.origin])
    molly = Molly(doorbell, signal, ntfy)
    assert molly.registers() == "ok"
    for _ in range(2):
        signal.wait_acked(molly.gets_a_message())  # when its ring counts
    shown = terminal(doorbell, "--url", front.url(), "--alert", "none")
    shown.wait_for("Waiting for the phone, for up to 10 minutes; Ctrl-C ends it ...")
    assert molly.registers() == "ok"
    shown.wait_for("Lock the phone")
    doorbell.stop()
    shown.wait_for("[!!] No server listens on")
    doorbell.start()
    shown.wait_for("[..] The server answers again.")
    molly.gets_a_message()
    assert shown.finish() == DONE
    assert "[ok] a message waits: rang" in shown.words()


def test_an_own_message_is_told_because_it_does_not_ring(
    make: MakeDoorbell,
    signal: SignalPeer,
    ntfy: PushPeer,
    front: Front,
    terminal: Callable[..., Terminal],
) -> None:
    doorbell = make(push__allowed_endpoints=[ntfy.origin])
    molly = Molly(doorbell, signal, ntfy)
    shown = terminal(doorbell, "--url", front.url(), "--alert", "none")
    shown.wait_for("Waiting for the phone")
    assert molly.registers() == "ok"
    shown.wait_for("Lock the phone")
    molly.writes()
    shown.wait_for("[..] Your own message came; own messages do not ring (wake.own_messages)")
    shown.interrupt()
    assert shown.finish() == DONE
    assert "a message has not rung yet. Your own message came;" in shown.words()


def test_a_message_that_rings_the_account_of_before_is_told_although_no_phone_comes(
    make: MakeDoorbell,
    signal: SignalPeer,
    ntfy: PushPeer,
    front: Front,
    terminal: Callable[..., Terminal],
) -> None:
    doorbell = make(push__allowed_endpoints=[ntfy.origin], web__public_url=front.url())
    front.lead_to(doorbell)
    molly = Molly(doorbell, signal, ntfy)
    assert molly.registers() == "ok"
    shown = terminal(doorbell, "--alert", "none")
    shown.wait_for("Waiting for the phone")
    molly.gets_a_message()
    shown.wait_for("which was here before: rang")
    shown.interrupt()
    assert shown.finish() == NOT_DONE
    assert "No new phone has rung yet: no phone came." in shown.words()
    assert "Nothing has rung" not in shown.words()


def test_where_no_phone_comes_the_end_says_the_likely_cause(
    make: MakeDoorbell, front: Front
) -> None:
    doorbell = make()
    done = set_up(doorbell, "--url", front.url(), "--wait", "1s")
    assert done.returncode == NOT_DONE
    told = words_of(done.stdout)
    assert "Waiting for the phone, for up to 1 second; Ctrl-C ends it ..." in told
    assert f"Nothing has rung yet: no phone came. Open {front.url()} in the phone's" in told
    told = words_of(set_up(doorbell, "--url", "none", "--wait=1").stdout)
    assert "no phone was added. Molly shows the line to paste once it has scanned" in told
    assert "If Molly's settings have no UnifiedPush, this Molly is itself a linked device" in told


def test_without_a_terminal_it_says_that_it_does_not_wait(make: MakeDoorbell) -> None:
    doorbell = make()
    told = words_of(set_up(doorbell).stdout)
    assert told.endswith(
        'It does not wait for the phone here; "doorbell setup --wait 10m" does, and "doorbell '
        'status" shows who registered.'
    )
    assert "It does not wait" not in set_up(doorbell, "--wait", "0").stdout


# Terminals


@pytest.mark.parametrize("columns", [80, 56])
def test_nothing_is_wider_than_the_terminal(
    make: MakeDoorbell, terminal: Callable[..., Terminal], columns: int
) -> None:
    shown = terminal(make(), "--url", "none", "--alert", "none", columns=columns)
    shown.wait_for("Waiting for the phone")
    shown.interrupt()
    assert shown.finish() == NOT_DONE
    assert "type=airgapped" in decode(shown.shown())
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.shown()).splitlines()
    too_long = [line for line in lines if len(line) > columns and " " in line]
    assert not too_long, shown.shown()
    assert max(len(line) for line in lines if "://" not in line) > columns - 16


@pytest.mark.parametrize(
    "columns, kind, why",
    [
        (40, "xterm", r"because its code needs \d\d columns and this terminal has 40; make it wider"),
        (80, "dumb", r'because a terminal of the kind "dumb" \(TERM\) cannot show its code; run'),
    ],
)
def test_where_the_code_cannot_be_shown_the_link_stands_alone(
    make: MakeDoorbell, terminal: Callable[..., Terminal], columns: int, kind: str, why: str
) -> None:
    flags = ["--url", "none", "--alert", "none", "--wait", "0"]
    shown = terminal(make(), *flags, columns=columns, kind=kind)
    assert shown.finish() == DONE
    assert "\u2580" not in shown.shown() and "\x1b" not in shown.shown()
    assert re.search("Only the link is shown, " + why, shown.words()), shown.shown()
    assert "mollysocket://link?vapid=" in shown.shown() and "the code of this link" in shown.words()


@pytest.mark.parametrize("lines, is_whole", [(24, False), (27, True), (0, True)])
def test_a_code_that_is_taller_than_the_terminal_is_told_with_where_it_is_seen_whole(
    make: MakeDoorbell, terminal: Callable[..., Terminal], lines: int, is_whole: bool
) -> None:
    """0: it does not say how tall it is."""
    doorbell = make(web__public_url="https://push.localhost:1/molly/")
    flags = ["--alert", "none", "--wait", "0"]
    shown = terminal(doorbell, *flags, columns=80, lines=lines)
    assert shown.finish() == DONE
    assert "type=webserver" in decode(shown.shown())
    told = "The code has 27 lines and this terminal shows 24: enlarge its window or make its font"
    assert (told in shown.words()) != is_whole
    elsewhere = "In a browser, https://push.localhost:1/molly/ shows the code, too."
    assert (elsewhere in shown.words()) != is_whole
    assert "scan this code with the scanner" in shown.words()


def test_the_code_alone_keeps_to_the_terminal_likewise(
    make_doorbell: MakeDoorbell, changes: Changes
) -> None:
    doorbell = make_doorbell()
    command = [str(doorbell.binary), "-c", str(doorbell.write_configuration())]
    for columns, is_shown in ((40, False), (80, True)):
        shown = Terminal(
            changes,
            [*command, "qr-code", "airgapped"],
            doorbell.folder,
            {**doorbell.clean_environment(), "TERM": "xterm"},
            columns,
        )
        assert shown.finish() == DONE
        assert ("Only the link is shown" in shown.words()) != is_shown
        assert ("\u2580" in shown.shown()) == is_shown
        assert "mollysocket://link?vapid=" in shown.shown()
        shown.close()


# Its answers


def test_answers_survive_and_the_explicit_wins(
    make: MakeDoorbell, signal: SignalPeer, front: Front
) -> None:
    """For a process that is made anew, and without a word anywhere else."""
    doorbell = make()
    front.lead_to(doorbell)
    done = set_up(doorbell, "--url", front.url(), "--qr")
    assert done.returncode == DONE, done.stderr + done.stdout
    assert f"Kept in {doorbell.folder}/setup.yaml, and loaded by the server." in words_of(done.stdout)
    assert "url=https%3A%2F%2Flocalhost" in decode(done.stdout)
    assert stat.S_IMODE((doorbell.folder / "setup.yaml").stat().st_mode) == 0o600
    assert answers(doorbell).startswith('# Written by "doorbell setup".')
    doorbell.stop()
    doorbell.start()
    effective = doorbell.command("config").stdout
    assert re.search(rf'public_url: "{front.url()}"  # \S+/setup\.yaml:\d+\n', effective)
    again = set_up(doorbell)
    assert f"Public URL: {front.url()}. Alerts: none." in words_of(again.stdout)
    assert "Kept in" not in again.stdout
    wins = doorbell.command("--set", "web.public_url=https://other.example.org/", "config").stdout
    assert 'public_url: "https://other.example.org/"  # command line\n' in wins
    assert set_up(doorbell, "--url", "none").returncode == DONE
    assert 'public_url: ""' in answers(doorbell)  # which is an answer


def test_what_is_said_is_what_is_kept(
    make: MakeDoorbell, front: Front, terminal: Callable[..., Terminal]
) -> None:
    doorbell = make()
    shown = terminal(doorbell, "--no-link")
    shown.answer(QUESTIONS[0], "y")
    shown.wait_for(
        'That cannot be used: no phone finds "y"; a name that it finds has a dot in it, as '
        "push.example.org has. It may be https://push.example.org/, or none."
    )
    shown.type("http://push.example.org")
    shown.wait_for("That cannot be used: Molly links with https:// addresses only. It may be")
    shown.type(front.url()[len("https://") : -1])
    shown.wait_for(f"Public URL: {front.url()}.")
    shown.answer(QUESTIONS[1], "yes")
    shown.wait_for(
        "That cannot be used: it must begin with https:// or http://. It may be "
        "https://ntfy.sh/my-alerts, or none."
    )
    shown.type("None")
    assert shown.finish() == DONE
    assert "Alerts: none" not in shown.words()  # as it was typed
    assert f'public_url: "{front.url()}"' in answers(doorbell)
    done = set_up(doorbell, "--no-link", "--url", front.url()[len("https://") :])
    assert f"Public URL: {front.url()}." in words_of(done.stdout)
    for word in ("y", "https://y", "1", "https://push"):
        done = set_up(doorbell, "--url", word)
        told = (done.returncode, done.stderr.startswith("doorbell: --url cannot be used: "))
        assert told == (NOT_DONE, True), done.stderr
        assert done.stdout.endswith("Nothing was changed.\n")
    done = set_up(doorbell, "--url", "https://push.example.org", "--allow", "ntfy.lan")
    assert done.returncode == NOT_DONE and done.stdout.endswith("Nothing was changed.\n")
    assert done.stderr.startswith("doorbell: --allow cannot be used: it must begin with https://")
    assert f'public_url: "{front.url()}"' in answers(doorbell)


@pytest.mark.skipif(os.geteuid() != 0, reason="to be another user needs root")
def test_what_root_answers_can_be_read_by_the_user_of_the_server(
    make_doorbell: MakeDoorbell, signal: SignalPeer, authority: Authority, open_folder: OpenFolder
) -> None:
    user, group = stranger_ids()
    folder = open_folder.make("data", 0o700, belongs_to_stranger=True)
    trusted = str(open_folder.copy(authority.file))
    doorbell = make_doorbell(
        signal__url=signal.url,
        store__path=str(folder / "doorbell.db"),
        signal__ca_file=trusted,
        push__ca_file=trusted,
    )
    doorbell.folder, doorbell.binary = open_folder.path, open_folder.binary
    ids = ["--reuid", str(user), "--regid", str(group), "--clear-groups"]
    doorbell.launcher = ["setpriv", *ids]
    doorbell.start()
    done = set_up(doorbell, "--no-link", "--alert", f"https://localhost:{free_port()}/topic")
    assert (done.returncode, done.stderr) == (DONE, "")
    status = (folder / "setup.yaml").stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (user, 0o600)
    assert doorbell.has_logged("The configuration was loaded again.")


def test_an_alert_is_told_where_the_answer_says(
    make: MakeDoorbell,
    background: Background,
    changes: Changes,
    leaf: Leaf,
    signal: SignalPeer,
    ntfy: PushPeer,
) -> None:
    operator = Receiver(background, changes, leaf)
    try:
        doorbell = make(
            alert__interval="100ms",
            signal__refused_confirm="200ms",
            push__allowed_endpoints=[ntfy.origin],
        )
        done = set_up(doorbell, "--alert", operator.url)
        assert done.returncode == DONE
        assert f"Alerts: {operator.origin}/...." in words_of(done.stdout)
        assert f"[ok] a message was sent to {operator.origin}: did it arrive?" in words_of(done.stdout)
        operator.wait_titles("this is where alerts go")
        assert "[ok] a message" not in set_up(doorbell).stdout  # it was tried
        molly = Molly(doorbell, signal, ntfy)
        assert molly.registers() == "ok"
        signal.remove_account(molly.account.key)
        signal.revoke(molly.account.key)
        operator.wait_titles("this is where alerts go", "account refused")
    finally:
        operator.stop()


def test_an_alert_that_would_not_arrive_is_told_when_its_address_is_given(
    make: MakeDoorbell,
) -> None:
    doorbell = make()
    nowhere = f"https://localhost:{free_port()}/topic"
    done = set_up(doorbell, "--alert", nowhere, "--no-link")
    told = words_of(done.stdout)
    assert done.returncode == DONE and "topic" not in told
    assert f"[!!] alerts do not reach {nowhere[:-6]}: " in told and "The answer is kept" in told
    assert nowhere in answers(doorbell)
    report = words_of(doorbell.command("doctor").stdout)
    assert f"WARN alerts: Nobody is told when something breaks: {nowhere[:-6]} cannot be" in report


@pytest.mark.parametrize(
    "flags, told",
    [
        (["--url", "https://other.example.org/"], "--url is something else than what {place} says"),
        (["--url", "none"], "--url is something else than what {place} says"),
        (["--allow", "https://ntfy.lan"], 'Write there: ["https://ntfy.example.org", "https://n'),
    ],
)
def test_a_contradiction_names_where_it_is_said(
    make: MakeDoorbell, flags: list[str], told: str
) -> None:
    doorbell = make(
        web__public_url="https://push.example.org/",
        push__allowed_endpoints=["https://ntfy.example.org"],
    )
    done = set_up(doorbell, *flags)
    assert done.returncode == NOT_DONE
    assert re.search(
        re.escape(told).replace(r"\{place\}", r"\S+/doorbell\.yaml:\d+"), done.stderr
    ), done.stderr
    assert not (doorbell.folder / "setup.yaml").exists()


def test_what_another_source_says_is_shown_and_not_asked(
    make: MakeDoorbell, front: Front, terminal: Callable[..., Terminal]
) -> None:
    doorbell = make(web__public_url=front.url())
    front.lead_to(doorbell)
    shown = terminal(doorbell, "--no-link")
    shown.answer(QUESTIONS[1])
    assert shown.finish() == DONE
    assert QUESTIONS[0] not in shown.words()
    assert re.search(
        rf"Public URL: {front.url()} \(web\.public_url, set in \S+/doorbell\.yaml:\d+\)\.",
        shown.words(),
    )
    assert "mollysocket://" not in shown.shown()


def test_what_the_servers_environment_says_is_not_asked_as_if_nobody_had_said_it(
    make_doorbell: MakeDoorbell, signal: SignalPeer
) -> None:
    """It would win over the answer, and the link without it would be air-gapped."""
    doorbell = make_doorbell(signal__url=signal.url)
    doorbell.environment = {"DOORBELL_WEB_PUBLIC_URL": "https://push.example.org/"}
    doorbell.start()
    doorbell.environment = {}
    done = set_up(doorbell)
    assert done.returncode == NOT_DONE and "mollysocket://" not in done.stdout
    told = words_of(done.stderr)
    assert "another web.public_url from its own environment" in told
    assert "(DOORBELL_WEB_PUBLIC_URL)" in told and "Run this with the same environment" in told
    assert not (doorbell.folder / "setup.yaml").exists()
    doorbell.environment = {"DOORBELL_WEB_PUBLIC_URL": "https://push.example.org/"}
    assert "set in DOORBELL_WEB_PUBLIC_URL" in words_of(set_up(doorbell).stdout)


def test_where_alerts_go_by_the_servers_environment_is_not_asked_and_stops_nothing(
    make_doorbell: MakeDoorbell, signal: SignalPeer, receiver: Receiver
) -> None:
    """It is a secret, and /etc/doorbell/environment a place for those."""
    doorbell = make_doorbell(signal__url=signal.url)
    doorbell.environment = {"DOORBELL_ALERT_URL": receiver.url}
    doorbell.start()
    doorbell.environment = {}
    done = set_up(doorbell, "--no-link", "--url", "none")
    assert done.returncode == DONE, done.stderr
    assert "Alerts: as the running server's own environment" in words_of(done.stdout)
    assert "(DOORBELL_ALERT_URL)" in words_of(done.stdout)
    done = set_up(doorbell, "--no-link", "--alert", receiver.url)
    assert done.returncode == NOT_DONE and "or leave --alert out" in words_of(done.stderr)


def test_a_change_that_was_not_loaded_is_told_before_the_questions(make: MakeDoorbell) -> None:
    doorbell = make()
    doorbell.settings["wake.interval"] = "2s"
    shown = words_of(set_up(doorbell, "--no-link").stdout)
    assert "running server: It has not loaded what is configured here: it has another wake" in shown


def test_what_the_server_refuses_to_load_is_taken_back(
    make: MakeDoorbell, front: Front
) -> None:
    doorbell = make()
    doorbell.settings["accounts.max"] = 77  # which needs a restart
    done = set_up(doorbell, "--url", front.url())
    assert done.returncode == NOT_DONE
    assert "did not take the answers, which are not kept:" in done.stderr
    assert "accounts.max cannot change while the server runs" in done.stderr
    assert not (doorbell.folder / "setup.yaml").exists()


def test_a_broken_answer_stops_the_start_with_its_line(
    make_doorbell: MakeDoorbell, signal: SignalPeer
) -> None:
    doorbell = make_doorbell(signal__url=signal.url)
    file = doorbell.folder / "setup.yaml"
    for text, why in [
        ("web:\n  public_url: ftp://x\n", "setup.yaml:2: web.public_url: it must begin with"),
        ("web:\n  publik_url: x\n", 'setup.yaml:2: key "web.publik_url" is not known; did you'),
        ("\nuser: root\n", "setup.yaml:2: user does not belong into the file that"),
    ]:
        file.write_text(text)
        done = doorbell.command("config", "check")
        assert done.returncode == NOT_DONE and why in done.stderr, done.stderr


# What is in the way


def test_a_wrong_path_at_the_proxy_is_told_with_the_lines_that_it_needs(
    make: MakeDoorbell, front: Front
) -> None:
    doorbell = make()
    front.serve(f"location /elsewhere/ {{ proxy_pass http://127.0.0.1:{doorbell.port}/; }}")
    done = set_up(doorbell, "--url", front.url("/molly/"))
    told = words_of(done.stdout)
    assert done.returncode == DONE  # it can be mended now
    assert "FAULT public address: " in told and "nothing under the path" in told
    assert "nginx answers there; it needs in the server block of localhost:" in told
    lines = [line[7:] for line in done.stdout.splitlines() if line.startswith(" " * 7)]
    assert lines[0] == "location /molly/ {" and "}" in lines
    front.serve("\n".join(lines[: lines.index("}") + 1]))
    assert f"{front.url()[:-1]} leads to this Doorbell." in set_up(doorbell).stdout


def test_signal_is_looked_at_over_each_road_that_is_open(
    make: MakeDoorbell, signal: SignalPeer
) -> None:
    doorbell = make(signal__transport="auto", signal__http2_url=signal.http2_url)
    told = words_of(set_up(doorbell, "--url", "none", "--alert", "none").stdout)
    http2, http1 = f"https://localhost:{signal.http2_port}", f"wss://localhost:{signal.port}"
    assert f"Looking at Signal's server ... ok Signal: {http2} answers HTTP/2 over IPv4" in told
    assert f"ok Signal: {http1} answers over IPv4" in told
    signal.set_behaviour(http2={"alpn": None})
    doorbell.settings["signal.transport"] = "http2"
    doorbell.stop()
    doorbell.start()
    told = words_of(set_up(doorbell).stdout)
    assert f"FAULT Signal: {http2} cannot be used over HTTP/2 (it does not speak HTTP/2)." in told
    assert "That can be mended now, beside this; it goes on." in told


def test_what_the_proxy_hides_from_the_server_is_told_with_the_lines_that_show_it(
    make: MakeDoorbell, front: Front
) -> None:
    """The page is the right one either way: only the server sees how it was asked."""
    doorbell = make()
    front.serve(f"location / {{ proxy_pass http://127.0.0.1:{doorbell.port}/; }}")
    told = words_of(set_up(doorbell, "--url", front.url()).stdout)
    assert f"asks Doorbell for the host 127.0.0.1:{doorbell.port}" in told
    assert "-> Let the proxy hand on the host that was asked for; in nginx: proxy_set_header" in told
    assert "does not say who asks" in told and "proxy_set_header X-Forwarded-For" in told
    front.serve(f"location /molly/ {{ proxy_pass http://127.0.0.1:{doorbell.port}; }}")
    done = set_up(doorbell, "--url", front.url("/molly/"))
    assert "FAULT public address: " in done.stdout and "hands the path on" in words_of(done.stdout)
    assert "       location /molly/ {\n" in done.stdout


def test_a_private_push_server_that_is_not_to_be_allowed_is_asked_for_once(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, front: Front, terminal: Callable[..., Terminal]
) -> None:
    doorbell = make()
    molly = Molly(doorbell, signal, ntfy)
    shown = terminal(doorbell, "--url", front.url(), "--alert", "none")
    shown.wait_for("Waiting for the phone")
    molly.registers()
    shown.answer(f"Allow {ntfy.origin}? [y/N]", "")
    molly.endpoint = ntfy.endpoint()
    molly.registers()
    refused = "[!!] a phone came, but its push server was refused: localhost"
    shown.changes.wait_for(lambda: shown.words().count(refused) == 2, "two refusals", 40)
    shown.interrupt()
    assert shown.finish() == NOT_DONE
    assert shown.words().count("? [y/N]") == 1
    assert "allowed_endpoints" not in answers(doorbell)


def test_a_push_server_that_another_source_forbids_is_told_with_the_line_to_write(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, front: Front, terminal: Callable[..., Terminal]
) -> None:
    doorbell = make(push__allowed_endpoints=["*"])
    molly = Molly(doorbell, signal, ntfy)
    shown = terminal(doorbell, "--url", front.url(), "--alert", "none")
    shown.wait_for("Waiting for the phone")
    molly.registers()
    shown.wait_for(f'Write there: ["*", "{ntfy.origin}"], and load it again')
    doorbell.reload(push__allowed_endpoints=["*", ntfy.origin])
    assert molly.registers() == "ok"
    shown.wait_for("[ok] test ring sent,")
    shown.interrupt()
    assert shown.finish() == DONE
    assert "The push server took a test ring; a message has not rung yet." in shown.words()


def test_a_list_in_the_environment_is_not_read_by_a_reload(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, front: Front, terminal: Callable[..., Terminal]
) -> None:
    doorbell = make_doorbell(signal__url=signal.url)
    doorbell.environment["DOORBELL_PUSH_ALLOWED_ENDPOINTS"] = "*"
    doorbell.start()
    molly = Molly(doorbell, signal, ntfy)
    shown = terminal(doorbell, "--url", front.url(), "--alert", "none")
    shown.wait_for("Waiting for the phone")
    molly.registers()
    shown.wait_for(
        "push.allowed_endpoints is set in DOORBELL_PUSH_ALLOWED_ENDPOINTS, which wins over what is "
        f'allowed here. Write there: ["*", "{ntfy.origin}"], and start the server anew with it, '
        "because a reload does not read that (docker compose up -d, systemctl restart doorbell)."
    )
    shown.interrupt()
    assert shown.finish() == NOT_DONE


def test_a_push_server_that_refuses_the_test_is_told_and_tried_again(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, front: Front, terminal: Callable[..., Terminal]
) -> None:
    doorbell = make(push__allowed_endpoints=[ntfy.origin])
    molly = Molly(doorbell, signal, ntfy)
    topic = molly.endpoint.rpartition("/")[2].partition("?")[0]
    ntfy.answer_with(40301, topic=topic)
    shown = terminal(doorbell, "--url", front.url(), "--alert", "none")
    shown.wait_for("Waiting for the phone")
    assert molly.registers() == "ok"
    shown.wait_for(f"[!!] push server {ntfy.origin}: The push server's access list refuses us")
    ntfy.answer_with(200, topic=topic)
    assert molly.registers() == "ok"
    shown.wait_for("[ok] test ring sent,")
    shown.interrupt()
    assert shown.finish() == DONE


def test_without_a_server_it_says_how_to_start_one(
    make_doorbell: MakeDoorbell, signal: SignalPeer
) -> None:
    done = set_up(make_doorbell(signal__url=signal.url), "--url", "none")
    assert (done.returncode, done.stdout) == (NOT_DONE, "")
    assert done.stderr == (
        "doorbell: No server runs here. Start it (systemctl start doorbell, docker compose up -d, "
        "or doorbell server).\n"
    )


def test_a_closed_input_is_no_answer(
    make: MakeDoorbell, terminal: Callable[..., Terminal]
) -> None:
    doorbell = make()
    shown = terminal(doorbell)
    shown.wait_for(QUESTIONS[0])
    shown.close_input()
    assert shown.finish() == NOT_DONE
    assert "Nothing was changed." in shown.words()


def test_an_interrupt_at_a_question_changes_nothing(
    make: MakeDoorbell, terminal: Callable[..., Terminal]
) -> None:
    doorbell = make()
    shown = terminal(doorbell)
    shown.answer(QUESTIONS[0], "https://push.example.org/")
    shown.wait_for(QUESTIONS[1])
    shown.interrupt()
    assert shown.finish() == NOT_DONE
    assert "Nothing was changed." in shown.words()
    assert not (doorbell.folder / "setup.yaml").exists()


@pytest.mark.parametrize(
    "words, why",
    [
        (["--ur"], 'setup takes --url URL, .* and there is "--ur"'),
        (["https://push.example.org/"], '.* and there is "https://push.example.org/"'),
        (["--url"], "setup needs an https address such as https://push.* behind --url"),
        (["--alert="], "setup needs a web address such as https://ntfy.sh/.* behind --alert"),
        (["--allow", ""], "setup needs the address of a push server, such as https.* behind --allow"),
        (["--allow=x"] * 17, "setup takes --allow at most 16 times"),
        (["--wait"], "setup needs a time of up to a week, such as 90s, 10m .* behind --wait"),
        (["--wait", "soon"], "setup needs a time"),
        (["--wait", "1w"], "setup needs a time"),
        (["--wait", "8d"], "setup needs a time"),
        (["--wait=-1"], "setup needs a time"),
    ],
)
def test_other_words_are_refused(
    make_doorbell: MakeDoorbell, words: list[str], why: str
) -> None:
    done = set_up(make_doorbell(), *words)
    assert done.returncode == WRONG_WORDS
    assert re.fullmatch(f"doorbell: {why}.*\\.\n", done.stderr), done.stderr


def test_a_server_that_hangs_is_told_soon_with_the_remedy(make: MakeDoorbell) -> None:
    doorbell = make()
    assert doorbell.process
    doorbell.process.popen.send_signal(signals.SIGSTOP)
    try:
        done = set_up(doorbell)
    finally:
        doorbell.process.popen.send_signal(signals.SIGCONT)
    assert (done.returncode, done.stdout) == (NOT_DONE, "")
    assert re.fullmatch(
        r"doorbell: The running server has not answered on \S+ for 10 s: it hangs\. Restart it "
        r"\(systemctl restart doorbell, docker compose restart\)\.\n",
        done.stderr,
    ), done.stderr
