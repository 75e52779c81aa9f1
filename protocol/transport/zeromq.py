"""ZeroMQ sockets on the asyncio loop: the only file that imports zmq.

A ZeroMQ descriptor is edge-triggered and speaks for the whole socket: it becomes readable when something
changed, once, and any call on the socket may consume that. Hence three rules, all in :class:`_Pump`:

- receive until there is nothing left, or come back by ``call_soon`` (a bound of work for each turn, so
  that one busy socket does not starve the loop);
- after every send, and once after the birth, look at EVENTS, because the edge may just have been eaten;
- leave the loop before closing, because the descriptor's number will be used again.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import zmq

from protocol.errors import EndpointUnusable, NoAnswer
from protocol.transport.port import FrameHandler, RouterHandler

BACKLOG: Final = 4096
"""Connections that may wait to be accepted: a thousand children connect at once. ZeroMQ's own is 100."""

LINGER_MS: Final = 250
"""How long closing waits for the last words to leave."""

FRAMES_A_TURN: Final = 100
"""How many frames one socket may handle before others have their turn."""

QUESTIONS: Final = 64
"""How many frames a dealer keeps for a router that is not there; all of them arrive when it comes."""

ANSWERS: Final = 64
"""How many answers wait for a peer that does not read; each may hold megabytes."""

BROADCASTS: Final = 256
"""How many broadcasts wait for a listener that does not read; the rest it fetches."""

MAX_IDENTITY: Final = 255

_Take = Callable[[list[bytes]], None]


class _Pump:
    """Brings what a socket receives to its handler, on the loop."""

    def __init__(self, socket: zmq.Socket[bytes], take: _Take, sockets: set[_Pump]) -> None:
        self.socket = socket
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._descriptor = int(socket.getsockopt(zmq.FD))
        self._due = False
        self._sockets = sockets
        sockets.add(self)
        self._loop.add_reader(self._descriptor, self._drain)
        self.recheck()

    def send(self, frames: list[bytes]) -> bool:
        """Send without blocking; False when the queue is full or the socket closed."""
        if self.socket.closed:
            return False
        try:
            self.socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            return False
        finally:
            self.recheck()
        return True

    def recheck(self) -> None:
        """Come back soon when something waits whose edge may be gone."""
        if not self._due and int(self.socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            self._due = True
            self._loop.call_soon(self._drain)

    def close(self) -> None:
        """Leave the loop, then close; harmless when repeated."""
        if not self.socket.closed:
            self._loop.remove_reader(self._descriptor)
            self._sockets.discard(self)
            self.socket.close(LINGER_MS)

    def _drain(self) -> None:
        self._due = False
        try:
            for _ in range(FRAMES_A_TURN):
                if self.socket.closed:
                    return
                self._take(self.socket.recv_multipart(zmq.NOBLOCK))
        except zmq.Again:
            return
        finally:
            # The bound is reached, or a handler failed: its error is the loop's, the rest is still ours.
            if not self.socket.closed:
                self.recheck()


class _Router:
    def __init__(self, pump: _Pump) -> None:
        self._pump = pump

    def send(self, identity: bytes, frame: bytes) -> bool:
        return self._pump.send([identity, frame])

    def close(self) -> None:
        self._pump.close()


class _Dealer:
    def __init__(self, pump: _Pump) -> None:
        self._pump = pump

    def send(self, frame: bytes) -> bool:
        return self._pump.send([frame])

    def close(self) -> None:
        self._pump.close()


class _Outlet:
    # Not on the loop: it receives nothing, and takes note of new listeners when it sends.
    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self._socket = socket

    def send(self, frame: bytes) -> None:
        if not self._socket.closed:
            self._socket.send(frame, zmq.NOBLOCK)  # never full: ZeroMQ drops for the slow listener

    def close(self) -> None:
        self._socket.close(LINGER_MS)


class ZeromqTransport:
    """The sockets of one process. Made inside the running loop, and after any fork: it has threads."""

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._context.max_sockets = 4096
        self._pumps: set[_Pump] = set()
        self._bound: dict[str, zmq.Socket[bytes]] = {}

    def router(self, endpoint: str, handler: RouterHandler, *, max_bytes: int) -> _Router:
        """Bind a router for peers of the same user."""
        socket = self._socket(zmq.ROUTER, max_bytes)
        socket.setsockopt(zmq.SNDHWM, ANSWERS)
        # A restarted child comes back under its name while the old connection may still be dying.
        socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._bind(socket, endpoint)

        def take(frames: list[bytes]) -> None:
            if len(frames) == 2:  # anything else is no frame of ours
                handler(frames[0], frames[1])

        return _Router(self._pump(socket, take))

    def dealer(
        self, endpoint: str, handler: FrameHandler, *, identity: bytes | None = None, max_bytes: int
    ) -> _Dealer:
        """Connect a dealer. An identity that ZeroMQ would not take (long, or a leading zero) is hashed."""
        socket = self._socket(zmq.DEALER, max_bytes)
        socket.setsockopt(zmq.SNDHWM, QUESTIONS)
        if identity:
            socket.setsockopt(zmq.IDENTITY, _plain(identity))
        _connect(socket, endpoint)
        return _Dealer(self._pump(socket, _single(handler)))

    def publisher(self, endpoint: str) -> _Outlet:
        """Bind an outlet for listeners of the same user."""
        socket = self._socket(zmq.PUB, max_bytes=1024)  # all it ever receives is subscriptions
        socket.setsockopt(zmq.SNDHWM, BROADCASTS)
        self._bind(socket, endpoint)
        return _Outlet(socket)

    def subscriber(self, endpoint: str, handler: FrameHandler, *, max_bytes: int) -> _Pump:
        """Listen to an outlet."""
        socket = self._socket(zmq.SUB, max_bytes)
        socket.setsockopt(zmq.RCVHWM, BROADCASTS)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        _connect(socket, endpoint)
        return self._pump(socket, _single(handler))

    def rebind(self) -> list[str]:
        """Bind those again whose socket files are gone; returns their endpoints. Raises EndpointUnusable.

        It is the same socket, bound once more, so that no connection is lost.
        """
        self._bound = {endpoint: socket for endpoint, socket in self._bound.items() if not socket.closed}
        gone = [endpoint for endpoint in self._bound if not Path(endpoint.removeprefix("ipc://")).exists()]
        for endpoint in gone:
            try:
                self._bound[endpoint].bind(endpoint)
            except zmq.ZMQError as error:
                raise EndpointUnusable(endpoint, str(error)) from error
        return gone

    def close(self) -> None:
        """Close all sockets and end ZeroMQ's threads; takes at most the linger time."""
        for pump in tuple(self._pumps):
            pump.close()
        self._context.destroy(LINGER_MS)

    def _socket(self, kind: int, max_bytes: int) -> zmq.Socket[bytes]:
        return _configured(self._context.socket(kind), max_bytes)

    def _bind(self, socket: zmq.Socket[bytes], endpoint: str) -> None:
        _bind(socket, endpoint)
        self._bound[endpoint] = socket

    def _pump(self, socket: zmq.Socket[bytes], take: _Take) -> _Pump:
        return _Pump(socket, take, self._pumps)


class LooplessTransport:
    """Dealers for a process without an asyncio loop; what has come is handed over by :meth:`drain`.

    For one thread, and made after any fork: it has threads of its own.
    """

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._dealers: list[_LooplessDealer] = []

    def dealer(self, endpoint: str, handler: FrameHandler, *, max_bytes: int) -> _LooplessDealer:
        """Connect a dealer to a router that may not be there yet. Raises EndpointUnusable."""
        socket = _configured(self._context.socket(zmq.DEALER), max_bytes)
        socket.setsockopt(zmq.SNDHWM, QUESTIONS)
        _connect(socket, endpoint)
        self._dealers.append(_LooplessDealer(socket, _single(handler)))
        return self._dealers[-1]

    def drain(self) -> None:
        """Call the handlers with everything that has come; does not wait."""
        for dealer in self._dealers:
            dealer.drain()

    def close(self) -> None:
        """Close all sockets, waiting at most the linger time for the last words. Harmless when repeated."""
        for dealer in self._dealers:
            dealer.close()
        self._context.destroy(LINGER_MS)


class _LooplessDealer:
    def __init__(self, socket: zmq.Socket[bytes], take: _Take) -> None:
        self._socket, self._take = socket, take

    def send(self, frame: bytes) -> bool:
        if self._socket.closed:
            return False
        try:
            self._socket.send(frame, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def drain(self) -> None:
        while not self._socket.closed:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._take(frames)

    def close(self) -> None:
        self._socket.close(LINGER_MS)


def ask(endpoint: str, frame: bytes, *, timeout: float, max_bytes: int) -> bytes:
    """Ask a router once and wait for its answer, at most ``timeout`` seconds. Blocks: not for a loop.

    Raises NoAnswer when the time is over, whether nobody is there or nobody answers.
    """
    with zmq.Context() as context, _configured(context.socket(zmq.DEALER), max_bytes) as socket:
        socket.linger = 0
        _connect(socket, endpoint)
        socket.send(frame)
        if not socket.poll(round(timeout * 1000)):
            raise NoAnswer(endpoint, timeout)
        return socket.recv()


def _configured(socket: zmq.Socket[bytes], max_bytes: int) -> zmq.Socket[bytes]:
    socket.setsockopt(zmq.LINGER, LINGER_MS)
    socket.setsockopt(zmq.MAXMSGSIZE, max_bytes)
    socket.setsockopt(zmq.BACKLOG, BACKLOG)
    return socket


def _bind(socket: zmq.Socket[bytes], endpoint: str) -> None:
    if hasattr(zmq, "IPC_FILTER_UID"):
        socket.setsockopt(zmq.IPC_FILTER_UID, os.geteuid())
    _attach(socket, socket.bind, endpoint)


def _connect(socket: zmq.Socket[bytes], endpoint: str) -> None:
    # A first connect may come before the bind: look again soon, and never rarely.
    socket.setsockopt(zmq.RECONNECT_IVL, 10)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
    _attach(socket, socket.connect, endpoint)


def _attach(socket: zmq.Socket[bytes], method: Callable[[str], object], endpoint: str) -> None:
    try:
        method(endpoint)
    except zmq.ZMQError as error:
        socket.close(0)
        raise EndpointUnusable(endpoint, str(error)) from error


def _single(handler: FrameHandler) -> _Take:
    def take(frames: list[bytes]) -> None:
        if len(frames) == 1:  # anything else is no frame of ours
            handler(frames[0])

    return take


def _plain(identity: bytes) -> bytes:
    if len(identity) <= MAX_IDENTITY and identity[0]:
        return identity
    return b"~" + hashlib.sha256(identity).hexdigest().encode()
