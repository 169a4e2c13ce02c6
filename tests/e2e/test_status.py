"""`doorbell status`: which half of an account's path is broken, and what is to be done about it."""

import fcntl
import json
import os
import pty
import re
import signal as signals
import struct
import subprocess
import termios
from typing import Any, Callable, Optional

import pytest

from lib.doorbell import Doorbell
from lib.linked import Linked
from lib.push_peer import PushPeer
from lib.secrecy import secrecy
from lib.signal_peer import Account, SignalPeer, new_account

MakeDoorbell = Callable[..., Doorbell]
DONE, NOT_DONE, WRONG_WORDS = 0, 1, 2
COLUMNS = 100
PSEUDONYM = re.compile(r"^[0-9a-f]{10}$")


@pytest.fixture
def make(make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer) -> MakeDoorbell:
    """Running, with these settings on top of what is needed."""

    def start(**settings: Any) -> Doorbell:
        needed = {"signal__url": signal.url, "push__allowed_endpoints": [ntfy.origin]}
        return make_doorbell(**{**needed, **settings}).start()

    return start


class User(Linked):
    def __init__(self, doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer):
        super().__init__(doorbell, signal, ntfy)
        signal.wait_connected(self.account)
        self.pseudonym = pseudonym_of(doorbell, self.account)

    def is_rung(self) -> None:
        self.signal.wait_acked(self.queue())

    def becomes(self, state: str) -> None:
        """Its endpoint, by a ring."""
        self.queue()
        self.wait_log(f"its endpoint is {state}")

    def is_displaced(self) -> None:
        self.signal.close(4409, "Connected elsewhere", self.account.key)
        self.wait_log("somebody else uses the same linked device")

    def wait_log(self, text: str) -> None:
        def is_said() -> bool:
            return any(self.pseudonym in line and text in line for line in self.doorbell.output())

        self.doorbell.changes.wait_for(is_said, f"the word that {text}")

    def line(self) -> list[str]:
        return line_of(show(self.doorbell), self.pseudonym)

    def seen(self, *words: str) -> dict:
        """What there is to see of it."""
        (account,) = see(self.doorbell, "--account", self.account.uuid, *words)["accounts"]
        return account


def show(doorbell: Doorbell, *words: str) -> str:
    """What the command prints, and that it has nothing in it that must not be seen."""
    done = doorbell.command("status", *words)
    assert (done.returncode, done.stderr) == (DONE, ""), (done.returncode, done.stderr)
    shown = done.stdout.lower()
    assert not [secret for secret in doorbell.secrets if secret.lower() in shown], done.stdout
    return done.stdout


def see(doorbell: Doorbell, *words: str) -> dict:
    return json.loads(show(doorbell, "--json", *words))


def pseudonym_of(doorbell: Doorbell, account: Account) -> str:
    (seen,) = see(doorbell, "--account", account.uuid)["accounts"]
    return seen["pseudonym"]


def line_of(output: str, pseudonym: str) -> list[str]:
    """The columns of an account's line."""
    (line,) = [line for line in output.splitlines() if re.match(rf"{pseudonym} +\d+ ", line)]
    return re.split(r" {2,}", line[len(pseudonym) :].strip())


def advice_in(output: str) -> str:
    """Without line breaks."""
    return " ".join(output.split())


# What is well


def test_an_account_that_is_rung_is_well_and_shows_when_and_how_fast(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    user = User(doorbell, signal, ntfy)
    user.is_rung()
    seen = user.seen()
    assert (seen["health"], seen["advice"], seen["owed_since"]) == ("well", None, 0)
    assert seen["link"]["state"] == "up" and seen["link"]["proven"]
    assert seen["endpoint"]["origin"] == ntfy.origin and seen["endpoint"]["state"] == "ok"
    assert seen["message"]["count"] == 1 and seen["message"]["urgent"]
    assert (seen["ring"]["count"], seen["ring"]["status"]) == (1, 200)
    assert seen["ring"]["latency_ms"] > 0 and seen["ring"]["at"] >= seen["message"]["at"]
    device, link, endpoint, message, ring, next_try, server = user.line()
    assert (device, link, endpoint, next_try) == ("2", "up", "ok", "-")
    assert re.match(r"\d\d:\d\d:\d\d$", message) and re.match(r"\d\d:\d\d:\d\d 200$", ring)
    assert f"https://{server}" == ntfy.origin
    head = show(doorbell).splitlines()[0]
    assert re.match(
        r"1 account: 1 linked; Signal last heard \d\d:\d\d:\d\d; nothing is owed\.$", head
    )


def test_an_own_message_and_a_quiet_one_show_that_they_came_and_rang_nobody(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    user = User(doorbell, signal, ntfy)
    own = user.account.uuid
    signal.wait_acked(user.queue(source=own, source_device=1, type=1))
    signal.wait_acked(user.queue(urgent=False))
    seen = user.seen("--timeline")
    texts = [entry["text"] for entry in seen["timeline"]]
    assert texts[-2:] == ["own message, not rung", "not urgent, not rung"]
    assert seen["message"]["own_at"] and not seen["message"]["urgent"]
    assert (seen["message"]["count"], seen["ring"]["count"], seen["health"]) == (2, 0, "well")
    shown = show(doorbell, "--account", user.pseudonym, "--timeline")
    assert re.search(r"^    \d\d:\d\d:\d\d +own message, not rung$", shown, re.MULTILINE)
    assert "rings     0 since the start" in shown


def test_without_accounts_there_is_one_line(make: MakeDoorbell) -> None:
    doorbell = make()
    assert show(doorbell) == 'No account is registered. "doorbell setup" links a phone.\n'


def test_a_phone_that_came_and_was_refused_has_a_line_until_it_is_taken(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    account = new_account()
    assert doorbell.register(account, ntfy.endpoint()) == "forbidden"
    lines = show(doorbell).splitlines()
    assert len(lines) == 2
    assert re.match(r"A phone came at \d\d:\d\d:\d\d and was refused: .* -> In Molly choose", lines[1])
    signal.add_account(account.uuid, account.device, account.password)
    assert doorbell.register(account, ntfy.endpoint()) == "ok"
    assert "was refused" not in show(doorbell)


# What is not well: the words, the sentence that tells what to do, and the worst first


def test_a_phone_that_is_not_connected_is_owed_a_ring(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(push__hold="100ms")
    user = User(doorbell, signal, ntfy)
    user.answer_with(50701)
    user.becomes("failing")
    doorbell.changes.wait_for(lambda: user.signal.message(1).acked, "the debt in the store")
    seen = user.seen()
    assert (seen["health"], seen["endpoint"]["status"]) == ("trying", 507)
    assert seen["owed_since"] and seen["owed_is_stored"]
    assert seen["ring"]["failed_status"] == 507 and seen["ring"]["next_try"] > seen["owed_since"]
    assert seen["endpoint"]["not_before"]
    shown = show(doorbell)
    assert "; 1 is owed a ring." in shown.splitlines()[0]
    _, link, endpoint, _, ring, next_try, _ = line_of(shown, user.pseudonym)
    assert (link, endpoint) == ("up", "failing")
    assert ring.endswith(" 507") and next_try != "-"
    assert "The phone is not connected to the push server: open its" in advice_in(shown)
    assert "  owed      a ring, since" in show(doorbell, "--account", user.pseudonym)


def test_an_unlinked_a_contested_and_a_gone_account_stand_first_each_with_its_remedy(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(
        signal__refused_confirm="200ms", signal__contested_min="1h", signal__contested_max="1h"
    )
    well, refused, contested, gone = (User(doorbell, signal, ntfy) for _ in range(4))
    refused.is_unlinked()
    contested.is_displaced()
    gone.answer_with(410)
    gone.becomes("gone")
    seen = see(doorbell)
    assert [account["health"] for account in seen["accounts"]] == ["broken"] * 3 + ["well"]
    assert seen["accounts"][3]["pseudonym"] == well.pseudonym
    assert seen["bridge"]["by_health"] == {"off": 0, "well": 1, "trying": 0, "broken": 3}
    shown = show(doorbell)
    assert shown.startswith("4 accounts: 2 linked, 1 contested, 1 refused; ")
    assert line_of(shown, refused.pseudonym)[1] == "refused"
    assert line_of(shown, contested.pseudonym)[1] == "contested"
    assert line_of(shown, gone.pseudonym)[1:3] == ["up", "gone"]
    advice = advice_in(shown)
    assert f"{refused.pseudonym}: Signal unlinked this device: in Molly open Settings" in advice
    assert f"{contested.pseudonym}: Another program uses the same linked device" in advice
    assert f"{gone.pseudonym}: The push server says that this endpoint is gone" in advice
    assert "somebody else uses the same device" in show(doorbell, "--account", contested.pseudonym)


def test_the_same_remedy_is_told_once_with_the_names_that_it_is_for(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    users = [User(doorbell, signal, ntfy) for _ in range(2)]
    for user in users:
        user.answer_with(40301)
        user.becomes("failing")
    advice = advice_in(show(doorbell))
    names = ", ".join(sorted(user.pseudonym for user in users))
    assert advice.count("ntfy access '*' 'up*' write-only") == 1
    assert f"{names}: The push server's access list refuses us: on it run:" in advice


def test_what_several_are_refused_alike_is_told_once_and_not_as_if_all_were(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(signal__refused_confirm="10m")
    User(doorbell, signal, ntfy)
    refused = [User(doorbell, signal, ntfy) for _ in range(3)]
    for user in refused:
        signal.remove_account(user.account.key)
        signal.revoke(user.account.key)
    doorbell.changes.wait_for(lambda: see(doorbell)["bridge"]["alarm"], "the alarm")
    words = "Signal has refused several accounts alike and has let nobody in since"
    shown = show(doorbell)
    assert shown.startswith("4 accounts: 1 linked, ")
    assert advice_in(shown).count(words) == 1
    one = " ".join(show(doorbell, "--account", refused[0].pseudonym).split())
    assert one.count(words) == 1


def test_a_push_server_that_is_not_allowed_any_more_is_told_with_the_setting(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    user = User(doorbell, signal, ntfy)
    doorbell.reload(push__allowed_endpoints=["*"])
    seen = user.seen()
    assert seen["health"] == "broken" and seen["endpoint"]["denied"]
    assert f'add "{ntfy.origin}" to push.allowed_endpoints' in seen["advice"]


def test_a_server_that_cannot_be_reached_says_so_and_when_it_is_tried_again(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(signal__reconnect_min="1h", signal__reconnect_max="1h")
    user = User(doorbell, signal, ntfy)
    signal.set_behaviour(reject={"status": 503})
    signal.end("eof")
    user.wait_log("not connected (")
    seen = user.seen()
    assert (seen["health"], seen["link"]["state"]) == ("trying", "backing-off")
    assert seen["link"]["reason"] == "lost" and seen["link"]["next_try"] > seen["link"]["since"]
    shown = show(doorbell)
    assert shown.startswith("1 account: 1 not connected; ")
    assert line_of(shown, user.pseudonym)[1] == "backing-off"
    assert "not connected: the connection was lost, since" in show(
        doorbell, "--account", user.pseudonym
    )


# Which account


def test_a_push_server_that_answers_and_takes_no_push_is_not_called_silent(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(push__breaker_failures=1, push__breaker_open="10m")
    user = User(doorbell, signal, ntfy)
    ntfy.answer_with(503)
    user.becomes("failing")
    shown = advice_in(show(doorbell))
    at = r"\d\d:\d\d:\d\d"
    told = rf"Push server {ntfy.origin} has taken no push since {at}; next try {at}; pushes that wait"
    assert re.search(told, shown), shown
    assert "has not answered" not in shown


def test_an_account_is_found_by_its_id_its_pseudonym_and_a_beginning_of_that(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    user, other = User(doorbell, signal, ntfy), User(doorbell, signal, ntfy)
    assert PSEUDONYM.match(user.pseudonym) and user.pseudonym != other.pseudonym
    length = len(os.path.commonprefix([user.pseudonym, other.pseudonym])) + 1
    names = [
        user.account.uuid,
        user.account.uuid.upper(),
        user.pseudonym,
        user.pseudonym.upper(),
        user.pseudonym[:length],
    ]
    for name in names:
        shown = show(doorbell, "--account", name)
        assert shown.startswith(f"Account {user.pseudonym}, device 2:\n"), name
        assert other.pseudonym not in shown
    for words in ([f"--account={user.pseudonym}"], ["-a", user.pseudonym]):
        assert show(doorbell, *words).startswith(f"Account {user.pseudonym}, device 2:\n")


def test_a_name_that_means_nobody_is_said_in_a_sentence(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make()
    User(doorbell, signal, ntfy)
    for name, word in (
        (new_account().uuid, "No account has this id."),
        ("nobody", "No account has this pseudonym"),
    ):
        done = doorbell.command("status", "--account", name)
        assert (done.returncode, done.stdout) == (NOT_DONE, ""), name
        assert word in done.stderr


@pytest.mark.parametrize("words", [["--account"], ["--account", ""], ["x"], ["--timelines"]])
def test_other_words_are_refused(make_doorbell: MakeDoorbell, words: list[str]) -> None:
    done = make_doorbell().command("status", *words)
    assert done.returncode == WRONG_WORDS and "status takes --account ID" in done.stderr


# Without a server, and in a terminal


def test_without_a_server_it_says_so_and_shows_what_the_store_knows(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make(push__hold="100ms", signal__refused_confirm="200ms")
    owed, refused = User(doorbell, signal, ntfy), User(doorbell, signal, ntfy)
    owed.answer_with(410)
    owed.becomes("gone")
    doorbell.changes.wait_for(lambda: signal.message(1).acked, "the debt in the store")
    refused.is_unlinked()
    doorbell.stop()
    shown = show(doorbell)
    first, second = shown.splitlines()[:2]
    assert first == "No server runs, so nobody is rung. This is what the store knows:"
    assert second == "2 accounts: 1 refused; 1 is owed a ring."
    assert line_of(shown, owed.pseudonym)[1:3] == ["no server", "gone"]
    assert line_of(shown, refused.pseudonym)[1] == "refused"
    assert not see(doorbell)["bridge"]["running"]


def in_terminal(doorbell: Doorbell, columns: int, *words: str) -> str:
    """What a terminal of that width shows."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        [str(doorbell.binary), "--config", str(doorbell.write_configuration()), *words],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        cwd=doorbell.folder,
        env=doorbell.clean_environment(),
    )
    os.close(theirs)
    shown = b""
    while piece := read_terminal(ours):
        shown += piece
    os.close(ours)
    assert process.wait(20) == (NOT_DONE if "doctor" in words else DONE)
    secrecy.said(shown.decode(), words)
    return shown.decode().replace("\r\n", "\n")


def read_terminal(descriptor: int) -> Optional[bytes]:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # the other side has gone
        return None


@pytest.mark.parametrize("columns", [80, COLUMNS])
def test_in_a_terminal_no_line_is_longer_than_it_is_wide(
    make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, columns: int
) -> None:
    long_name = f"https://a-push-server-with-a-very-long-name.example.org:{ntfy.port}"
    doorbell = make(
        push__hold="100ms",
        push__allowed_endpoints=[ntfy.origin, long_name],
        push__connect_to=[f"{long_name.partition('://')[2].partition(':')[0]}=localhost"],
        signal__contested_min="1h",
        signal__contested_max="1h",
        signal__refused_confirm="200ms",
    )
    users = [User(doorbell, signal, ntfy) for _ in range(3)]
    far = signal.new_account()
    assert doorbell.register(far, f"{long_name}/upabcdefghijkl?up=1") == "ok"
    users[0].answer_with(50701)
    users[0].becomes("failing")
    users[1].is_displaced()
    users[2].is_unlinked()
    shown = in_terminal(doorbell, columns, "status", "--timeline")
    lines = shown.splitlines()
    assert max(len(line) for line in lines) <= columns, shown
    titles = next(line for line in lines if line.startswith("ACCOUNT"))
    rows = [line for line in lines if re.match(r"[0-9a-f]{10} +2 ", line)]
    assert len(rows) == 4
    for row in rows:  # in columns
        for title in ("LINK", "ENDPOINT", "LAST MESSAGE", "LAST RING", "NEXT TRY"):
            at = titles.index(title)
            assert row[at - 1] == " " and row[at] != " ", (title, row)
    one = in_terminal(doorbell, columns, "status", "--account", users[0].pseudonym)
    assert max(len(line) for line in one.splitlines()) <= columns, one
    if columns < COLUMNS:
        assert "PUSH SERVER" not in titles
        return
    at = titles.index("PUSH SERVER")
    assert all(row[at - 1] == " " and row[at] != " " for row in rows)
    (cut,) = [row for row in rows if row.endswith("...")]
    assert "a-push-server" in in_terminal(doorbell, 160, "status")
    assert long_name.partition("://")[2] in in_terminal(doorbell, 160, "status"), cut


def test_the_doctors_report_keeps_to_the_terminal(make: MakeDoorbell) -> None:
    lines = in_terminal(make(), 60, "doctor").splitlines()
    wrapped = [line for line in lines if max(map(len, line.split()), default=0) < 50]
    assert 50 < max(map(len, wrapped)) <= 60  # a path in it may be longer than that


def test_a_server_that_hangs_is_told_soon_with_the_remedy(make: MakeDoorbell) -> None:
    doorbell = make()
    assert doorbell.process
    doorbell.process.popen.send_signal(signals.SIGSTOP)
    try:
        done = doorbell.command("status")
    finally:
        doorbell.process.popen.send_signal(signals.SIGCONT)
    assert (done.returncode, done.stdout) == (NOT_DONE, "")
    assert "has not answered on " in done.stderr
    assert "for 10 s: it hangs. Restart it (systemctl restart doorbell," in done.stderr
