"""Real processes behind the port. Linux only: pidfds, PDEATHSIG, /proc.

    root -- forkserver ---- Python workers          (forkserver.py, nursery.py, boot.py)
      \\---- launcher ------- commands                (launcher_client.py, launcher.py, command.py)
       \\--- orphans of all these, adopted            (orphans.py)

Each child has one coroutine here, which is its life: start, tell, wait for the end, bury, tell. Starts of
workers block for a millisecond and run in a thread of their own, one after the other.

The root's own short-lived subprocesses must stay in the root's session (the default), see ``orphans``.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from supervisor.engine.events import Exited, ExitStatus, Spawned, SpawnFailed
from supervisor.engine.spec import Program
from supervisor.host import boot, descriptors, marks, prctl
from supervisor.host.errand import Errands
from supervisor.host.errors import StartFailed
from supervisor.host.forkserver import Forked, Forkserver
from supervisor.host.guarded import Broken, guarded
from supervisor.host.launcher_client import Launched, LauncherClient
from supervisor.host.orphans import Key, Orphans
from supervisor.host.port import Birth, HostEvent, Sink
from supervisor.host.running import CommandProcess, Running, Worker

AttachOutput = Callable[[str, int, int], None]
_CLOSE_PATIENCE = 6.0


class RealHost:
    """The host of a running root; see :class:`supervisor.host.port.Host` for the promises.

    ``sink`` hears what happens, ``broken`` of a defect in here: some child is not watched any more then, and
    all that is left is to end. ``attach_output(child, incarnation, descriptor)`` takes over the read end
    of a started child's stdout and stderr. ``preload`` names the modules that the forkserver imports
    once for all workers, ``capacity`` the number of children to make room for. ``alone``: whatever this
    process adopts comes from its children, and may be killed at the end.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        sink: Sink,
        broken: Broken,
        attach_output: AttachOutput,
        preload: Sequence[str],
        capacity: int,
        alone: bool = False,
    ) -> None:
        self._loop, self._sink, self._attach_output = loop, sink, attach_output
        self._broken = broken
        self._capacity = capacity
        self._alone = alone
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="spawn")
        self._forkserver = Forkserver(preload)
        self._launcher = LauncherClient(loop, self._executor, broken)
        self._errands = Errands(loop, self._launcher)
        self._orphans = Orphans(loop, self._sessions, self._is_living)
        self._lives: dict[Key, asyncio.Task[None]] = {}
        self._running: dict[Key, Running] = {}
        self._starting: set[Key] = set()
        self._doomed: set[Key] = set()
        self._children_of: Counter[int] = Counter()
        self._open_files = 0
        self._adopts = False
        self._closed = False

    def now(self) -> float:
        """Monotonic time in seconds."""
        return self._loop.time()

    def spawn(self, birth: Birth) -> None:
        """Begin to start a process; returns at once."""
        key = (birth.child, birth.incarnation)
        self._starting.add(key)
        try:
            start = self._begin(birth)
        except (StartFailed, OSError) as error:
            start = _refusal(error)
        life, name = self._live(birth, start), f"life of {birth.child}"
        self._lives[key] = task = guarded(self._loop, life, name=name, broken=self._broken)
        task.add_done_callback(lambda _: self._lives.pop(key, None))

    def terminate(self, child: str, incarnation: int) -> None:
        """Send SIGTERM, and SIGCONT because a suspended process would not hear it, to the leader."""
        if running := self._running.get((child, incarnation)):
            running.send(signal.SIGTERM, signal.SIGCONT)

    def dump_stacks(self, child: str, incarnation: int) -> None:
        """Have a Python worker dump its stacks; nothing for a command, which the signal would end."""
        running = self._running.get((child, incarnation))
        if running is not None and running.understands_stacks:
            running.send(boot.STACKS_SIGNAL, signal.SIGCONT)

    def kill(self, child: str, incarnation: int) -> None:
        """SIGKILL the whole group; one that is still being started is killed as soon as it is there."""
        key = (child, incarnation)
        if running := self._running.get(key):
            running.kill()
        elif key in self._starting:
            self._doomed.add(key)

    async def run(self, birth: Birth, limit: float) -> ExitStatus:
        """Run a command beside the child that ``birth`` names, neither reported nor heard, until it ends.

        After ``limit`` seconds, or when the caller is cancelled, it is killed with its group. Raises
        StartFailed, OSError, or TimeoutError once it is gone.
        """
        if self._closed:
            raise StartFailed("the root is shutting down; nothing is started any more")
        descriptors.check_headroom()
        return await self._errands.run(self._command_order(birth), limit)

    def pids(self) -> dict[str, int]:
        """The pids of the living children, by id."""
        return {child: running.pid for (child, _), running in self._running.items()}

    def helpers(self) -> set[int]:
        """The pids of the hidden processes: forkserver, resource tracker, launcher."""
        launcher = self._launcher.pid
        return self._forkserver.pids | ({launcher} if launcher is not None else set())

    def renew(self, preload: Sequence[str]) -> None:
        """Have new starts come from a fresh forkserver; the old one ends with its last worker."""
        if not self._closed:
            renewal = self._renew(tuple(preload))
            guarded(self._loop, renewal, name="renewal of the forkserver", broken=self._broken)

    async def _renew(self, preload: tuple[str, ...]) -> None:
        try:
            retired = await self._loop.run_in_executor(self._executor, self._forkserver.renew, preload)
        except OSError:
            return  # there is none now: the next start of a worker tries again, and tells if it fails as well
        self._tell_directory()
        if retired is not None and not self._children_of[retired]:
            self._executor.submit(self._forkserver.end_retired, retired)

    async def open(self) -> None:
        """Start the forkserver and the launcher. Raises OSError when that fails."""
        self._open_files = descriptors.raise_limit()
        descriptors.check_capacity(self._capacity)
        if not prctl.is_subreaper():
            prctl.set_subreaper(wanted=True)
            self._adopts = True
        await self._launcher.open()
        # In the thread of all later starts: the forkserver dies with the thread that started it.
        await self._loop.run_in_executor(self._executor, self._forkserver.start)
        self._tell_directory()
        self._orphans.open()

    async def close(self) -> None:
        """Kill whatever is left and end the helpers; harmless when repeated."""
        if self._closed:
            return
        self._closed = True
        await self._errands.close()
        await self._end_lives()
        self._orphans.close()
        await self._loop.run_in_executor(self._executor, self._forkserver.stop)
        # The last act of the launcher is that of a guardian: whoever still carries our mark is killed.
        await self._launcher.close()
        self._orphans.sweep(everyone=self._alone)
        self._executor.shutdown()
        if self._adopts:
            prctl.set_subreaper(wanted=False)
        # What has been told on the way is heard before this returns.
        await asyncio.sleep(0)

    async def _end_lives(self) -> None:
        for child, incarnation in list(self._lives):
            self.kill(child, incarnation)
        if self._lives:
            await asyncio.wait(self._lives.values(), timeout=_CLOSE_PATIENCE)
        if self._lives:
            # Somebody does not answer. Without its helpers, no start can be under way any more.
            self._forkserver.kill()
            self._launcher.kill()
            await asyncio.wait(self._lives.values(), timeout=_CLOSE_PATIENCE)

    async def _live(self, birth: Birth, start: Coroutine[Any, Any, Running]) -> None:
        """One incarnation, from its start to its burial."""
        key = (birth.child, birth.incarnation)
        try:
            running = await start
        except (StartFailed, OSError) as error:
            self._forget(key)
            permanent = isinstance(error, StartFailed) and error.permanent
            self._tell(SpawnFailed(*key, detail=str(error), permanent=permanent))
            return
        self._running[key] = running
        self._children_of[running.parent] += 1
        self._starting.discard(key)
        self._tell(Spawned(*key, pid=running.pid))
        if key in self._doomed:
            running.kill()
        status = await running.ended()
        self._forget(key)
        running.release()
        await self._orphans.bury(key, running.pid)
        self._tell(Exited(*key, status=status))
        self._launcher.untrack(running.pid)
        self._child_gone(running.parent)

    def _child_gone(self, parent: int) -> None:
        self._children_of[parent] -= 1
        if not self._children_of[parent]:
            del self._children_of[parent]
            if parent in self._forkserver.retired and not self._closed:
                self._executor.submit(self._forkserver.end_retired, parent)

    def _tell(self, event: HostEvent) -> None:
        # At once, not by way of the loop: a restart waits for it.
        try:
            self._sink(event)
        except Exception as defect:  # noqa: BLE001 - it must not end the life that is told about
            self._broken(defect)

    def _begin(self, birth: Birth) -> Coroutine[Any, Any, Running]:
        """Do of a start what need not wait, so that it does not wait for its turn of the loop; give the rest.

        Both raise StartFailed or OSError.
        """
        if self._closed:
            raise StartFailed("the root is shutting down; nothing is started any more")
        if birth.program.start is None:
            return self._begin_command(birth)
        forking = self._loop.run_in_executor(self._executor, self._fork, birth)
        return self._start_worker(birth, forking)

    async def _start_worker(self, birth: Birth, forking: Awaitable[tuple[Forked, int]]) -> Running:
        forked, output = await forking
        self._tell_directory()
        self._launcher.track(forked.pid)
        self._attach_output(birth.child, birth.incarnation, output)
        return Worker(self._loop, forked)

    def _fork(self, birth: Birth) -> tuple[Forked, int]:
        """Start a worker; return it and the read end of its output. Runs in the executor's thread."""
        descriptors.check_headroom()
        read_end, write_end = os.pipe()
        try:
            return self._forkserver.fork(self._worker_order(birth), write_end), read_end
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)

    def _begin_command(self, birth: Birth) -> Coroutine[Any, Any, Running]:
        descriptors.check_headroom()
        read_end, write_end = os.pipe()
        try:
            launching = self._launcher.spawn(self._command_order(birth), write_end)
        except BaseException:
            os.close(read_end)
            raise
        return self._start_command(birth, launching, read_end)

    async def _start_command(self, birth: Birth, launching: Awaitable[Launched], read_end: int) -> Running:
        try:
            launched = await launching
        except BaseException:
            os.close(read_end)
            raise
        self._attach_output(birth.child, birth.incarnation, read_end)
        return CommandProcess(self._loop, launched)

    def _worker_order(self, birth: Birth) -> boot.Order:
        program = birth.program
        assert program.start is not None
        files, strict = self._files_of(program)
        return boot.Order(
            child=birth.child,
            start=program.start,
            launch=birth.launch,
            environment=self._environment_of(birth),
            open_files=files,
            strict=strict,
            nice=program.limits.nice,
            directory=program.directory,
        )

    def _command_order(self, birth: Birth) -> dict[str, Any]:
        program = birth.program
        files, strict = self._files_of(program)
        return {
            "argv": list(program.command),
            "input": birth.launch,
            "environment": self._environment_of(birth),
            "directory": program.directory,
            "user": program.user,
            "nice": program.limits.nice,
            "open_files": files,
            "strict": strict,
        }

    def _environment_of(self, birth: Birth) -> dict[str, str]:
        own = marks.marks(birth.child, birth.incarnation, marks.own_identity())
        return {**birth.program.environment, **own}

    def _files_of(self, program: Program) -> tuple[int, bool]:
        """The limit of open files, and whether it is a wish: else children get what the root was given."""
        wanted = program.limits.open_files
        return (self._open_files, False) if wanted is None else (wanted, True)

    def _tell_directory(self) -> None:
        if (directory := self._forkserver.directory) is not None:
            self._launcher.tidy(directory)

    def _forget(self, key: Key) -> None:
        self._running.pop(key, None)
        self._starting.discard(key)
        self._doomed.discard(key)

    def _sessions(self) -> dict[int, Key]:
        return {running.pid: key for key, running in self._running.items()}

    def _is_living(self, key: Key) -> bool:
        return key in self._running or key in self._starting


async def _refusal(error: Exception) -> Running:
    raise error
