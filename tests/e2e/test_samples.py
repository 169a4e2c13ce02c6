"""The samples of config/ for other systems, and the pages for packagers: their command lines, variables,
settings, paths and ports are the program's own, scripts and YAML are well formed, and what they ask a
running server is answered. No cluster, OpenWrt or NixOS is needed, nor is one tried.
"""

import re
import subprocess
from pathlib import Path
from typing import Any, Callable, Optional

import pytest
import yaml

from lib.doorbell import BINARY, Doorbell
from lib.process import REPOSITORY
from lib.shell import Shell

MakeDoorbell = Callable[..., Doorbell]
CONFIG = REPOSITORY / "config"
KUBERNETES = CONFIG / "kubernetes" / "doorbell.yaml"
OPENRC = CONFIG / "openrc" / "doorbell"
OPENRC_VARIABLES = CONFIG / "openrc" / "doorbell.confd"
OPENWRT = CONFIG / "openwrt" / "doorbell.init"
OPENWRT_DEFAULTS = CONFIG / "openwrt" / "defaults.yaml"
OPENWRT_RECIPE = CONFIG / "openwrt" / "Makefile"
NIXOS = CONFIG / "nixos"
IMAGE_DEFAULTS = REPOSITORY / "docker" / "defaults.yaml"
PAGES = [
    *(KUBERNETES, OPENRC, OPENRC_VARIABLES, OPENWRT, OPENWRT_DEFAULTS, OPENWRT_RECIPE),
    *(NIXOS / name for name in ("README.md", "module.nix", "package.nix")),
    *(REPOSITORY / name for name in ("CHANGELOG.md", "SECURITY.md")),
    *(REPOSITORY / "docs" / name for name in ("packaging.md", "releasing.md")),
]
DONE, NOT_DONE = 0, 1


@pytest.fixture
def table(shell: Shell) -> dict[str, str]:
    """Every setting's name, with its variable's."""
    rows = re.findall(
        r"^\| `(\S+)` \| `(\w+)` \|", shell.run("config", "table").stdout, re.MULTILINE
    )
    assert len(rows) > 40
    return dict(rows)


def sections(table: dict[str, str]) -> str:
    return "|".join(sorted({name.partition(".")[0] for name in table if "." in name}))


# All of them


def scripts() -> list[Path]:
    """By their first line; OpenRC's and OpenWrt's name a shell of their own, whose language is sh's."""
    folders = [path for name in ("config", "packaging") for path in (REPOSITORY / name).rglob("*")]
    files = [path for path in folders if path.is_file()]
    marks = (b"#!/bin/sh", b"#!/sbin/openrc-run")
    return sorted(
        [OPENRC_VARIABLES, *(path for path in files if path.read_bytes().startswith(marks))]
    )


def test_the_scripts_are_well_formed() -> None:
    found = scripts()
    assert {OPENRC, OPENWRT} <= set(found)
    for script in found:
        done = subprocess.run(["sh", "-n", script], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), script


def test_the_yaml_files_are_well_formed() -> None:
    files = sorted(CONFIG.rglob("*.yaml"))
    assert {KUBERNETES, OPENWRT_DEFAULTS} <= set(files)
    for file in files:
        list(yaml.safe_load_all(file.read_text()))


def test_the_variables_are_the_programs(table: dict[str, str]) -> None:
    known = {*table.values(), "DOORBELL_CONFIG"}
    known |= {"DOORBELL_PORT"}  # what Kubernetes makes, and the sample speaks of
    for page in PAGES:
        named = set(re.findall(r"\bDOORBELL_[A-Z0-9_]+\b", page.read_text()))
        assert named <= known, (page, named - known)


def test_the_settings_are_the_programs(table: dict[str, str]) -> None:
    setting = rf"(?<![\w./-])((?:{sections(table)})\.[a-z0-9_]+)"
    files = {"doorbell.db", "vapid.key", "setup.yaml", "admin.token", "metrics.md"}
    for page in PAGES:
        named = set(re.findall(setting, page.read_text())) - files
        assert named <= set(table), (page, named - set(table))


def command_lines(text: str) -> set[str]:
    """In backquotes, or on a line of their own."""
    quoted = re.findall(r"`doorbell ([a-z][^`]*)`", text)
    return {
        *quoted,
        *re.findall(r"^[# $]*(?:kubectl exec .* -- )?doorbell ([a-z][a-z -]*)$", text, re.M),
    }


def test_the_command_lines_are_the_programs(shell: Shell) -> None:
    lines = set().union(*(command_lines(page.read_text()) for page in PAGES))
    assert {"server", "setup", "health --links"} <= lines
    for line in lines:
        command = [word for word in line.split() if re.fullmatch(r"[a-z][a-z-]*", word)][:2]
        done = shell.run(*command, "--help")
        assert done.returncode == DONE, line
        assert all(option in done.stdout for option in re.findall(r"--[a-z-]+", line)), line


def test_the_version_is_the_programs(shell: Shell) -> None:
    version = shell.run("--version").stdout.split()[1]
    pattern = r'(?:doorbell:|PKG_VERSION:=|version = "|doorbell[-_])(\d+\.\d+\.\d+)'
    named = {page: set(re.findall(pattern, page.read_text())) for page in PAGES}
    for page in (KUBERNETES, OPENWRT_RECIPE, NIXOS / "package.nix"):
        assert named[page] == {version}, page
    assert set().union(*named.values()) == {version}


@pytest.mark.parametrize(
    "path", ["/usr/share/doorbell/defaults.yaml", "/etc/doorbell/doorbell.yaml"]
)
def test_the_places_of_its_files_are_the_programs(path: str) -> None:
    assert path.encode() in BINARY.read_bytes()
    assert any(path in page.read_text() for page in PAGES)


@pytest.mark.parametrize("name", ["web.listen", "metrics.listen"])
def test_packagers_are_told_the_ports(name: str, shell: Shell) -> None:
    (port,) = re.findall(
        rf"`{re.escape(name)}` \|[^|]*\| `\S*:(\d+)`", shell.run("config", "table").stdout
    )
    assert f"| {port} |" in (REPOSITORY / "docs" / "packaging.md").read_text()


# Kubernetes

SCALARS: dict[str, Any] = {}
METADATA = {"name": str, "labels": SCALARS}
PROBE = {
    "httpGet": {"path": str, "port": str},
    **dict.fromkeys(["periodSeconds", "timeoutSeconds", "failureThreshold"], int),
}
CONTAINER = {
    "name": str,
    "image": str,
    "args": [str],
    "env": [{"name": str, "value": str}],
    "ports": [{"name": str, "containerPort": int}],
    **dict.fromkeys(["startupProbe", "livenessProbe", "readinessProbe"], PROBE),
    "resources": {"requests": SCALARS, "limits": SCALARS},
    "securityContext": {
        "allowPrivilegeEscalation": bool,
        "readOnlyRootFilesystem": bool,
        "capabilities": {"drop": [str]},
    },
    "volumeMounts": [{"name": str, "mountPath": str}],
}
POD = {
    "automountServiceAccountToken": bool,
    "enableServiceLinks": bool,
    "securityContext": {
        "runAsNonRoot": bool,
        **dict.fromkeys(["runAsUser", "runAsGroup", "fsGroup"], int),
        "fsGroupChangePolicy": str,
        "seccompProfile": {"type": str},
    },
    "containers": [CONTAINER],
    "volumes": [{"name": str, "persistentVolumeClaim": {"claimName": str}}],
}
# As in Kubernetes' reference, as far as the sample goes.
KINDS: dict[str, tuple[str, Any]] = {
    "PersistentVolumeClaim": ("v1", {"accessModes": [str], "resources": {"requests": SCALARS}}),
    "Service": (
        "v1",
        {"selector": SCALARS, "ports": [{"name": str, "port": int, "targetPort": str}]},
    ),
    "Deployment": (
        "apps/v1",
        {
            "replicas": int,
            "strategy": {"type": str},
            "selector": {"matchLabels": SCALARS},
            "template": {"metadata": {"labels": SCALARS}, "spec": POD},
        },
    ),
}


def fits(value: Any, form: Any, where: str) -> None:
    if form is SCALARS:
        assert all(isinstance(each, (str, int)) for each in value.values()), where
    elif isinstance(form, dict):
        assert isinstance(value, dict) and set(value) <= set(form), (where, value)
        for name, inner in value.items():
            fits(inner, form[name], f"{where}.{name}")
    elif isinstance(form, list):
        assert isinstance(value, list) and value, where
        for inner in value:
            fits(inner, form[0], where)
    else:
        assert type(value) is form, (where, value)


@pytest.fixture
def objects() -> dict[str, Any]:
    return {each["kind"]: each for each in yaml.safe_load_all(KUBERNETES.read_text())}


@pytest.fixture
def pod(objects: dict[str, Any]) -> dict[str, Any]:
    return objects["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod["containers"]
    return container


def test_kubernetes_knows_the_fields(objects: dict[str, Any]) -> None:
    assert set(objects) == set(KINDS)
    for kind, found in objects.items():
        version, spec = KINDS[kind]
        assert found.pop("kind") == kind and found.pop("apiVersion") == version
        fits(found, {"metadata": METADATA, "spec": spec}, kind)


def test_kubernetes_objects_fit_each_other(
    objects: dict[str, Any], container: dict[str, Any]
) -> None:
    claim, service, deployment = (objects[kind] for kind in KINDS)
    template = deployment["spec"]["template"]
    labels = template["metadata"]["labels"]
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"] == labels
    (volume,), (mount,) = template["spec"]["volumes"], container["volumeMounts"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert volume["name"] == mount["name"]
    (port,), (door,) = container["ports"], service["spec"]["ports"]
    probes = [container[probe]["httpGet"]["port"] for probe in container if probe.endswith("Probe")]
    assert {door["targetPort"], *probes} == {port["name"]}


def test_kubernetes_never_runs_two(objects: dict[str, Any]) -> None:
    spec = objects["Deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_kubernetes_gives_it_no_rights(pod: dict[str, Any], container: dict[str, Any]) -> None:
    """What the Pod Security Standard "restricted" asks for, and a file system that cannot be written."""
    own, whole = container["securityContext"], pod["securityContext"]
    assert whole["runAsNonRoot"] and whole["runAsUser"] > 0
    assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_kubernetes_starts_the_image_as_it_is_made(container: dict[str, Any], shell: Shell) -> None:
    image = yaml.safe_load(IMAGE_DEFAULTS.read_text())
    (mount,), (port,) = container["volumeMounts"], container["ports"]
    assert Path(image["store.path"]).parent == Path(mount["mountPath"])
    assert image["web.listen"].endswith(f":{port['containerPort']}")
    assert shell.run(*container["args"], "--help").returncode == DONE
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    done = shell.run("config", environment=environment)
    assert (done.returncode, done.stderr) == (DONE, "")
    assert all(name in done.stdout for name in environment)


def test_kubernetes_probes_are_answered(
    container: dict[str, Any], make_doorbell: MakeDoorbell
) -> None:
    doorbell = make_doorbell().start()
    asked = {
        name: container[f"{name}Probe"]["httpGet"]["path"]
        for name in ("startup", "liveness", "readiness")
    }
    assert asked == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    assert {doorbell.request("GET", path)[0] for path in asked.values()} == {200}
    assert doorbell.request("GET", "/healths")[0] == 404


# OpenRC and OpenWrt


def functions_of(
    script: Path, commands: str, folder: Path, **variables: str
) -> subprocess.CompletedProcess:
    """Runs a script's functions with this test's program, and with stubs that print what they are told."""
    stubs = "checkpath", "ebegin", "eend", "supervise-daemon", "chown", "chmod", "mkdir"
    told = "".join(f'{name}() {{ echo {name} "$@"; }}\n' for name in stubs)
    procd = "procd_open_instance", "procd_close_instance", "procd_set_param"
    told += "".join(f'{name}() {{ echo {name} "$@"; }}\n' for name in procd)
    own = "".join(f"{name}='{value}'\n" for name, value in variables.items())
    return subprocess.run(
        ["bash", "--posix", "-euc", f"set +o posix\n{told}. '{script}'\n{own}{commands}"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "RC_SVCNAME": "doorbell"},
        timeout=15,
    )


def test_openrc_starts_only_with_a_good_configuration(shell: Shell) -> None:
    shell.write("store.path: store/doorbell.db\n")
    good = functions_of(OPENRC, "start_pre", shell.folder, command=str(BINARY))
    assert (good.returncode, good.stderr) == (0, "")
    shell.write("nonsense: 1\n")
    bad = functions_of(OPENRC, "start_pre || exit", shell.folder, command=str(BINARY))
    assert bad.returncode == NOT_DONE and '"nonsense" is not known' in bad.stderr
    assert (
        functions_of(OPENRC, "reload || exit", shell.folder, command=str(BINARY)).returncode
        == NOT_DONE
    )


def test_openrc_asks_a_running_server_how_it_is(make_doorbell: MakeDoorbell) -> None:
    doorbell = make_doorbell()
    doorbell.write_configuration()

    def asked() -> subprocess.CompletedProcess:
        return functions_of(OPENRC, "healthcheck || exit", doorbell.folder, command=str(BINARY))

    assert asked().returncode == NOT_DONE
    doorbell.start()
    assert asked().returncode == DONE


def test_openrc_runs_the_server_where_the_package_keeps_its_store(shell: Shell) -> None:
    said = functions_of(
        OPENRC, 'echo "$command $command_args"; echo "$directory"', shell.folder
    ).stdout.split("\n")
    program, words = said[0].split(" ", 1)
    defaults = yaml.safe_load((REPOSITORY / "packaging" / "defaults.yaml").read_text())
    assert (Path(program).name, Path(said[1])) == ("doorbell", Path(defaults["store.path"]).parent)
    assert shell.run(*words.split(), "--help").returncode == DONE


def test_openrc_variables_are_taken(shell: Shell) -> None:
    named = re.findall(r'^#export (\w+)="(.*)"$', OPENRC_VARIABLES.read_text(), re.MULTILINE)
    done = shell.run("config", environment=dict(named))
    assert named and (done.returncode, done.stderr) == (DONE, "")
    assert all(name in done.stdout for name, _ in named)


def told(output: str, name: str) -> Optional[str]:
    found = re.search(rf"^procd_set_param {name} (.*)$", output, re.MULTILINE)
    return found and found[1]


def test_openwrt_runs_the_server_where_its_store_outlives_the_power(shell: Shell) -> None:
    done = functions_of(OPENWRT, "start_service", shell.folder)
    assert (done.returncode, done.stderr) == (0, "")
    program, *words = (told(done.stdout, "command") or "").split()
    assert Path(program).name == "doorbell" and shell.run(*words, "--help").returncode == DONE
    folder = Path(yaml.safe_load(OPENWRT_DEFAULTS.read_text())["store.path"]).parent
    assert f"mkdir -p {folder}" in done.stdout and not folder.is_relative_to("/var")
    assert (told(done.stdout, "user"), told(done.stdout, "reload_signal")) == ("doorbell", "HUP")
    assert (told(done.stdout, "file") or "").encode() in BINARY.read_bytes()


def test_openwrt_defaults_are_good(shell: Shell) -> None:
    shell.write(OPENWRT_DEFAULTS.read_text())
    done = shell.run("config", "check")
    assert (done.returncode, done.stderr) == (DONE, "")


# NixOS


def test_nixos_settings_are_good(shell: Shell, table: dict[str, str]) -> None:
    text = "".join((NIXOS / name).read_text() for name in ("README.md", "module.nix"))
    named = dict(re.findall(r'settings\.(\w+\.\w+) = (?:lib\.mkDefault )?"(\S+)"', text))
    assert set(named) == {"web.public_url", "store.path"}
    shell.write("".join(f"{name}: {value}\n" for name, value in named.items()))
    done = shell.run("config", "check")
    assert (done.returncode, done.stderr) == (DONE, "")
