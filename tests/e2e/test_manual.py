"""The manual pages, --help and the completion of shells come from the same tables as the program:
what one of them tells, the others tell, and the program understands.
"""

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from lib.background import Changes
from lib.process import REPOSITORY
from lib.shell import Shell, clean_environment
from lib.status_page import until
from lib.terminal import Terminal

SHELLS = ["bash", "zsh", "fish"]
OPTION = re.compile(r"(?<![\w-])--?[a-z][\w-]*")


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(tmp_path_factory.mktemp("manual"))


def said(shell: Shell, *words: str) -> str:
    done = shell.run(*words)
    assert (done.returncode, done.stderr) == (0, ""), (words, done.stderr)
    return done.stdout


class Help:
    """What --help prints of one command, or of the program."""

    def __init__(self, text: str):
        self.text = text
        self.usage = text.splitlines()[0].removeprefix("Usage: ")
        self.commands = self._labels(text, "Commands:")
        self.options = OPTION.findall(" ".join(self._labels(text, "Options")))
        self.whole_options = [word for word in self.options if word.startswith("--")]
        self.examples = re.findall(r"\nExample:\n  (.*)\n", text)

    @staticmethod
    def _labels(text: str, title: str) -> list[str]:
        _, _, section = text.partition(f"\n{title}")
        block = section.partition("\n\n")[0]
        labels = re.findall(r"^  (\S.*?)(?:   *\S.*)?$", block, re.MULTILINE)
        return labels if title == "Options" else [label.split(" ")[0] for label in labels]


@pytest.fixture(scope="module")
def helps(shell: Shell) -> dict[str, Help]:
    """By command: "", "connection", "connection list"."""

    def walk(path: tuple[str, ...]) -> Iterator[tuple[str, Help]]:
        here = Help(said(shell, *path, "--help"))
        yield " ".join(path), here
        for name in here.commands:
            yield from walk((*path, name))

    found = dict(walk(()))
    assert {"", "server", "connection list", "config sample", "man 5"} <= set(found)
    return found


# --help


def test_the_help_of_each_command_names_it_and_each_option_that_it_takes(
    helps: dict[str, Help],
) -> None:
    for path, entry in helps.items():
        assert entry.usage.startswith(f"doorbell {path}".rstrip()), path
        taken = set(OPTION.findall(entry.usage.removeprefix(f"doorbell {path}")))
        assert taken <= set(entry.options), path


def test_what_an_option_takes_is_called_alike_in_both_places(helps: dict[str, Help]) -> None:
    valued = re.compile(r"(--[a-z][\w-]*) ([A-Z][A-Z=]*)")
    for path, entry in helps.items():
        told = dict(valued.findall(entry.text.partition("\nOptions")[2]))
        for option, value in valued.findall(entry.usage):
            assert told[option] == value, path
    assert dict(valued.findall(helps["setup"].usage))["--wait"] == "TIME"


def test_help_before_a_command_is_help_after_it(shell: Shell) -> None:
    after = said(shell, "connection", "list", "--help")
    for words in (["help", "connection", "list"], ["connection", "help", "list"], ["c", "l", "-h"]):
        assert said(shell, *words) == after


def test_help_wins_over_the_words_after_it(shell: Shell) -> None:
    for command in ([], ["connection"], ["config"], ["import"]):
        assert said(shell, *command, "--help", "add") == said(shell, *command, "--help")


def test_each_example_is_a_command_line_that_the_program_understands(
    shell: Shell, helps: dict[str, Help]
) -> None:
    for path, entry in helps.items():
        for example in entry.examples:
            program, *words = shlex.split(re.split(r" [>|] ", example)[0])
            assert program == "doorbell", example
            understood = Help(said(shell, *words, "--help"))
            assert understood.usage == entry.usage, (path, example)


def test_a_slip_in_a_command_is_told_with_the_nearest_one(shell: Shell) -> None:
    done = shell.run("conection")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == 'doorbell: "conection" is not a command; did you mean "connection"?\n'


def test_an_option_behind_a_command_that_belongs_before_it_is_told(shell: Shell) -> None:
    done = shell.run("server", "--config", "doorbell.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "options stand before the command" in done.stderr


# What a command needs beside its configuration

NOTHING, FILES = "It needs no server and no store.", "It needs no server: what it reads or writes"
STORE, REST = "It reads the store itself, whether", "It acts on the store itself, while no server"
EITHER, SERVER = "It asks the running server; where none", "It needs the running server."


def test_each_command_says_what_it_needs_and_no_page_says_otherwise(
    shell: Shell, helps: dict[str, Help]
) -> None:
    for path, entry in helps.items():
        is_group = entry.commands and "COMMAND" in entry.usage and path != "config"
        text = re.sub(r"\s+", " ", entry.text)
        told = [one for one in (NOTHING, FILES, STORE, REST, EITHER, SERVER) if one in text]
        assert len(told) == (0 if is_group or path in ("", "server") else 1), path
    assert "without a server they act on the store" not in rendered(said(shell, "man", "1"))


def test_what_needs_nothing_works_in_an_empty_folder_and_what_needs_a_server_says_so(
    helps: dict[str, Help], tmp_path: Path
) -> None:
    empty = Shell(tmp_path)
    for path, entry in helps.items():
        text = re.sub(r"\s+", " ", entry.text)
        if NOTHING in text and path != "test endpoint":
            assert empty.run(*path.split()).returncode == 0, path
        if SERVER in text:
            done = empty.run(*path.split())
            assert done.returncode == 1 and "o server" in done.stderr, (path, done.stderr)
    assert "private address" in empty.run("test", "endpoint", "https://127.0.0.1/up").stderr
    assert not list(tmp_path.iterdir())


# The pages


@pytest.fixture(scope="module", params=["1", "5"])
def page(shell: Shell, request: pytest.FixtureRequest) -> str:
    return said(shell, "man", request.param)


def rendered(page: str) -> str:
    """As a terminal shows it, without its line breaks."""
    done = subprocess.run(
        ["mandoc", "-Tascii", "-Owidth=200"], input=page, capture_output=True, text=True, check=True
    )
    return re.sub(r"\s+", " ", re.sub(r".\x08", "", done.stdout))


def labels(page: str, heading: str) -> list[str]:
    """Of the entries of one section, without those within entries."""
    section = page.partition(f'.SH "{heading}"\n')[2].partition("\n.SH ")[0]
    section = re.sub(r"^\.RS\n.*?^\.RE$", "", section, flags=re.MULTILINE | re.DOTALL)
    return [text.replace("\\-", "-") for text in re.findall(r'^\.B "(.*)"$', section, re.MULTILINE)]


def test_the_pages_are_without_a_warning(page: str) -> None:
    done = subprocess.run(["mandoc", "-Tlint"], input=page, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_the_pages_have_the_date_of_the_version(page: str) -> None:
    version = (REPOSITORY / "src" / "version.h").read_text()
    (date,) = re.findall(r'^#define DOORBELL_DATE "(\d{4}-\d\d-\d\d)"$', version, re.MULTILINE)
    assert f'"{date}"' in page.splitlines()[0].replace("\\-", "-")
    number = re.findall(r'^#define DOORBELL_VERSION "(.*)"$', version, re.MULTILINE)[0]
    released = re.search(
        rf"^## \[{re.escape(number)}\] - (\S+)$",
        (REPOSITORY / "CHANGELOG.md").read_text(),
        re.MULTILINE,
    )
    assert not released or released[1] == date


def test_the_pages_name_what_systemd_hands_over_and_what_an_upgrade_leaves(shell: Shell) -> None:
    credentials = rendered(said(shell, "man", "5"))
    assert "a credential named vapid.key" in credentials and "one named doorbell-key" in credentials
    assert "doorbell.db.before-vN" in labels(said(shell, "man", "1"), "FILES")


def test_the_page_of_commands_has_those_of_help_and_no_other(
    shell: Shell, helps: dict[str, Help]
) -> None:
    usages = [entry.usage for path, entry in helps.items() if path]
    entries = labels(said(shell, "man", "1"), "COMMANDS")
    assert [f"doorbell {entry}" for entry in entries] == usages


def test_the_page_of_commands_has_each_option_and_sentence_of_help(
    shell: Shell, helps: dict[str, Help]
) -> None:
    text = rendered(said(shell, "man", "1"))
    for path, entry in helps.items():
        for option in entry.options:
            assert option in text, (path, option)
        for example in entry.examples:
            assert example in text, (path, example)
    for path in filter(None, helps):
        about = helps[path].text.split("\n\n")[1]
        for sentence in re.split(r"(?<=[.;:]) ", re.sub(r"\s+", " ", about)):
            assert sentence in text, (path, sentence)


def settings_of_sample(shell: Shell) -> list[str]:
    names, section = [], ""
    for line in said(shell, "config", "sample").splitlines():
        if found := re.fullmatch(r"(\w+):", line):
            section = f"{found[1]}."
        elif found := re.match(r"(  )?#(\w+): ?", line):
            names.append((section if found[1] else "") + found[2])
    return names


def test_the_page_of_settings_has_those_of_the_sample_and_no_other(shell: Shell) -> None:
    names = settings_of_sample(shell)
    assert "push.timeout" in names and "log.level" in names
    assert [label.split(" ")[0] for label in labels(said(shell, "man", "5"), "SETTINGS")] == names


def test_the_page_of_settings_has_each_text_as_the_table_has_it(shell: Shell) -> None:
    text = rendered(said(shell, "man", "5"))
    rows = said(shell, "config", "table").splitlines()[2:]
    assert len(rows) == len(settings_of_sample(shell))
    for row in rows:
        cells = [cell.strip("` ") for cell in row.strip("| ").split(" | ", 3)]
        name, variable, default, meaning = cells
        assert f"Environment: {variable}." in text, name
        assert not default or f"default {default})" in text, name
        sentence = re.split(" One of: | A change needs", meaning)[0]
        assert re.sub(" +", " ", sentence) in text, name


def entry_of(page: str, setting: str) -> str:
    return page.partition(f'.B "{setting} ')[2].partition(".TP\n")[0].replace("\n", " ")


def test_the_page_of_settings_tells_what_needs_a_restart_and_what_mollysocket_calls_it(
    shell: Shell,
) -> None:
    page = said(shell, "man", "5")
    for name in ("store.path", "web.listen", "accounts.max", "signal.url"):
        assert "A change needs a restart." in entry_of(page, name), name
    for name in ("push.timeout", "web.public_url", "log.level"):
        assert entry_of(page, name) and "restart" not in entry_of(page, name), name
    assert "MollySocket: MOLLY_HOST, MOLLY_PORT." in entry_of(page, "web.listen")
    assert "never printed" in entry_of(page, "push.vapid_key")


# Completion


@pytest.fixture(scope="module")
def script(shell: Shell) -> Path:
    file = shell.folder / "completion.bash"
    file.write_text(said(shell, "completion", "bash"))
    return file


COMPLETE = """
compopt() { :; }  # outside of a prompt there is nothing to set
source "$1"
complete -p doorbell >/dev/null || exit 3
while IFS=$'\\t' read -ra COMP_WORDS; do
    COMP_WORDS=("${COMP_WORDS[@]%.}")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _doorbell || exit 4
    printf '%s\\t' "${COMPREPLY[@]}"
    echo
done
"""


def completed(script: Path, lines: list[str], folder: Path) -> list[list[str]]:
    """What bash offers at the end of each line, whose words it takes apart as at the prompt."""

    def words(line: str) -> str:  # each with a dot behind it, so that read keeps the empty one
        split = re.sub(" ?= ?", " = ", line).split(" ")
        return "".join(f"{word}.\t" for word in split)

    done = subprocess.run(
        ["bash", "--norc", "--noprofile", "-uc", COMPLETE, "bash", str(script)],
        input="".join(f"{words(line)}\n" for line in lines),
        capture_output=True,
        text=True,
        cwd=folder,
        env=clean_environment(),
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    answers = done.stdout.splitlines()
    assert len(answers) == len(lines)
    return [sorted(filter(None, answer.split("\t"))) for answer in answers]


def test_bash_completes_commands_options_settings_and_files(script: Path, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    (tmp_path / "folder").mkdir()
    expected = {
        "doorbell conn": ["connection"],
        "doorbell nothing": [],
        "doorbell connection ": ["add", "list", "ping", "remove"],
        "doorbell c l --": ["--anonymized", "--help", "--show-secrets", "--timeline"],
        "doorbell server --": ["--help"],
        "ms connection p": ["ping"],
        "doorbell c l --s": ["--show-secrets"],
        "doorbell -c vapid q a": ["airgapped"],
        "doorbell --config=vapid q u": ["url"],
        "doorbell --set push.timeout=5s conf ": ["check", "sample", "table"],
        "doorbell --set push.retry": ["push.retry_max=", "push.retry_min="],
        "doorbell --set=push.tim": ["push.timeout="],
        "doorbell --set log.level=": ["debug", "error", "info", "warn"],
        "doorbell --set=log.level=w": ["warn"],
        "doorbell --set sandbox=": ["false", "true"],
        "doorbell --set push.timeout=": [],
        "doorbell -c f": ["folder"],
        "doorbell --config a": ["a file"],
        "doorbell --config=a": ["a file"],
        "doorbell import a": ["a file"],
        "doorbell export --mollysocket a": ["a file"],
        "doorbell export --mollysocket=a": ["a file"],
        "doorbell vapid generate ": [],
    }
    assert completed(script, list(expected), tmp_path) == list(expected.values())


def test_bash_completes_what_help_tells_of(
    script: Path, tmp_path: Path, helps: dict[str, Help]
) -> None:
    lines = [" ".join(["doorbell", *path.split(), ""]) for path in helps]
    for entry, offered in zip(helps.values(), completed(script, lines, tmp_path)):
        assert offered == sorted(entry.commands + entry.whole_options), entry.usage


def test_bash_takes_the_beginning_of_a_command_for_what_the_program_takes_it(
    shell: Shell, script: Path, tmp_path: Path, helps: dict[str, Help]
) -> None:
    beginnings = sorted({name[:length] for name in helps[""].commands for length in (1, 2)})
    offers = completed(script, [f"doorbell {word} " for word in beginnings], tmp_path)
    for word, offered in zip(beginnings, offers):
        done = shell.run(word, "--help")
        entry = Help(done.stdout) if done.returncode == 0 else helps[""]
        assert offered == sorted(entry.commands + entry.whole_options), word


# What a shell makes of a line of which one word can only go on in one way.
ONE_WAY = {
    "doorbell conn": "doorbell connection ",
    "doorbell c l --show": "doorbell c l --show-secrets ",
    "doorbell server --he": "doorbell server --help ",
    "ms vapid gen": "ms vapid generate ",
    "mollysocket qr-code air": "mollysocket qr-code airgapped ",
    "doorbell --config=a": "doorbell --config=a\\ file ",
    "doorbell --config a": "doorbell --config a\\ file ",
    "doorbell export --mollysocket=a": "doorbell export --mollysocket=a\\ file ",
    "doorbell import a": "doorbell import a\\ file ",
    "doorbell --set push.tim": "doorbell --set push.timeout=",
    "doorbell --set=push.tim": "doorbell --set=push.timeout=",
    "doorbell --set log.level=de": "doorbell --set log.level=debug ",
    "doorbell --set=log.level=de": "doorbell --set=log.level=debug ",
    "doorbell --set sandbox=f --config=a": "doorbell --set sandbox=f --config=a\\ file ",
}

PROMPT_OF_ZSH = """
unsetopt beep
fpath=({folder} $fpath)
autoload -Uz compinit
compinit -u -D
tell() {{ print -r -- "$BUFFER" >> told; BUFFER=; zle redisplay }}
zle -N tell
bindkey '^G' tell
: > told
"""


def test_zsh_completes_at_a_prompt(shell: Shell, changes: Changes, tmp_path: Path) -> None:
    functions = tmp_path / "functions"
    functions.mkdir()
    (functions / "_doorbell").write_text(said(shell, "completion", "zsh"))
    (tmp_path / ".zshrc").write_text(PROMPT_OF_ZSH.format(folder=functions))
    (tmp_path / "a file").touch()
    told = tmp_path / "told"
    environment = {**clean_environment(), "ZDOTDIR": str(tmp_path), "TERM": "dumb"}
    terminal = Terminal(changes, ["zsh", "--no-globalrcs", "-i"], tmp_path, environment)
    try:
        until(told.exists, "the prompt of zsh")
        for count, line in enumerate(ONE_WAY, 1):
            os.write(terminal.ours, f"{line}\t\a".encode())
            until(lambda: told.read_text().count("\n") == count, f"an answer to {line}")
    finally:
        terminal.close()
    assert dict(zip(ONE_WAY, told.read_text().splitlines())) == ONE_WAY


def test_fish_completes_at_a_prompt(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "doorbell.fish").write_text(said(shell, "completion", "fish"))
    (tmp_path / "a file").touch()
    lines = "".join(f"echo '>'; complete -C '{line}'\n" for line in ONE_WAY)
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source doorbell.fish\n{lines}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**clean_environment(), "HOME": str(tmp_path)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    answers = done.stdout.split(">\n")[1:]
    assert len(answers) == len(ONE_WAY), answers
    for (line, whole), answer in zip(ONE_WAY.items(), answers):
        offered = [one.partition("\t")[0] for one in answer.splitlines()]
        word = whole.replace("\\ ", "?").split()[-1].replace("?", " ")
        assert offered in ([word], [word.partition("=")[2]]), line


@pytest.mark.parametrize("name", SHELLS)
def test_the_scripts_for_other_shells_know_each_command_option_and_setting(
    shell: Shell, helps: dict[str, Help], name: str
) -> None:
    text = said(shell, "completion", name)
    for path, entry in helps.items():
        assert not path or path.replace(" ", "/") in text, path
        for option in entry.whole_options:
            assert option in text or f" -l {option[2:]} " in text, (path, option)
    for setting in settings_of_sample(shell):
        assert setting in text
