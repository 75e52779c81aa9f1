"""Operators are answered, once for each request, whatever arrives besides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.codec import OPERATOR_REPLY, OPERATOR_REQUEST
from protocol.messages.operator import Answer, AskChange, AskReload, AskStatus, OperatorReply, StatusIs
from protocol.transport.memory import Network
from supervisor.engine import events
from supervisor.engine.commands import Reply
from supervisor.link.noise import Noise
from supervisor.link.operators import OperatorDesk

DOOR = "ipc:///operator"


class FakeTree:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[events.Event] = []
        self.reloads: list[str] = []

    def status(self) -> dict[str, Any]:
        return {"schema": 1}

    def ids(self) -> Sequence[str]:
        return ("feed", "broker")

    def top_ids(self) -> Sequence[str]:
        return ("feed",)

    def tell(self, event: events.Event) -> None:
        self.told.append(event)

    def reload(self, request: str) -> None:
        self.reloads.append(request)


class Desk:
    """A desk, a tree, and one client."""

    def __init__(self) -> None:
        self.network = Network(seed=1)
        self.tree = FakeTree()
        self.said: list[str] = []
        self.noise = Noise(lambda door, kind, sentence, count: self.said.append(kind), lambda: 0.0)
        self.desk = OperatorDesk(self.network.transport(), DOOR, self.tree, self.noise)
        self.heard: list[OperatorReply] = []
        self.client = self.network.transport().dealer(
            DOOR, lambda frame: self.heard.append(OPERATOR_REPLY.decode(frame)[1]), max_bytes=1 << 20
        )

    def send(self, frame: bytes) -> None:
        self.client.send(frame)
        self.network.run()

    def ask(self, message: AskChange | AskStatus) -> None:
        self.send(OPERATOR_REQUEST.encode(message))

    def engine_says(self, request: str, child: str, *, ok: bool = True) -> None:
        self.desk.replied(Reply(f"{request}\x00{child}", child, ok, "ready"))
        self.network.run()


@pytest.mark.req("O2")
def test_status_is_answered_while_a_change_is_under_way() -> None:
    """A slow stop of one child does not make the status wait."""
    desk = Desk()
    desk.ask(AskChange(request="r1", verb="stop", names=("broker",)))
    desk.ask(AskStatus("s1"))

    assert desk.heard == [StatusIs("s1", {"schema": 1})]


@pytest.mark.req("O3")
def test_answer_comes_when_the_last_child_named_has_answered() -> None:
    """Two names, two outcomes, one answer, in the order asked for."""
    desk = Desk()
    desk.ask(AskChange(request="r1", verb="restart", names=("feed", "broker")))
    desk.engine_says("r1", "broker")
    assert desk.heard == []
    desk.engine_says("r1", "feed", ok=False)

    (answer,) = desk.heard
    assert isinstance(answer, Answer)
    assert (answer.ok, answer.code) == (False, 1)
    assert [outcome.child for outcome in answer.outcomes] == ["feed", "broker"]


@pytest.mark.req("O3")
def test_request_asked_again_is_done_once_and_answered_the_same() -> None:
    """While it is under way and after it is done."""
    desk = Desk()
    ask = AskChange(request="r1", verb="restart", names=("feed",))
    desk.ask(ask)
    desk.ask(ask)
    desk.engine_says("r1", "feed")
    desk.ask(ask)

    assert len(desk.tree.told) == 1
    assert len(desk.heard) == 2
    assert desk.heard[0] == desk.heard[1]


@pytest.mark.req("O3")
def test_all_means_the_roots_own_children_each_once() -> None:
    """A group takes its members along."""
    desk = Desk()
    desk.ask(AskChange(request="r1", verb="restart", everything=True))

    assert desk.tree.told == [events.RestartAsked("feed", "r1\x00feed")]


@pytest.mark.req("S12")
def test_reload_is_done_once_and_answered_with_what_differs() -> None:
    """Asked twice, the file is read once; the answer says what came of it."""
    desk = Desk()
    desk.send(OPERATOR_REQUEST.encode(AskReload("r1")))
    desk.send(OPERATOR_REQUEST.encode(AskReload("r1")))
    assert desk.tree.reloads == ["r1\x00root"]
    desk.engine_says("r1", "root")

    (answer,) = desk.heard
    assert isinstance(answer, Answer)
    assert (answer.ok, answer.outcomes[0].detail) == (True, "ready")


@pytest.mark.req("O3")
def test_unknown_name_changes_nothing_and_names_the_nearest() -> None:
    """One wrong name among good ones: nothing is asked of anyone."""
    desk = Desk()
    desk.ask(AskChange(request="r1", verb="stop", names=("feed", "brokr")))

    assert desk.tree.told == []
    (answer,) = desk.heard
    assert isinstance(answer, Answer)
    assert "'broker'" in answer.message


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_garbage_is_counted_said_rarely_and_changes_nothing(frames: list[bytes]) -> None:
    """Random bytes are refused; the next good request is served."""
    desk = Desk()
    for frame in frames:
        desk.send(frame)
    desk.ask(AskStatus("s1"))

    assert desk.tree.told == []
    assert desk.noise.total == len(frames)
    assert len(desk.said) <= 4
    assert desk.heard == [StatusIs("s1", {"schema": 1})]


def test_the_sentence_on_an_unknown_child_lacked_its_full_stop() -> None:
    """Two sentences, whether a name is near or not."""
    desk = Desk()
    desk.ask(AskChange(request="r1", verb="stop", names=("nosuch",)))
    desk.ask(AskChange(request="r2", verb="stop", names=("fed",)))

    assert [answer.message for answer in desk.heard if isinstance(answer, Answer)] == [
        "there is no child 'nosuch'. The children are: feed, broker",
        "there is no child 'fed'; did you mean 'feed'? The children are: feed, broker",
    ]
