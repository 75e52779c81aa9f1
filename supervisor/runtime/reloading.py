"""Reading the tree file again while the root runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from supervisor.config import ConfigError, Tree
from supervisor.engine import events
from supervisor.engine.commands import Reply
from supervisor.host.guarded import Broken, guarded
from supervisor.runtime.rootlog import say, say_defect

Reader = Callable[[], Tree]
"""Reads and checks the tree file, and tries its ``start`` targets; raises ConfigError. Runs in a thread."""


LATER: Final = "takes effect at the next start"
ROOTS_OWN: Final = ("state_dir", "alert_command", "alert_after", "notifier", "health")
"""Keys of ``[supervisor]`` that a root takes once, at its start."""


def differing(running: Tree, read: Tree) -> tuple[str, ...]:
    """Return which of the root's own keys the file now says otherwise."""
    return tuple(key for key in ROOTS_OWN if getattr(running, key) != getattr(read, key))


class Answering(Protocol):
    """Where the outcome of a request goes."""

    def settle(self, request_of_child: str, *, ok: bool, detail: str, code: int = 1) -> None:
        """Note what became of the request."""
        ...


class Reloading:
    """Has the engine become what the file says, and new processes see edited modules.

    ``renew`` is called with the modules to preload when a file was accepted, ``broken`` hears of a defect.
    """

    def __init__(
        self,
        reader: Reader | None,
        *,
        answering: Answering,
        tell: Callable[[events.Event], None],
        renew: Callable[[tuple[str, ...]], None],
        broken: Broken,
        started_with: Tree,
    ) -> None:
        self._reader = reader
        self._answering = answering
        self._tell = tell
        self._renew = renew
        self._broken = broken
        self._started_with = started_with
        self._later: dict[str, tuple[str, ...]] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    def begin(self, request: str) -> None:
        """Read the file off the loop; the request is settled when that is done."""
        loop = asyncio.get_running_loop()
        task = guarded(loop, self._reload(request), name="reload", broken=self._broken)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def close(self) -> None:
        """Give up what is under way."""
        for task in self._under_way:
            task.cancel()

    def amended(self, reply: Reply) -> Reply:
        """Return the engine's reply to a reload together with what only a new root can apply."""
        later = self._later.pop(reply.request.partition("\x00")[0], ())
        if not (later and reply.ok):
            return reply
        return replace(reply, detail=f"{reply.detail}; {', '.join(later)}: {LATER}")

    async def _reload(self, request: str) -> None:
        tree = await self._read(request)
        if tree is None:
            return
        self._renew(tree.preload)
        later = differing(self._started_with, tree)
        if later:
            self._later[request.partition("\x00")[0]] = later
            say("WARNING", f"{', '.join(later)}: {LATER}")
        self._tell(events.TreeChanged(tree.root, request))

    async def _read(self, request: str) -> Tree | None:
        if self._reader is None:
            sentence = "this root was started by a program, not from a file: there is nothing to read again"
            self._answering.settle(request, ok=False, detail=sentence)
            return None
        try:
            return await asyncio.to_thread(self._reader)
        except ConfigError as error:
            self._refuse(request, str(error), error.exit_code)
        except OSError as error:
            self._refuse(request, f"cannot read {error.filename}: {error.strerror}")
        # Whatever a file does to its reader: the tree that runs is sound, and whoever asked waits.
        except Exception as defect:  # noqa: BLE001
            say_defect("a defect in reading the tree file", defect)
            self._refuse(
                request, f"a defect in reading the tree file: {defect!r}; see `supervisor logs root`"
            )
        return None

    def _refuse(self, request: str, sentence: str, code: int = 1) -> None:
        say("ERROR", f"not reloaded: {sentence}")
        self._answering.settle(request, ok=False, detail=sentence, code=code)
