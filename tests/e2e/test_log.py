"""What the log says to whoever reads no more than its warnings, or no more than its default level:
one clear line where somebody is needed, none for what passes by itself, none twice.
"""

import re
from typing import Any, Callable

import pytest

from lib.doorbell import Doorbell
from lib.linked import Linked
from lib.push_peer import PushPeer
from lib.signal_peer import SignalPeer

MakeDoorbell = Callable[..., Doorbell]
STAMP = re.compile(r"^20[\d:TZ-]+ (error|warn |info |debug) ")


@pytest.fixture
def make(make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer) -> MakeDoorbell:
    """Running, at the default level."""

    def start(**settings: Any) -> Doorbell:
        needed = {
            "signal__url": signal.url,
            "push__allowed_endpoints": [ntfy.origin],
            "log__level": "info",
            "accounts__max": 100,  # for which there are files enough anywhere
            "web__connections": 100,
            "signal__refused_confirm": "50ms",
        }
        return make_doorbell(**{**needed, **settings}).start()

    return start


def lines_of(doorbell: Doorbell, *levels: str) -> list[str]:
    """Of these levels, without time and level."""
    found = [(STAMP.match(line), line) for line in doorbell.output()]
    return [line[m.end() :] for m, line in found if m and m[1].strip() in levels]


def warnings(doorbell: Doorbell) -> list[str]:
    return lines_of(doorbell, "warn", "error")


def wait_line(doorbell: Doorbell, text: str, count: int = 1) -> None:
    doorbell.changes.wait_for(
        lambda: sum(text in line for line in doorbell.output()) >= count, f"the line: {text}"
    )


# Signal's half


def test_an_outage_is_one_warning_with_its_reason_and_one_line_when_it_is_over(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(health__links_down_after="500ms", log__level="debug")
    first, second = (Linked(doorbell, signal, ntfy) for _ in range(2))
    signal.stop_listening()
    signal.end("reset")
    wait_line(doorbell, "No account has been connected to Signal for ")
    said = len(lines_of(doorbell, "info"))
    tries = len(lines_of(doorbell, "debug"))
    doorbell.changes.never(
        lambda: len(warnings(doorbell)) > 1,
        "another warning",
        lambda: len(lines_of(doorbell, "debug")) > tries + 20,
    )
    (warning,) = warnings(doorbell)
    assert "so no phone is rung. Signal's server cannot be reached: no TCP connection: connection refused." in warning
    assert len(lines_of(doorbell, "info")) == said  # nor does each try say so again
    signal.listen_again()
    for linked in (first, second):
        signal.wait_connected(linked.account, 2)
    wait_line(doorbell, "Accounts are connected to Signal again, after ")
    assert len(warnings(doorbell)) == 1


def test_a_server_that_cannot_prove_itself_is_told_in_our_own_words_alone(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(log__level="debug")
    Linked(doorbell, signal, ntfy)
    doorbell.stop()
    del doorbell.settings["signal.ca_file"]  # Signal's own roots, none of which this server has
    doorbell.start()
    wait_line(doorbell, "cannot prove that it is Signal: its certificate is not accepted", 3)
    (warning,) = warnings(doorbell)
    assert warning.startswith("Account ")


def test_a_device_that_is_unlinked_is_one_line_that_says_what_to_do(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    linked = Linked(doorbell, signal, ntfy)
    before = len(doorbell.output())
    linked.is_unlinked()
    (line,) = doorbell.output()[before:]
    assert " warn  Account " in line and line.endswith("link it again in the app.")
    assert "..." not in line


# The push server's half


@pytest.mark.parametrize("answer", [503, 42901])
def test_an_answer_that_time_mends_warns_nobody(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, answer: int
) -> None:
    doorbell = make(alert__after="30m")
    linked = Linked(doorbell, signal, ntfy)
    linked.answer_with(answer)
    linked.queue()
    wait_line(doorbell, "its endpoint is failing. The push server")
    (line,) = [line for line in lines_of(doorbell, "info") if "its endpoint is failing" in line]
    assert re.search(r"\((503|429)\)\.$", line) and "Check" not in line and "ntfy" not in line
    assert not warnings(doorbell)


def test_a_push_server_that_is_down_is_one_warning_however_many_accounts_it_has(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    linked = [Linked(doorbell, signal, ntfy) for _ in range(8)]
    ntfy.answer_with(503)
    for one in linked:
        one.queue()
    wait_line(doorbell, "times in a row, so rings for it wait")
    (warning,) = warnings(doorbell)
    assert warning.startswith(f"The push server {ntfy.origin} failed ")
    assert warning.endswith("or is overloaded (503). Check that it runs.")


def test_what_a_person_has_to_mend_at_a_push_server_is_one_warning(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    linked = [Linked(doorbell, signal, ntfy) for _ in range(3)]
    ntfy.answer_with(40301)
    for one in linked:
        one.queue()
    wait_line(doorbell, "its endpoint is failing", 3)
    (warning,) = warnings(doorbell)
    assert " On it run: ntfy access '*' 'up*' write-only" in warning


def test_rings_that_are_held_up_for_long_are_one_warning_until_they_are_taken(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(alert__after="1s", push__retry_max="300ms")
    linked = [Linked(doorbell, signal, ntfy) for _ in range(2)]
    ntfy.answer_with(500)
    for one in linked:
        one.queue()
    wait_line(doorbell, "have been held up for more than 1 s")
    tries = len(ntfy.pushes)
    ntfy.changed.never(
        lambda: len(warnings(doorbell)) > 1,
        "another warning",
        lambda: len(ntfy.pushes) > tries + 10,
    )
    ntfy.answer_with(200)
    wait_line(doorbell, "No ring is held up any more.")


# After a restart


def test_a_start_says_who_has_needed_somebody_since_before_it(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(alert__after="30m")
    well, unlinked, gone, rejected = (Linked(doorbell, signal, ntfy) for _ in range(4))
    unlinked.is_unlinked()
    gone.answer_with(410)
    rejected.answer_with(40301)
    gone.queue()
    rejected.queue()
    for state in ("gone", "failing"):
        wait_line(doorbell, f"its endpoint is {state}")
    doorbell.stop()
    doorbell.lines.clear()
    doorbell.start()
    wait_line(doorbell, "says what to do")
    parts = (
        "1 refused by Signal, 1 with an endpoint that is gone, "
        "1 with a push server that rejects its rings"
    )
    assert doorbell.has_logged(" is ready: 4 accounts, store ")
    (warning,) = warnings(doorbell)
    assert warning == (
        f'3 accounts cannot be rung and need somebody ({parts}): "doorbell status" says what to do.'
    )
    well.expect_rings_in_all(0)


def test_a_start_at_which_all_is_well_warns_of_nothing(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    Linked(doorbell, signal, ntfy)
    doorbell.stop()
    doorbell.start()
    assert doorbell.has_logged(" is ready: 1 account, store ") and not warnings(doorbell)
