"""Pushes as a web push server and the phone's crypto see them, judged by libraries that are not
ours.
"""

import itertools
import time
from pathlib import Path
from typing import Any, Callable

import pytest

from lib.doorbell import Doorbell
from lib.drop_in import key_pair
from lib.process import JsonPeer
from lib.push_peer import RING, TEST, Push, PushPeer
from lib.signal_peer import SignalPeer

DAY = 24 * 3600


class Judge:
    """tests/peers/check_push.mjs."""

    def __init__(self, json_peer: Callable[..., JsonPeer]):
        self.peer = json_peer("check_push.mjs")
        self.tags = itertools.count()

    def ask(self, op: str, expected: str, **details: Any) -> dict:
        tag = next(self.tags)
        self.peer.do(op, tag=tag, **details)
        events = ("refused", expected)
        found = self.peer.changes.wait_for(
            lambda: next(
                (
                    event
                    for kind in events
                    for event in self.peer.events(kind)
                    if event["tag"] == tag
                ),
                None,
            ),
            f"the answer of check_push.mjs to {op}",
        )
        assert found["event"] == expected, found
        return found

    def subscribe(self, key: str) -> dict:
        return self.ask("subscribe", "subscribed", key=key)

    def check(self, push: Push, origin: str, hash: Any = None) -> dict:
        headers = {name.lower(): value for name, value in push.headers}
        return self.ask(
            "check", "checked", hash=hash, origin=origin, headers=headers, body=push.body.hex()
        )


@pytest.fixture
def judge(json_peer: Callable[..., JsonPeer]) -> Judge:
    return Judge(json_peer)


def public_key(push: Push) -> str:
    return (push.get("Authorization") or "").rpartition("k=")[2]


def test_every_push_is_signed_for_its_origin_with_the_key_of_the_linking_code(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer, judge: Judge
) -> None:
    account = signal.new_account()
    assert doorbell.register(account, ntfy.endpoint()) == "ok"
    ntfy.wait_pushes(1)
    signal.queue(account.key)
    ntfy.wait_rings(1)
    link = doorbell.command("qr-code", "airgapped").stdout
    for push in ntfy.pushes:
        checked = judge.check(push, ntfy.origin)
        assert checked["header"] == {"typ": "JWT", "alg": "ES256"}
        claims = checked["claims"]
        assert claims["aud"] == ntfy.origin and claims["sub"].startswith(("https://", "mailto:"))
        assert isinstance(claims["exp"], int) and time.time() < claims["exp"] < time.time() + DAY
        assert len(checked["key"]) == 87
        assert f"vapid={checked['key']}" in link


def test_a_key_that_only_the_servers_unit_has_is_told_by_the_server(
    make_doorbell: Callable[..., Doorbell], signal: SignalPeer, ntfy: PushPeer, tmp_path: Path
) -> None:
    """As systemd hands it over: a command beside the server has none, and makes none."""
    doorbell = make_doorbell(signal__url=signal.url, push__allowed_endpoints=["*", ntfy.origin])
    private, public = key_pair()
    doorbell.secrets.add(private)
    (tmp_path / "vapid.key").write_text(private)
    (tmp_path / "vapid.key").chmod(0o600)
    doorbell.environment["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    doorbell.start()
    account = signal.new_account()
    assert doorbell.register(account, ntfy.endpoint()) == "ok"
    del doorbell.environment["CREDENTIALS_DIRECTORY"]
    assert f"vapid={public}&" in doorbell.command("qr-code", "airgapped").stdout
    assert doorbell.command("vapid", "test", ntfy.origin).stdout.endswith(f"k={public}\n")
    assert "has gone" not in doorbell.command("doctor").stdout
    doorbell.stop()
    for words in (["qr-code", "airgapped"], ["connection", "ping", account.uuid]):
        done = doorbell.command(*words)
        assert done.returncode == 1 and not done.stdout.startswith("mollysocket"), done
    assert "Start the server first" in doorbell.command("qr-code", "airgapped").stderr
    assert account.uuid in doorbell.command("connection", "list").stdout
    assert not (doorbell.folder / "vapid.key").exists()


def test_the_key_survives_a_restart(doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer) -> None:
    account = signal.new_account()
    assert doorbell.register(account, ntfy.endpoint()) == "ok"
    before = public_key(ntfy.wait_pushes(1)[0])
    doorbell.stop()
    doorbell.start()
    signal.wait_connected(account, 2)
    signal.queue(account.key)
    assert public_key(ntfy.wait_rings(1)[0]) == before


def test_with_the_phones_keys_bodies_are_encrypted_and_all_kinds_look_alike(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer, judge: Judge
) -> None:
    plain = signal.new_account()
    assert doorbell.register(plain, ntfy.endpoint()) == "ok"
    phone = judge.subscribe(public_key(ntfy.wait_pushes(1)[0]))

    account, endpoint = signal.new_account(), ntfy.endpoint()
    keys = {"p256dh": phone["p256dh"], "auth": phone["auth"]}
    assert doorbell.register(account, endpoint, **keys) == "ok"
    signal.changed.wait_for(
        lambda: len(ntfy.matching(lambda push: True, endpoint)) >= 1, "the encrypted test push"
    )
    signal.queue(account.key)
    signal.changed.wait_for(
        lambda: len(ntfy.matching(lambda push: True, endpoint)) >= 2, "the encrypted ring"
    )

    pushes = ntfy.matching(lambda push: True, endpoint)
    texts = [judge.check(push, ntfy.origin, phone["hash"])["text"].encode() for push in pushes]
    assert texts == [TEST, RING]
    assert len({len(push.body) for push in pushes}) == 1
    assert len({tuple(sorted(name for name, _ in push.headers)) for push in pushes}) == 1
    for push in pushes:
        assert push.get("Content-Encoding") == "aes128gcm"
        assert b"urgent" not in push.body and b"test" not in push.body


def test_half_a_pair_of_keys_is_not_a_registration(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer, judge: Judge
) -> None:
    account = signal.new_account()
    wrong_point = "B" + "A" * 86
    assert (
        doorbell.register(account, ntfy.endpoint(), p256dh=wrong_point, auth="A" * 22)
        == "invalid_endpoint"
    )
    assert not signal.handshakes and not ntfy.pushes


def test_a_key_that_every_user_may_read_is_warned_of_once_per_start(
    make_doorbell: Callable[..., Doorbell], tmp_path: Path
) -> None:
    file = tmp_path / "their.key"
    doorbell = make_doorbell(push__vapid_key_file=str(file))
    file.write_text(doorbell.command("vapid", "generate").stdout)
    file.chmod(0o644)
    doorbell.start()
    (line,) = [line for line in doorbell.output() if "open to every user" in line]
    assert " warn " in line and f"chmod o= {file}" in line
    assert "open to every user" in doorbell.command("config", "check").stderr
    file.chmod(0o640)
    assert "open to every user" not in doorbell.command("config", "check").stderr
