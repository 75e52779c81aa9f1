"""Kills for lack of memory, from files that look like the kernel's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.host.oom import RECENT_S, KillCounter, OomWatch, find_counter


@dataclass
class FakeCounter:
    """A counter in memory; None: the kernel shows none."""

    kills: int | None

    def read(self) -> int | None:
        return self.kills

    def kill(self) -> None:
        """The kernel kills somebody."""
        self.kills = (self.kills or 0) + 1


@pytest.mark.req("S11")
def test_each_recent_kill_explains_one_death() -> None:
    """Two kills, three deaths: the third died of something else."""
    counter = FakeCounter(7)
    watch = OomWatch(counter)
    watch.look(0.0)
    assert not watch.claim(1.0)
    counter.kill()
    counter.kill()

    assert [watch.claim(2.0), watch.claim(2.1), watch.claim(2.2)] == [True, True, False]


@pytest.mark.req("S11")
def test_a_look_just_after_the_kill_does_not_hide_it() -> None:
    """The news of a death takes a moment, and the count may have been noted meanwhile."""
    counter = FakeCounter(0)
    watch = OomWatch(counter)
    watch.look(0.0)
    watch.look(RECENT_S)
    counter.kill()
    watch.look(2 * RECENT_S)

    assert watch.claim(2 * RECENT_S + 0.1)


@pytest.mark.req("S11")
def test_an_old_kill_explains_nothing() -> None:
    """A kill of a minute ago was somebody else's."""
    counter = FakeCounter(0)
    watch = OomWatch(counter)
    watch.look(0.0)
    counter.kill()
    for tick in range(1, 13):
        watch.look(tick * RECENT_S)

    assert not watch.claim(12 * RECENT_S + 0.1)


@given(st.lists(st.tuples(st.sampled_from(["kill", "look", "claim"]), st.floats(0, 10)), max_size=40))
def test_never_more_claims_than_kills(steps: list[tuple[str, float]]) -> None:
    """Whatever the order: no kill explains two deaths, and without a kill there is no explanation."""
    counter, now, kills, claims = FakeCounter(3), 0.0, 0, 0
    watch = OomWatch(counter)
    for step, pause in steps:
        now += pause
        if step == "kill":
            counter.kill()
            kills += 1
        elif step == "look":
            watch.look(now)
        else:
            claims += watch.claim(now)
        assert claims <= kills


def test_without_a_counter_nothing_is_claimed() -> None:
    """A kernel that shows no counter is no error; nor is one that stops showing it."""
    for counter in (None, FakeCounter(None)):
        watch = OomWatch(counter)
        watch.look(0.0)
        assert not watch.claim(1.0)


@pytest.mark.parametrize(
    ("membership", "file"),
    [
        ("0::/system.slice/tree.service\n", "system.slice/tree.service/memory.events"),
        ("4:memory:/box\n0::/\n", "memory/box/memory.oom_control"),
        ("9:cpu,memory:/\n", "memory/memory.oom_control"),
    ],
)
def test_the_nearest_counter_is_taken(tmp_path: Path, membership: str, file: str) -> None:
    """That of the own control group, of either version, before that of the machine."""
    groups, machine = tmp_path / "groups", tmp_path / "vmstat"
    (tmp_path / "membership").write_text(membership)
    machine.write_text("pgfault 9\noom_kill 5\n")
    assert find_counter(tmp_path / "membership", groups, machine) == KillCounter(machine)
    (groups / file).parent.mkdir(parents=True)
    (groups / file).write_text("low 0\noom 2\noom_kill 1\n")

    found = find_counter(tmp_path / "membership", groups, machine)
    assert found == KillCounter(groups / file)
    assert found.read() == 1


def test_no_counter_anywhere(tmp_path: Path) -> None:
    """Files that are missing or hold something else."""
    (tmp_path / "vmstat").write_text("oom_kill many\n")

    assert find_counter(tmp_path / "a", tmp_path / "b", tmp_path / "vmstat") is None


def test_this_kernel_has_one() -> None:
    """Every Linux since 4.13 counts."""
    counter = find_counter()

    assert counter is not None
    assert (counter.read() or 0) >= 0
