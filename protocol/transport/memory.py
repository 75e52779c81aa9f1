"""A network in memory, with seeded loss, duplication, reordering and delay; time passes only when told.

For tests and simulations: nothing is delivered before :meth:`Network.step` or :meth:`Network.run`.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from protocol.transport.port import FrameHandler, RouterHandler

QUEUE: Final = 10_000
"""How many frames may be on the way; more are refused, as by a full socket."""


@dataclass(order=True)
class _Packet:
    at: float
    number: int
    deliver: Callable[[], None] = field(compare=False)


class Network:
    """All endpoints of a simulated world. Probabilities are between 0 and 1, times in seconds.

    ``delay`` is the longest time on the way; a frame that is reordered takes up to ten times as long.
    Without ``reorder`` the frames between two sockets keep their order.
    """

    def __init__(
        self,
        seed: int = 0,
        loss: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        delay: float = 0.001,
    ) -> None:
        self.loss, self.duplicate, self.reorder, self.delay = loss, duplicate, reorder, delay
        self.now = 0.0
        self.routers: dict[str, MemoryRouter] = {}
        self.dealers: dict[tuple[str, bytes], MemoryDealer] = {}
        self.listeners: dict[str, list[MemoryListener]] = {}
        self._random = random.Random(seed)
        self._packets: list[_Packet] = []
        self._sent = 0
        self._last_at: dict[tuple[object, object], float] = {}

    def transport(self) -> MemoryTransport:
        """The sockets of one simulated process."""
        return MemoryTransport(self)

    def step(self) -> bool:
        """Deliver the next frame; False when nothing is on the way."""
        if not self._packets:
            return False
        packet = heapq.heappop(self._packets)
        self.now = max(self.now, packet.at)
        packet.deliver()
        return True

    def run(self, until: float | None = None) -> None:
        """Deliver all that arrives by ``until``, also what the handlers send; then it is ``until``."""
        while self._packets and (until is None or self._packets[0].at <= until):
            self.step()
        if until is not None:
            self.now = max(self.now, until)

    def carry(self, source: object, target: object, deliver: Callable[[], None]) -> bool:
        """Put a frame on its way, or lose it; False when too many are on the way."""
        if len(self._packets) >= QUEUE:
            return False
        copies = 2 if self._random.random() < self.duplicate else 1
        for _ in range(copies):
            if self._random.random() >= self.loss:
                self._sent += 1
                heapq.heappush(self._packets, _Packet(self._arrival((source, target)), self._sent, deliver))
        return True

    def number(self) -> int:
        """A number never given before, for names."""
        self._sent += 1
        return self._sent

    def _arrival(self, route: tuple[object, object]) -> float:
        if self._random.random() < self.reorder:
            return self.now + self._random.uniform(0.0, 10 * self.delay)
        at = max(self.now + self._random.uniform(0.0, self.delay), self._last_at.get(route, 0.0))
        self._last_at[route] = at
        return at


class MemoryTransport:
    """The sockets of one simulated process."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._sockets: list[MemoryRouter | MemoryDealer | MemoryOutlet | MemoryListener] = []

    def router(self, endpoint: str, handler: RouterHandler, *, max_bytes: int) -> MemoryRouter:
        """Bind a router in the place of any other."""
        router = MemoryRouter(self._network, endpoint, handler, max_bytes)
        self._network.routers[endpoint] = router
        self._sockets.append(router)
        return router

    def dealer(
        self, endpoint: str, handler: FrameHandler, *, identity: bytes | None = None, max_bytes: int
    ) -> MemoryDealer:
        """Connect a dealer in the place of any other of the same identity."""
        name = identity or b"\0%d" % self._network.number()
        dealer = MemoryDealer(self._network, endpoint, handler, name, max_bytes)
        self._network.dealers[endpoint, name] = dealer
        self._sockets.append(dealer)
        return dealer

    def publisher(self, endpoint: str) -> MemoryOutlet:
        """Bind an outlet."""
        outlet = MemoryOutlet(self._network, endpoint)
        self._sockets.append(outlet)
        return outlet

    def subscriber(self, endpoint: str, handler: FrameHandler, *, max_bytes: int) -> MemoryListener:
        """Listen to an outlet."""
        listener = MemoryListener(handler, max_bytes)
        self._network.listeners.setdefault(endpoint, []).append(listener)
        self._sockets.append(listener)
        return listener

    def close(self) -> None:
        """Close all sockets; what is on its way to them is lost."""
        for socket in self._sockets:
            socket.close()


class MemoryRouter:
    """See the port."""

    def __init__(self, network: Network, endpoint: str, handler: RouterHandler, max_bytes: int) -> None:
        self._network, self._endpoint, self._handler = network, endpoint, handler
        self._max_bytes = max_bytes
        self._closed = False

    def send(self, identity: bytes, frame: bytes) -> bool:
        """Send to the dealer that has the identity when the frame arrives, if any."""
        if self._closed:
            return False

        def deliver() -> None:
            if dealer := self._network.dealers.get((self._endpoint, identity)):
                dealer.receive(frame)

        return self._network.carry(self, identity, deliver)

    def receive(self, identity: bytes, frame: bytes) -> None:
        """Take a frame that arrives."""
        if not self._closed and len(frame) <= self._max_bytes:
            self._handler(identity, frame)

    def close(self) -> None:
        """See the port."""
        self._closed = True


class MemoryDealer:
    """See the port."""

    def __init__(
        self, network: Network, endpoint: str, handler: FrameHandler, identity: bytes, max_bytes: int
    ) -> None:
        self._network, self._endpoint, self._handler = network, endpoint, handler
        self._identity, self._max_bytes = identity, max_bytes
        self._closed = False

    def send(self, frame: bytes) -> bool:
        """Send to the router that is bound when the frame arrives, if any."""
        if self._closed:
            return False

        def deliver() -> None:
            if router := self._network.routers.get(self._endpoint):
                router.receive(self._identity, frame)

        return self._network.carry(self, self._endpoint, deliver)

    def receive(self, frame: bytes) -> None:
        """Take a frame that arrives."""
        if not self._closed and len(frame) <= self._max_bytes:
            self._handler(frame)

    def close(self) -> None:
        """See the port."""
        self._closed = True


class MemoryOutlet:
    """See the port."""

    def __init__(self, network: Network, endpoint: str) -> None:
        self._network, self._endpoint = network, endpoint
        self._closed = False

    def send(self, frame: bytes) -> None:
        """Send to all who listen now; each copy has its own fate."""
        if self._closed:
            return
        for listener in self._network.listeners.get(self._endpoint, ()):
            self._network.carry(self, listener, lambda to=listener: to.receive(frame))  # type: ignore[misc]

    def close(self) -> None:
        """See the port."""
        self._closed = True


class MemoryListener:
    """See the port."""

    def __init__(self, handler: FrameHandler, max_bytes: int) -> None:
        self._handler, self._max_bytes = handler, max_bytes
        self._closed = False

    def receive(self, frame: bytes) -> None:
        """Take a frame that arrives."""
        if not self._closed and len(frame) <= self._max_bytes:
            self._handler(frame)

    def close(self) -> None:
        """See the port."""
        self._closed = True
