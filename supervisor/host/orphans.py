"""What is left of a child after its leader: the rest of its group, and orphans adopted by the root.

The root is a subreaper: whoever loses its parent below it lands on it. Nothing here waits for "any" child,
because ``multiprocess``, the launcher's client and asyncio wait for theirs. An orphan is told from a direct
child of the root by its session: the root's own subprocesses share the root's, helpers lead their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from supervisor.host import marks
from supervisor.host.killing import kill_group, kill_process
from supervisor.host.proctable import NEWBORN, ProcessTable, Stat

Key = tuple[str, int]
"""A child and its incarnation."""
Verdict = Literal["leave", "reap", "kill"]

PATIENCE = 5.0
"""Seconds after which a child counts as gone although something of it hangs on (in the kernel, say)."""
_ZOMBIE_PATIENCE = 0.5
_FIRST_LOOK, _LONGEST_LOOK = 0.002, 0.05
_ROUTINE = 30.0
_SHARE = 4.0
"""A look may take one part of the loop's time in this many and one: a table of thousands takes a while."""


def judge(orphan: Stat, *, owner: Key | None, ours: bool, living: bool) -> Verdict:
    """Decide what becomes of a child of the root that is in another session than the root.

    ``owner`` is the incarnation it belongs to where that is known, ``living`` whether that one still
    runs, ``ours`` whether its session is known to come from below.
    """
    if orphan.zombie:
        # A lone session leader may be a helper, or a child that somebody else in the root waits for.
        return "reap" if owner or ours else "leave"
    return "kill" if owner and not living else "leave"


@dataclass(eq=False)
class _Grave:
    """A child whose leader has ended, until everything of it is gone."""

    key: Key
    session: int
    began: float
    empty: asyncio.Future[None]


class Orphans:
    """Clears away after dead children. All methods belong to the loop's thread.

    ``sessions`` tells the sessions of the living children, ``is_living`` whether an incarnation runs
    or is being started.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sessions: Callable[[], Mapping[int, Key]],
        is_living: Callable[[Key], bool],
        table: ProcessTable | None = None,
    ) -> None:
        self._loop, self._sessions, self._is_living = loop, sessions, is_living
        self._table = table or ProcessTable()
        self._graves: list[_Grave] = []
        self._foreign: set[int] = set()
        self._next: asyncio.TimerHandle | None = None
        self._pause = _ROUTINE
        self._not_before = 0.0

    def open(self) -> None:
        """Begin to look around from time to time, also when nobody has died."""
        self._schedule(_ROUTINE)

    def close(self) -> None:
        """Stop looking around."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    async def bury(self, key: Key, session: int) -> None:
        """Kill what is left of a child whose leader has ended; return when it is gone, or after 5 s."""
        grave = _Grave(key, session, self._loop.time(), self._loop.create_future())
        self._graves.append(grave)
        self._pause = _FIRST_LOOK
        wait = self._not_before - self._loop.time()
        if wait > 0:  # those that die in the same moment share one look at the table
            self._schedule(wait)
        else:
            self._look()
        await grave.empty

    def sweep(self, *, everyone: bool = False) -> set[Key]:
        """Look once: reap and kill adopted orphans; return the dead incarnations that still had some.

        ``everyone``: kill also those of whom nobody can tell whose they are. Only where all that the
        process adopts must have come from its children, and only at the end.
        """
        found: set[Key] = set()
        own_session = os.getsid(0)
        orphans = [stat for stat in self._table.adopted(os.getpid()) if stat.session != own_session]
        if not orphans:  # as a rule
            self._foreign.clear()
            return found
        sessions = {**self._sessions(), **{grave.session: grave.key for grave in self._graves}}
        owners = {
            orphan.pid: sessions.get(orphan.session) or self._marked_owner(orphan) for orphan in orphans
        }
        for orphan in orphans:
            owner = owners[orphan.pid]
            living = owner is not None and self._is_living(owner)
            verdict = judge(orphan, owner=owner, ours=orphan.session in self._foreign, living=living)
            if everyone and verdict == "leave" and not orphan.zombie:
                verdict = "kill"
            self._perform(verdict, orphan)
            if verdict == "kill" and owner is not None:
                found.add(owner)
        self._foreign.intersection_update(orphan.session for orphan in orphans)
        return found

    def _marked_owner(self, orphan: Stat) -> Key | None:
        """Read whose it is; and learn which sessions come from below, for those that show no mark."""
        environment = self._table.environment(orphan.pid)
        marked = marks.is_marked(environment, marks.own_identity())
        # A follower in a session that is not the root's was forked by somebody else than the root, and so
        # was a newborn, which a launcher leaves behind that is killed.
        if marked or orphan.pid != orphan.session or orphan.name == NEWBORN:
            self._foreign.add(orphan.session)
        return marks.owner(environment) if marked else None

    def _perform(self, verdict: Verdict, orphan: Stat) -> None:
        # Until the root reaps it the number of an orphan is its own: no other process can be hit.
        if verdict == "kill":
            kill_process(orphan.pid)
        elif verdict == "reap":
            with contextlib.suppress(ChildProcessError):  # somebody else in the root was quicker
                os.waitpid(orphan.pid, os.WNOHANG)

    def _look_again(self) -> None:
        self._next = None
        self._look()

    def _look(self) -> None:
        began = self._loop.time()
        left = self.sweep()
        for grave in self._graves:
            if self._is_empty(grave, left, began):
                _resolve(grave.empty)
        self._graves = [grave for grave in self._graves if not grave.empty.done()]
        ended = self._loop.time()
        self._not_before = ended + _SHARE * (ended - began)
        self._schedule_next()

    def _schedule_next(self) -> None:
        if not self._graves:
            if self._next is None:
                self._schedule(_ROUTINE)
            return
        self._schedule(max(self._pause, self._not_before - self._loop.time()))
        self._pause = min(2 * self._pause, _LONGEST_LOOK)

    def _is_empty(self, grave: _Grave, left: set[Key], now: float) -> bool:
        age = now - grave.began
        if age >= PATIENCE:
            return True
        anybody = kill_group(grave.session)
        if grave.key in left:
            return False
        if not anybody:
            return True
        # Zombies, perhaps. A dying parent hands them to the root in a moment; another may never reap them.
        return age >= _ZOMBIE_PATIENCE and not self._table.living_members(grave.session)

    def _schedule(self, delay: float) -> None:
        when = self._loop.time() + delay
        if self._next is not None:
            if self._next.when() <= when:
                return
            self._next.cancel()
        self._next = self._loop.call_at(when, self._look_again)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
