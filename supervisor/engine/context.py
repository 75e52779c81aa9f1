"""What all nodes of one engine share: the time, the commands being gathered, the lanes to run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from supervisor.engine.commands import Arm, Command, Disarm
from supervisor.engine.events import Timer, TimerKind
from supervisor.engine.lane import Lane

if TYPE_CHECKING:
    from supervisor.engine.group import Node


class Context:
    """Mutable working state of one ``handle`` call, kept between calls.

    ``otp``: behave to the letter of Erlang's supervisor, without the extensions for product trees.
    ``once_up`` is kept in that mode only: the ids of all workers that have ever been up.
    """

    def __init__(self, uniform: Callable[[], float], *, otp: bool) -> None:
        self.now = 0.0
        self.uniform = uniform
        self.otp = otp
        self.nodes: dict[str, Node] = {}
        self.once_up: set[str] = set()
        self._commands: list[Command] = []
        self._awake: deque[Lane] = deque()
        self._serial = 0
        self._incarnations: dict[str, int] = {}

    def next_incarnation(self, child: str) -> int:
        """A number that no process of this child has had, also after the child was made anew."""
        self._incarnations[child] = self._incarnations.get(child, 0) + 1
        return self._incarnations[child]

    def emit(self, command: Command) -> None:
        """Add a command to the answer of the event in hand."""
        self._commands.append(command)

    def arm(self, child: str, kind: TimerKind, delay: float) -> Timer:
        """Have ``TimerFired`` come in ``delay`` seconds."""
        self._serial += 1
        timer = Timer(child, kind, self._serial)
        self.emit(Arm(timer, self.now + delay))
        return timer

    def disarm(self, timer: Timer | None) -> None:
        """Forget an alarm; None is harmless."""
        if timer is not None:
            self.emit(Disarm(timer))

    def wake(self, lane: Lane) -> None:
        """Have the lane look at its condition before this event is finished."""
        if not lane.queued:
            lane.queued = True
            self._awake.append(lane)

    def run_lanes(self) -> None:
        """Run lanes until all of them wait."""
        while self._awake:
            lane = self._awake.popleft()
            lane.queued = False
            lane.run()

    def collect(self) -> tuple[Command, ...]:
        """Hand over the gathered commands."""
        commands = tuple(self._commands)
        self._commands.clear()
        return commands
