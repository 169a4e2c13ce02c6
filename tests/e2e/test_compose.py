"""The files of docker/ and config/quadlet/ as people copy them: what they say is what the image and
Doorbell understand, and the chain of compose.full.yaml rings, with Debian's Caddy in the place of its
image. tests/image/check runs the image itself.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
import yaml

from lib.background import Changes
from lib.caddy import Caddy
from lib.certs import Authority
from lib.doorbell import MOLLY, Doorbell
from lib.drop_in import rings
from lib.linking_page import NAME
from lib.ports import free_port
from lib.process import REPOSITORY, STOP_DEADLINE
from lib.push_peer import PushPeer
from lib.samples import entries_of
from lib.shell import Shell
from lib.signal_peer import SignalPeer

DOCKER = REPOSITORY / "docker"
QUADLET = REPOSITORY / "config" / "quadlet" / "doorbell.container"
FILES = sorted(file.name for file in DOCKER.glob("compose*.yaml"))
VARIABLE = re.compile(r"\$\{(\w+)(?::\?[^}]*)?\}")

each_file = pytest.mark.parametrize("name", FILES)


def filled(value: Any, variables: dict[str, str]) -> Any:
    """With what Compose puts in the place of ${NAME} and ${NAME:?what to do}."""
    if isinstance(value, dict):
        return {key: filled(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, variables) for inner in value]
    if isinstance(value, str):
        return VARIABLE.sub(lambda found: variables[found.group(1)], value)
    return value


def services(name: str) -> dict[str, Any]:
    text = yaml.safe_load((DOCKER / name).read_text())
    return filled(text, {"DOMAIN": NAME})["services"]


def instructions(name: str) -> list[str]:
    """Of the Dockerfile's last stage, the words behind `name`."""
    text = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
    stage = text[text.rindex("\nFROM ") :]
    return re.findall(rf"^{name} +(.*)$", stage, re.MULTILINE)


def user_of_the_image() -> str:
    (number,) = re.findall(r"^user=(\d+)", (DOCKER / "assemble").read_text(), re.MULTILINE)
    return number


def test_there_are_the_three_files() -> None:
    assert FILES == ["compose.full.yaml", "compose.hardened.yaml", "compose.yaml"]


@each_file
def test_a_compose_file_builds_the_image_that_it_runs(name: str) -> None:
    service = services(name)["doorbell"]
    context = DOCKER / service["build"]["context"]
    assert (context / service["build"]["dockerfile"]).samefile(DOCKER / "Dockerfile")
    assert (context / "src" / "main.c").exists()
    assert service["image"] == "doorbell" and service["restart"] == "unless-stopped"
    assert not {"command", "entrypoint", "healthcheck"} & service.keys()  # the image's are right


@each_file
def test_the_data_outlives_the_container_and_is_the_projects_alone(name: str) -> None:
    """With a name of its own, a trial by `-p` would open the store that is in use, and `down -v` delete it."""
    text = yaml.safe_load((DOCKER / name).read_text())
    (volume,) = text["services"]["doorbell"]["volumes"]
    source, _, place = volume.partition(":")
    assert text["volumes"][source] is None
    assert instructions("VOLUME") == [place] == ["/data"]


@each_file
def test_no_port_but_the_proxys_is_open_to_strangers(name: str) -> None:
    (exposed,) = instructions("EXPOSE")
    for service, said in services(name).items():
        for port in said.get("ports", []):
            if service == "caddy":
                assert port.split("/")[0] in ("80:80", "443:443")
            else:
                assert service == "doorbell" and port == f"127.0.0.1:8020:{exposed}"


@each_file
def test_all_variables_of_a_compose_file_are_understood(shell: Shell, name: str) -> None:
    environment = services(name)["doorbell"]["environment"]
    told = shell.run("config", environment=environment)
    assert (told.returncode, told.stderr) == (0, "")
    for variable in environment:
        assert f"# {variable}\n" in told.stdout, told.stdout


def test_what_a_compose_file_proposes_in_a_comment_is_understood(shell: Shell) -> None:
    text = (DOCKER / "compose.yaml").read_text()
    proposed = dict(re.findall(r'^ +# (DOORBELL_\w+): "(.*)"$', text, re.MULTILINE))
    assert proposed
    told = shell.run("config", environment=proposed)
    assert (told.returncode, told.stderr) == (0, "")


def test_the_hardened_file_is_the_plain_one_with_rights_taken_away() -> None:
    plain = services("compose.yaml")["doorbell"]
    hardened = services("compose.hardened.yaml")["doorbell"]
    assert plain.items() <= hardened.items()
    user = user_of_the_image()
    taken = {key: value for key, value in hardened.items() if key not in plain}
    assert taken.pop("logging")["options"].keys() == {"max-size", "max-file"}
    assert taken == {
        "user": f"{user}:{user}",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "read_only": True,
        "mem_limit": "256m",
        "pids_limit": 64,
    }


def test_the_full_file_says_what_is_missing_without_a_domain() -> None:
    text = (DOCKER / "compose.full.yaml").read_text()
    assert re.search(r"\$\{DOMAIN:\?set DOMAIN to [^}]+\}", text)
    with pytest.raises(KeyError):
        filled(yaml.safe_load(text), {})


def test_the_quadlet_runs_the_image_as_its_own_user_and_without_rights() -> None:
    text = QUADLET.read_text()
    said = {
        key: entries_of(text, key)
        for key in ("Image", "User", "Group", "ReadOnly", "DropCapability", "NoNewPrivileges")
    }
    user = user_of_the_image()
    assert said == {
        "Image": ["localhost/doorbell"],
        "User": [user],
        "Group": [user],
        "ReadOnly": ["true"],
        "DropCapability": ["all"],
        "NoNewPrivileges": ["true"],
    }
    (volume,) = entries_of(text, "Volume")
    source, _, place = volume.partition(":")
    assert (QUADLET.parent / source).exists() and [place] == instructions("VOLUME")
    assert entries_of(text, "PublishPort") == ["127.0.0.1:8020:8020"]


# The whole chain


@pytest.fixture
def caddy_port() -> int:
    return free_port()


@pytest.fixture
def neighbour(
    make_doorbell: Callable[..., Doorbell], signal: SignalPeer, caddy_port: int
) -> Doorbell:
    """With the variables of compose.full.yaml; only the places of its neighbours are the test's."""
    doorbell = make_doorbell(signal__url=signal.url)
    environment = services("compose.full.yaml")["doorbell"]["environment"]
    assert environment["DOORBELL_PUSH_CONNECT_TO"] == f"{NAME}=caddy:443"
    doorbell.environment = {
        **environment,
        "DOORBELL_PUSH_CONNECT_TO": f"{NAME}=127.0.0.1:{caddy_port}",
    }
    return doorbell.start()


@pytest.fixture
def caddy(
    changes: Changes,
    tmp_path: Path,
    authority: Authority,
    neighbour: Doorbell,
    ntfy: PushPeer,
    caddy_port: int,
) -> Iterator[Caddy]:
    """With the Caddyfile of compose.full.yaml. The push server here has TLS."""
    service = services("compose.full.yaml")["caddy"]
    assert service["command"][-1].startswith("printenv CADDYFILE >/etc/caddy/Caddyfile && exec caddy")
    leaf = authority.leaf("full", [NAME])
    trusting = f"{{\n transport http {{\n tls_trusted_ca_certs {authority.file}\n }}\n }}"
    text = service["environment"]["CADDYFILE"]
    for there, here in [
        (f"{NAME} {{", f"{NAME} {{\n tls {leaf.cert} {leaf.key}"),
        ("reverse_proxy doorbell:8020", f"reverse_proxy 127.0.0.1:{neighbour.port}"),
        ("reverse_proxy ntfy:8080", f"reverse_proxy {ntfy.origin} {trusting}"),
    ]:
        assert text.count(there) == 1, text
        text = text.replace(there, here)
    proxy = Caddy(changes, tmp_path / "caddy", text, https_port=caddy_port)
    yield proxy
    proxy.stop()


def test_the_full_chain_registers_and_rings_under_one_name(
    neighbour: Doorbell,
    caddy: Caddy,
    caddy_port: int,
    authority: Authority,
    signal: SignalPeer,
    ntfy: PushPeer,
) -> None:
    """The phone finds Doorbell below the path, and Doorbell finds ntfy beside it."""
    curl = ["curl", "-sS", "--fail", "--cacert", str(authority.file), "--user-agent", MOLLY]
    curl += ["--connect-to", f"::127.0.0.1:{caddy_port}", f"https://{NAME}/doorbell/"]
    account, topic = signal.new_account(), ntfy.endpoint()
    endpoint = topic.replace(ntfy.origin, f"https://{NAME}")
    posted = subprocess.run(
        [*curl, "--header", "Content-Type: application/json", "--data-binary", "@-"],
        input=neighbour.registration(account, endpoint),
        capture_output=True,
        timeout=STOP_DEADLINE,
    )
    assert posted.returncode == 0, posted.stderr
    assert json.loads(posted.stdout)["mollysocket"]["status"] == "ok"
    rings(signal, ntfy, account, topic)
    assert ntfy.rings(topic)[0].get("x-forwarded-host") == NAME  # it came through Caddy
