"""Real peers, a private CA per run, free ports, and a clean end for every process (see lib/)."""

import sys
from pathlib import Path
from typing import Any, Callable, Iterator

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "peers"))

import pytest

from lib.background import Background, Changes
from lib.certs import Authority, Leaf
from lib.doorbell import Doorbell
from lib.phone import Phone
from lib.process import JsonPeer
from lib.prosody import Prosody
from lib.push_peer import PushPeer
from lib.signal_peer import SignalPeer


@pytest.fixture(scope="session")
def background() -> Iterator[Background]:
    background = Background()
    yield background
    background.stop()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def leaf(authority: Authority) -> Leaf:
    return authority.leaf("localhost")


@pytest.fixture
def changes() -> Changes:
    return Changes()


@pytest.fixture
def signal(background: Background, changes: Changes, leaf: Leaf) -> Iterator[SignalPeer]:
    """The strict server; whoever broke one of its rules fails the test, unless the test takes the
    list of violations away.
    """
    peer = SignalPeer(background, changes, leaf)
    yield peer
    peer.stop()
    peer.check()


@pytest.fixture
def ntfy(background: Background, changes: Changes, leaf: Leaf) -> Iterator[PushPeer]:
    peer = PushPeer(background, changes, leaf)
    yield peer
    peer.stop()


@pytest.fixture
def json_peer(changes: Changes) -> Iterator[Callable[..., JsonPeer]]:
    """Starts a program of tests/peers that speaks lines of JSON."""
    started: list[JsonPeer] = []

    def start(script: str, *arguments: str) -> JsonPeer:
        started.append(JsonPeer(changes, script, *arguments))
        return started[-1]

    yield start
    for peer in started:
        peer.end()


@pytest.fixture
def prosody(changes: Changes, authority: Authority) -> Iterator[Prosody]:
    server = Prosody(changes, authority)
    yield server
    server.stop()


@pytest.fixture
def phone(
    background: Background, changes: Changes, authority: Authority, prosody: Prosody
) -> Iterator[Phone]:
    """Connected."""
    phone = Phone(background, changes, prosody, str(authority.file))
    phone.connect()
    yield phone
    phone.disconnect()


@pytest.fixture
def make_doorbell(
    changes: Changes, authority: Authority, tmp_path: Path, signal: SignalPeer, ntfy: PushPeer
) -> Iterator[Callable[..., Doorbell]]:
    """Makes a Doorbell that trusts the run's CA; the test starts it. Settings have "__" for dots.
    The peers are asked for so that they outlive it.
    """
    made: list[Doorbell] = []

    def make(**settings: Any) -> Doorbell:
        folder = tmp_path / f"doorbell-{len(made)}"
        folder.mkdir(mode=0o700)
        named = {name.replace("__", "."): value for name, value in settings.items()}
        made.append(
            Doorbell(
                changes,
                folder,
                {
                    "push.ca_file": str(authority.file),
                    "signal.ca_file": str(authority.file),
                    **named,
                },
            )
        )
        return made[-1]

    yield make
    failures = []
    for doorbell in made:
        try:
            doorbell.tear_down()
        except AssertionError as failure:
            failures.append(failure)
        finally:
            if doorbell.process:
                doorbell.process.end()
    if failures:
        raise failures[0]


@pytest.fixture
def doorbell(
    make_doorbell: Callable[..., Doorbell], signal: SignalPeer, ntfy: PushPeer
) -> Doorbell:
    """Running, between the strict Signal server and the fake push server."""
    return make_doorbell(signal__url=signal.url, push__allowed_endpoints=["*", ntfy.origin]).start()


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """A failure shows what Doorbell said."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed and call.when == "call":
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Doorbell):
                report.sections.append((f"{name}: its log", "\n".join(value.output()[-80:])))
