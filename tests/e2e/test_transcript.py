"""The first set-up that README shows is the one that the program plays today: from a start with
nothing to a rung phone, in a network in which the push server is at home. Words are compared, not
lines: names are shorter there, and what changes from run to run is left out.
"""

import difflib
import re
from pathlib import Path
from typing import Callable, Iterator

import pytest

from lib.background import Background, Changes
from lib.certs import Authority, Leaf
from lib.doorbell import Doorbell
from lib.nginx import Nginx, server_block
from lib.own_network import OwnNetwork, may_have_network
from lib.ports import free_port
from lib.process import REPOSITORY
from lib.push_peer import PushPeer
from lib.signal_peer import SignalPeer
from lib.terminal import Terminal

MakeDoorbell = Callable[..., Doorbell]
Peers = tuple[SignalPeer, PushPeer]
PUSH, CHAT, NTFY, HOME = "push.example.org", "chat.example.org", "ntfy.example.org", "192.168.1.5"

pytestmark = pytest.mark.skipif(
    not may_have_network(f"{HOME}/32"), reason="a network of one's own needs root, ip and leave"
)

# What is another one in each run, or is not of README's machine.
CHANGING = {
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ +": "",
    r"[^\n]*Doorbell runs as root[^\n]*\n": "",  # the tests do
    r"[^\n]*This process may open[^\n]*\n": "",
    r"\x1b\[38;5;16[^\n]*\n": "",  # the code
    r"\(the QR code, black on white\)\n": "",
    r"(?<=vapid=)[\w-]+": "KEY",
    r"(?<=account )[0-9a-f]{10}": "PSEUDONYM",
    r"\b\d+ ms\b": "N ms",
    r"(?<=example\.org)(:|%3A)\d+": "",
}


def words_of(text: str) -> list[str]:
    for changing, stands in CHANGING.items():
        text = re.sub(changing, stands, text)
    return text.split()


def expect_same(shown: str, told: list[str]) -> None:
    """`told` are blocks of README, without the commands and what is left out there."""
    lines = "\n".join(told).splitlines(keepends=True)
    kept = "".join(line for line in lines if not line.startswith(("$ ", "...")))
    differences = list(difflib.unified_diff(words_of(kept), words_of(shown), "README", "today"))
    assert not differences, "\n".join(differences)


def blocks_of_readme() -> list[str]:
    """Those of the first set-up: the start in one terminal, and the set-up in another."""
    text = (REPOSITORY / "README.md").read_text()
    first_set_up = text.partition("\nA first set-up, ")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```\n(.*?)^```$", first_set_up, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2 and blocks[0].startswith("$ make run\n"), blocks
    return blocks


@pytest.fixture(scope="module")
def names(authority: Authority) -> Leaf:
    return authority.leaf("names", [PUSH, CHAT, NTFY])


@pytest.fixture
def network() -> Iterator[OwnNetwork]:
    network = OwnNetwork(f"{HOME}/32")
    yield network
    network.leave()


@pytest.fixture
def peers(
    network: OwnNetwork, background: Background, changes: Changes, names: Leaf
) -> Iterator[Peers]:
    with network.with_peers(background):
        signal = SignalPeer(background, changes, names)
        push = PushPeer(background, changes, names)
        push.stop_listening()
        push.start(0, (HOME,))
    yield signal, push
    for peer in (push, signal):
        peer.stop()
    signal.check()


@pytest.fixture
def with_names(tmp_path: Path) -> list[str]:
    """A program that becomes another one, for which these names lead there."""
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {PUSH} {CHAT}\n{HOME} {NTFY}\n")
    script = f'mount --bind {hosts} /etc/hosts && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, "sh"]


@pytest.fixture
def on_defaults(make_doorbell: MakeDoorbell, peers: Peers, with_names: list[str]) -> Doorbell:
    """As `make run` starts it, but for Signal's server and its certificate."""
    signal, _ = peers
    doorbell = make_doorbell(
        signal__url=f"wss://{CHAT}:{signal.port}/v1/websocket/", store__path="./data/doorbell.db"
    )
    doorbell.launcher = with_names
    for path in ("web.listen", "metrics.listen", "log.level"):
        del doorbell.settings[path]
    doorbell.port = 8020
    return doorbell


def phone_registers(
    terminal: Terminal, doorbell: Doorbell, signal: SignalPeer, push: PushPeer
) -> None:
    """And is rung, by a message from somebody else."""
    account = signal.new_account()
    endpoint = push.endpoint().replace(push.origin, f"https://{NTFY}:{push.port}")
    assert doorbell.register(account, endpoint) == "ok"
    terminal.answer("[Y/n]")
    terminal.wait_for("Lock the phone")
    signal.queue(account.key)


def test_the_first_set_up_of_readme_is_as_it_runs_today(
    changes: Changes,
    network: OwnNetwork,
    peers: Peers,
    on_defaults: Doorbell,
    names: Leaf,
    tmp_path: Path,
) -> None:
    signal, push = peers
    doorbell = on_defaults
    network.inside(doorbell.start)
    start, set_up = blocks_of_readme()
    expect_same("\n".join(doorbell.output()), [start])
    port = network.inside(free_port)
    block = server_block(
        port,
        names,
        "location / { proxy_pass http://127.0.0.1:8020/; proxy_set_header Host $http_host;"
        " proxy_set_header X-Forwarded-For $remote_addr; }",
    )
    nginx = network.inside(Nginx, changes, tmp_path / "nginx", block)
    command = [*doorbell.launcher, str(doorbell.binary), "-c", "doorbell.yaml", "setup"]
    terminal = network.inside(
        Terminal, changes, command, doorbell.folder, doorbell.clean_environment()
    )
    try:
        terminal.answer("Public URL: the https address", f"{PUSH}:{port}")
        terminal.answer("Alerts: an ntfy topic")
        terminal.wait_for("Waiting for the phone")
        network.inside(phone_registers, terminal, doorbell, signal, push)
        assert terminal.finish() == 0
    finally:
        terminal.close()
        nginx.stop()
    expect_same(terminal.shown(), [set_up])
