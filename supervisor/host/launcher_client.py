"""The root's end of the launcher: asks for newborns, tells them what to become, replaces a lost launcher.

From the first command on, one newborn waits in reserve: to fork takes half the time of a start, which a
restart then need not wait for. Nothing here blocks the loop: the socket is non-blocking and a message that
does not fit waits in a queue. A new launcher is told of all living sessions again: it is the guardian too.
"""

from __future__ import annotations

import asyncio
import itertools
import marshal
import os
import socket
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.host import marks
from supervisor.host.errors import LauncherLost, StartFailed
from supervisor.host.guarded import Broken, guarded
from supervisor.host.launcher import LARGEST_MESSAGE
from supervisor.host.standby import Standby

_CODE = (
    "import sys; sys.path.append({root!r}); from supervisor.host import launcher; launcher.main{arguments!r}"
)
_ANSWER_PATIENCE = 10.0
_RENEWAL_DELAY = 0.5
_END_PATIENCE = 15.0
_CONTROL = socket.CMSG_SPACE(2 * struct.calcsize("i"))
_QUIET = 0.01
"""Seconds before the reserve is filled and the launcher told what can wait: a restart wants the core now."""


@dataclass(frozen=True)
class Launched:
    """A command that runs. ``ended`` yields its wait status, or raises LauncherLost.

    ``pidfd`` belongs to the caller; None when it is gone already.
    """

    pid: int
    parent: int
    pidfd: int | None
    ended: asyncio.Future[int]


@dataclass(frozen=True)
class _Pending:
    """A newborn that was asked for."""

    born: asyncio.Future[Standby]
    ended: asyncio.Future[int]


class LauncherClient:
    """Runs commands through a launcher process. All methods belong to the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, executor: Executor, broken: Broken) -> None:
        self._loop, self._executor, self._broken = loop, executor, broken
        self._tags = itertools.count(1)
        self._newborns: dict[int, _Pending] = {}
        self._reserve: asyncio.Future[Standby] | None = None
        self._used = False
        self._gone: list[int] = []
        self._later: asyncio.TimerHandle | None = None
        self._sessions: set[int] = set()
        self._directories: set[str] = set()
        self._queue: deque[bytes] = deque()
        self._channel: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._opened_at = 0.0
        self._closing = False

    @property
    def pid(self) -> int | None:
        """The launcher's pid, None while there is none."""
        return self._process.pid if self._process is not None else None

    async def open(self) -> None:
        """Start the launcher. Raises OSError when that fails."""
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        here.settimeout(0)
        self._channel, self._opened_at = here, self._loop.time()
        # It finds in the socket what it has to know as the guardian, should the root die before it is up.
        for session in self._sessions:
            self._say("track", session)
        for directory in self._directories:
            self._say("tidy", directory)
        self._flush()
        with there:
            try:
                self._process = await self._loop.run_in_executor(self._executor, _execute, there.fileno())
            except BaseException:
                self._hang_up()
                raise
        self._loop.add_reader(here, self._hear)

    async def close(self) -> None:
        """Have the launcher clean up and end; what it still ran counts as lost. Harmless when repeated."""
        self._closing = True
        if self._renewal is not None:
            # Not cancelled: half way, a process may exist that nobody holds yet.
            await self._renewal
        self._hang_up()
        if self._process is not None:
            process, self._process = self._process, None
            await self._loop.run_in_executor(self._executor, _end, process)

    def spawn(self, order: dict[str, Any], output: int) -> Coroutine[Any, Any, Launched]:
        """Run a command with ``output``, which is taken over, as its stdout and stderr.

        The newborn in reserve gets its order now, not when the result is awaited. Both raise StartFailed:
        the order is too long, the exec fails, or nobody answers in time.
        """
        try:
            told = self._tell_reserve(order, output)
        except BaseException:
            os.close(output)
            raise
        return self._launched(told, order, output)

    async def _launched(self, told: Standby | None, order: dict[str, Any], output: int) -> Launched:
        try:
            standby = told or await self._told(order, output)
        finally:
            os.close(output)
        try:
            async with asyncio.timeout(_ANSWER_PATIENCE):
                await standby.settle(self._loop)
        except TimeoutError as error:
            standby.kill()
            self._give_up(standby)
            raise StartFailed(f"it could not be executed within {_ANSWER_PATIENCE:g} s") from error
        except StartFailed:
            self._give_up(standby)
            await asyncio.wait((standby.ended,), timeout=_ANSWER_PATIENCE)
            raise
        else:
            return Launched(standby.pid, standby.parent, standby.take_pidfd(), standby.ended)
        finally:
            standby.close()
            self._used = True
            self._do_later()

    def _tell_reserve(self, order: dict[str, Any], output: int) -> Standby | None:
        """The newborn in reserve when it waits there and has got the order. Raises StartFailed."""
        if self._reserve is None or not self._reserve.done():
            return None
        standby, self._reserve = self._reserve.result(), None
        return standby if self._tell(standby, order, output) else None

    async def _told(self, order: dict[str, Any], output: int) -> Standby:
        """A process that has got the order: the one about to be in reserve, or a new one.

        Raises StartFailed.
        """
        reserve, self._reserve = self._reserve, None
        if reserve is not None and self._tell(standby := await self._born(reserve), order, output):
            return standby
        if not self._tell(standby := await self._born(self._fork()), order, output):
            raise StartFailed("somebody killed it before it was executed")
        return standby

    def _tell(self, standby: Standby, order: dict[str, Any], output: int) -> bool:
        told = False
        try:
            told = standby.tell(order, output)
        finally:
            if not told:
                standby.close()
                self._give_up(standby)
        return told

    async def _born(self, newborn: asyncio.Future[Standby]) -> Standby:
        try:
            async with asyncio.timeout(_ANSWER_PATIENCE):
                return await newborn
        except LauncherLost as error:
            raise StartFailed(str(error)) from error
        except TimeoutError as error:
            self.kill()
            raise StartFailed(f"the launcher did not answer within {_ANSWER_PATIENCE:g} s") from error

    def _fork(self) -> asyncio.Future[Standby]:
        tag = next(self._tags)
        newborn = _Pending(self._loop.create_future(), self._loop.create_future())
        self._newborns[tag] = newborn
        self._say("fork", tag)
        return newborn.born

    def _give_up(self, standby: Standby) -> None:
        """Have nothing more to do with a newborn that has not become what it was told, once it is gone."""
        standby.ended.add_done_callback(lambda _: self.untrack(standby.pid))

    def _do_later(self) -> None:
        if self._later is None:
            self._later = self._loop.call_later(_QUIET, self._do_what_was_left)

    def _do_what_was_left(self) -> None:
        self._later = None
        gone, self._gone = self._gone, []
        for session in gone:
            self._say("untrack", session)
        if self._used and self._reserve is None and self._channel is not None:
            self._reserve = self._fork()

    def kill(self) -> None:
        """Kill the launcher and so its commands; a new one takes over."""
        if self._process is not None:
            self._process.kill()

    def track(self, session: int) -> None:
        """Have this session killed when the root is gone."""
        self._sessions.add(session)
        self._say("track", session)

    def untrack(self, session: int) -> None:
        """The session is gone; its number may be somebody else's by and by."""
        self._sessions.discard(session)
        self._gone.append(session)
        self._do_later()

    def tidy(self, directory: str) -> None:
        """Have this directory removed when the root is gone."""
        if directory not in self._directories:
            self._directories = {directory}
            self._say("tidy", directory)

    def _say(self, *message: int | str) -> None:
        self._queue.append(marshal.dumps(message))
        if len(self._queue) == 1:
            self._flush()

    def _flush(self) -> None:
        """Send what the socket takes; go on when it is writable again. Without a launcher all waits."""
        channel = self._channel
        if channel is None:
            return
        while self._queue:
            try:
                channel.send(self._queue[0])
            except BlockingIOError:
                self._loop.add_writer(channel, self._flush)
                return
            except ConnectionError:
                return  # the reader notices that the launcher is lost
            self._queue.popleft()
        self._loop.remove_writer(channel)

    def _hear(self) -> None:
        assert self._channel is not None
        try:
            data, control, _, _ = self._channel.recvmsg(LARGEST_MESSAGE, _CONTROL, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except ConnectionError:
            data, control = b"", []
        if not data:
            self._lost()
            return
        event, tag, fact = marshal.loads(data)
        match event:
            case "born":
                self._take(tag, fact, *struct.unpack("ii", control[0][2]))
            case "unborn":
                self._refused(self._newborns.pop(tag), fact)
            case "exited":
                _tell_end(self._newborns.pop(tag).ended, fact)

    def _take(self, tag: int, pid: int, orders: int, report: int) -> None:
        assert self._process is not None
        newborn = self._newborns[tag]
        standby = Standby(pid, self._process.pid, newborn.ended, orders, report)
        self._sessions.add(pid)
        if newborn.born.cancelled():  # whoever asked for it has lost patience
            standby.close()
            self._give_up(standby)
        else:
            newborn.born.set_result(standby)

    def _refused(self, newborn: _Pending, sentence: str) -> None:
        if newborn.born is self._reserve:
            self._reserve = None  # the next command will try again, and tell if it fails as well
        _fail(newborn.born, StartFailed(sentence))

    def _lost(self) -> None:
        self._hang_up()
        young = self._loop.time() - self._opened_at < _RENEWAL_DELAY
        renewal = self._renew(_RENEWAL_DELAY if young else 0.0)
        self._renewal = guarded(self._loop, renewal, name="renewal of the launcher", broken=self._broken)

    def _hang_up(self) -> None:
        if self._channel is not None:
            self._loop.remove_reader(self._channel)
            self._loop.remove_writer(self._channel)
            self._channel.close()
            self._channel = None
        # Sessions and directories are told anew to the next launcher.
        self._queue.clear()
        self._gone.clear()
        self._drop_reserve()
        newborns, self._newborns = self._newborns, {}
        for newborn in newborns.values():
            for future in (newborn.born, newborn.ended):
                _fail(future, LauncherLost(self.pid))

    def _drop_reserve(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        reserve, self._reserve = self._reserve, None
        if reserve is not None and reserve.done():
            standby = reserve.result()
            standby.close()
            self._sessions.discard(standby.pid)

    async def _renew(self, delay: float) -> None:
        """Put a new launcher in the place of the lost one, trying until there is one."""
        if self._process is not None:
            await self._loop.run_in_executor(self._executor, _end, self._process)
            self._process = None
        while not self._closing:
            await asyncio.sleep(delay)
            try:
                await self.open()
            except OSError:
                # Commands fail meanwhile, with a sentence; the workers run on.
                delay = _RENEWAL_DELAY
            else:
                return


def _tell_end(future: asyncio.Future[int], status: int) -> None:
    if not future.done():
        future.set_result(status)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # nobody may be left to ask: an exit is awaited only once its command has started


def _execute(descriptor: int) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).resolve().parents[2])
    code = _CODE.format(root=root, arguments=(descriptor, marks.own_identity()))
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code],
        stdin=subprocess.DEVNULL,
        pass_fds=(descriptor,),
        env=marks.inherited(os.environ, marks.own_identity()),
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for a launcher whose socket is closed; kill it when it takes too long."""
    try:
        process.wait(_END_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
