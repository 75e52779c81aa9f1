"""Live prices, the two halves alone: whatever is lost on the way, the newest of each topic arrives."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from protocol.latest import Board, Watch
from protocol.messages.stream import Latest

BODY = Raw(b"\x01")


class Reader:
    """A watch, and what it holds for the newest of each topic."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.holds: dict[str, int] = {}

    def hear(self, latest: Latest) -> None:
        if self.watch.news(latest):
            self.holds[latest.topic] = latest.nth

    def answered(self, life: str, newest: tuple[Latest, ...]) -> None:
        for latest in self.watch.answered(life, newest):
            self.holds[latest.topic] = latest.nth

    def ask(self, board: Board) -> None:
        self.answered(board.life, board.newest)

    def wants(self) -> bool:
        return self.watch.wanted


def met(board: Board) -> Reader:
    reader = Reader()
    reader.ask(board)
    return reader


def test_a_value_told_between_the_answer_and_the_subscription_is_noticed_by_the_tip() -> None:
    """The state of the market is told once and then perhaps not for hours."""
    board = Board("a")
    board.post("state", 0, BODY)
    reader = met(board)
    lost = board.post("state", 0, BODY)
    assert not reader.wants()
    reader.watch.hear("a", board.told)

    assert reader.wants()
    reader.ask(board)
    assert (lost.nth, False) == (reader.holds["state"], reader.wants())


def test_a_hole_in_the_numbers_is_reason_to_ask() -> None:
    """The value after the lost one shows that one is missing."""
    board = Board("a")
    reader = met(board)
    board.post("state", 0, BODY)
    reader.hear(board.post("quote", 0, BODY))

    assert reader.wants()


def test_an_answer_that_was_overtaken_does_not_end_the_wish() -> None:
    """What was lost after the answer was given is not in it."""
    board = Board("a")
    reader = met(board)
    old = board.newest
    board.post("state", 0, BODY)
    reader.hear(board.post("quote", 0, BODY))
    reader.answered("a", old)
    assert reader.wants()

    reader.ask(board)
    assert ({"state": 1, "quote": 2}, False) == (reader.holds, reader.wants())


@pytest.mark.parametrize("told", [0, 1, 2])
def test_a_tip_that_tells_nothing_new_is_no_reason_to_ask(told: int) -> None:
    """Who has heard everything asks nothing, also when the tip is older than the last value."""
    board = Board("a")
    reader = met(board)
    reader.hear(board.post("quote", 0, BODY))
    reader.hear(board.post("state", 0, BODY))
    reader.watch.hear("a", told)

    assert not reader.wants()


@given(
    moves=st.lists(st.sampled_from(["tell x", "tell y", "lose", "deliver", "ask", "answer", "tip"])),
)
def test_in_the_end_the_newest_of_each_topic_is_known(moves: list[str]) -> None:
    """Values lost, late answers, tips in between: after a last tip and its question nothing is missing."""
    board, reader = Board("a"), Reader()
    way, answers = deque[Latest](), deque[tuple[Latest, ...]]()
    for move in moves:
        if move.startswith("tell"):
            way.append(board.post(move[-1], 0, BODY))
        elif move == "lose" and way:
            way.popleft()
        elif move == "deliver" and way:
            reader.hear(way.popleft())
        elif move == "ask":
            answers.append(board.newest)
        elif move == "answer" and answers:
            reader.answered("a", answers.popleft())
        elif move == "tip" and not way:
            reader.watch.hear("a", board.told)
    for late in way:
        reader.hear(late)
    reader.watch.hear("a", board.told)
    if reader.wants():
        reader.ask(board)

    assert {latest.topic: latest.nth for latest in board.newest} == reader.holds
    assert not reader.wants()
