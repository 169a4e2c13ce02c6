"""How to start a program, read from the files that say so to Compose, Kubernetes, systemd and Docker:
words, variables, folder. As much of those formats as MollySocket's samples have.
"""

import json
import re
import shlex
from typing import Any, NamedTuple

Line = tuple[int, str]


class Start(NamedTuple):
    words: list[str]
    environment: dict[str, str]
    folder: str


# YAML


def read_yaml(text: str) -> Any:
    lines = [
        (len(line) - len(line.lstrip()), line.strip())
        for line in text.splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    return read_block(lines, 0)


def read_block(lines: list[Line], depth: int) -> Any:
    """Takes the lines away that are as deep, and deeper ones after them."""
    if lines[0][1].startswith("- "):
        return read_list(lines, depth)
    pairs = {}
    while lines and lines[0][0] == depth and not lines[0][1].startswith("- "):
        name, _, value = lines.pop(0)[1].partition(":")
        pairs[name] = read_scalar(value.strip()) if value else read_block(lines, lines[0][0])
    return pairs


def read_list(lines: list[Line], depth: int) -> list[Any]:
    items = []
    while lines and lines[0][0] == depth and lines[0][1].startswith("- "):
        inside = lines[0][1][2:]
        if re.match(r"\w+:( |$)", inside):
            lines[0] = (depth + 2, inside)
            items.append(read_block(lines, depth + 2))
        else:
            lines.pop(0)
            items.append(read_scalar(inside))
    return items


def read_scalar(text: str) -> Any:
    if text.startswith("["):
        return json.loads(text)
    return text[1:-1] if text[0] in "\"'" and text[-1] == text[0] else text


def compose(text: str) -> Start:
    service = read_yaml(text)["services"]["mollysocket"]
    variables, words = service["environment"], service["command"]
    if isinstance(variables, list):
        variables = dict(variable.split("=", 1) for variable in variables)
    return Start(
        words if isinstance(words, list) else shlex.split(words), variables, service["working_dir"]
    )


def kubernetes(deployment: str, secret: str) -> Start:
    (container,) = read_yaml(deployment)["spec"]["template"]["spec"]["containers"]
    secrets = read_yaml(secret)["stringData"]
    variables = {
        variable["name"]: variable["value"]
        if "value" in variable
        else secrets[variable["valueFrom"]["secretKeyRef"]["key"]]
        for variable in container["env"]
    }
    return Start(container["args"], variables, container["workingDir"])


# systemd


def entries_of(unit: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit, re.MULTILINE)


def systemd(unit: str, credentials: str) -> Start:
    """The words have the program's name in front."""
    (command,) = entries_of(unit, "ExecStart")
    variables = dict(
        variable.replace("%d", credentials).split("=", 1)
        for entry in entries_of(unit, "Environment")
        for variable in shlex.split(entry)
    )
    return Start(
        shlex.split(command),
        {**variables, "CREDENTIALS_DIRECTORY": credentials},
        (entries_of(unit, "WorkingDirectory") or ["/"])[0],
    )


# Docker


def image(dockerfile: str) -> Start:
    """The words have the program's name in front."""
    lines = dockerfile.replace("\\\n", " ").splitlines()
    said = dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    return Start(
        json.loads(said["CMD"]),
        dict(variable.split("=", 1) for variable in shlex.split(said["ENV"])),
        said["WORKDIR"],
    )
