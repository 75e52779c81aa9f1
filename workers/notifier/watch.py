"""Looks at the tree once a minute: for whom messages are, which errors are new, and whether all is well."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from loguru import logger

from protocol.errors import ProtocolError
from protocol.messages.stream import Role
from workers.notifier import sight
from workers.notifier.bot import TIMEOUT_S, WHOLE_TIMEOUT_S
from workers.notifier.secrecy import parts_of, quieten, told
from workers.shared.operating import Operating
from workers.shared.worker import Condition, Wake

if TYPE_CHECKING:
    import httpx

EVERY_S: Final = 60.0
SOON_S: Final = 0.25
UNDECIDED_S: Final = 10.0
"""How long messages wait for somebody to say whether this is a replay."""
FRESH_S: Final = 150.0

Complain = Callable[[str, str, int], None]


class Watch:
    """Runs beside the core, as a service of the process; looks from a thread.

    ``dead_man_url`` is called after each look that found the tree well.
    """

    def __init__(
        self, own: str, root: Operating, complain: Complain, *, dead_man_url: str | None = None
    ) -> None:
        self._own, self._root, self._complain = own, root, complain
        self._url = dead_man_url
        self._roles: dict[tuple[str, int], Role | None] = {}
        self._errors: dict[str, int] = {}
        self._decided = asyncio.Event()
        self._replays = False
        self._status: Mapping[str, Any] = {}
        self._looked = float("-inf")
        self._trouble: str | None = None

    async def goes_out(self) -> bool:
        """Say, once that is known, whether messages may leave: not in a replay."""
        await self._decided.wait()
        return not self._replays

    def children(self) -> Mapping[str, str] | None:
        """Say how the children are; None when the root has not said it lately."""
        return sight.described(self._status) if time.monotonic() - self._looked < FRESH_S else None

    def condition(self) -> Condition:
        """Return what keeps the outside monitor from being called, if anything does."""
        return Condition(reasons=(f"dead-man ping: {self._trouble}",) if self._trouble else ())

    async def __call__(self, wake: Wake) -> None:
        """Look until cancelled."""
        await self._decide(wake)
        while True:
            if self._url is not None and sight.well(self._status):
                await self._ping(self._url)
            await asyncio.sleep(EVERY_S)
            await self._look(wake)

    async def _decide(self, wake: Wake) -> None:
        ends_at = time.monotonic() + UNDECIDED_S
        while self._root.there and time.monotonic() < ends_at:
            await self._look(wake)
            if self._decided.is_set():
                return
            await asyncio.sleep(SOON_S)
        self._decided.set()

    async def _look(self, wake: Wake) -> None:
        try:
            status = await asyncio.to_thread(self._root.status)
            roles = await asyncio.to_thread(self._ask_roles, status)
        except ProtocolError as error:
            self._status = {}
            logger.warning("{}", error)
            return
        self._status, self._looked = status, time.monotonic()
        found = sight.replays(status, roles)
        if found is not None:
            if found and not self._replays:
                logger.info("this is a replay: notifications go to the log only")
            self._replays = found
            self._decided.set()
        for child, what, count in sight.new_errors(self._errors, status, but=self._own):
            self._complain(child, what, count)
        self._errors = {str(one["id"]): sight.errors_in(one) for one in sight.workers_in(status)}
        wake()

    def _ask_roles(self, status: Mapping[str, Any]) -> dict[str, Role | None]:
        """Ask each incarnation of each child once; in a thread."""
        known: dict[tuple[str, int], Role | None] = {}
        for child in sight.workers_in(status):
            key = (str(child["id"]), int(child["incarnation"] or 0))
            role = self._roles.get(key)
            if role is None and child["state"] == "ready" and key[0] != self._own:
                role = self._root.role(key[0])
            known[key] = role
        self._roles = known
        return {name: role for (name, _), role in known.items()}

    async def _ping(self, url: str) -> None:
        trouble = await _trouble_with(url)
        if trouble is not None and trouble != self._trouble:
            logger.bind(why=trouble).warning("the outside monitor could not be called")
        self._trouble = trouble


async def _trouble_with(url: str) -> str | None:
    """Call it; return why that failed, if it did."""
    try:
        client = await asyncio.to_thread(_opened)
    except Exception as error:  # noqa: BLE001 - whatever proxies and certificates of the host lead to
        return f"no client can be made: {told(error, *parts_of(url))}"
    try:
        # What it says is not read: only that it answers counts, and some would go on talking for ever.
        async with client, asyncio.timeout(WHOLE_TIMEOUT_S), client.stream("GET", url) as answer:
            return None if answer.is_success else f"status {answer.status_code}"
    except TimeoutError:
        return "no answer in time"
    except Exception as error:  # noqa: BLE001 - HTTPError, and what an odd address does deep in a library
        return told(error, *parts_of(url))


def _opened() -> httpx.AsyncClient:
    """Make a client; in a thread, for to import it and to read all certificates takes a tenth of a second."""
    import httpx

    quieten()
    return httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=True)
