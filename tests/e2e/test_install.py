"""What `make install` puts where, and what `make dist` packs. The Debian package is tried whole by
`make deb-check`.
"""

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from lib.doorbell import BINARY
from lib.shell import Shell, clean_environment

TOP = Path(__file__).resolve().parents[2]
PREFIX = "opt/bell"
INSTALLED = {
    f"{PREFIX}/bin/doorbell",
    f"{PREFIX}/lib/systemd/system/doorbell.service",
    f"{PREFIX}/share/bash-completion/completions/doorbell",
    f"{PREFIX}/share/fish/vendor_completions.d/doorbell.fish",
    f"{PREFIX}/share/man/man1/doorbell.1",
    f"{PREFIX}/share/man/man5/doorbell.yaml.5",
    f"{PREFIX}/share/zsh/site-functions/_doorbell",
    "etc/doorbell/doorbell.yaml",
    "usr/share/doorbell/defaults.yaml",
}
DOCUMENTS = f"{PREFIX}/share/doc/doorbell"


def environment(**more: str) -> dict[str, str]:
    """Without what a make that runs these tests tells its children."""
    return {
        name: value
        for name, value in {**clean_environment(), **more}.items()
        if not name.startswith(("MAKE", "MFLAGS", "GIT_"))
    }


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


class Destination:
    def __init__(self, folder: Path):
        self.folder = folder / "root"
        self.build = folder / "build"
        self.build.mkdir()
        shutil.copy2(BINARY, self.build / "doorbell")

    def make(self, target: str) -> str:
        words = [f"BUILD={self.build}", f"DESTDIR={self.folder}", f"PREFIX=/{PREFIX}"]
        # As old as can be: other tests run the program that building it would replace.
        words += ["--old-file", str(self.build / "doorbell"), "--no-print-directory"]
        done = subprocess.run(
            ["make", target, *words], cwd=TOP, env=environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Destination:
    destination = Destination(tmp_path_factory.mktemp("install"))
    destination.make("install")
    return destination


def test_everything_is_installed_below_its_destination(installed: Destination) -> None:
    found = files_below(installed.folder)
    documents = {name for name in found if name.startswith(f"{DOCUMENTS}/")}
    assert found - documents == INSTALLED
    for name in ("README.md", "docs/migrate-from-mollysocket.md", "config/proxies/Caddyfile"):
        assert f"{DOCUMENTS}/{name}" in documents
        assert installed.read(f"{DOCUMENTS}/{name}") == (TOP / name).read_text()
    assert files_below(installed.build) >= {"man/doorbell.1", "completion/_doorbell"}


def test_what_is_installed_is_readable_for_all_and_the_program_runs(installed: Destination) -> None:
    for name in files_below(installed.folder):
        mode = (installed.folder / name).stat().st_mode & 0o777
        assert mode == (0o755 if name.endswith("bin/doorbell") else 0o644), name
    program = installed.folder / PREFIX / "bin/doorbell"
    done = subprocess.run([program, "--version"], env=environment(), capture_output=True, text=True)
    assert done.stdout.startswith("doorbell "), done.stderr


def test_the_installed_pages_render(installed: Destination) -> None:
    pages = {"man1/doorbell.1": "connection add", "man5/doorbell.yaml.5": "store.path"}
    for name, word in pages.items():
        page = installed.folder / PREFIX / "share/man" / name
        done = subprocess.run(["mandoc", "-Tutf8", page], capture_output=True, text=True)
        assert done.returncode == 0 and word in re.sub(r".\x08", "", done.stdout), done.stderr


def test_the_unit_starts_the_program_where_it_is(installed: Destination) -> None:
    unit = installed.read(f"{PREFIX}/lib/systemd/system/doorbell.service").splitlines()
    assert f"ExecStart=/{PREFIX}/bin/doorbell server" in unit
    assert {"DynamicUser=yes", "ProtectSystem=strict", "StateDirectoryMode=0700"} <= set(unit)


def test_the_settings_of_the_package_are_understood(installed: Destination, tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    for name in ("etc/doorbell/doorbell.yaml", "usr/share/doorbell/defaults.yaml"):
        done = shell.run("-c", str(installed.folder / name), "config")
        assert done.returncode == 0, done.stderr
        assert ("/var/lib/doorbell/doorbell.db" in done.stdout) == name.endswith("defaults.yaml")


def test_settings_survive_being_installed_over_and_uninstalled(tmp_path: Path) -> None:
    destination = Destination(tmp_path)
    destination.make("install")
    settings = destination.folder / "etc/doorbell/doorbell.yaml"
    settings.write_text("log:\n  level: debug\n")
    destination.make("install")
    said = destination.make("uninstall")
    assert files_below(destination.folder) == {"etc/doorbell/doorbell.yaml"}
    assert settings.read_text() == "log:\n  level: debug\n"
    assert "/etc/doorbell/" in said and "/var/lib/doorbell" in said


# The source


def pack(tree: Path, **more: str) -> Path:
    packed = tree / "build"
    done = subprocess.run(
        [tree / "packaging/dist", packed], env=environment(**more), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (file,) = packed.iterdir()
    return file


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Of what lies here, enough to be packed; no checkout."""
    tree = tmp_path / "tree"
    for name in ("docs", "packaging", "src"):
        shutil.copytree(TOP / name, tree / name)
    shutil.copy(TOP / "Makefile", tree)
    return tree


def test_the_same_source_is_packed_into_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    first = pack(tree, SOURCE_DATE_EPOCH="1700000000")
    with tarfile.open(first) as archive:
        (top,) = {name.partition("/")[0] for name in archive.getnames()}
        assert {entry.mtime for entry in archive} == {1700000000}
        archive.extractall(tmp_path)
    assert first.name == f"{top}.tar.gz"
    # Elsewhere, later, by somebody with another mask, and without being told the time.
    unpacked = tmp_path / top
    assert files_below(unpacked) == files_below(tree) - {f"build/{first.name}"}
    os.utime(unpacked / "src/main.c", (1800000000, 1800000000))
    (unpacked / "Makefile").chmod(0o640)
    assert pack(unpacked).read_bytes() == first.read_bytes()


def test_what_belongs_to_whoever_runs_it_in_a_checkout_goes_nowhere(tree: Path) -> None:
    """A store in place of the volume, and what compose.full.yaml is told: as README.md has them."""
    own = {"data/doorbell.db", "docker/data/vapid.key", "docker/.env"}
    for name in own:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    with tarfile.open(pack(tree)) as archive:
        packed = {Path(*Path(name).parts[1:]) for name in archive.getnames()}
    assert Path("src/main.c") in packed
    assert not {path for path in packed if {"data", ".env"} & set(path.parts)}
    ignored = (TOP / ".dockerignore").read_text().split()
    assert {"**/data", "**/.env"} <= set(ignored)
    for name in own:
        done = subprocess.run(["git", "check-ignore", "--no-index", "-q", name], cwd=TOP)
        assert done.returncode == 0 or not (TOP / ".git").exists(), name


# The commit


def test_an_image_of_a_checkout_knows_its_commit_without_the_history(tree: Path) -> None:
    """Engines are given only what .dockerignore lets in of .git."""
    let_in = [line[1:] for line in (TOP / ".dockerignore").read_text().split() if line[0] == "!"]
    assert let_in == [".git/HEAD", ".git/packed-refs", ".git/refs/heads"]
    branch = tree / ".git/refs/heads/topic/one.more"
    branch.parent.mkdir(parents=True)
    (tree / "packaging/COMMIT").write_text("$Format:%H$\n")

    def commit() -> str:
        return subprocess.run(
            [tree / "packaging/print-commit"],
            env=environment(),
            capture_output=True,
            check=True,
            text=True,
        ).stdout.strip()

    assert commit() == "unknown"
    (tree / ".git/HEAD").write_text("ref: refs/heads/topic/one.more\n")
    assert commit() == "unknown"
    (tree / ".git/packed-refs").write_text(
        f"# pack-refs with: peeled\n{'b' * 40} refs/heads/topic/onexmore\n"
        f"{'c' * 40} refs/heads/topic/one.more\n"
    )
    assert commit() == "c" * 40 + "-unchecked"
    branch.write_text("d" * 40 + "\n")
    assert commit() == "d" * 40 + "-unchecked"
    (tree / ".git/HEAD").write_text("e" * 40 + "\n")
    assert commit() == "e" * 40 + "-unchecked"
    (tree / "packaging/COMMIT").write_text("f" * 40 + "\n")
    assert commit() == "f" * 40
