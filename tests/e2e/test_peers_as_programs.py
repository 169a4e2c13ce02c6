"""The peers also run as programs of their own, for benchmarks and for looking by hand."""

import json
import subprocess
import urllib.request
from typing import Any, Callable, Iterator

import pytest

from lib.background import Changes
from lib.certs import Authority, Leaf
from lib.chat_client import ChatClient
from lib.process import PEERS, Process
from lib.signal_peer import new_account

RunPeer = Callable[[str], dict]


def operate(ports: dict, name: str, **details: Any) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{ports['control_port']}/{name}", json.dumps(details).encode()
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


@pytest.fixture
def run_peer(changes: Changes, leaf: Leaf) -> Iterator[RunPeer]:
    started: list[Process] = []

    def run(script: str) -> dict:
        command = ["/usr/bin/python3", "-B", str(PEERS / script)]
        arguments = ["--cert", str(leaf.cert), "--key", str(leaf.key)]
        started.append(Process(changes, [*command, *arguments]))
        changes.wait_for(lambda: started[-1].output, f"{script} saying its ports")
        return json.loads(started[-1].output[0])

    yield run
    for process in started:
        process.end()


def test_the_strict_server_is_worked_through_its_control_port(
    run_peer: RunPeer, authority: Authority
) -> None:
    ports = run_peer("strict_signal.py")
    account = new_account()
    key = operate(ports, "add_account", uuid=account.uuid, password=account.password)
    assert key == account.key
    operate(ports, "queue", device=key, urgent=True)
    client = ChatClient(ports["port"], authority.file)
    assert client.request(account.authorization())[0] == 101
    request = client.expect_message()
    before = operate(ports, "state")
    assert not before["messages"][0]["acked"]
    client.answer(request)
    changes = before["changes"]
    while not operate(ports, "state")["messages"][0]["acked"]:
        changes = operate(ports, "wait_change", since=changes, timeout=20)
    client.expect_queue_empty()
    assert ports["http2_port"] and operate(ports, "goaway") == 0
    assert operate(ports, "state")["violations"] == []
    client.close()


def test_the_push_server_answers_and_records(run_peer: RunPeer, authority: Authority) -> None:
    ports = run_peer("fake_ntfy.py")
    endpoint = operate(ports, "endpoint")
    operate(ports, "answer_with", answer=50701, times=1)
    statuses = []
    for _ in range(2):
        done = subprocess.run(
            ["curl", "-sw", "%{http_code}", "--cacert", str(authority.file), "-d", "x", endpoint],
            capture_output=True,
            text=True,
            timeout=20,
        )
        statuses.append(done.stdout[-3:])
    assert statuses == ["507", "200"]
    pushes = operate(ports, "state")["pushes"]
    assert [bytes.fromhex(push["body"]) for push in pushes] == [b"x", b"x"]
