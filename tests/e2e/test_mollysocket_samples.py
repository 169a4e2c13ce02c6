"""MollySocket's published sample files (fixtures/mollysocket) start Doorbell: words, variables,
folders and files as they say, with only the program, its place on this machine and the push server
of the test filled in.
"""

import base64
import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Callable, Iterator, Union

import pytest

from lib.apache import Apache
from lib.background import Changes
from lib.caddy import Caddy
from lib.certs import Authority, Leaf
from lib.doorbell import MOLLY, Doorbell
from lib.drop_in import (
    MollySocket,
    check_that_it_rings,
    key_pair,
    public_key,
    put_in_its_place,
    rings,
    shown_key,
)
from lib.ports import free_port
from lib.process import STOP_DEADLINE
from lib.push_peer import PushPeer
from lib.samples import Start, compose, entries_of, image, kubernetes, systemd
from lib.secrecy import secrecy
from lib.signal_peer import SignalPeer

SAMPLES = Path(__file__).parent / "fixtures" / "mollysocket"
DONE, NOT_DONE = 0, 1


def sample(name: str) -> str:
    return (SAMPLES / name).read_text()


@pytest.fixture
def dropped_in(
    make_doorbell: Callable[..., Doorbell],
    authority: Authority,
    signal: SignalPeer,
    ntfy: PushPeer,
) -> Doorbell:
    """Answers to the names `mollysocket` and `ms`."""
    doorbell = put_in_its_place(make_doorbell(), signal, authority)
    for name in ("mollysocket", "ms"):
        (doorbell.folder / name).symlink_to(doorbell.binary)
    return doorbell


def follow(doorbell: Doorbell, start: Start) -> None:
    """Stands where the sample says, under the name that it calls."""
    doorbell.words = start.words
    doorbell.environment.update(start.environment)
    Path(start.folder).mkdir(parents=True, exist_ok=True)


class Here:
    """Puts a sample's text where this test has room: its folder, the port, the push server, which
    is private and must be named as MollySocket's guide says.
    """

    def __init__(self, doorbell: Doorbell, ntfy: PushPeer, folder: str):
        self.doorbell, self.ntfy, self.folder = doorbell, ntfy, folder

    def __call__(self, text: str) -> str:
        for there, here in [
            ("8020", str(self.doorbell.port)),
            ("0.0.0.0", "127.0.0.1"),
            ('ENDPOINTS=["*"]', f'ENDPOINTS=["{self.ntfy.origin}","*"]'),
            ("ENDPOINTS: '[\"*\"]'", f"ENDPOINTS: '[\"{self.ntfy.origin}\",\"*\"]'"),
            ("endpoints: '[\"*\"]'", f"endpoints: '[\"{self.ntfy.origin}\",\"*\"]'"),
            ("endpoints = ['*']", f"endpoints = ['{self.ntfy.origin}', '*']"),
            (self.folder, f"{self.doorbell.folder}{self.folder}"),
        ]:
            text = text.replace(there, here)
        return text


def settings_of(doorbell: Doorbell) -> str:
    told = doorbell.command("config")
    assert told.returncode == DONE, told.stderr
    return told.stdout


def test_every_sample_is_tested() -> None:
    text = Path(__file__).read_text()
    for file in SAMPLES.iterdir():
        assert f'"{file.name}"' in text or file.name == "README.md", file.name


# Compose and Kubernetes


@pytest.mark.parametrize("name", ["compose-list.yml", "compose-map.yml"])
def test_the_variables_of_a_compose_sample_are_understood_as_they_stand(
    dropped_in: Doorbell, name: str
) -> None:
    dropped_in.environment = compose(sample(name)).environment
    dropped_in.words = ["server"]
    told = settings_of(dropped_in)
    assert 'path: "/data/doorbell.db"  # MOLLY_DB\n' in told
    assert 'mollysocket: "/data/mollysocket.db"  # MOLLY_DB\n' in told
    assert 'listen: ["0.0.0.0:8020"]  # MOLLY_PORT\n' in told
    assert 'allowed_endpoints: ["*"]  # MOLLY_ALLOWED_ENDPOINTS\n' in told
    assert 'allowed: ["*"]  # MOLLY_ALLOWED_UUIDS\n' in told
    assert "level: info  # RUST_LOG\n" in told


@pytest.mark.parametrize("name", ["compose-list.yml", "compose-map.yml"])
def test_a_compose_sample_starts_and_its_accounts_go_on(
    dropped_in: Doorbell, signal: SignalPeer, ntfy: PushPeer, name: str
) -> None:
    here = Here(dropped_in, ntfy, "/data")
    start = compose(here(sample(name)))
    follow(dropped_in, start)
    account, endpoint = signal.new_account(), ntfy.endpoint()
    MollySocket(Path(start.folder) / "mollysocket.db").add(account, endpoint)
    dropped_in.start()
    signal.wait_connected(account)
    rings(signal, ntfy, account, endpoint)
    check_that_it_rings(dropped_in, signal, ntfy)


def test_the_kubernetes_sample_asks_for_its_key_and_starts_with_it(
    dropped_in: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    here = Here(dropped_in, ntfy, "/data")
    deployment = here(sample("kubernetes-deployment.yaml"))
    secret = here(sample("kubernetes-secret.yaml"))
    follow(dropped_in, kubernetes(deployment, secret))
    refused = dropped_in.command("server")
    assert refused.returncode == NOT_DONE and "MOLLY_VAPID_PRIVKEY" in refused.stderr
    private = dropped_in.command("mollysocket", "vapid", "gen").stdout.strip()
    dropped_in.secrets.add(private)
    follow(dropped_in, kubernetes(deployment, secret.replace("placeholder", private)))
    dropped_in.start()
    assert shown_key(dropped_in) == public_key(private)
    check_that_it_rings(dropped_in, signal, ntfy)
    assert "hidden  # MOLLY_VAPID_PRIVKEY" in settings_of(dropped_in)


# systemd

# Stands for systemd-creds, which needs a key of the machine's.
SEAL = """#!/bin/sh
test "$1 $2" = "encrypt -" && base64 > "$3"
"""


def run_once(unit: str, doorbell: Doorbell, folders: dict[str, str]) -> None:
    """Each command of a oneshot unit."""
    tool = doorbell.folder / "systemd-creds"
    tool.write_text(SEAL)
    tool.chmod(0o755)
    path = f"{doorbell.folder}:{os.environ['PATH']}"
    for command in entries_of(unit, "ExecStart"):
        done = subprocess.run(
            shlex.split(command),
            check=True,
            capture_output=True,
            timeout=STOP_DEADLINE,
            env={**doorbell.clean_environment(), **folders, "PATH": path},
        )
        secrecy.command(done, shlex.split(command)[1:])


def credentials_of(unit: str, folder: Path) -> None:
    """Opens what LoadCredentialEncrypted= names, as systemd does, into `folder`."""
    folder.mkdir()
    for entry in entries_of(unit, "LoadCredentialEncrypted"):
        name, _, file = entry.partition(":")
        (folder / name).write_bytes(base64.b64decode(Path(file).read_bytes()))
        (folder / name).chmod(0o400)


def run_unit(doorbell: Doorbell, start: Start) -> None:
    follow(doorbell, start)
    doorbell.binary = doorbell.folder / Path(start.words[0]).name
    doorbell.words = start.words[1:]
    doorbell.start()


def test_the_systemd_units_make_their_key_and_start_with_it(
    dropped_in: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    here = Here(dropped_in, ntfy, "/etc/mollysocket")
    etc, state = dropped_in.folder / "etc/mollysocket", dropped_in.folder / "state"
    etc.mkdir(parents=True)
    state.mkdir()
    folders = {"CONFIGURATION_DIRECTORY": str(etc), "STATE_DIRECTORY": str(state)}
    run_once(sample("mollysocket-vapid.service"), dropped_in, folders)
    private = base64.b64decode((etc / "vapid.key").read_bytes()).decode().strip()
    dropped_in.secrets.add(private)
    unit, credentials = here(sample("mollysocket.service")), dropped_in.folder / "credentials"
    credentials_of(unit, credentials)
    # `systemctl edit` adds what is this machine's.
    dropped_in.environment.update(
        {
            "MOLLY_PORT": str(dropped_in.port),
            "MOLLY_ALLOWED_ENDPOINTS": f"['{ntfy.origin}']",
        }
    )
    run_unit(dropped_in, systemd(unit, str(credentials)))
    assert shown_key(dropped_in) == public_key(private)
    check_that_it_rings(dropped_in, signal, ntfy)
    assert (state / "doorbell.db").exists()
    assert f'mollysocket: "{state}/ms.db"  # {etc}/conf.toml:1\n' in settings_of(dropped_in)


def test_the_unit_and_the_file_of_the_guide_start(
    dropped_in: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    here = Here(dropped_in, ntfy, "/opt/mollysocket")
    opt, credentials = dropped_in.folder / "opt/mollysocket", dropped_in.folder / "credentials"
    opt.mkdir(parents=True)
    (opt / "prod.toml").write_text(here(sample("prod.toml")))
    private, public = key_pair()
    dropped_in.secrets.add(private)
    credentials.mkdir()
    (credentials / "ms_vapid").write_text(private)
    (credentials / "ms_vapid").chmod(0o400)
    account, endpoint = signal.new_account(), ntfy.endpoint()
    MollySocket(opt / "mollysocket.db").add(account, endpoint, forbidden=True)
    run_unit(dropped_in, systemd(here(sample("mollysocket-opt.service")), str(credentials)))
    assert shown_key(dropped_in) == public
    signal.wait_connected(account)
    rings(signal, ntfy, account, endpoint)
    told = settings_of(dropped_in)
    assert f'path: "{opt}/doorbell.db"  # {opt}/prod.toml:1\n' in told
    assert f"enabled: true  # {opt}/prod.toml:4\n" in told


# fly.io


def test_the_image_of_the_fly_template_runs_air_gapped(
    dropped_in: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    """Its folder is the one with the volume, and holds the key and MollySocket's database."""
    start = image(Here(dropped_in, ntfy, "/app")(sample("fly.Dockerfile")))
    dropped_in.folder = Path(start.folder)
    private, public = key_pair()
    dropped_in.secrets.add(private)
    follow(dropped_in, start)
    (dropped_in.folder / "vapid.key").write_text(private)
    (dropped_in.folder / "vapid.key").chmod(0o600)
    account, endpoint = signal.new_account(), ntfy.endpoint()
    MollySocket(dropped_in.folder / "mollysocket.db").add(account, endpoint)
    # What the operator of a private push server has set.
    dropped_in.environment["MOLLY_ALLOWED_ENDPOINTS"] = f'["{ntfy.origin}"]'
    dropped_in.words = start.words  # behind our entrypoint
    dropped_in.start()
    signal.wait_connected(account)
    rings(signal, ntfy, account, endpoint)
    assert f"k={public}" in (ntfy.rings(endpoint)[0].get("authorization") or "")
    other, others = signal.new_account(), ntfy.endpoint()
    words = ["connection", "add", other.uuid, str(other.device), other.password, others]
    added = dropped_in.command("mollysocket", *words)
    assert added.stdout.startswith(f"Connection for {other.uuid} added."), added.stderr
    rings(signal, ntfy, other, others)
    assert dropped_in.has_logged(f"mollysocket://link?vapid={public}&type=airgapped")
    assert dropped_in.has_logged('"doorbell qr-code airgapped" shows the code')
    assert "enabled: false  # MOLLY_WEBSERVER" in settings_of(dropped_in)
    assert (dropped_in.folder / "doorbell.db").exists()


# Reverse proxies

SITE = "molly.domain.tld"
PROXIES = {"Caddyfile": "/", "Caddyfile-path": "/molly/", "apache.conf": "/molly/"}
APACHE_SITE = """\
<VirtualHost *:{port}>
SSLEngine On
SSLCertificateFile {leaf.cert}
SSLCertificateKeyFile {leaf.key}
{sample}
</VirtualHost>
"""


@pytest.fixture
def behind(
    changes: Changes, tmp_path: Path, authority: Authority, dropped_in: Doorbell
) -> Iterator[Callable[[str], int]]:
    """Puts a sample's program in front, with the certificate of its site; returns its port."""
    running: list[Union[Apache, Caddy]] = []
    leaf: Leaf = authority.leaf("samples", [SITE])

    def put(name: str) -> int:
        port, text = free_port(), sample(name).replace("8020", str(dropped_in.port))
        folder = tmp_path / "proxy"
        if name == "apache.conf":
            text = APACHE_SITE.format(port=port, leaf=leaf, sample=text)
            running.append(Apache(changes, folder, port, text))
        else:
            site = f"https://{SITE} {{"
            text = text.replace(site, f"{site}\n\ttls {leaf.cert} {leaf.key}")
            running.append(Caddy(changes, folder, text, https_port=port))
        return port

    yield put
    for proxy in running:
        proxy.stop()


@pytest.mark.parametrize("name, path", PROXIES.items())
def test_a_phone_registers_through_a_proxy_sample(
    dropped_in: Doorbell,
    behind: Callable[[str], int],
    authority: Authority,
    signal: SignalPeer,
    ntfy: PushPeer,
    name: str,
    path: str,
) -> None:
    dropped_in.environment.update(
        {
            "MOLLY_PORT": str(dropped_in.port),
            "MOLLY_ALLOWED_ENDPOINTS": f"[{ntfy.origin}]",
        }
    )
    dropped_in.start()
    curl = ["curl", "-sS", "--fail", "--cacert", str(authority.file), "--user-agent", MOLLY]
    curl += ["--connect-to", f"::127.0.0.1:{behind(name)}", f"https://{SITE}{path}"]
    account, endpoint = signal.new_account(), ntfy.endpoint()
    posted = subprocess.run(
        [*curl, "--header", "Content-Type: application/json", "--data-binary", "@-"],
        input=dropped_in.registration(account, endpoint),
        capture_output=True,
        timeout=STOP_DEADLINE,
    )
    assert posted.returncode == 0, posted.stderr
    assert json.loads(posted.stdout)["mollysocket"]["status"] == "ok"
    rings(signal, ntfy, account, endpoint)
    shown = subprocess.run(
        [*curl, "--user-agent", "Mozilla/5.0"], capture_output=True, text=True, timeout=STOP_DEADLINE
    )
    address = f"https://{SITE}{path}".replace(":", "%3A").replace("/", "%2F")
    assert f"url={address}" in shown.stdout, shown.stdout
