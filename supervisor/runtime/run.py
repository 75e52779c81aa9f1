"""The root process: take the places it needs, run the loop, let signals end it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from protocol import places
from protocol.errors import ProtocolError
from supervisor.config import Tree
from supervisor.host.console import Console
from supervisor.host.lock import RootLock, StateDirBusy
from supervisor.host.output import Output
from supervisor.runtime.root import Root
from supervisor.runtime.rootlog import configure

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class RunOptions:
    """How one run of the root differs. ``duration`` in seconds; ``announce`` is called when all are ready."""

    duration: float | None = None
    max_restarts: int | None = None
    detached: bool = False
    announce: Callable[[], None] | None = None


def run(tree: Tree, options: RunOptions) -> int:
    """Be the root until the tree has ended; the exit status of ``supervisor start``.

    A busy or unwritable state directory is one sentence on stderr and exit status 1; nothing is started.
    """
    try:
        with _places_taken(tree) as runtime_dir:
            return _run_loop(tree, options, runtime_dir)
    except (StateDirBusy, ProtocolError) as error:
        sys.stderr.write(f"supervisor: {error}\n")
    except OSError as error:
        where = error.filename or tree.state_dir
        sys.stderr.write(f"supervisor: cannot use {where}: {error.strerror}; choose another --state-dir\n")
    return EXIT_FAILED


@contextmanager
def _places_taken(tree: Tree) -> Iterator[str]:
    lock = RootLock(tree.state_dir)
    lock.take()
    try:
        runtime_dir = str(places.runtime_dir(tree.state_dir))
        places.register(_entry(tree, runtime_dir))
        try:
            yield runtime_dir
        finally:
            places.unregister(tree.state_dir)
            shutil.rmtree(runtime_dir, ignore_errors=True)  # only sockets; ours alone under the lock
    finally:
        lock.release()


def _entry(tree: Tree, runtime_dir: str) -> places.RootEntry:
    pid = os.getpid()
    return places.RootEntry(
        pid=pid,
        started=places.process_start_ticks(pid) or 0,
        state_dir=str(tree.state_dir),
        config=tree.name,
        runtime_dir=runtime_dir,
        at_ms=time.time_ns() // 1_000_000,
    )


def _run_loop(tree: Tree, options: RunOptions, runtime_dir: str) -> int:
    console = None if options.detached else Console(sys.stdout)
    output = Output(tree.state_dir / "log", console=console)
    configure(output.write)
    if str(tree.config_dir) not in sys.path:
        sys.path.append(str(tree.config_dir))
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_serve(tree, options, runtime_dir, output))
    finally:
        output.close()
        if console is not None:
            console.close()


async def _serve(tree: Tree, options: RunOptions, runtime_dir: str, output: Output) -> int:
    loop = asyncio.get_running_loop()
    root = Root(tree, runtime_dir, output, announce=options.announce, max_restarts=options.max_restarts)
    interrupted = loop.create_future()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, _signalled, number, root, options.detached, interrupted)
    try:
        await root.open()
        if options.duration is not None:
            loop.call_later(options.duration, root.shut_down)
        done, _ = await asyncio.wait(
            (asyncio.ensure_future(root.finished()), interrupted), return_when=asyncio.FIRST_COMPLETED
        )
        return EXIT_INTERRUPTED if interrupted in done else int(next(iter(done)).result())
    finally:
        await root.close()


def _signalled(number: int, root: Root, detached: bool, interrupted: asyncio.Future[int]) -> None:
    if number == signal.SIGHUP and detached:
        return
    if number == signal.SIGINT and root.stopping:
        if not interrupted.done():
            interrupted.set_result(EXIT_INTERRUPTED)
        return
    root.shut_down()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop  # type: ignore[no-any-return]
