"""The search through all that Doorbell prints (lib/secrecy.py) finds what it is to find. By the
same search every other test is watched.
"""

import base64
import ssl
import subprocess
import urllib.request
from typing import Callable

import pytest

from lib.background import DEADLINE
from lib.certs import Authority
from lib.doorbell import Doorbell
from lib.push_peer import PushPeer
from lib.receiver import Receiver
from lib.secrecy import secrecy, spellings
from lib.shell import Shell
from lib.signal_peer import Account, SignalPeer

MakeDoorbell = Callable[..., Doorbell]
TALKATIVE = 'for word in $LEAK; do echo "x: $word." >&%d; done; exec "$@"'


def expect(*texts: str) -> None:
    """These are found, each once, and nothing else."""
    assert sorted(secrecy.search()) == sorted(f"x: {text}." for text in texts)
    assert secrecy.search() == []


def all_of(account: Account, endpoint: str) -> list[str]:
    path = endpoint.split("/", 3)[3].partition("?")[0]
    return [*spellings(account.uuid, account.password), account.uuid.upper(), path]


@pytest.mark.parametrize("stream", [1, 2], ids=["standard output", "standard error"])
def test_a_secret_on_a_stream_of_a_server_is_found(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, stream: int
) -> None:
    account, endpoint = signal.new_account(), ntfy.endpoint()
    texts = all_of(account, endpoint)
    assert len(set(texts)) == 8
    doorbell = make_doorbell(signal__url=signal.url, push__allowed_endpoints=[ntfy.origin])
    doorbell.launcher = ["sh", "-c", TALKATIVE % stream, "sh"]
    doorbell.environment["LEAK"] = " ".join([*texts, "harmless"])
    doorbell.start()
    expect(*texts)


def test_what_a_server_prints_later_is_found_later(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make_doorbell(signal__url=signal.url, push__allowed_endpoints=[ntfy.origin])
    doorbell.start()
    expect()
    account = signal.new_account()
    doorbell.launcher = ["sh", "-c", TALKATIVE % 2, "sh"]
    doorbell.environment["LEAK"] = account.password
    doorbell.stop()
    doorbell.start()
    expect(account.password)


def test_a_lines_secret_is_found_where_a_command_prints_what_it_was_not_given(
    shell: Shell, signal: SignalPeer
) -> None:
    account = signal.new_account()
    shell.run("connection", "ping", account.uuid)
    expect()
    secrecy.said(f"x: {account.uuid}.", ["connection", "list"])
    expect(account.uuid)


def test_what_a_command_shows_on_standard_output_is_searched_as_far_as_nobody_asked_for_it(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert doorbell.register(account, endpoint) == "ok"
    for words in (["list"], ["list", "--show-secrets"], ["list", "-a"]):
        assert doorbell.command("connection", *words).returncode == 0
    expect()
    shown = f"x: {account.uuid}.\nx: {account.password}.\n"
    done = subprocess.CompletedProcess([], 0, shown, "")
    secrecy.command(done, ["-c", "file", "connection", "list", "-t"])
    expect(account.password)
    secrecy.command(done, ["--set", "a=b", "c", "l", "--show-secrets"])
    secrecy.command(done, ["export", account.uuid])
    expect()
    secrecy.command(done, ["status"], [account.password])
    expect(account.uuid)


@pytest.mark.parametrize(
    ("endpoint", "parts"),
    [
        (
            "https://me:my%20secret1@ntfy.example:1/up1?up=1&auth=QmFzaWMgMTIz",
            [
                "me:my%20secret1",
                "my%20secret1",
                base64.b64encode(b"me:my%20secret1").decode().rstrip("="),
                "ntfy.example:1/up1",
                "QmFzaWMgMTIz",
            ],
        ),
        ("https://ntfy.example/UP?up=1", ["ntfy.example/UP"]),
        ("https://ntfy.example/?up=1", []),
        ("https://ntfy.example", []),
    ],
)
def test_all_parts_of_an_endpoint_that_chance_does_not_print_are_searched_for(
    endpoint: str, parts: list[str]
) -> None:
    secrecy.note_endpoint(endpoint)
    harmless = "x: up1 up=1 UP https://ntfy.example:1 https://ntfy.example/ me"
    secrecy.said("\n".join([harmless, *(f"x: {part}." for part in parts)]))
    expect(*parts)


def test_a_secret_in_an_alert_is_found(
    receiver: Receiver, signal: SignalPeer, authority: Authority
) -> None:
    account = signal.new_account()
    trusted = ssl.create_default_context(cafile=str(authority.file))
    title, text = f"x: {account.password}.", f"harmless\nx: {account.uuid}."
    alert = urllib.request.Request(receiver.url, text.encode(), {"Title": title})
    with urllib.request.urlopen(alert, context=trusted, timeout=DEADLINE) as answer:
        assert answer.status == 200
    receiver.stop()
    expect(account.password, account.uuid)


def test_lines_about_accounts_are_among_those_that_are_searched(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    before = secrecy.about_accounts
    assert doorbell.register(signal.new_account(), ntfy.endpoint()) == "ok"
    doorbell.changes.wait_for(lambda: doorbell.has_logged(": registered."), "the registration")
    expect()
    assert secrecy.about_accounts > before
