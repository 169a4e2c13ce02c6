"""The search through all that Doorbell prints (lib/secrecy.py) finds what it is to find. By the
same search every other test is watched.
"""

from typing import Callable

import pytest

from lib.doorbell import Doorbell
from lib.push_peer import PushPeer
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


def test_lines_about_accounts_are_among_those_that_are_searched(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    before = secrecy.about_accounts
    assert doorbell.register(signal.new_account(), ntfy.endpoint()) == "ok"
    doorbell.changes.wait_for(lambda: doorbell.has_logged(": registered."), "the registration")
    expect()
    assert secrecy.about_accounts > before
