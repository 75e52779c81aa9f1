"""The notifier in a real tree, with a Bot API server on the loopback."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from protocol.codec import EVENTS
from protocol.journal import Journal
from protocol.messages.notice import SupervisionEvent
from tests.support import telegram as server
from tests.support.deadline import wait_until
from tests.support.rootprocess import RootProcess
from tests.support.telegram import FakeTelegram, telegram_server, too_many
from tests.system.conftest import Start, start, tree_file
from workers.notifier.delivery import AGAIN

__all__ = ["start", "tree_file"]

TREE = """
[supervisor]
max_restarts = 1000

[[child]]
id = "notifier"
start = "tests.workers.notifier.program:main"
backoff = {{ initial = "0s", max = "0.05s" }}
max_consecutive_failures = 1000

[child.config]
inputs = ["root"]
telegram = {{ base_url = "{base_url}" }}

[[child]]
id = "victim"
command = ["sleep", "1000"]
backoff = {{ initial = "0s", max = "0.05s" }}
"""


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTelegram]:
    """Give a server, and the credentials for it to what is started.

    Asked for before the root is, so that the root ends first: nobody then writes to a port that may soon be
    somebody else's.
    """
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "12:token-of-a-test")
    monkeypatch.setenv("TELEGRAM_CHAT_ID", "42")
    with telegram_server() as made:
        yield made


def told(fake: FakeTelegram, words: str) -> str:
    """Wait for a message with these words in it; return it."""

    def found() -> str:
        return next((text for text in fake.texts if words in text), "")

    return wait_until(found, what=f"a message with {words!r}", state=lambda: fake.texts)


@pytest.mark.req("N1")
@pytest.mark.req("N4")
def test_a_tree_is_watched_and_ruled_from_a_chat(
    fake: FakeTelegram, start: Start, tree_file: Callable[[str], str]
) -> None:
    """Start, a kill, status, restart, why, logs, a stranger, and a confirmed stop of the whole tree."""
    root = start("--config", tree_file(TREE.format(base_url=fake.base_url)))
    victim = root.wait_ready(["notifier", "victim"])["victim"]
    told(fake, "Started with")

    os.kill(victim["pid"], signal.SIGKILL)
    told(fake, "victim is restarted: killed, attempt 1 of")

    fake.say("/status", chat=666)
    fake.say("/status")
    assert "victim: ready" in told(fake, "notifier: ready")
    fake.say("/restart victim")
    told(fake, "victim: is being restarted")
    fake.say("/why victim")
    assert "restarted (SIGTERM)" in told(fake, "Last end: restarted")
    fake.say("/logs notifier")
    told(fake, "notifications go to the log and to channels")
    assert {one.chat for one in fake.taken} == {"42"}
    wait_until(
        lambda: root.children()["notifier"]["counters"].get("strangers") == 1,
        what="the stranger to be counted",
    )

    fake.say("/stop all")
    code = told(fake, "/stop all: sure?").split("send /stop ")[1].split()[0]
    fake.say(f"/stop {code}")
    assert root.process.wait(30) == 0
    assert any(text.startswith("A stop of the tree was asked for") for text in fake.texts[-2:])
    log = "".join(path.read_text() for path in (root.state_dir / "log").iterdir())
    assert "token-of-a-test" not in log + root.said()


def remembered(state_dir: Path, count: int) -> None:
    """Have the root remember events that nobody was told of yet."""
    journal = Journal.open(state_dir / "events.db", stream="root")
    for number in range(1, count + 1):
        event = SupervisionEvent(event="reloaded", facts={"what": f"event {number}."})
        journal.commit(bodies=[EVENTS.encode(event)], at_ms=number)
    journal.close()


SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 10))]
LETTERS, KILLS = 24, 3


@pytest.mark.req("N2")
@pytest.mark.parametrize("seed", SEEDS)
def test_everything_arrives_once_and_in_order_though_the_notifier_is_killed_at_random(
    fake: FakeTelegram, start: Start, tree_file: Callable[[str], str], state_dir: Path, seed: int
) -> None:
    """kill -9 at any instant: nothing is lost or overtakes; at most one repeat a kill, and it is marked.

    The instants are requests at random, whatever becomes of them; killed in the middle, as often as not.
    """
    chance = random.Random(seed)
    bad = (
        server.OK,
        server.OK,
        server.SLOW,
        too_many(0.01),
        server.BAD_GATEWAY,
        server.RESET,
        server.BAD_JSON,
    )
    fake.usual = lambda: chance.choice(bad)
    remembered(state_dir, LETTERS)
    instants = sorted(chance.sample(range(1, LETTERS), KILLS))
    root = start("--config", tree_file(TREE.format(base_url=fake.base_url)))
    kills = 0
    for count in instants:
        wait_until(lambda n=count: len(fake.asked) >= n, what=f"{count} requests", state=lambda: fake.texts)  # type: ignore[misc]
        kills += killed(root)
    told(fake, f"event {LETTERS}.")

    told_of = [text for text in fake.texts if "event " in text]
    numbers = [int(text.split("event ")[1].split(".")[0]) for text in told_of]
    assert list(dict.fromkeys(numbers)) == list(range(1, LETTERS + 1))
    repeats = [text for number, text in enumerate(told_of) if is_repeat(told_of, number)]
    assert len(repeats) <= kills
    unmarked = [text for text in told_of if not text.startswith(AGAIN)]
    assert len(unmarked) == len(set(unmarked))


ALARM = """
[supervisor]
alert_command = ["{python}", "-m", "workers.notifier.alert", "--base-url", "{base_url}"]
alert_after = "0.1s"

[[child]]
id = "notifier"
start = "tests.workers.notifier.program:main"

[child.config]
inputs = ["root"]
deliver = "log"

[[child]]
id = "victim"
command = ["false"]
on_exhausted = "park"
backoff = {{ initial = "0.2s", max = "0.2s" }}
intensity = {{ max_restarts = 3, period = "1m" }}
"""


@pytest.mark.req("N5")
def test_with_the_notifier_down_the_root_tells_what_is_critical(
    fake: FakeTelegram, start: Start, tree_file: Callable[[str], str]
) -> None:
    """The one-shot sender brings the sentence to the same chat, once."""
    root = start("--config", tree_file(ALARM.format(base_url=fake.base_url, python=sys.executable)))
    root.wait_ready(["notifier"])
    root.command("stop", "notifier")
    root.command("restart", "victim", check=False)
    alert = told(fake, "ALERT from")

    assert "victim is parked" in alert
    assert "the notifier is down" in alert
    wait_until(lambda: "alert sent by" in root.said(), what="the root's word of it", state=root.said)
    assert len(fake.taken) == 1


def is_repeat(texts: list[str], number: int) -> bool:
    """Whether the same was delivered before."""
    return any(before.removeprefix(AGAIN) == texts[number].removeprefix(AGAIN) for before in texts[:number])


def killed(root: RootProcess) -> int:
    """Kill the notifier; the number of kills made."""
    child: int = wait_until(lambda: root.children().get("notifier", {}).get("pid") or 0, what="a notifier")
    os.kill(child, signal.SIGKILL)
    return 1
