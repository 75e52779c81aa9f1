"""A running tree whose feed and strategy say what they are told to, and an ear on its broker."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Literal

import zmq

from ops.benches.latency_children import SYMBOL
from ops.benches.running import TooSlow, Tree, tree
from protocol.codec import ACCOUNT, BROADCAST, STRATEGY, TICKS
from protocol.messages.stream import Live
from protocol.messages.tick import Quote
from protocol.messages.trading import Fill, Order, OrderChanged, Quantity, Side
from protocol.places import endpoint, runtime_dir

PATIENCE_S = 20.0
REST_S = 0.004
"""Between two ticks, as on a lively market; and the next one is not the same turn's work."""
ARRIVE_S = 0.4
"""R1: after so long every order has reached the market."""
AT_REST = 10
"""How many orders rest with the broker at a time, as an account has."""
START, TICK, UNIT = Decimal(30_000), Decimal(1), Quantity(Decimal("0.001"))
Durability = Literal["process", "power"]


class Scene:
    """A running tree, the doors of its feed and strategy, and an ear on the broker."""

    def __init__(self, running: Tree, doors: Path, ear: zmq.Socket[bytes]) -> None:
        self.running, self._doors, self._ear = running, doors, ear
        self._out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._placed = 0
        self._price = START

    def timed(self, side: Side, samples: int) -> list[float]:
        """Trigger ``samples`` stops one by one, a few at rest; return the seconds from tick to fill."""
        step = TICK if side == "buy" else -TICK
        times = []
        for nth in range(samples):
            if nth % AT_REST == 0:
                self._place(side, min(AT_REST, samples - nth))
            self._price += step
            time.sleep(REST_S)
            began = time.perf_counter()
            self._quote(self._price)
            self._hear(Fill)
            times.append(time.perf_counter() - began)
        return times

    def _place(self, side: Side, count: int) -> None:
        self._quote(self._price)
        step = TICK if side == "buy" else -TICK
        for nth in range(1, count + 1):
            self._send("strategy", STRATEGY.encode(self._stop(side, self._price + nth * step)))
            self._hear(OrderChanged)
        time.sleep(ARRIVE_S)
        self._quote(self._price)

    def _stop(self, side: Side, price: Decimal) -> Order:
        self._placed += 1
        return Order(
            client_order_id=f"bench-{self._placed}",
            strategy="strategy",
            symbol=SYMBOL,
            row=0,
            leg=0,
            decided_ms=time.time_ns() // 1_000_000,
            side=side,
            size=UNIT,
            kind="stop",
            stop=price,
            reduce_only=side == "sell",
        )

    def _quote(self, price: Decimal) -> None:
        now = time.time_ns() // 1_000_000
        much = Decimal(1000)
        quote = Quote(
            symbol=SYMBOL, bid=price, bid_size=much, ask=price, ask_size=much, at_ms=now, received_ms=now
        )
        self._send("feed", TICKS.encode(quote))

    def _send(self, child: str, body: bytes) -> None:
        self._out.sendto(body, str(self._doors / f"{child}.door"))

    def _hear(self, kind: type) -> None:
        """Wait until the broker publishes such a record."""
        deadline = time.monotonic() + PATIENCE_S
        while self._ear.poll(max(0.0, deadline - time.monotonic()) * 1000):
            _, message = BROADCAST.decode(self._ear.recv())
            records = message.records if isinstance(message, Live) else ()
            if any(isinstance(ACCOUNT.decode(record.body), kind) for record in records):
                return
        raise TooSlow(f"the broker published no {kind.__name__} within {PATIENCE_S} s")

    def warm(self) -> None:
        """Wait until the broker hears both: quotes are repeated until an order is taken on."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            self._quote(self._price)
            self._send("strategy", STRATEGY.encode(self._stop("sell", self._price)))
            if self._ear.poll(200):
                time.sleep(REST_S)
                while self._ear.poll(200):
                    self._ear.recv()
                return
        raise TooSlow("the broker never answered")

    def end(self) -> None:
        """Close what was opened."""
        self._out.close()


@contextmanager
def scene(durability: Durability, further: str = "", children: int = 3) -> Iterator[Scene]:
    """Run the tree; ``further`` is text for more children in its file, ``children`` how many there are."""
    with tree(_file(durability) + further) as running, zmq.Context() as context:
        doors = running.state_dir.parent
        with closing(context.socket(zmq.SUB)) as ear:
            ear.setsockopt(zmq.SUBSCRIBE, b"")
            ear.setsockopt(zmq.LINGER, 0)
            ear.connect(endpoint(runtime_dir(running.state_dir), "broker", "live"))
            running.wait_all_ready(children)
            made = Scene(running, doors, ear)
            try:
                made.warm()
                yield made
            finally:
                made.end()


def _file(durability: Durability) -> str:
    child = '[[child]]\nid = "{0}"\nstart = "{1}"\n[child.config]\n'
    broker = child.format("broker", "workers.broker:main")
    parts = [
        '[supervisor]\npreload = ["workers.shared", "workers.broker"]\n[defaults.config]\nmode = "paper"\n',
        f'{broker}inputs = ["feed", "strategy"]\nbreakers = "off"\ndurability = "{durability}"\n',
        child.format("strategy", "ops.benches.latency_children:strategy") + 'door = "strategy.door"\n',
        child.format("feed", "ops.benches.latency_children:feed") + 'door = "feed.door"\n',
    ]
    return "\n".join(parts)
