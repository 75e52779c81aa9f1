"""Points 16 to 21: when a child comes back, when it does not, and who comes back with whom."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from protocol.messages.control import Beat, Done
from supervisor.runtime.gate import AT_ONCE, PATIENCE_S
from tests.supervision import trees
from tests.supervision.conftest import Grow
from tests.supervision.trees import TreeProcess
from tests.support.deadline import wait_until

LATER = {"initial": "1h", "max": "1h"}


def delays(events: Sequence[dict[str, Any]]) -> list[float]:
    """What the restarts of a child were told to wait, in seconds."""
    return [event["facts"]["delay"] for event in events]


@pytest.mark.req("O3")
@pytest.mark.req("S6")
def test_16_stop_during_the_backoff_wins(grow: Grow) -> None:
    """The timer of the pending restart brought a child back that the operator had stopped."""
    root = grow(
        trees.shell("soon", "exit 1", backoff={"initial": "300ms", "max": "300ms", "jitter": 0}),
        trees.shell("later", "exit 1", backoff=LATER),
        trees.shell("clock", "exit 1", backoff={"initial": "400ms", "max": "400ms", "jitter": 0}),
    )
    for name in ("soon", "later"):
        root.wait_for(name, state="backoff")
        assert root.change("stop", name).ok
    born = root.child("soon")["incarnation"]
    began = root.child("clock")["incarnation"]
    wait_until(
        lambda: root.child("clock")["incarnation"] > began + 1, what="the time of the backoff to pass twice"
    )

    for name in ("soon", "later"):
        child = root.child(name)
        assert (child["state"], child["wanted"], child["next_restart_in"]) == ("stopped", False, None)
    assert root.child("soon")["incarnation"] == born


@pytest.mark.req("O3")
@pytest.mark.req("S2")
def test_16_stop_wins_over_the_restart_of_a_group(grow: Grow) -> None:
    """A neighbour's death restarted the whole group, and with it the member that was stopped."""
    root = grow(
        trees.group("pair", strategy="one_for_all", max_restarts=100, period="1h"),
        *(trees.command(name, *trees.SLEEPS, parent="pair") for name in ("first", "second")),
    )
    before = root.wait_ready(["first", "second"])
    root.change("stop", "second")

    trees.kill(before["first"]["pid"])

    root.wait_restarts("first", 1)
    assert root.child("second")["state"] == "stopped"
    assert root.change("start", "second").ok
    root.wait_ready(["first", "second"])


@pytest.mark.req("O3")
def test_16_the_last_intent_wins(grow: Grow) -> None:
    """Two commands at once, and the earlier one had its way: whatever came before, the last one is obeyed."""
    root = grow(trees.command("down", *trees.SLEEPS), trees.command("up", *trees.SLEEPS))
    root.wait_ready(["down", "up"])
    for verb in ("stop", "start", "restart"):
        for name in ("down", "up"):
            root.change(verb, name, wait=False)
    root.change("stop", "down", wait=False)
    for verb in ("stop", "start"):
        root.change(verb, "up", wait=False)

    root.wait_for("down", state="stopped", wanted=False)
    root.wait_for("up", state="ready", wanted=True)


@pytest.mark.req("S3")
@pytest.mark.req("O3")
def test_17_wanted_and_actual_are_told_apart_and_old_words_change_nothing(grow: Grow, tmp_path: Path) -> None:
    """One word for both let a late message, or an old timer, of an earlier life decide about this one."""
    root = grow(
        trees.worker("w", "serves", ready_timeout="1500ms", heartbeat={"interval": "200ms", "misses": 100}),
        trees.shell("slow", trees.SLOW_TO_STOP, directory=str(tmp_path), shutdown="infinity"),
    )
    first = root.wait_ready(["w", "slow"])["w"]
    wait_until(lambda: '"up"' in root.log("slow"), what="the slow one to run")
    root.change("stop", "slow", wait=False)
    stopping = root.wait_for("slow", state="stopping")
    assert (stopping["wanted"], trees.alive(stopping["pid"])) == (False, True)
    trees.kill(first["pid"])
    root.wait_restarts("w", 1)

    root.say(Beat(loops=4711), "w", first["incarnation"])
    root.say(Done(then="shutdown"), "w", first["incarnation"])

    assert root.child("w")["counters"].get("loops") != 4711
    assert root.status()["root"]["state"] == "running"
    (tmp_path / "go").touch()
    root.wait_for("slow", state="stopped")


@pytest.mark.req("S6")
def test_18_failures_slower_than_the_window_are_counted_too(grow: Grow) -> None:
    """Each failure took longer than period / intensity, so the window never filled and it looped for ever."""
    root = grow(
        trees.shell(
            "slow", "sleep 0.1; exit 1",
            intensity={"max_restarts": 2, "period": "50ms"}, max_consecutive_failures=4,
            backoff={"initial": "1ms", "max": "1ms"},
        )
    )  # fmt: skip
    child = root.wait_for("slow", state="parked")

    assert child["consecutive_failures"] == 5
    assert len(root.events("slow", "restarting")) == 4
    assert child["restarts_in_window"] <= 1


@pytest.mark.req("S5")
def test_19_many_deaths_at_once_do_not_start_as_a_herd(grow: Grow, tmp_path: Path) -> None:
    """All came back in the same instant and fell over each other: few start at a time, at spread moments."""
    world = tmp_path / "world"
    world.touch()
    names = [f"w{number}" for number in range(AT_ONCE + 12)]
    backoff = {"initial": "100ms", "factor": 1, "max": "100ms", "jitter": 0.5}
    root = grow(
        trees.supervisor(max_restarts=10_000),
        *(trees.worker(name, "serves_soon", {"file": str(world)}, backoff=backoff) for name in names),
    )
    before = root.wait_ready(names)
    world.unlink()
    for child in before.values():
        trees.kill(child["pid"])

    def second_births() -> list[int]:
        return [one["at_ms"] for one in root.events(event="spawned") if one["incarnation"] == 2]

    wait_until(lambda: len(second_births()) > AT_ONCE, what="more births than are let in at once")
    world.touch()
    for name in names:
        root.wait_restarts(name, 1)

    waits = [delay for name in names for delay in delays(root.events(name, "restarting"))]
    births = second_births()
    assert len(set(waits)) > len(names) / 2
    assert all(0.05 <= delay <= 0.1 for delay in waits)
    assert len(births) == len(names)
    assert births[AT_ONCE] - births[0] > PATIENCE_S * 1000 / 2  # nobody was ready, so the others had to wait


def restarted_often(root: TreeProcess, name: str) -> bool:
    """Whether a child has come back five times."""
    return len(root.events(name, "restarting")) >= 5


@pytest.mark.req("S5")
def test_20_delay_grows_until_a_run_was_stable(grow: Grow) -> None:
    """A moment of life reset the delay, and it looped unthrottled: only a stable time in ready does."""
    steps = {"initial": "20ms", "factor": 2, "max": "10s", "jitter": 0}
    root = grow(
        trees.shell("flaky", "sleep 0.05; exit 1", backoff={**steps, "stable_after": "1h"}),
        trees.shell("steady", "sleep 0.3; exit 1", backoff={**steps, "stable_after": "20ms"}),
    )
    for name in ("flaky", "steady"):
        wait_until(partial(restarted_often, root, name), what=f"five restarts of {name}")

    flaky, steady = (delays(root.events(name, "restarting"))[:5] for name in ("flaky", "steady"))
    assert flaky == [0.02, 0.04, 0.08, 0.16, 0.32]
    assert steady == [0.02] * 5


@pytest.mark.req("S6")
def test_21_world_that_is_away_does_not_bring_the_tree_down(grow: Grow, tmp_path: Path) -> None:
    """Three failures within five seconds, and the tree ended: here the child is held, and is well again."""
    world = tmp_path / "world"
    root = grow(
        trees.supervisor(max_restarts=3, period="5s", probe="200ms"),
        trees.worker("bystander", "serves"),
        trees.worker("dependent", "needs_a_file", {"file": str(world)}, on_exhausted="escalate",
                     backoff={"initial": "1ms", "max": "1ms"}),
    )  # fmt: skip
    before = root.wait_ready(["bystander"])["bystander"]
    held = root.wait_for("dependent", state="held")
    assert "the world is away" in held["last_error"]

    world.touch()
    root.wait_for("dependent", state="ready")

    assert root.child("bystander")["pid"] == before["pid"]
    assert root.status()["root"]["state"] == "running"


@pytest.mark.req("S6")
def test_child_that_always_dies_at_once_is_started_a_bounded_number_of_times(grow: Grow) -> None:
    """A fork bomb of failing children: each start waits for its backoff, and it is parked in the end."""
    steps = {"initial": "10ms", "factor": 2, "max": "1s", "jitter": 0.1}
    names = [f"f{number}" for number in range(10)]
    root = grow(
        trees.supervisor(max_restarts=1000),
        *(trees.shell(name, "exit 1", backoff=steps, max_consecutive_failures=5) for name in names),
    )
    for name in names:
        root.wait_for(name, state="parked")

    for name in names:
        assert len(root.events(name, "spawned")) == 6
        asked = delays(root.events(name, "restarting"))
        assert all(later > earlier for earlier, later in pairwise(asked))
