"""The root's end of the launcher: sends orders, hears answers, replaces a launcher that was lost.

Nothing here blocks the loop: the socket is non-blocking and a message that does not fit waits in a queue.
A new launcher is told of all living sessions again, because it is the guardian too.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.host import marks
from supervisor.host.errors import LauncherLost, StartFailed
from supervisor.host.launcher import LARGEST_MESSAGE

_CODE = (
    "import sys; sys.path.append({root!r}); from supervisor.host import launcher; launcher.main{arguments!r}"
)
_ANSWER_PATIENCE = 10.0
_RENEWAL_DELAY = 0.5
_END_PATIENCE = 15.0


@dataclass(frozen=True)
class Launched:
    """A command that runs. ``exit`` yields its wait status, or raises LauncherLost."""

    pid: int
    parent: int
    exit: asyncio.Future[int]


@dataclass(frozen=True)
class _Pending:
    started: asyncio.Future[int]
    exit: asyncio.Future[int]


@dataclass(frozen=True)
class _Item:
    """A message that waits to be sent; ``tag`` 0: it concerns no command."""

    message: bytes
    tag: int
    output: int | None


class LauncherClient:
    """Runs commands through a launcher process. All methods belong to the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, executor: Executor) -> None:
        self._loop, self._executor = loop, executor
        self._tags = itertools.count(1)
        self._commands: dict[int, _Pending] = {}
        self._sessions: set[int] = set()
        self._directories: set[str] = set()
        self._queue: deque[_Item] = deque()
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
            self._say({"op": "track", "session": session})
        for directory in self._directories:
            self._say({"op": "tidy", "path": directory})
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

    async def spawn(self, order: dict[str, Any], output: int) -> Launched:
        """Run a command with ``output``, which is taken over, as its stdout and stderr.

        Raises StartFailed when the exec fails or the launcher does not answer.
        """
        tag = next(self._tags)
        command = _Pending(self._loop.create_future(), self._loop.create_future())
        self._commands[tag] = command
        self._say({"op": "spawn", "tag": tag, **order}, output)
        try:
            async with asyncio.timeout(_ANSWER_PATIENCE):
                pid = await command.started
        except LauncherLost as error:
            raise StartFailed(str(error)) from error
        except TimeoutError as error:
            self._commands.pop(tag, None)
            self.kill()
            raise StartFailed(f"the launcher did not answer within {_ANSWER_PATIENCE:g} s") from error
        self._sessions.add(pid)
        assert self.pid is not None
        return Launched(pid, self.pid, command.exit)

    def kill(self) -> None:
        """Kill the launcher and so its commands; a new one takes over."""
        if self._process is not None:
            self._process.kill()

    def track(self, session: int) -> None:
        """Have this session killed when the root is gone."""
        self._sessions.add(session)
        self._say({"op": "track", "session": session})

    def untrack(self, session: int) -> None:
        """The session is gone; its number may be somebody else's by and by."""
        self._sessions.discard(session)
        self._say({"op": "untrack", "session": session})

    def tidy(self, directory: str) -> None:
        """Have this directory removed when the root is gone."""
        if directory not in self._directories:
            self._directories = {directory}
            self._say({"op": "tidy", "path": directory})

    def _say(self, message: dict[str, Any], output: int | None = None) -> None:
        self._queue.append(_Item(json.dumps(message).encode("ascii"), message.get("tag", 0), output))
        if len(self._queue) == 1:
            self._flush()

    def _flush(self) -> None:
        """Send what the socket takes; go on when it is writable again. Without a launcher all waits."""
        channel = self._channel
        if channel is None:
            return
        while self._queue:
            try:
                self._send(channel, self._queue[0])
            except BlockingIOError:
                self._loop.add_writer(channel, self._flush)
                return
            self._discard(self._queue.popleft())
        self._loop.remove_writer(channel)

    def _send(self, channel: socket.socket, item: _Item) -> None:
        command = self._commands.get(item.tag)
        try:
            if item.output is None:
                channel.send(item.message)
            elif command is not None:  # else it was given up while it waited
                socket.send_fds(channel, [item.message], [item.output])
        except BlockingIOError:
            raise
        except OSError as error:
            # That the launcher is lost is noticed by the reader; this is about one order, too long perhaps.
            failure = StartFailed(f"the launcher cannot be told: {error.strerror}")
            if command is not None:
                _settle(command.started, lambda future: future.set_exception(failure))

    def _discard(self, item: _Item) -> None:
        if item.output is not None:
            os.close(item.output)

    def _hear(self) -> None:
        assert self._channel is not None
        try:
            data = self._channel.recv(LARGEST_MESSAGE)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self._lost()
            return
        self._heard(json.loads(data))

    def _heard(self, message: dict[str, Any]) -> None:
        tag = message["tag"]
        command = self._commands.get(tag)
        if command is None:
            return
        if message["op"] == "spawned":
            _settle(command.started, lambda future: future.set_result(message["pid"]))
            return
        del self._commands[tag]
        if message["op"] == "exited":
            _settle(command.exit, lambda future: future.set_result(message["status"]))
            return
        failure = StartFailed(message["sentence"], permanent=message["permanent"])
        _settle(command.started, lambda future: future.set_exception(failure))

    def _lost(self) -> None:
        self._hang_up()
        young = self._loop.time() - self._opened_at < _RENEWAL_DELAY
        self._renewal = self._loop.create_task(self._renew(_RENEWAL_DELAY if young else 0.0))

    def _hang_up(self) -> None:
        if self._channel is not None:
            self._loop.remove_reader(self._channel)
            self._loop.remove_writer(self._channel)
            self._channel.close()
            self._channel = None
        self._drop_queue()
        commands, self._commands = self._commands, {}
        for command in commands.values():
            for future in (command.started, command.exit):
                _settle(future, lambda future: future.set_exception(LauncherLost(self.pid)))
                # Nobody may be left to ask: an exit is awaited only once its command has started.
                if not future.cancelled():
                    future.exception()

    def _drop_queue(self) -> None:
        # Sessions and directories are told anew to the next launcher; orders count as lost.
        while self._queue:
            self._discard(self._queue.popleft())

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


def _settle(future: asyncio.Future[int], how: Callable[[asyncio.Future[int]], None]) -> None:
    if not future.done():
        how(future)


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
