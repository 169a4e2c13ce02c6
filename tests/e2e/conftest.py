"""Real peers, a private CA per run, free ports, and a clean end for every process (see lib/)."""

import os
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

sys.dont_write_bytecode = True
os.umask(0o022)  # files of root are read by the users that Doorbell becomes
os.environ.setdefault("BLACKBOX_SEED", os.urandom(4).hex())  # one for all workers of a run
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "peers"))

import pytest

from lib import unforgivable
from lib.background import Background, Changes
from lib.browser import Browser
from lib.certs import Authority, Leaf
from lib.doorbell import Doorbell
from lib.front import Front
from lib.linking_page import NAME
from lib.nameserver import Nameserver
from lib.phone import Phone
from lib.ports import free_port
from lib.process import JsonPeer
from lib.prosody import Prosody
from lib.push_peer import PushPeer
from lib.receiver import Receiver
from lib.secrecy import secrecy
from lib.shell import OpenFolder, Shell
from lib.signal_peer import SignalPeer
from lib.sleeper import Sleeper


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not named after the test: the path of a socket in there has 107 bytes at most."""
    return tmp_path_factory.mktemp("test")


@pytest.fixture(scope="session", autouse=True)
def the_search_saw_accounts() -> Iterator[None]:
    """Where tests had accounts and servers, lines about accounts were searched; not so where a
    few are played once more (`run`): theirs may have none.
    """
    yield
    if secrecy.servers_with_accounts and "PLAYED_ONCE_MORE" not in os.environ:
        assert secrecy.noted and secrecy.about_accounts, vars(secrecy)


@pytest.fixture(autouse=True)
def nothing_secret_is_printed(the_search_saw_accounts: None) -> Iterator[None]:
    """By no Doorbell of this test. It is set up first, so it comes when all of them have ended."""
    secrecy.begin()
    yield
    found = secrecy.search()
    if found:
        unforgivable.note("a secret was printed")
    assert not found, "a secret was printed:\n" + "\n".join(found)


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
def front(changes: Changes, tmp_path: Path, leaf: Leaf) -> Iterator[Front]:
    front = Front(changes, tmp_path / "nginx", leaf)
    yield front
    front.stop()


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
    secrecy.note_clients(len([session for session in peer.sessions if session.device]))


@pytest.fixture
def receiver(background: Background, changes: Changes, leaf: Leaf) -> Iterator[Receiver]:
    peer = Receiver(background, changes, leaf)
    yield peer
    peer.stop()


@pytest.fixture
def ntfy(background: Background, changes: Changes, leaf: Leaf) -> Iterator[PushPeer]:
    peer = PushPeer(background, changes, leaf)
    yield peer
    peer.stop()


@pytest.fixture
def nameserver(background: Background, changes: Changes) -> Iterator[Nameserver]:
    server = Nameserver(background, changes)
    yield server
    server.stop()


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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What is marked with `both_roads` is played over each of the roads to Signal."""
    if "road" in metafunc.fixturenames and metafunc.definition.get_closest_marker("both_roads"):
        metafunc.parametrize("road", ["http1", "http2"], indirect=True)


@pytest.fixture
def road(request: pytest.FixtureRequest) -> str:
    return getattr(request, "param", "http1")


@pytest.fixture
def sleeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sleeper:
    sleeper = Sleeper(tmp_path)
    monkeypatch.setenv("LD_PRELOAD", str(sleeper.library))
    monkeypatch.setenv("SLEEPY_FIFO", str(sleeper.fifo))
    return sleeper


@pytest.fixture
def make_doorbell(
    changes: Changes,
    authority: Authority,
    tmp_path: Path,
    signal: SignalPeer,
    ntfy: PushPeer,
    road: str,
) -> Iterator[Callable[..., Doorbell]]:
    """Makes a Doorbell that trusts the run's CA; the test starts it. Settings have "__" for dots.
    The peers are asked for so that they outlive it.
    """
    made: list[Doorbell] = []
    way = {}
    if road == "http2":
        way = {"signal.transport": "http2", "signal.http2_url": signal.http2_url}

    def make(**settings: Any) -> Doorbell:
        folder = tmp_path / f"doorbell-{len(made)}"
        folder.mkdir(mode=0o700, exist_ok=True)  # what a test has put there stays
        named = {name.replace("__", "."): value for name, value in settings.items()}
        made.append(
            Doorbell(
                changes,
                folder,
                {
                    "push.ca_file": str(authority.file),
                    "signal.ca_file": str(authority.file),
                    **way,
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


@pytest.fixture(scope="module")
def front_port() -> int:
    """Where a reverse proxy listens, and where the browser finds every port of NAME."""
    return free_port()


@pytest.fixture(scope="module")
def front_leaf(authority: Authority) -> Leaf:
    return authority.leaf("front", [NAME])


@pytest.fixture(scope="module")
def browser(front_port: int, front_leaf: Leaf) -> Iterator[Browser]:
    browser = Browser(NAME, front_port, front_leaf)
    yield browser
    browser.stop()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    folder = tmp_path / "shell"
    folder.mkdir()
    return Shell(folder)


@pytest.fixture
def open_folder() -> Iterator[OpenFolder]:
    folder = OpenFolder()
    yield folder
    folder.remove()


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """A failure shows what Doorbell said."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed and call.when == "call":
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Doorbell):
                report.sections.append((f"{name}: its log", "\n".join(value.output()[-80:])))
