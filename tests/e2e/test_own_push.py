"""A push server of one's own: at another place than its name says, behind a token, without IPv4, at
home, in a Tailscale network. Between the strict Signal server and the fake push server.
"""

import json
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from lib.background import Background, Changes
from lib.certs import Authority, Leaf
from lib.doorbell import Doorbell
from lib.front import Front
from lib.nameserver import Nameserver
from lib.own_network import OwnNetwork, may_have_network
from lib.ports import free_port, has_ipv6_loopback
from lib.push_peer import RING, TEST, PushPeer
from lib.shell import Shell
from lib.signal_peer import Account, SignalPeer

MakeDoorbell = Callable[..., Doorbell]
CHAT, OWN, OTHER = "chat.doorbell.test", "own.doorbell.test", "other.doorbell.test"
TAILSCALE, ULA = "100.101.102.103", "fd12:3456:789a::5"
AT_HOME = {"tailscale.doorbell.test": TAILSCALE, "ula.doorbell.test": ULA}

needs_ipv6 = pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no IPv6")


needs_network = pytest.mark.skipif(
    not may_have_network(f"{ULA}/128"), reason="a network of one's own needs root, ip and the kernel's leave"
)


@pytest.fixture(scope="session")
def own_leaf(authority: Authority) -> Leaf:
    """Valid for names only, and not for where the server is."""
    return authority.leaf("own", [OWN, OTHER, CHAT, *AT_HOME])


@pytest.fixture
def own(background: Background, changes: Changes, own_leaf: Leaf) -> Iterator[PushPeer]:
    peer = PushPeer(background, changes, own_leaf)
    yield peer
    peer.stop()


@pytest.fixture
def chat(background: Background, changes: Changes, own_leaf: Leaf) -> Iterator[SignalPeer]:
    """The messenger's server under a name that only the nameserver knows."""
    peer = SignalPeer(background, changes, own_leaf)
    yield peer
    peer.stop()
    peer.check()


@pytest.fixture
def make(make_doorbell: MakeDoorbell, signal: SignalPeer) -> MakeDoorbell:
    """For public push servers only, unless the settings say something else."""

    def prepare(**settings: Any) -> Doorbell:
        return make_doorbell(**{"signal__url": signal.url, "wake__interval": "50ms", **settings})

    return prepare


class Linked:
    """An account that is registered with an endpoint of `peer` below this origin."""

    def __init__(self, doorbell: Doorbell, signal: SignalPeer, peer: PushPeer, origin: str):
        self.doorbell, self.signal, self.peer = doorbell, signal, peer
        self.account: Account = signal.new_account()
        self.target = peer.endpoint()[len(peer.origin) :]
        assert doorbell.register(self.account, origin + self.target) == "ok"

    def pushes(self, body: bytes) -> list:
        return [
            push
            for push in list(self.peer.pushes)
            if push.target == self.target and push.body == body
        ]

    def wait_tested(self) -> Any:
        self.signal.changed.wait_for(
            lambda: self.pushes(TEST) and self.pushes(TEST)[0].answered, "the test push"
        )
        return self.pushes(TEST)[0]

    def ring(self) -> Any:
        """For one more message; returns the push."""
        before = len(self.pushes(RING))
        number = self.signal.queue(self.account.key)
        self.signal.wait_acked(number)
        assert len(self.pushes(RING)) == before + 1
        return self.pushes(RING)[-1]

    def refusal(self) -> str:
        """What the operator is told who tries it."""
        ping = self.doorbell.command("connection", "ping", self.account.uuid)
        assert ping.returncode == 1, ping.stdout
        return ping.stderr


# push.connect_to


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", pytest.param("[::1]", marks=needs_ipv6)]
)
def test_a_push_server_that_is_elsewhere_is_rung_there_under_its_own_name(
    make: MakeDoorbell, signal: SignalPeer, own: PushPeer, host: str
) -> None:
    doorbell = make(push__connect_to=[f"{OTHER}=192.0.2.1", f"{OWN}={host}:{own.port}"]).start()
    linked = Linked(doorbell, signal, own, f"https://{OWN}")
    assert linked.wait_tested().get("Host") == OWN
    assert linked.ring().get("Host") == OWN
    assert doorbell.command("test", "endpoint", f"https://{OWN}{linked.target}").returncode == 0


def test_it_can_be_said_in_the_environment(
    make: MakeDoorbell, signal: SignalPeer, own: PushPeer
) -> None:
    doorbell = make()
    doorbell.environment["DOORBELL_PUSH_CONNECT_TO"] = (
        f"{OTHER}:8443=localhost,{OWN}=localhost:{own.port}"
    )
    linked = Linked(doorbell.start(), signal, own, f"https://{OWN}")
    linked.wait_tested()
    linked.ring()


def test_its_certificate_must_be_for_its_own_name(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(push__connect_to=[f"{OWN}=localhost:{ntfy.port}"]).start()
    linked = Linked(doorbell, signal, ntfy, f"https://{OWN}")
    assert "No trusted TLS connection" in linked.refusal()
    assert not ntfy.pushes


def test_that_it_is_at_a_private_address_allows_nobody_elses_endpoint(
    make: MakeDoorbell, signal: SignalPeer, own: PushPeer, nameserver: Nameserver
) -> None:
    nameserver.set(OTHER, ["127.0.0.1"])
    doorbell = make(
        push__connect_to=[f"{OWN}=127.0.0.1:{own.port}"],
        net__nameservers=[nameserver.address],
    ).start()
    origin = f"https://{OTHER}:{own.port}"
    refusal = Linked(doorbell, signal, own, origin).refusal()
    assert f"{OTHER} has the private address 127.0.0.1" in refusal
    assert f'to allow it add "{origin}" to push.allowed_endpoints' in refusal
    assert own.connections == 0


def test_a_reload_moves_it(
    make: MakeDoorbell, signal: SignalPeer, own: PushPeer, background: Background, own_leaf: Leaf
) -> None:
    second = PushPeer(background, signal.changed, own_leaf)
    doorbell = make(push__connect_to=[f"{OWN}=localhost:{own.port}"]).start()
    linked = Linked(doorbell, signal, own, f"https://{OWN}")
    linked.wait_tested()
    linked.ring()
    doorbell.reload(push__connect_to=[f"{OWN}=localhost:{second.port}"])
    linked.peer = second
    linked.ring()
    second.stop()


def test_a_place_whose_name_does_not_exist_is_told_with_the_setting(
    make: MakeDoorbell, signal: SignalPeer, own: PushPeer, nameserver: Nameserver
) -> None:
    doorbell = make(
        push__connect_to=[f"{OWN}=nowhere.doorbell.test"],
        net__nameservers=[nameserver.address],
    ).start()
    refusal = Linked(doorbell, signal, own, f"https://{OWN}").refusal()
    assert 'push.connect_to: The name "nowhere.doorbell.test" does not exist' in refusal


# push.headers_file


def write_headers(file: Path, **origins: dict[str, str]) -> None:
    file.write_text(
        "".join(
            f"{origin}:\n" + "".join(f"  {name}: {value}\n" for name, value in headers.items())
            for origin, headers in origins.items()
        )
    )
    file.chmod(0o600)


def test_a_token_goes_to_its_push_server_and_nowhere_else_and_changes_by_reload(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, own: PushPeer, tmp_path: Path
) -> None:
    file = tmp_path / "headers.yaml"
    origin = f"https://{OWN}"
    first = {"Authorization": "Bearer tk_firstsecret", "X-Extra": "extrasecret"}
    write_headers(file, **{origin: first})
    doorbell = make(
        push__connect_to=[f"{OWN}=localhost:{own.port}"],
        push__allowed_endpoints=["*", ntfy.origin],
        push__headers_file=str(file),
    )
    doorbell.secrets |= {"firstsecret", "extrasecret", "secondsecret"}
    doorbell.start()
    here, there = Linked(doorbell, signal, own, origin), Linked(doorbell, signal, ntfy, ntfy.origin)
    for push in (here.wait_tested(), here.ring()):
        sent = [value for name, value in push.headers if name == "Authorization"]
        assert sent == ["Bearer tk_firstsecret"]
        assert push.get("X-Extra") == "extrasecret"
    for push in (there.wait_tested(), there.ring()):
        assert str(push.get("Authorization")).startswith("vapid t=")
        assert push.get("X-Extra") is None

    write_headers(file, **{origin: {"Authorization": "Bearer tk_secondsecret"}})
    doorbell.reload()
    push = here.ring()
    assert (push.get("Authorization"), push.get("X-Extra")) == ("Bearer tk_secondsecret", None)

    write_headers(file, **{origin: {"Host": "secondsecret"}})
    doorbell.reload()
    assert doorbell.has_logged("the old one stays in force")
    assert doorbell.has_logged(f"push.headers_file: {file}:2: Host is a header that Doorbell sets")
    assert here.ring().get("Authorization") == "Bearer tk_secondsecret"
    assert not any("secret" in str(push.headers) for push in ntfy.pushes)


def test_a_refused_token_is_told_and_not_repeated(
    make: MakeDoorbell, signal: SignalPeer, own: PushPeer, tmp_path: Path
) -> None:
    file = tmp_path / "headers.yaml"
    write_headers(file, **{f"https://{OWN}": {"Authorization": "Bearer tk_firstsecret"}})
    doorbell = make(
        push__connect_to=[f"{OWN}=localhost:{own.port}"], push__headers_file=str(file)
    )
    doorbell.secrets.add("firstsecret")
    doorbell.start()
    echo = '{"code":40101,"http":401,"error":"unauthorized: Bearer tk_firstsecret"}'
    own.answer_with({"status": 401, "body": echo})
    refusal = Linked(doorbell, signal, own, f"https://{OWN}").refusal()
    assert "refuses the Authorization that push.headers_file has for it" in refusal
    assert "401" in refusal and "firstsecret" not in refusal


def said_by(doorbell: Doorbell, *words: str) -> str:
    return " ".join(doorbell.command(*words).stdout.split()).lower()


@pytest.mark.parametrize("answer", [(401, 40101), (403, 40301)])
def test_a_refused_token_has_a_cause_of_its_own_also_after_a_restart_and_ends_with_a_new_one(
    make: MakeDoorbell, signal: SignalPeer, own: PushPeer, tmp_path: Path, answer: tuple
) -> None:
    file, origin, (status, code) = tmp_path / "headers.yaml", f"https://{OWN}", answer
    write_headers(file, **{origin: {"Authorization": "Bearer tk_firstsecret"}})
    doorbell = make(
        push__connect_to=[f"{OWN}=localhost:{own.port}"],
        push__headers_file=str(file),
        push__hold="50ms",
    )
    doorbell.secrets |= {"firstsecret", "secondsecret"}
    doorbell.start()
    linked = Linked(doorbell, signal, own, origin)
    linked.wait_tested()
    own.answer_with({"status": status, "body": f'{{"code":{code},"http":{status},"error":"no"}}'})
    number = signal.queue(linked.account.key)
    signal.wait_acked(number)  # owed
    for _ in range(2):
        for words in (("status",), ("doctor",)):
            said = said_by(doorbell, *words)
            assert "refuses the authorization that push.headers_file has for it" in said, said
            assert "look whether what stands there is still valid and may publish" in said, said
            assert "another vapid key" not in said and "ntfy access" not in said, said
        doorbell.stop()
        doorbell.start()

    own.answer_with(200)
    before = len(linked.pushes(RING))
    doorbell.reload()  # with the same one, whose wait goes on
    write_headers(file, **{origin: {"Authorization": "Bearer tk_secondsecret"}})
    doorbell.reload()  # well before the wait that the answer demands
    doorbell.changes.wait_for(lambda: len(linked.pushes(RING)) > before, "a ring with the new one")
    used = [push.get("Authorization") for push in linked.pushes(RING)[before:]]
    assert set(used) == {"Bearer tk_secondsecret"}, used


def test_a_file_that_everybody_may_read_is_told_once(
    make: MakeDoorbell, tmp_path: Path
) -> None:
    file = tmp_path / "headers.yaml"
    write_headers(file, **{f"https://{OWN}": {"X-Token": "firstsecret"}})
    file.chmod(0o644)
    doorbell = make(push__headers_file=str(file))
    doorbell.secrets.add("firstsecret")
    doorbell.start()
    told = [line for line in doorbell.output() if f"run: chmod o= {file}" in line]
    assert len(told) == 1, told


# What stops the start


def start_refusal(shell: Shell, setting: str) -> str:
    (shell.folder / "doorbell.yaml").write_text(f"log:\n  level: info\npush:\n{setting}")
    environment = {"DOORBELL_WEB_LISTEN": f"127.0.0.1:{free_port()}"}
    done = shell.run("--config", "doorbell.yaml", "server", environment=environment)
    assert done.returncode == 1, done.stderr
    assert not (shell.folder / "data").exists()
    return done.stderr


@pytest.mark.parametrize(
    "entry, needles",
    [
        ("ntfy.example.org", ["one = between the two hosts", "ntfy.example.org=192.168.1.5:8443"]),
        ("ntfy.example.org -> ntfy:80", ["one = between", "ntfy.example.org=192.168.1.5:8443"]),
        ("https://ntfy.example.org=ntfy", ["left side", "take https:// and path away"]),
        ("ntfy.example.org=ntfy:http", ["right side", "IPv6 address in [ ]"]),
        ("ok.example=one", ["stands in entry 1, too"]),
    ],
)
def test_a_wrong_entry_of_connect_to_stops_the_start(
    shell: Shell, entry: str, needles: list[str]
) -> None:
    told = start_refusal(shell, f'  connect_to:\n    - ok.example=ok\n    - "{entry}"\n')
    assert "doorbell.yaml:4: push.connect_to: entry 2, " in told
    assert all(needle in told for needle in needles), told


@pytest.mark.parametrize(
    "text, place, needle",
    [
        ("https://ntfy.example.org:\n  TTL: 0\n", ":2: ", "TTL is a header that Doorbell sets"),
        ("ntfy.example.org:\n  X: secret\n", ":1: ", "no push server such as https://ntfy"),
        ("https://ntfy.example.org: secret\n", ":1: ", "indented by two spaces"),
        ('https://a.example:\n  X: "secret\\nTTL: 0"\n', ":2: ", "has a line break"),
        (None, "", "No such file"),
    ],
)
def test_a_wrong_headers_file_stops_the_start_without_showing_a_value(
    shell: Shell, text: str, place: str, needle: str
) -> None:
    if text is not None:
        (shell.folder / "tokens").write_text(text)
    told = start_refusal(shell, "  headers_file: tokens\n")
    assert "doorbell.yaml:4: push.headers_file: " in told
    assert f"tokens{place}" in told and needle in told
    assert "secret" not in told


# Addresses


@needs_ipv6
def test_a_literal_ipv6_address_is_rung_where_it_is_listed(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    origin = f"https://[::1]:{ntfy.port}"
    doorbell = make(push__allowed_endpoints=["*", origin]).start()
    linked = Linked(doorbell, signal, ntfy, origin)
    assert linked.wait_tested().get("Host") == f"[::1]:{ntfy.port}"
    linked.ring()


@needs_ipv6
@pytest.mark.parametrize("family", ["auto", "ipv6"])
def test_a_push_server_without_ipv4_is_rung(
    make: MakeDoorbell, chat: SignalPeer, own: PushPeer, nameserver: Nameserver, family: str
) -> None:
    nameserver.set(CHAT, ["::1"])
    nameserver.set(OWN, ["::1"])
    origin = f"https://{OWN}:{own.port}"
    doorbell = make(
        signal__url=chat.url.replace("localhost", CHAT),
        push__allowed_endpoints=[origin],
        net__nameservers=[nameserver.address],
        net__family=family,
    ).start()
    linked = Linked(doorbell, chat, own, origin)
    linked.wait_tested()
    linked.ring()


@pytest.mark.parametrize("name, hint", zip(AT_HOME, [" (of Tailscale or the like)", ""]))
def test_a_push_server_at_home_is_refused_with_the_entry_to_add(
    make: MakeDoorbell,
    signal: SignalPeer,
    own: PushPeer,
    nameserver: Nameserver,
    name: str,
    hint: str,
) -> None:
    nameserver.set(name, [AT_HOME[name]])
    doorbell = make(net__nameservers=[nameserver.address]).start()
    refusal = Linked(doorbell, signal, own, f"https://{name}").refusal()
    assert f"{name} has the private address {AT_HOME[name]}{hint}; " in refusal
    assert f'to allow it add "https://{name}" to push.allowed_endpoints' in refusal


@pytest.fixture
def home() -> Iterator[OwnNetwork]:
    network = OwnNetwork(f"{TAILSCALE}/32", f"{ULA}/128")
    yield network
    network.leave()


@pytest.fixture
def peers_at_home(
    home: OwnNetwork, background: Background, changes: Changes, leaf: Leaf, own_leaf: Leaf
) -> Iterator[tuple[SignalPeer, PushPeer, Nameserver]]:
    with home.with_peers(background):
        signal = SignalPeer(background, changes, leaf)
        push = PushPeer(background, changes, own_leaf)
        push.stop_listening()
        push.start(0, (TAILSCALE, ULA))
        nameserver = Nameserver(background, changes)
    yield signal, push, nameserver
    for peer in (nameserver, push, signal):
        peer.stop()
    signal.check()


@needs_network
@needs_ipv6
def test_a_push_server_at_home_is_rung_once_there_is_that_entry(
    home: OwnNetwork,
    peers_at_home: tuple[SignalPeer, PushPeer, Nameserver],
    make_doorbell: MakeDoorbell,
) -> None:
    signal, push, nameserver = peers_at_home
    doorbell = make_doorbell(signal__url=signal.url, net__nameservers=[nameserver.address])
    home.inside(doorbell.start)
    origins = []
    for name, address in AT_HOME.items():
        nameserver.set(name, [address])
        origins.append(f"https://{name}:{push.port}")
    linked = [home.inside(Linked, doorbell, signal, push, origin) for origin in origins]
    for one, origin in zip(linked, origins):
        assert f'add "{origin}" to push.allowed_endpoints' in one.refusal()
    assert push.connections == 0
    doorbell.reload(push__allowed_endpoints=["*", *origins])
    for one in linked:
        one.ring()


# What doctor says of it


def faults(doorbell: Doorbell, severity: str = "fault") -> list[dict]:
    report = json.loads(doorbell.command("doctor", "--json").stdout)
    told = json.dumps(report)
    assert not [secret for secret in doorbell.secrets if secret in told], told
    return [one for one in report["findings"] if one["severity"] == severity]


def only_fault(doorbell: Doorbell) -> dict:
    found = faults(doorbell)
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("name", AT_HOME)
def test_doctor_calls_an_address_that_is_not_allowed_a_fault_before_anything_was_rung(
    make: MakeDoorbell, signal: SignalPeer, own: PushPeer, nameserver: Nameserver, name: str
) -> None:
    nameserver.set(name, [AT_HOME[name]])
    doorbell = make(net__nameservers=[nameserver.address]).start()
    Linked(doorbell, signal, own, f"https://{name}")
    fault = only_fault(doorbell)
    assert fault["subject"] == "push server"
    assert f"https://{name}: {name} has the private address {AT_HOME[name]}" in fault["what"]
    assert "; account " in fault["what"] and " is not rung" in fault["what"]
    assert f'add "https://{name}" to push.allowed_endpoints, or run' in fault["fix"]


def test_doctor_says_once_that_an_entry_has_gone_which_a_phone_needs(
    make: MakeDoorbell, signal: SignalPeer, own: PushPeer, nameserver: Nameserver
) -> None:
    nameserver.set(OWN, ["127.0.0.1"])
    origin = f"https://{OWN}:{own.port}"
    # The entry is for a path: an endpoint below it is allowed, as far as doctor can know.
    doorbell = make(
        net__nameservers=[nameserver.address], push__allowed_endpoints=["*", f"{origin}/"]
    ).start()
    linked = Linked(doorbell, signal, own, origin)
    linked.wait_tested()
    linked.ring()
    assert faults(doorbell) == []
    doorbell.stop()
    doorbell.settings["push.allowed_endpoints"] = ["*"]
    doorbell.start()
    for _ in range(2):  # also when a ring has failed for it
        fault = only_fault(doorbell)
        assert f"{OWN} has the private address 127.0.0.1; account " in fault["what"]
        assert f'add "{origin}" to push.allowed_endpoints' in fault["fix"]
        linked.refusal()


@needs_ipv6
def test_doctor_says_that_a_push_server_has_only_addresses_that_net_family_leaves_out(
    make: MakeDoorbell, signal: SignalPeer, own: PushPeer, nameserver: Nameserver
) -> None:
    nameserver.set(OWN, ["::1"])
    origin = f"https://{OWN}:{own.port}"
    doorbell = make(
        push__allowed_endpoints=[origin], net__nameservers=[nameserver.address], net__family="ipv4"
    ).start()
    linked = Linked(doorbell, signal, own, origin)
    assert "has no IPv4 address" in linked.refusal()
    fault = only_fault(doorbell)
    assert f"{origin} has only IPv6 addresses, and net.family is ipv4; account " in fault["what"]
    assert fault["fix"] == "Set net.family to auto."
    doorbell.reload(net__family="auto")
    linked.ring()
    assert faults(doorbell) == []


@needs_network
@pytest.mark.parametrize(
    "address, family", [("2620:fe::fe", "IPv6"), ("9.9.9.9", "IPv4")], ids=["IPv6", "IPv4"]
)
def test_doctor_says_that_this_machine_lacks_the_only_network_of_a_push_server(
    home: OwnNetwork,
    peers_at_home: tuple[SignalPeer, PushPeer, Nameserver],
    make_doorbell: MakeDoorbell,
    address: str,
    family: str,
) -> None:
    """In a network without a way out; nobody is asked there."""
    signal, push, nameserver = peers_at_home
    nameserver.set(OWN, [address])
    doorbell = make_doorbell(signal__url=signal.url, net__nameservers=[nameserver.address])
    home.inside(doorbell.start)
    home.inside(Linked, doorbell, signal, push, f"https://{OWN}")
    fault = home.inside(only_fault, doorbell)
    told = f"has only {family} addresses, and this machine has no {family} that leads there"
    assert f"https://{OWN} {told}; account " in fault["what"]
    assert fault["fix"].startswith(f"Give this machine {family}, or say in push.connect_to")


@pytest.mark.parametrize(
    "place, fix",
    [
        ("127.0.0.1:1", "or correct that place in push.connect_to."),
        ("nowhere.doorbell.test:443", "Correct that place in push.connect_to, or check the name"),
    ],
    ids=["a closed port", "an unknown name"],
)
def test_doctor_names_the_place_where_connect_to_leads_and_nobody_answers(
    make: MakeDoorbell,
    signal: SignalPeer,
    own: PushPeer,
    nameserver: Nameserver,
    place: str,
    fix: str,
) -> None:
    doorbell = make(
        push__connect_to=[f"{OWN}={place}"], net__nameservers=[nameserver.address]
    ).start()
    Linked(doorbell, signal, own, f"https://{OWN}")
    fault = only_fault(doorbell)
    assert f"https://{OWN} (at {place} by push.connect_to): The push server" in fault["what"]
    assert fix in fault["fix"] and "say in push.connect_to" not in fault["fix"]


def test_doctor_says_where_connect_to_leads_also_where_it_is_well(
    make: MakeDoorbell, signal: SignalPeer, own: PushPeer
) -> None:
    doorbell = make(push__connect_to=[f"{OWN}=localhost:{own.port}"]).start()
    Linked(doorbell, signal, own, f"https://{OWN}").wait_tested()
    assert faults(doorbell) == []
    told = f"https://{OWN} (at localhost:{own.port} by push.connect_to) answers."
    assert told in [one["what"] for one in faults(doorbell, "well")]


def test_a_name_that_is_blocked_is_told_as_that_where_no_entry_is_missing(
    make: MakeDoorbell, signal: SignalPeer, own: PushPeer, nameserver: Nameserver
) -> None:
    nameserver.set(OWN, ["127.0.0.1"])
    origin = f"https://{OWN}:{own.port}"
    doorbell = make(
        push__allowed_endpoints=["*", origin], net__nameservers=[nameserver.address]
    ).start()
    linked = Linked(doorbell, signal, own, origin)
    linked.wait_tested()
    nameserver.set(OWN, ["0.0.0.0"])
    doorbell.reload()  # which forgets the address
    assert "as what blocks names answers (Pi-hole, " in linked.refusal()
    status = " ".join(doorbell.command("status").stdout.split())
    assert "let the name through where names are blocked" in status
    fault = only_fault(doorbell)
    assert f"{OWN} is at 0.0.0.0, as what blocks names answers (Pi-hole, " in fault["what"]
    assert fault["fix"].startswith("Let this name through where names are blocked")
    assert f'add "{origin}"' not in status + json.dumps(fault)


def test_doctor_names_the_nameservers_that_are_set_and_do_not_answer(
    make: MakeDoorbell, chat: SignalPeer, own: PushPeer, nameserver: Nameserver
) -> None:
    doorbell = make(
        signal__url=chat.url.replace("localhost", CHAT), net__nameservers=[nameserver.address]
    ).start()
    nameserver.stop()
    (fault,) = [one for one in faults(doorbell) if one["subject"] == "Signal"]
    assert "has no address" in fault["what"]
    assert fault["fix"].startswith("Check that the nameservers in net.nameservers answer")


def test_doctor_tells_what_push_ca_file_mends_and_what_it_does_not(
    make: MakeDoorbell,
    signal: SignalPeer,
    own: PushPeer,
    ntfy: PushPeer,
    authority: Authority,
    tmp_path: Path,
) -> None:
    """No CA of one's own yet, then another one's, then the right one, and another name's; the server
    has the right one all the time, by which phones are rung still."""
    other = tmp_path / "ca"
    other.mkdir()
    right = str(authority.file)
    doorbell = make(push__connect_to=[f"{OWN}=localhost:{own.port}"]).start()
    Linked(doorbell, signal, own, f"https://{OWN}").wait_tested()
    doorbell.settings["push.ca_file"] = ""
    not_loaded, flaw = faults(doorbell, "warning")
    assert not_loaded["what"].endswith("it has another push.ca_file.")
    assert flaw["fix"].endswith("a CA of your own goes into push.ca_file.")
    doorbell.settings["push.ca_file"] = str(Authority(other, "Another CA").file)
    not_loaded, flaw = faults(doorbell, "warning")
    assert not_loaded["subject"] == "running server"
    assert "push.ca_file has another one: add it there." in flaw["fix"]
    doorbell.settings["push.ca_file"] = right
    assert faults(doorbell) == faults(doorbell, "warning") == []
    doorbell.reload(push__connect_to=[f"{OWN}=localhost:{ntfy.port}"])
    fault = only_fault(doorbell)
    assert "No trusted TLS connection to the push server" in fault["what"]
    assert "a certificate for the push server's own name" in fault["fix"]
    assert "push.ca_file" not in fault["fix"]


@needs_ipv6
def test_doctor_warns_of_an_address_in_the_dns_behind_which_nobody_is(
    make: MakeDoorbell,
    signal: SignalPeer,
    own: PushPeer,
    own_leaf: Leaf,
    nameserver: Nameserver,
    front: Front,
) -> None:
    """Of the push server over IPv4, and of the public address over IPv6."""
    nameserver.set(OWN, ["::1", "127.0.0.1"])
    nameserver.set(OTHER, ["::1", "127.0.0.1"])
    own.stop_listening()
    own.start(0, ("::1",))
    front.leaf = own_leaf
    origin, public = f"https://{OWN}:{own.port}", f"https://{OTHER}:{front.port}"
    doorbell = make(
        push__allowed_endpoints=[origin],
        net__nameservers=[nameserver.address],
        web__public_url=f"{public}/",
    ).start()
    front.lead_to(doorbell)
    Linked(doorbell, signal, own, origin).wait_tested()
    assert faults(doorbell) == []
    told = [one for one in faults(doorbell, "warning") if " over IPv" in one["what"]]
    assert [one["subject"] for one in told] == ["push server", "public address"], told
    assert told[0]["what"].startswith(f"{origin} answers, but over IPv4 it cannot be reached")
    assert told[1]["what"].startswith(f"From this machine {public} over IPv6 cannot be reached")
    doorbell.reload(net__family="ipv6")
    assert [one for one in faults(doorbell, "warning") if " over IPv4" in one["what"]] == []
    doorbell.reload(net__family="auto")
    nameserver.set(OWN, ["::1"])
    nameserver.set(OTHER, ["127.0.0.1"])
    assert [one for one in faults(doorbell, "warning") if " over IPv" in one["what"]] == []
