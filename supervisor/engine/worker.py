"""One child process: the facts about it, and the two serial operations on it, start and stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.engine import commands
from supervisor.engine.child import ChildNode, Ending, Outcome
from supervisor.engine.context import Context
from supervisor.engine.events import ExitStatus, Reason, Timer
from supervisor.engine.lane import Lane, Operation
from supervisor.engine.phase import Phase, Seen, advance
from supervisor.engine.spec import WorkerSpec
from supervisor.engine.window import RestartWindow

if TYPE_CHECKING:
    from supervisor.engine.group import SupervisorNode

EX_TEMPFAIL = 75
"""Exit code of a child that ended because its data went stale (sysexits.h)."""
HUNG_GRACE_S = 2.0
"""A child that does not beat is unlikely to obey SIGTERM: it gets this long at most."""
DUMP_WAIT_S = 1.0


class WorkerNode(ChildNode):
    """A child with a process. Only its supervisor's lanes call the operations; facts come at any time."""

    def __init__(self, ctx: Context, spec: WorkerSpec, parent: SupervisorNode, queue: Lane) -> None:
        super().__init__(ctx, spec.id, parent, queue)
        self.spec = spec
        self.supervisor = parent
        self.window: RestartWindow | None = None
        self.forgive()
        self.incarnation = 0
        self.pid: int | None = None
        self.since: float | None = None
        self._cuts = 0
        self._late = False
        self._ready_early = False
        self._ignored = False
        self._stop_reason: Reason | None = None

    # Facts: what is told about the process.

    def spawned(self, pid: int) -> None:
        """The process exists; from now on its start is timed."""
        self.pid = pid
        self.since = self.ctx.now
        self._report("spawned")
        if self.phase is not Phase.STARTING:
            return
        if self.spec.ready == "immediate" or self._ready_early:
            self.became_ready()
        elif self.spec.ready_timeout is not None and not self.ctx.otp:
            self.arm("ready", self.spec.ready_timeout)

    def spawn_failed(self, detail: str, *, permanent: bool) -> None:
        """There is no process."""
        reason: Reason = "config" if permanent else "start_failed"
        self._ended(ExitStatus(), self._stop_reason or reason, detail)

    def start_ignored(self) -> None:
        """There is no process, because it is not needed."""
        self.phase = advance(self.id, self.phase, Seen.IGNORED)
        self.disarm_all()
        self._ignored = True
        self.changed()

    def became_ready(self) -> None:
        """The process serves."""
        if self.pid is None:  # its word was quicker than the news of its birth
            self._ready_early = True
            return
        first = self.phase is Phase.STARTING
        self.phase = advance(self.id, self.phase, Seen.READY)
        if not first:
            return
        self.disarm("ready")
        self._report("ready")
        self.answer_joiners(ok=True, detail="ready")
        if self.ctx.otp:
            self.ctx.once_up.add(self.id)
        else:
            self._arm_run()
        self.changed()

    def exited(self, status: ExitStatus, detail: str | None) -> None:
        """The process and its group are gone."""
        self._ended(status, self._stop_reason or self._reason(status), detail)

    def timer_fired(self, timer: Timer) -> None:
        """Take an alarm; one that is out of date changes nothing."""
        if not self.take_alarm(timer):
            return
        match timer.kind:
            case "ready" | "dump":
                self._late = True
            case "shutdown":
                self.ctx.emit(commands.Kill(self.id, self.incarnation))
            case "stable":
                super().forgive()
            case "max_runtime":
                self.supervisor.recovery.runtime_reached(self)
            case "backoff" | "probe":
                self.supervisor.recovery.delay_over(self)
        self.changed()

    def forgive(self) -> None:
        """Earlier failures no longer count, nor the restarts in the window."""
        super().forgive()
        self.window = None if self.spec.intensity is None else RestartWindow(self.spec.intensity)

    def take_spec(self, spec: WorkerSpec) -> None:
        """Be governed by a changed specification from now on; the process goes on."""
        if spec.intensity != self.spec.intensity:
            self.window = None if spec.intensity is None else RestartWindow(spec.intensity)
        self.spec = spec

    def cut(self) -> None:
        """End the wait of a start that is under way; the process is left to the caller."""
        self._cuts += 1
        self.changed()

    # Operations: what the owning lane does.

    def start(self) -> Operation[Outcome]:
        """Start the process and wait until it serves or has failed to."""
        self.forget_next_start()
        self.incarnation = self.ctx.next_incarnation(self.id)
        self.phase = advance(self.id, self.phase, Seen.SPAWN)
        self.pid = self.since = self.death = self._stop_reason = None
        self._late = self._ready_early = self._ignored = False
        cuts = self._cuts
        self.ctx.emit(commands.Spawn(self.id, self.incarnation, self.spec, self.path))
        yield lambda: self.phase is not Phase.STARTING or self._late or self._cuts != cuts
        self.disarm("ready")
        if self._cuts != cuts:
            return Outcome.CUT
        if self._is(Phase.READY):
            return Outcome.UP
        if self._is(Phase.STARTING):
            if self.spec.program.start is not None:
                self.ctx.emit(commands.DumpStacks(self.id, self.incarnation))
            yield from self.stop("start_timeout")
        return Outcome.IGNORED if self._ignored else Outcome.FAILED

    def stop(self, reason: Reason, *, at_most: float | None = None) -> Operation[None]:
        """Ask the process to end, kill it when its time is over, wait until its group is gone."""
        self.ask_to_stop(reason, at_most=at_most)
        yield lambda: self.phase is Phase.DOWN
        self.death = None

    def ask_to_stop(self, reason: Reason, *, at_most: float | None = None) -> None:
        """Begin to stop; nothing if it is down or stopping already."""
        if self.phase in {Phase.DOWN, Phase.STOPPING}:
            return
        self.phase = advance(self.id, self.phase, Seen.STOP)
        self._stop_reason = reason
        self.disarm("ready", "stable", "max_runtime")
        if self.spec.shutdown == "brutal_kill" or self.pid is None:
            self.ctx.emit(commands.Kill(self.id, self.incarnation))
            return
        self.ctx.emit(commands.Signal(self.id, self.incarnation))
        graces = [at_most, None if self.spec.shutdown == "infinity" else float(self.spec.shutdown)]
        granted = [grace for grace in graces if grace is not None]
        if granted:
            self.arm("shutdown", min(granted))

    def stop_hung(self) -> Operation[None]:
        """Have a hung process write its stacks, if it is one that can, then stop it without much patience."""
        if self.spec.program.start is not None:
            self._late = False
            self.ctx.emit(commands.DumpStacks(self.id, self.incarnation))
            self.arm("dump", DUMP_WAIT_S)
            yield lambda: self._late or self.phase is not Phase.READY
            self.disarm("dump")
        yield from self.stop("hung", at_most=HUNG_GRACE_S)

    def kill(self, reason: Reason) -> None:
        """End the process without asking, also one that is stopping already; nothing if it is down."""
        if self.phase is Phase.DOWN:
            return
        if self.phase is not Phase.STOPPING:
            self.phase = advance(self.id, self.phase, Seen.STOP)
            self._stop_reason = reason
        self.disarm_all()
        self.ctx.emit(commands.Kill(self.id, self.incarnation))

    def _arm_run(self) -> None:
        self.arm("stable", self.spec.backoff.stable_after)
        if self.spec.max_runtime:
            self.arm("max_runtime", self.spec.max_runtime)

    def _is(self, phase: Phase) -> bool:
        return self.phase is phase

    def _ended(self, status: ExitStatus, reason: Reason, detail: str | None) -> None:
        by_itself = self.phase is Phase.READY
        uptime = 0.0 if self.since is None else self.ctx.now - self.since
        self.phase = advance(self.id, self.phase, Seen.EXITED)
        ending = Ending(self.incarnation, self.pid, status, reason, self.ctx.now, uptime, detail)
        self.last_exit = ending
        self.pid = self.since = None
        self.disarm("ready", "stable", "max_runtime", "shutdown", "dump")
        facts = ending.facts()
        self.ctx.emit(commands.Report("exited", self.id, ending.incarnation, ending.pid, facts))
        if by_itself:
            self.death = ending
            self.supervisor.recovery.child_died(self)
        self.changed()

    def _reason(self, status: ExitStatus) -> Reason:
        if status.cause == "forkserver":
            return "forkserver"
        if status.code == 0:
            return "normal"
        if status.code in self.spec.no_restart_exit_codes:
            return "config"
        if status.code == EX_TEMPFAIL:
            return "stale"
        return "killed" if status.signal is not None else "crashed"

    def _report(self, event: commands.FactName) -> None:
        self.ctx.emit(commands.Report(event, self.id, self.incarnation, self.pid))
