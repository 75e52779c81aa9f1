"""The terminal: readable, harmless, and nobody waits for it."""

from __future__ import annotations

import io
import os
import threading

import pytest

from supervisor.host.console import Console
from supervisor.host.render import Renderer

RECORD = {
    "time": "2026-11-20T07:00:00.000Z",
    "level": "INFO",
    "process": "feed",
    "message": "candle closed",
    "close": 42000.5,
}


@pytest.mark.req("H4")
def test_readable() -> None:
    """Time, level, process, message, facts, and the exception beneath."""
    record = RECORD | {"exception": "Traceback\nValueError: x", "note": "two words"}
    text = Renderer(colour=False).text(record)

    head, *below = text.splitlines()
    assert head[8:] == ' INFO     feed       candle closed  close=42000.5 note="two words"'
    assert below == ["    Traceback", "    ValueError: x"]


@pytest.mark.req("H4")
def test_a_log_line_cannot_drive_the_terminal() -> None:
    """Control characters of a child are shown, not sent."""
    text = Renderer(colour=False).text(RECORD | {"message": "\x1b[2J\rgone\x9b", "fact": "\x07"})

    assert "\\x1b[2J\\x0dgone\\x9b" in text
    assert not [c for c in text if ord(c) < 32 or 127 <= ord(c) < 160]


@pytest.mark.req("H4")
def test_colour_of_a_process_is_stable() -> None:
    """With colour, the name is painted, the same way each time."""
    one, two = Renderer(colour=True).text(RECORD), Renderer(colour=True).text(RECORD)

    assert one == two
    assert "\x1b[" in one


@pytest.mark.req("H4")
def test_shows_in_order_without_colour_when_no_terminal() -> None:
    """What is given is shown, in order, plain into a pipe."""
    stream = io.StringIO()
    console = Console(stream)
    for number in range(5):
        console.show(RECORD | {"message": f"m{number}"})

    assert console.close(10)
    assert [line.split()[3] for line in stream.getvalue().splitlines()] == ["m0", "m1", "m2", "m3", "m4"]
    assert "\x1b" not in stream.getvalue()
    assert console.close()


class StuckStream(io.StringIO):
    """A terminal that takes nothing until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.released = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        """Block, then take it."""
        self.entered.set()
        self.released.wait(20)
        return super().write(text)


@pytest.mark.req("H4")
def test_stuck_terminal_stops_nobody_and_drops_are_told() -> None:
    """show never waits; what had no room is counted and told once the terminal moves again."""
    stream = StuckStream()
    console = Console(stream, room=3)
    console.show(RECORD)
    assert stream.entered.wait(10)
    for _ in range(10):
        console.show({**RECORD, "level": "ERROR"})  # an INFO line said ten times is thinned out first
    assert console.dropped == 7
    assert not console.close(0.01)
    stream.released.set()

    assert console.close(10)
    assert "7 lines not shown" in stream.getvalue()


@pytest.mark.req("H4")
def test_terminal_that_has_gone() -> None:
    """A closed pipe ends the showing, not the process."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        console = Console(stream)
        console.show(RECORD)
        console.show(RECORD)
        assert console.close(10)
