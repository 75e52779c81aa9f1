"""Starts are let in a few at a time, in the order they were asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.runtime.gate import Key, StartGate

ROOM = 3


@pytest.mark.req("S5")
def test_the_rest_waits_until_there_is_room() -> None:
    """Three are admitted at once; the fourth and fifth follow as others succeed or fail."""
    admitted: list[str] = []
    gate: StartGate[str] = StartGate(ROOM, lambda _, order: admitted.append(order))
    for number in range(5):
        gate.enter((f"w{number}", 1), f"order {number}")
    assert admitted == ["order 0", "order 1", "order 2"]

    gate.leave(("w1", 1))
    gate.leave(("w1", 1))

    assert admitted == ["order 0", "order 1", "order 2", "order 3"]


@pytest.mark.req("S5")
@pytest.mark.req("O3")
def test_whoever_withdraws_is_never_admitted() -> None:
    """A stop before its turn wins; withdrawing what is not waiting is told."""
    admitted: list[Key] = []
    gate: StartGate[None] = StartGate(1, lambda key, _: admitted.append(key))
    gate.enter(("a", 1), None)
    gate.enter(("b", 1), None)

    assert gate.withdraw(("b", 1))
    assert not gate.withdraw(("a", 1))
    gate.leave(("a", 1))
    assert admitted == [("a", 1)]


@given(st.lists(st.tuples(st.sampled_from(["enter", "leave", "withdraw"]), st.integers(0, 9)), max_size=60))
def test_never_more_than_there_is_room_for_and_nobody_is_forgotten(steps: list[tuple[str, int]]) -> None:
    """Whatever is asked in whatever order: at most so many inside, and all who stayed come to their turn."""
    inside: list[Key] = []
    gate: StartGate[None] = StartGate(ROOM, lambda key, _: inside.append(key))
    waiting: set[Key] = set()
    for turn, (step, number) in enumerate(steps):
        if step == "enter":
            waiting.add((f"w{number}", turn))
            gate.enter((f"w{number}", turn), None)
        elif step == "leave" and inside:
            gate.leave(inside.pop(number % len(inside)))
        elif step == "withdraw" and waiting:
            key = sorted(waiting)[number % len(waiting)]
            waiting.discard(key)
            assert gate.withdraw(key)
        waiting.difference_update(inside)
        assert len(inside) <= ROOM
        assert not waiting or len(inside) == ROOM
    while inside:
        gate.leave(inside.pop())
        waiting.difference_update(inside)
    assert not waiting
