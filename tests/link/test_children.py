"""Only the living incarnation of a child is heard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.codec import FROM_CHILD, TO_CHILD
from protocol.messages.control import Beat, Done, DoneNoted, Ready
from protocol.transport.memory import Network
from supervisor.link.children import ChildDesk
from supervisor.link.noise import Noise

DOOR = "ipc:///control"


class Ear:
    """A listener that remembers, a desk, and one child."""

    def __init__(self) -> None:
        self.network = Network(seed=1)
        self.told: list[tuple[str, int, str]] = []
        self.noise = Noise(lambda *_: None, lambda: 0.0)
        living = {"feed": 3}
        self.desk = ChildDesk(self.network.transport(), DOOR, self, living.get, self.noise)
        self.heard: list[object] = []
        self.child = self.network.transport().dealer(
            DOOR, lambda frame: self.heard.append(TO_CHILD.decode(frame)[1]), max_bytes=1 << 16
        )

    def child_ready(self, child: str, incarnation: int) -> None:
        self.told.append((child, incarnation, "ready"))

    def child_beat(self, child: str, incarnation: int, beat: Beat) -> None:
        self.told.append((child, incarnation, "beat"))

    def child_done(self, child: str, incarnation: int, done: Done) -> None:
        self.told.append((child, incarnation, f"done {done.then}"))

    def say(self, message: Ready | Beat | Done, *, child: str = "feed", incarnation: int = 3) -> None:
        self.child.send(FROM_CHILD.encode(message, stream=child, seq=incarnation))
        self.network.run()


@pytest.mark.req("S3")
@pytest.mark.req("S4")
def test_living_incarnation_is_heard_and_done_is_acknowledged() -> None:
    """ready, beat and done reach the listener; done is answered each time it is said."""
    ear = Ear()
    for message in (Ready(1), Beat(), Done("shutdown"), Done("shutdown")):
        ear.say(message)

    assert [what for _, _, what in ear.told] == ["ready", "beat", "done shutdown", "done shutdown"]
    assert ear.heard == [DoneNoted(), DoneNoted()]


@pytest.mark.req("S3")
def test_other_incarnation_and_unknown_child_change_nothing() -> None:
    """They are counted."""
    ear = Ear()
    ear.say(Ready(1), incarnation=2)
    ear.say(Ready(1), incarnation=4)
    ear.say(Ready(1), child="ghost")

    assert ear.told == []
    assert ear.noise.total == 3


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_garbage_changes_nothing(frames: list[bytes]) -> None:
    """Random bytes are counted; the next good word is heard."""
    ear = Ear()
    for frame in frames:
        ear.child.send(frame)
    ear.say(Ready(1))

    assert ear.told == [("feed", 3, "ready")]
    assert ear.noise.total == len(frames)
