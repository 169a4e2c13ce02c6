"""Endpoints that MollySocket reads by the rules of browsers, and rings: host names that are not
ASCII, user names and passwords, fragments, spaces. Whoever changes the program keeps these rings.
"""

import base64
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import pytest

from lib.background import Background, Changes
from lib.certs import Authority
from lib.doorbell import Doorbell
from lib.drop_in import MollySocket, put_in_its_place
from lib.push_peer import RING, PushPeer
from lib.secrecy import secrecy
from lib.signal_peer import Account, SignalPeer

MakeDoorbell = Callable[..., Doorbell]
DONE, NOT_DONE = 0, 1
NAME, ASCII_NAME = "münchen.example", "xn--mnchen-3ya.example"
LOGIN, PASSWORD = "alice.of.ntfy", "s3cr%40t pass:word"  # "@" is written as %40
HEADER = "Basic " + base64.b64encode(b"alice.of.ntfy:s3cr@t pass:word").decode()
STORED_LOGIN = "alice.of.ntfy:s3cr%40t%20pass%3Aword"


@pytest.fixture
def own(background: Background, changes: Changes, authority: Authority) -> Iterator[PushPeer]:
    """Its certificate has the name as TLS knows it."""
    peer = PushPeer(background, changes, authority.leaf("own-idn", [ASCII_NAME, "localhost"]))
    yield peer
    peer.stop()


@pytest.fixture
def dropped_in(
    make_doorbell: MakeDoorbell, authority: Authority, signal: SignalPeer, own: PushPeer
) -> Doorbell:
    """As MollySocket was configured; where the name leads to is the test's matter."""
    doorbell = put_in_its_place(make_doorbell(), signal, authority)
    doorbell.environment.update(
        {
            "MOLLY_DB": f"{doorbell.folder}/mollysocket.db",
            "MOLLY_HOST": "127.0.0.1",
            "MOLLY_PORT": str(doorbell.port),
            "DOORBELL_PUSH_CONNECT_TO": f"{ASCII_NAME}=127.0.0.1:{own.port}",
        }
    )
    doorbell.secrets |= {LOGIN, PASSWORD, STORED_LOGIN, HEADER.partition(" ")[2]}
    secrecy.note(LOGIN, "s3cr%40t", "s3cr@t pass", HEADER.partition(" ")[2])
    return doorbell


@pytest.fixture
def theirs(dropped_in: Doorbell) -> MollySocket:
    return MollySocket(dropped_in.folder / "mollysocket.db")


def with_login(origin: str) -> str:
    return origin.replace("://", f"://{LOGIN}:{PASSWORD}@")


def target_of(peer: PushPeer) -> str:
    return peer.endpoint()[len(peer.origin) :]


def pushes(peer: PushPeer, target: str) -> list:
    return [push for push in list(peer.pushes) if push.target == target and push.body == RING]


def ring(signal: SignalPeer, peer: PushPeer, account: Account, target: str) -> Any:
    before = len(pushes(peer, target))
    number = signal.queue(account.key)
    peer.changed.wait_for(lambda: len(pushes(peer, target)) > before, f"a ring for {target}")
    signal.wait_acked(number)
    return pushes(peer, target)[-1]


def check_header(push: Any, expected: Optional[str]) -> None:
    """None: our token."""
    sent = [value for name, value in push.headers if name.lower() == "authorization"]
    assert len(sent) == 1
    assert sent[0].startswith("vapid t=") if expected is None else sent[0] == expected


def stored(doorbell: Doorbell) -> str:
    return doorbell.command("connection", "list", "--show-secrets").stdout


def test_rows_of_each_form_are_taken_over_and_rung(
    dropped_in: Doorbell, theirs: MollySocket, signal: SignalPeer, own: PushPeer
) -> None:
    dropped_in.environment["MOLLY_ALLOWED_ENDPOINTS"] = (
        f'["*", "{own.origin}", "{with_login(own.origin)}"]'
    )
    targets = [target_of(own) for _ in range(5)]
    # As it stands there, as it is sent, with what.
    forms = [
        (f"https://{NAME}{targets[0]}", targets[0], None),
        (f"{with_login(own.origin)}{targets[1]}", targets[1], HEADER),
        (f"{own.origin}{targets[2]}#part", targets[2], None),
        (f"{own.origin}{targets[3]}&x=ü y", f"{targets[3]}&x=%C3%BC%20y", None),
        (with_login(f"https://{NAME}") + targets[4], targets[4], HEADER),
    ]
    people = [signal.new_account() for _ in forms]
    for account, (there, _, _) in zip(people, forms):
        theirs.add(account, there)
    before = theirs.picture()
    dropped_in.start()
    assert dropped_in.has_logged("Took 5 accounts over from")
    assert not dropped_in.has_logged("cannot be taken over")
    for account, (_, target, header) in zip(people, forms):
        push = ring(signal, own, account, target)
        check_header(push, header)
        assert push.get("Host") in (ASCII_NAME, f"localhost:{own.port}")
    whole = stored(dropped_in)
    assert f"https://{ASCII_NAME}{targets[0]}" in whole
    assert f"https://{STORED_LOGIN}@localhost:{own.port}{targets[1]}" in whole
    told = dropped_in.command("connection", "list").stdout
    told += dropped_in.command("status", "--account", people[1].uuid).stdout
    told += dropped_in.command("doctor").stdout + dropped_in.command("config").stdout
    assert LOGIN not in told and "s3cr" not in told and HEADER.partition(" ")[2] not in told
    assert f"https://(hidden)@localhost:{own.port}" in told
    assert theirs.picture() == before


def test_a_phone_that_repeats_its_old_spelling_changes_nothing(
    dropped_in: Doorbell, theirs: MollySocket, signal: SignalPeer, own: PushPeer
) -> None:
    dropped_in.environment["MOLLY_ALLOWED_ENDPOINTS"] = f'["{with_login(own.origin)}", "*"]'
    targets = [target_of(own) for _ in range(2)]
    forms = [f"https://{NAME}{targets[0]}#x", f"{with_login(own.origin)}{targets[1]}"]
    people = [signal.new_account() for _ in forms]
    for account, there in zip(people, forms):
        theirs.add(account, there)
    dropped_in.start()
    for account, there in zip(people, forms):
        signal.wait_connected(account)
        assert dropped_in.register(account, there) == "ok"
        assert dropped_in.register(account, there.replace(NAME, ASCII_NAME.upper())) == "ok"
    assert not dropped_in.has_logged("its endpoint has changed")
    check_header(ring(signal, own, people[0], targets[0]), None)
    check_header(ring(signal, own, people[1], targets[1]), HEADER)


def test_new_ones_are_registered_and_added_by_hand_in_each_form(
    dropped_in: Doorbell, signal: SignalPeer, own: PushPeer
) -> None:
    dropped_in.environment["MOLLY_ALLOWED_ENDPOINTS"] = (
        f"[{with_login(own.origin).replace(' ', '%20')}, https://{NAME}]"
    )
    dropped_in.start()
    phone, by_hand = signal.new_account(), signal.new_account()
    idn, login = target_of(own), target_of(own)
    assert dropped_in.register(phone, f"https://{NAME}{idn}") == "ok"
    check_header(ring(signal, own, phone, idn), None)
    endpoint = f"{with_login(own.origin).replace(' ', '%20')}{login}"
    added = dropped_in.command(
        "c", "a", by_hand.uuid, str(by_hand.device), by_hand.password, endpoint
    )
    assert added.returncode == DONE, added.stderr
    check_header(ring(signal, own, by_hand, login), HEADER)
    for valid in (endpoint, f"https://{ASCII_NAME}{idn}", f"https://{NAME}{idn}"):
        done = dropped_in.command("test", "endpoint", valid)
        assert (done.returncode, done.stdout) == (DONE, f"Endpoint {valid} is valid\n")


@pytest.mark.parametrize("listed", [False, True], ids=["entry without", "entry with"])
def test_an_entry_of_its_list_is_for_its_own_user_name_and_password(
    dropped_in: Doorbell, signal: SignalPeer, own: PushPeer, listed: bool
) -> None:
    entry = with_login(own.origin) if listed else own.origin
    dropped_in.environment["MOLLY_ALLOWED_ENDPOINTS"] = f'["{entry}", "*"]'
    dropped_in.start()
    target = target_of(own)
    without, carrying = f"{own.origin}{target}", f"{with_login(own.origin)}{target}"
    answers = [dropped_in.register(signal.new_account(), url) for url in (without, carrying)]
    assert answers == (["invalid_endpoint", "ok"] if listed else ["ok", "invalid_endpoint"])


def test_an_entry_of_our_list_is_for_its_place_whoever_rings_there(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, tmp_path: Path
) -> None:
    """And the endpoint's own login wins over the one that a file has for the push server."""
    headers = tmp_path / "headers.yaml"
    headers.write_text(f"{ntfy.origin}:\n  Authorization: Bearer tk_of_all_the_others\n")
    headers.chmod(0o600)
    doorbell = make_doorbell(
        signal__url=signal.url,
        push__allowed_endpoints=[ntfy.origin],
        push__headers_file=str(headers),
    ).start()
    secrecy.note(LOGIN, "s3cr%40t", "s3cr@t pass", HEADER.partition(" ")[2])
    for prefix, header in ((with_login(ntfy.origin), HEADER), (ntfy.origin, "Bearer tk_of_all_the_others")):
        account, target = signal.new_account(), target_of(ntfy)
        assert doorbell.register(account, prefix + target) == "ok"
        check_header(ring(signal, ntfy, account, target), header)


def test_a_login_that_is_refused_is_told_without_it(
    dropped_in: Doorbell, signal: SignalPeer, own: PushPeer
) -> None:
    dropped_in.environment["MOLLY_ALLOWED_ENDPOINTS"] = f'["{with_login(own.origin)}"]'
    dropped_in.start()
    account, target = signal.new_account(), target_of(own)
    own.answer_with({"status": 401, "body": "no such user: alice.of.ntfy"})
    assert dropped_in.register(account, with_login(own.origin) + target) == "ok"
    ping = dropped_in.command("connection", "ping", account.uuid)
    assert ping.returncode == NOT_DONE
    assert "The push server refuses the user name and password that the endpoint carries" in ping.stderr
    assert LOGIN not in ping.stderr and "s3cr" not in ping.stderr


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://１２７.0.0.1:{port}/up",
        "https://127。0。0。1:{port}/up",
        "https://ｌocalhost:{port}/up",
        "https://user:secret@127.0.0.1:{port}/up",
        "https://localhost:{port}\\@münchen.example/up",
        "https://münchen／.example/up",
        "https://münchen%2e.example/up",
    ],
)
def test_a_name_is_judged_by_what_it_comes_to(
    dropped_in: Doorbell, signal: SignalPeer, own: PushPeer, endpoint: str
) -> None:
    dropped_in.environment["MOLLY_ALLOWED_ENDPOINTS"] = '["*"]'
    dropped_in.start()
    refused = endpoint.replace("{port}", str(own.port))
    assert dropped_in.register(signal.new_account(), refused) == "invalid_endpoint"
    assert not signal.handshakes and not own.pushes


def test_a_row_whose_endpoint_is_no_web_address_is_told_with_the_fix(
    dropped_in: Doorbell, theirs: MollySocket, signal: SignalPeer
) -> None:
    dropped_in.environment["MOLLY_ALLOWED_ENDPOINTS"] = '["*"]'
    theirs.add(signal.new_account(), "ftp://push.example/up")
    theirs.add(signal.new_account(), "https://256.256.256.256/up")
    dropped_in.start()
    (line,) = [line for line in dropped_in.output() if "cannot be taken over" in line]
    assert "its endpoint is missing or no web address: register it again" in line
    assert "its endpoint's host cannot be one: register it again" in line
