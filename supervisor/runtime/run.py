"""The root process: take the places it needs, run the loop, let signals end it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from protocol.errors import ProtocolError
from supervisor.config import Tree
from supervisor.host.console import Console
from supervisor.host.lock import StateDirBusy
from supervisor.host.output import Output
from supervisor.runtime.environments import environments
from supervisor.runtime.reloading import Reader
from supervisor.runtime.root import Root
from supervisor.runtime.rootlog import beside, configure, say_unhandled
from supervisor.runtime.systemd import Address
from supervisor.runtime.taken import RootAlreadyHere, Taken, places_taken

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class RunOptions:
    """How one run of the root differs. ``duration`` in seconds; ``announce`` is called when all are ready.

    ``members``: this run ends by itself, and cannot without one of these children: when one is given up on,
    the run ends with 1.

    ``announce_failure`` is called instead, with the reasons, when the first start has left a child that
    cannot become ready by itself. ``called_off``: whether a signal came before the loop could take it; the
    tree then never starts. ``reader`` reads the tree file again for ``supervisor reload``. ``embedded``: the
    process is a program of somebody else's, which goes on afterwards and logs as it likes.
    """

    duration: float | None = None
    max_restarts: int | None = None
    members: frozenset[str] = frozenset()
    detached: bool = False
    announce: Callable[[], None] | None = None
    announce_failure: Callable[[str], None] | None = None
    called_off: Callable[[], bool] = lambda: False
    embedded: bool = False
    reader: Reader | None = None


class CannotStart(Exception):
    """The operating system refused something that a root needs."""

    def __init__(self, state_dir: Path, refusal: OSError) -> None:
        super().__init__(state_dir, refusal)
        self.state_dir, self.refusal = state_dir, refusal

    def __str__(self) -> str:
        if self.refusal.strerror is None:  # it was raised by us, with a sentence
            return str(self.refusal)
        where = self.refusal.filename or self.state_dir
        return f"cannot use {where}: {self.refusal.strerror}; choose another --state-dir"


def run(tree: Tree, options: RunOptions) -> int:
    """Be the root until the tree has ended; the exit status of ``supervisor start``.

    What it needs and cannot have, a busy or unwritable state directory say, is one sentence on stderr and
    exit status 1; nothing is started.
    """
    try:
        with ExitStack() as held:
            with _needed(tree.state_dir):
                taken = held.enter_context(places_taken(tree, embedded=options.embedded))
            return _run_loop(tree, options, taken)
    except (CannotStart, RootAlreadyHere, StateDirBusy, ProtocolError) as error:
        sys.stderr.write(f"supervisor: {error}\n")
    return EXIT_FAILED


@contextmanager
def _needed(state_dir: Path) -> Iterator[None]:
    # Only here: once the tree runs, an OSError that nobody took is a defect and shows its traceback.
    try:
        yield
    except OSError as error:
        raise CannotStart(state_dir, error) from error


def _run_loop(tree: Tree, options: RunOptions, taken: Taken) -> int:
    console = None if options.detached else Console(sys.stdout)
    with _needed(tree.state_dir):
        output = Output(tree.state_dir / "log", console=console, environ=environments(tree))
    if str(tree.config_dir) not in sys.path:
        sys.path.append(str(tree.config_dir))
    try:
        with _logging(output, options), asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_serve(tree, options, taken, output))
    finally:
        output.close()
        if console is not None:
            console.close()


def _logging(output: Output, options: RunOptions) -> AbstractContextManager[None]:
    if options.embedded:
        return beside(output.write)
    configure(output.write)
    return nullcontext()


async def _serve(tree: Tree, options: RunOptions, taken: Taken, output: Output) -> int:
    loop = asyncio.get_running_loop()
    root = Root(
        tree,
        taken,
        output,
        announce=options.announce,
        announce_failure=options.announce_failure,
        max_restarts=options.max_restarts,
        members=options.members,
        systemd=Address.taken_from(os.environ),
        reader=options.reader,
        alone=not options.embedded,
    )
    loop.set_exception_handler(say_unhandled)
    interrupted = loop.create_future()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, _signalled, number, root, options.detached, interrupted)
    try:
        if options.called_off():
            return 0
        with _needed(tree.state_dir):
            await root.open()
        if options.duration is not None:
            loop.call_later(options.duration, root.shut_down, 0, "--duration")
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
    root.shut_down(by=signal.Signals(number).name)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop  # type: ignore[no-any-return]
