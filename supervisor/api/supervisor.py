"""The description of a tree or of a group in it, and the two ways to bring a tree to life."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from supervisor.api.build import tree_of
from supervisor.api.child import Child, Duration
from supervisor.config import Tree

# What only a root needs is imported when one is started: children import the module of their tree too.
if TYPE_CHECKING:
    from supervisor.api.running import RunningTree


@dataclass(eq=False)
class Supervisor:
    """A tree of children, started in their order and stopped in reverse; or a group within a tree.

    :meth:`run` makes this process the root. ``async with Supervisor(...) as tree`` starts the tree in the
    running asyncio loop, beside whatever else the program does, and stops it in order at the end of the
    block; ``tree`` is a :class:`~supervisor.api.running.RunningTree`. The block begins when the first start
    has gone through all children; one that failed at it is in backoff or parked by then. Signal handlers,
    loguru and the terminal are left alone. While the tree runs, the process adopts orphans of its children
    (PR_SET_CHILD_SUBREAPER), and cannot be the root of another tree. Entering raises ConfigError,
    RootAlreadyHere, StateDirBusy or OSError; nothing is left behind then.

    The keys are those of ``[supervisor]`` in a tree file, or of ``[[group]]`` for one that stands among the
    children of another; what is left out has the same default.

    ``children``
        :class:`Child` and, for groups, ``Supervisor``.
    ``id``
        The name of a group; the outermost supervisor has none.
    ``strategy``
        What else is restarted when a child fails: ``"one_for_one"`` (nothing; default of the outermost one),
        ``"rest_for_one"`` (those after it; default of a group), ``"one_for_all"`` (all). The children of a
        ``"simple_one_for_one"`` are started while the tree runs, see :class:`~supervisor.api.pool.Pool`: it
        has one ``Child``, their template.
    ``max_restarts``, ``period``
        More restarts than that in the period and the supervisor gives up.
    ``auto_shutdown``
        ``"any_significant"`` or ``"all_significant"``: it ends when its ``significant`` children have.
    ``restart``, ``significant``
        Of a group: what its own supervisor does when it ends.
    ``on_exhausted``, ``probe``
        Of the outermost one: when it would give up, a failing child is held and tried every ``probe``
        (``"hold"``), or the tree ends (``"exit"``).
    ``state_dir``
        Where logs and events are kept; ``$SUPERVISOR_STATE_DIR``, else ``var`` in the working directory. One
        tree at a time can use it.
    ``preload``
        Modules that are imported once for all Python children, so that these start in milliseconds. They
        must not start threads.
    ``console``
        Within ``async with``: whether the log is shown on stdout too.
    """

    children: Sequence[Child | Supervisor]
    _: KW_ONLY
    id: str | None = None
    strategy: Literal["one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one"] | None = None
    max_restarts: int | None = None
    period: Duration | None = None
    auto_shutdown: Literal["never", "any_significant", "all_significant"] | None = None
    restart: Literal["permanent", "transient", "temporary"] | None = None
    significant: bool | None = None
    on_exhausted: Literal["hold", "exit"] | None = None
    probe: Duration | None = None
    state_dir: str | Path | None = None
    preload: Sequence[str] | None = None
    alert_command: Sequence[str] | None = None
    alert_after: Duration | None = None
    notifier: str | None = None
    health: Duration | None = None
    console: bool = False

    def __post_init__(self) -> None:
        """Begin as a description only: nothing runs, nothing is checked."""
        self._running: RunningTree | None = None

    def check(self) -> Tree:
        """Check the whole description and return the tree as the runtime takes it; starts nothing.

        Raises ConfigError with all that is wrong.
        """
        return tree_of(self)

    def run(self) -> int:
        """Be the root in the foreground, like ``supervisor start``, until the tree has ended.

        Ctrl+C and SIGTERM stop everything in order, a second Ctrl+C at once; the log goes to the terminal
        and to ``state_dir``. Returns the exit status: ``sys.exit(tree.run())``. A busy or unwritable state
        directory is a sentence on stderr and status 1. Only in the main thread, and not inside a running
        asyncio loop: that is what ``async with`` is for. Raises ConfigError.
        """
        from supervisor.runtime import RunOptions, run

        return run(self.check(), RunOptions(embedded=True))

    async def __aenter__(self) -> RunningTree:
        from supervisor.api.running import RunningTree
        from supervisor.runtime.embedded import EmbeddedRoot

        tree = self.check()
        embedded = EmbeddedRoot(tree, sys.stdout if self.console else None)
        self._running = RunningTree(tree, await embedded.open(), embedded)
        return self._running

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._running is not None
        await self._running.leave()
